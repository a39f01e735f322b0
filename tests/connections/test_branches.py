"""A branch that somebody at an issue asks for: how it is called, who may, what becomes of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client

from connections.branch_words import LONGEST_NAME, proposed, wrong
from connections.flows import branch_making
from connections.flows.problems import FlowProblem
from connections.models import Branch, BranchWish, Connection, Repository, Workspace
from portal import roles
from portal.models import AuditEvent
from portal.policy import Role
from tests.connections import joining
from tests.connections.coding import SPACE, linked, truth
from tests.connections.pages import refused, signed_in, text
from tests.vendor import Vendor
from tests.works import Works

NEW = "/o/acme/branches/new"
ISSUE = f"{NEW}?issue=acme-1&summary={quote('Größe des Korbs: zählt doppelt & <b>falsch</b>')}"

GOOD = ("ACME-1-cart", "feature/ACME-1", "größe", "a.b", "x" * LONGEST_NAME, "v1@2", "a#b", "🚀")
BAD = (
    *("", "a b", "a\tb", "a~b", "a^", "a:b", "a?", "a*", "[a", "a\\b", "a..b", "a@{b", "/a", "a/"),
    *("a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "-a", "@", "HEAD", "refs/heads/a"),
    "x" * (LONGEST_NAME + 1),
)


@pytest.mark.parametrize("name", GOOD)
def test_a_name_that_git_takes_is_taken(name: str) -> None:
    assert wrong(name) == ""


@pytest.mark.parametrize("name", BAD, ids=range(len(BAD)))
def test_a_name_that_git_refuses_says_why(name: str) -> None:
    assert wrong(name).endswith((".", "."))


@pytest.mark.parametrize(
    ("subject", "summary", "name"),
    [
        ("PAY-1", "Count twice", "PAY-1-count-twice"),
        ("PAY-1", "", "PAY-1"),
        ("", "Count twice", "count-twice"),
        ("PAY-1", "Größe: 5 % (neu)…", "PAY-1-grosse-5-neu"),
        ("PAY-1", "Fußgänger", "PAY-1-fussganger"),
        ("PAY-1", "日本語", "PAY-1"),
        ("PAY-1", "../../etc/passwd; rm -rf ~", "PAY-1-etc-passwd-rm-rf"),
        ("PAY-1", "word " * 60, "PAY-1" + "-word" * 15),
        ("PAY-1", "x" * 300, "PAY-1"),
    ],
)
def test_a_name_is_proposed_in_plain_letters(subject: str, summary: str, name: str) -> None:
    assert proposed(subject, summary) == name
    assert not proposed(subject, summary) or wrong(proposed(subject, summary)) == ""


def test_a_proposed_name_is_new() -> None:
    taken = {"PAY-1-count", "PAY-1-count-2"}
    assert proposed("PAY-1", "Count", taken) == "PAY-1-count-3"


# ── At the vendor ─────────────────────────────────────────────────────────────────────────────


def source(works: Works, vendor: Vendor) -> Repository:
    """A repository whose code is linked to issues, by a connection that may make branches."""
    code = linked(works, vendor, token="dana-writes")
    works.sync(code, SPACE)
    with works.inside():
        Connection.objects.filter(id=code.id).update(
            capabilities=[*code.capabilities, "branches-create"]
        )
    place = joining.target(works)
    joining.joined(works, code, place)
    with works.inside():
        rows = Repository.objects.select_related("connection", "workspace")
        found: Repository = rows.filter(main_branch="main").order_by("slug").first()
        return found


def ask(works: Works, repository: Repository, name: str, **said: Any) -> BranchWish:
    given: dict[str, Any] = {"actor": works.alice, "start": "main", "subject": "ACME-1"} | said
    with works.inside():
        made = branch_making.ask(repository=repository, name=name, **given)
    works.drain()
    with works.inside():
        found: BranchWish = BranchWish.objects.get(id=made.id)
        return found


def test_a_branch_is_made_once_by_the_connections_account(works: Works, vendor: Vendor) -> None:
    repository = source(works, vendor)
    before = truth(vendor, repository.slug)["branches"]
    wish = ask(works, repository, "feature/ACME-1-größe")
    assert (wish.stand, wish.error) == ("made", ""), wish.error_detail
    after = truth(vendor, repository.slug)["branches"]
    assert after == before | {"feature/ACME-1-größe": before["main"]}
    with works.inside():
        kept = Branch.objects.get(repository=repository, name="feature/ACME-1-größe")
        assert kept.target == before["main"]  # read at once, so that it travels on
        said = AuditEvent.objects.filter(action__startswith="branch.").order_by("sequence")
        assert list(said.values_list("action", flat=True)) == ["branch.asked", "branch.made"]
        assert said[1].details["issue"] == "ACME-1"

    vendor.order(
        "/push", workspace=SPACE, repository=repository.slug, branch="ACME-1-mine", commits=0
    )
    late = ask(works, repository, "ACME-1-mine")
    assert (late.stand, late.error) == ("refused", "refused")
    assert "already exists" in late.error_detail
    for name, start, code in (
        ("feature/ACME-1-größe", "main", "taken"),
        ("a b", "main", "name"),
        ("ACME-1-x", "nowhere", "start"),
    ):
        with pytest.raises(FlowProblem) as problem:
            ask(works, repository, name, start=start)
        assert problem.value.code == code


def test_who_may_not_is_led_to_the_vendors_own_form(works: Works, vendor: Vendor) -> None:
    repository = source(works, vendor)
    member = works.person("mia@acme.example", "Mia", Role.MEMBER)
    with pytest.raises(PermissionDenied), works.inside():
        branch_making.ask(actor=member, repository=repository, name="x", start="main")
    with works.inside():
        Connection.objects.filter(id=repository.connection_id).update(granted_by_id=member.id)
        repository.connection.refresh_from_db()
        assert branch_making.obstacle(member, repository.connection) == ""
        Connection.objects.filter(id=repository.connection_id).update(capabilities=[])
        repository.connection.refresh_from_db()
        assert "linked without" in branch_making.obstacle(works.alice, repository.connection)


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def alice(works: Works) -> Client:
    return signed_in(works.alice)


@pytest.fixture
def place(works: Works) -> Workspace:
    return joining.target(works)


def may_make(works: Works, code: Connection) -> Repository:
    with roles.using_role("worker"), works.inside():
        Connection.objects.filter(id=code.id).update(capabilities=["branches-create"])
        Repository.objects.filter(connection=code, slug="web-shop").update(
            main_branch="ACME-1-cart"
        )
        found: Repository = Repository.objects.get(connection=code, slug="web-shop")
        return found


def test_the_page_leads_from_an_issue_to_a_branch(
    works: Works, place: Workspace, alice: Client
) -> None:
    assert "No repository takes part" in text(alice.get(ISSUE))
    code = joining.code(works)
    repository = may_make(works, code)
    joining.joined(works, code, place)
    page = text(alice.get(ISSUE))
    assert "ACME-1" in page and "acme/web-shop" in page and "<b>falsch" not in page
    assert "acme/api" not in text(alice.get(f"{ISSUE}&q=shop"))
    assert "Nothing fits" in text(alice.get(f"{ISSUE}&q=nothing"))

    here = f"{ISSUE}&repository={repository.id}"
    page = text(alice.get(here))
    assert 'value="ACME-1-grosse-des-korbs-zahlt-doppelt-b-falsch-b"' in page
    assert 'value="ACME-1-cart"' in page
    assert "There is a branch of that name" in refused(
        alice.post(here, {"name": "ACME-1-cart", "start": "ACME-1-cart"})
    )
    assert "has no spaces" in refused(alice.post(here, {"name": "a b", "start": "ACME-1-cart"}))
    # Long and mixed, but no token: what is proposed is taken.
    wish = {"name": "ACME-1-grosse-des-korbs-zahlt-doppelt-b-falsch-b", "start": "ACME-1-cart"}
    answer, again = alice.post(here, wish), alice.post(here, wish)
    assert (answer.status_code, again["Location"]) == (303, answer["Location"])
    page = text(alice.get(answer["Location"]))
    assert "A worker makes it at Bitbucket Cloud" in page and "by <span" in page
    wish["name"] = "ACME-1-in-own-words"
    asked = alice.post(here, wish)["Location"].strip("/").rpartition("/")[2]
    assert 'value="ACME-1-in-own-words"' in text(alice.get(f"{here}&again={asked}"))


def test_what_an_address_says_is_not_believed(
    works: Works, place: Workspace, alice: Client
) -> None:
    code = joining.code(works)
    joining.joined(works, code, place)
    assert "no issue’s key" in text(alice.get(f"{NEW}?issue=%3Cscript%3E"))
    assert "no issue’s key" in text(alice.get(f"{NEW}?issue=PAY-1%20PAY-2"))
    assert alice.get(f"{NEW}?repository=nonsense").status_code == 200
    unknown = "11111111-1111-4111-8111-111111111111"
    assert alice.get(f"{NEW}?repository={unknown}").status_code == 404
    assert alice.get(f"/o/acme/branches/{unknown}/").status_code == 404


def test_a_member_is_shown_the_vendors_form_with_all_filled_in(
    works: Works, place: Workspace
) -> None:
    code = joining.code(works)
    repository = may_make(works, code)
    joining.joined(works, code, place)
    mia = signed_in(works.person("mia@acme.example", "Mia", Role.MEMBER))
    here = f"{ISSUE}&repository={repository.id}"
    page = text(mia.get(here))
    assert "Your role does not let you make branches" in page
    assert (
        "https://bitbucket.org/branch/create?issueKey=ACME-1&amp;issueSummary=Gr%C3%B6%C3" in page
    )
    assert mia.post(here, {"name": "x", "start": "ACME-1-cart"}).status_code == 403
