"""The dry run of one row: which connection it would become, and what stands in its way.

Data decides, not names: methods, fields, prefixes and ends come from the connectors' manifests.
No Django here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from connections.contracts import Manifest, Method, MethodKind, Scheme
from connections.imports import consumers, credentials, expiry
from connections.imports.columns import Raw
from connections.imports.findings import Level, error, warning
from connections.imports.known import Judged, Known
from connections.methods import BASE_URL
from portal.secret import Secret

MOST_LABELS, LONGEST_LABEL, LONGEST_DESCRIPTION = 20, 40, 4000
_LISTED: Final = re.compile(r"[;,|]")
_UNFIT: Final = re.compile(r"[^\w .\-/()]+")
IN_WRONG_COLUMN: Final = (
    "What stands here looks like a token or a password. Put it into the column “token”."
)
FORBIDDEN: Final = (
    "The rotation policy here allows no credential that acts as a person. Bring a token that"
    " belongs to nobody, or have the policy changed or the connection excepted."
)
MAY_BE_FORBIDDEN: Final = (
    "It acts as a person, and the rotation policy does not allow that for each connection here. It"
    " is refused where the connection of its account is one of those."
)


def judge(raw: Raw, known: Known) -> Judged:
    """The row with everything that was found, so that a person mends all of it at once."""
    row = Judged(number=raw.number, findings=list(raw.findings))
    if raw.findings and not raw.values and not raw.secrets:
        return row  # nothing of it could be read
    values = _without_secrets(raw, row, known)
    manifest = _manifest(values.get("connector", ""), known)
    if manifest is None:
        row.findings.append(error("connector", _products(known)))
    else:
        row.connector = manifest.slug
        method = _method(manifest, raw, values, row) if raw.movable else None
        if method is not None:
            _credential(manifest, method, raw, values, row, known)
    _name(values.get("name", ""), bool(raw.hint), row, known)
    _about(values, row, known)
    _place(values.get("team", ""), row, known)
    _policy(row, known)
    if not row.can_be_imported:
        row.secrets = {}
    return row


def _without_secrets(raw: Raw, row: Judged, known: Known) -> dict[str, str]:
    """A token in the wrong column is found, and neither kept nor shown (abuse case X27)."""
    kept = {}
    for name, text in raw.values.items():
        if any(ord(letter) < 32 or letter == "\x7f" for letter in text if letter != "\n"):
            row.findings.append(error(name, "Remove the control characters."))
        elif _is_misplaced(name, text, known):
            row.findings.append(error(name, IN_WRONG_COLUMN))
        else:
            kept[name] = text
    return kept


def _is_misplaced(name: str, text: str, known: Known) -> bool:
    """An id of a client is random by nature, and only known as a token by how it begins."""
    if name in known.random_fields():
        return known.is_token(text)
    return known.looks_secret(text) and not (name == "consumer" and known.names_consumer(text))


# ── Product and method ────────────────────────────────────────────────────────────────────────


def _manifest(text: str, known: Known) -> Manifest | None:
    wanted = text.lower().replace("_", "-").replace(" ", "-")
    for manifest in known.manifests.values():
        if wanted in {manifest.slug, manifest.name.lower().replace(" ", "-"), *manifest.aliases}:
            return manifest
    return None


def _products(known: Known) -> str:
    return f"Name one of these products: {', '.join(sorted(known.manifests))}."


def _method(manifest: Manifest, raw: Raw, values: Mapping[str, str], row: Judged) -> Method | None:
    """The method by its name in the row, else by what the token and the other cells are like."""
    possible = credentials.by_token(manifest, raw.secrets.get("token", ""))
    named = values.get("method", "")
    if named:
        found = credentials.by_name(manifest, named, values)
        if found is None:
            row.findings.append(error("method", credentials.choices(manifest)))
        return found
    if possible is None:
        possible = _hinted(manifest, raw)
    fitting = credentials.fitting(possible, {**values, BASE_URL: ""})
    if fitting is None:
        row.findings.append(error("method", credentials.choices(manifest, possible)))
    return fitting


def _hinted(manifest: Manifest, raw: Raw) -> list[Method]:
    """What the kind of credential in another program's words leaves to choose from."""
    if raw.hint == "OAUTH2" or "refresh_token" in raw.secrets:
        return [m for m in manifest.methods if m.kind is MethodKind.AUTHORIZATION_CODE]
    pasted = [m for m in manifest.methods if m.kind.is_pasted]
    if raw.hint == "BASIC":
        return [m for m in pasted if m.scheme is Scheme.BASIC and m.end is None]
    return [m for m in pasted if m.end is None]


# ── Credential ────────────────────────────────────────────────────────────────────────────────


def _credential(
    manifest: Manifest,
    method: Method,
    raw: Raw,
    values: Mapping[str, str],
    row: Judged,
    known: Known,
) -> None:
    row.method, row.refreshable = method.key, "refresh_token" in raw.secrets
    row.fields, found = credentials.fields(method, values)
    row.findings += found
    consumers.judge(manifest, method, values, row, known, hint=raw.consumer_hint)
    row.findings += credentials.problems(manifest, method, raw.secrets)
    row.capabilities, found = credentials.capabilities(
        manifest, method, _listed(values.get("capabilities", ""))
    )
    row.findings += found
    _end(manifest, method, row, known)
    expiry.judge(values.get("expires_at", ""), row, known)
    token = raw.secrets.get("token", "")
    if token:
        _once(token, row, known)
        row.last_four = Secret(token).last_four
    row.secrets = {name: Secret(text) for name, text in raw.secrets.items()}


def _end(manifest: Manifest, method: Method, row: Judged, known: Known) -> None:
    if method.end is None:
        return
    gone = method.end.on <= known.now.date()
    verb = "removed" if gone else "will remove"
    instead = manifest.method(method.end.instead).title
    row.findings.append(
        warning(
            "method",
            f"{method.end.by} {verb} this way on {method.end.on:%-d %B %Y} ({method.title})."
            f" It is brought along, with its name, to be moved to: {instead}.",
        )
    )


def _once(token: str, row: Judged, known: Known) -> None:
    mark = known.fingerprint(f"{row.connector}\0{sorted(row.fields.items())}\0{token}")
    before = known.secrets_before.setdefault(mark, row.number)
    if before != row.number:
        text = f"Row {before} brings the same token. Leave one of the two out."
        row.findings.append(error("token", text))


# ── Name, team and the rest ───────────────────────────────────────────────────────────────────


def _name(text: str, is_foreign: bool, row: Judged, known: Known) -> None:
    """Another program's name is made to fit ours; a person's own is not changed behind them."""
    name = " ".join(text.split())
    if is_foreign and name and not known.good_name.fullmatch(name):
        name = " ".join(_UNFIT.sub("-", name).strip(" .-/(")[:80].split())
        row.findings.append(warning("name", "It has letters that names here lack; they became -."))
    if not known.good_name.fullmatch(name):
        row.findings.append(error("name", "Use letters, digits, spaces and . - / ( ), at most 80."))
        return
    row.name = name
    before = known.names_before.setdefault(name.lower(), row.number)
    if before != row.number:
        row.findings.append(error("name", f"Row {before} has this name too. Choose another one."))
    elif name.lower() in known.taken and known.replaces:
        row.findings.append(
            warning("name", "A connection has this name: if both act as one account, its is used.")
        )
    elif name.lower() in known.taken:
        row.findings.append(
            error("name", "A connection here has this name. Choose another, or replace in place.")
        )


def _about(values: Mapping[str, str], row: Judged, known: Known) -> None:
    labels = {label.lower(): label for label in _listed(values.get("labels", ""))}
    row.labels = sorted(labels.values(), key=str.lower)
    row.description = values.get("description", "")
    if len(row.labels) > MOST_LABELS or any(len(one) > LONGEST_LABEL for one in row.labels):
        row.findings.append(error("labels", "Use at most 20 labels of at most 40 characters."))
        row.labels = []
    if len(row.description) > LONGEST_DESCRIPTION:
        row.findings.append(error("description", "Use at most 4,000 characters."))
        row.description = ""


def _policy(row: Judged, known: Known) -> None:
    """What acts as a person is not brought in against the rotation policy."""
    if not row.method or not known.manifests[row.connector].method(row.method).personal:
        return
    match known.forbids_personal(row.name.lower()):
        case Level.ERROR:
            row.findings.append(error("method", FORBIDDEN))
        case Level.WARNING:
            row.findings.append(warning("method", MAY_BE_FORBIDDEN))


def _listed(text: str) -> list[str]:
    parts = (" ".join(part.split()) for part in _LISTED.split(text))
    return [part for part in parts if part]


def _place(named: str, row: Judged, known: Known) -> None:
    """Its team; without any it is the organization's default, which there is once a product."""
    if named and named.lower() not in known.teams:
        text = "No team here has this name. Make it under Members, or correct the name."
        row.findings.append(error("team", text))
        return
    row.team_id = known.teams[named.lower()] if named else known.default_team
    if row.team_id is not None or not row.connector or not row.can_be_imported:
        return
    if row.connector in known.defaults and not (known.replaces and row.name.lower() in known.taken):
        text = "The organization has its default connection already. Name a team in this row."
        row.findings.append(error("team", text))
    known.defaults.add(row.connector)
