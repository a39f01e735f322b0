"""Smart commits carried out: a comment, a worklog or a transition, each at one issue.

They are done by the account that is linked, for the author of the commit: Jira lets nobody speak
as somebody else. So the author has to be one of Jira's users, and is named in what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from connections.contracts import Answer, CommandKind, Deed, Order, Reach
from connections.errors import AccessDenied, ScopeMissing, Unavailable
from integrations import atlassian
from integrations.jira.documents import (
    document,
    mention,
    paragraph,
    paragraphs,
    texts,
    words,
)
from integrations.jira.remote_links import rest
from integrations.jira.sending import ask
from integrations.jira.smart_commits import matching, time_spent

NO_EMAIL: Final = "Changeset doesn't contain author email. Unable to map this to JIRA user."
NO_USER: Final = "Can't find JIRA user with given author email: {email}"
TWO_USERS: Final = "Found more than one JIRA user with email: {email}"
NO_SEARCH: Final = (
    "The connection may not look for people, so that nobody knows whose commit this is. Somebody "
    "who manages it has to allow “Find people”."
)
NO_ISSUE: Final = "Issue has not been found :{key}"
NO_COMMENT: Final = "There is no text after #{word}."
NO_TIME: Final = "There is no time after #{word}. It is written like 1w 2d 4h 30m."
NO_TRANSITION: Final = "{key} cannot be moved anywhere now, or not by this account."
NO_MATCH: Final = "No transition of {key} begins with “{word}”. Possible now: {names}."
TWO_MATCHES: Final = "“{word}” may mean several transitions of {key}: {names}."
CUT_OFF: Final = (
    "We were cut off while “{word}” was carried out at {key}. It cannot be carried out again, so "
    "that it probably was."
)
DENIED: Final = "The account that is linked may not do this at {key}."
REFUSED: Final = frozenset({400, 404, 413, 422})
CONFLICT: Final = 409
NOTHING: Final[frozenset[int]] = frozenset()
MOST_USERS: Final = 50
NEWEST_COMMENTS: Final = "comment?orderBy=-created&maxResults=100"


class _Impossible(Exception):
    """The command cannot be carried out; the message is a sentence for its author."""


def run(reach: Reach, order: Order) -> Deed:
    """The command is carried out, or the author can read why not."""
    try:
        account_id = author_account(reach, order)
        _DEEDS[order.command.kind](reach, order, account_id)
    except _Impossible as reason:
        return Deed(False, str(reason))
    except AccessDenied as error:
        sentence = DENIED.format(key=order.command.subject)
        return Deed(False, f"{sentence} {error.detail}".strip())
    return Deed(True)


# ── The author ────────────────────────────────────────────────────────────────────────────────


def author_account(reach: Reach, order: Order) -> str:
    """The account of the one user who has the author's e-mail; of several, the one of the name.

    Jira shows an e-mail only where its owner lets it, and finds people by it nevertheless.
    """
    author = order.author
    if author.target_id:
        return author.target_id
    email = (author.email or author.person.email).strip()
    if not email:
        raise _Impossible(NO_EMAIL)
    if "@" not in email:  # Jira would look for people of that name
        raise _Impossible(NO_USER.format(email=email))
    path = f"rest/api/3/user/search?query={quote(email, safe='')}&maxResults={MOST_USERS}"
    try:
        answer = ask(reach, "GET", rest(reach, path), None, NOTHING)
    except ScopeMissing as error:
        raise _Impossible(NO_SEARCH) from error
    listed = answer.body if isinstance(answer.body, list) else []
    users = [each for each in listed if _is_person(each)]
    shown = [each for each in users if _text(each, "emailAddress").lower() == email.lower()]
    found = shown or [each for each in users if not _text(each, "emailAddress")]
    if not found:
        raise _Impossible(NO_USER.format(email=email))
    if len(found) > 1:
        found = [each for each in found if _text(each, "displayName") == author.person.name]
    if len(found) != 1:
        raise _Impossible(TWO_USERS.format(email=email))
    return _text(found[0], "accountId")


def _is_person(raw: object) -> bool:
    """A living account of a person: apps and customers of a service desk write no commits."""
    return (
        isinstance(raw, dict)
        and raw.get("accountType", "atlassian") == "atlassian"
        and raw.get("active") is not False
        and bool(_text(raw, "accountId"))
    )


# ── The deeds ─────────────────────────────────────────────────────────────────────────────────


def _comment(reach: Reach, order: Order, account_id: str) -> None:
    text = order.command.text
    if not text:
        raise _Impossible(NO_COMMENT.format(word=order.command.word))
    body = _written(order, account_id, text)
    if not _is_there(reach, order, NEWEST_COMMENTS, "comments", "body", body):
        _do(reach, order, "comment", {"body": body})


def _work(reach: Reach, order: Order, account_id: str) -> None:
    """Time spent when the commit was made; what was left to do shrinks by it."""
    spent = time_spent(order.command.text)
    if spent is None:
        raise _Impossible(NO_TIME.format(word=order.command.word))
    comment = _written(order, account_id, spent.comment)
    if _is_there(reach, order, "worklog", "worklogs", "comment", comment):
        return
    body = {
        "timeSpent": spent.spent,
        "started": _started(order.commit.committed_at or datetime.now(UTC)),
        "comment": comment,
    }
    _do(reach, order, "worklog?adjustEstimate=auto", body)


def _move(reach: Reach, order: Order, account_id: str) -> None:
    command = order.command
    written = _written(order, account_id, command.text) if command.text else None
    if written and _is_there(reach, order, NEWEST_COMMENTS, "comments", "body", written):
        return
    answer = ask(reach, "GET", _path(reach, order, "transitions"), None, REFUSED)
    _must_be_there(order, answer)
    listed = answer.body.get("transitions") if isinstance(answer.body, dict) else None
    possible: dict[str, str] = {}
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and each.get("isAvailable") is not False:
            possible.setdefault(_text(each, "name"), _text(each, "id"))
    names = tuple(possible)
    facts = {"key": command.subject, "word": command.word}
    if not names:
        raise _Impossible(NO_TRANSITION.format(**facts))
    meant = matching(command.word, names)
    if not meant and order.again:
        raise _Impossible(CUT_OFF.format(**facts))
    if not meant:
        raise _Impossible(NO_MATCH.format(**facts, names=", ".join(names)))
    if len(meant) > 1:
        raise _Impossible(TWO_MATCHES.format(**facts, names=", ".join(meant)))
    body: dict[str, Any] = {"transition": {"id": possible[meant[0]]}}
    if written:
        body["update"] = {"comment": [{"add": {"body": written}}]}
    _do(reach, order, "transitions", body)


_DEEDS: Mapping[CommandKind, Callable[[Reach, Order, str], None]] = {
    CommandKind.COMMENT: _comment,
    CommandKind.WORKLOG: _work,
    CommandKind.TRANSITION: _move,
}


def _do(reach: Reach, order: Order, what: str, body: Mapping[str, Any]) -> None:
    """It is done. Somebody else's change at the same moment is no refusal: it is tried again."""
    accept = REFUSED | {CONFLICT}
    answer = ask(reach, "POST", _path(reach, order, what), body, accept)
    if answer.status == CONFLICT:
        raise Unavailable(
            "The issue was changed at the same moment.",
            status=answer.status,
            request=answer.request,
        )
    _must_be_there(order, answer)


def _is_there(
    reach: Reach, order: Order, path: str, name: str, part: str, document: Mapping[str, Any]
) -> bool:
    """Whether an earlier run that was cut off wrote this already: commit and text tell it."""
    if not order.again:
        return False
    answer = ask(reach, "GET", _path(reach, order, path), None, REFUSED)
    _must_be_there(order, answer)
    listed = answer.body.get(name) if isinstance(answer.body, dict) else None
    found = (each for each in (listed if isinstance(listed, list) else ()))
    return any(
        isinstance(each, dict) and texts(each.get(part)) == texts(document) for each in found
    )


def _must_be_there(order: Order, answer: Answer) -> None:
    if answer.status == 404:
        raise _Impossible(NO_ISSUE.format(key=order.command.subject))
    if answer.status in REFUSED:
        raise _Impossible(atlassian.message(answer) or f"Jira refused {order.command.word}.")


def _path(reach: Reach, order: Order, what: str) -> str:
    return rest(reach, f"rest/api/3/issue/{quote(order.command.subject, safe='')}/{what}")


def _written(order: Order, account_id: str, text: str) -> dict[str, Any]:
    """The text, and below it who wrote it in which commit."""
    name = order.author.person.name or order.author.email or "the author"
    commit = order.commit
    source = paragraph(
        [
            mention(account_id, name),
            words(" in commit "),
            words(commit.remote_id[:7], commit.url),
        ]
    )
    return document(*(paragraphs(text) if text else ()), source)


def _started(at: datetime) -> str:
    """The one form that Jira takes here: with milliseconds, and a zone without a colon."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""
