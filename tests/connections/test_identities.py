"""Who is who: matched by what is proven, suggested by what is alike, said by people."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.exceptions import PermissionDenied

from connections.contracts import Person
from connections.flows import identities as flows, persons
from connections.flows.problems import FlowProblem
from connections.models import Commit, Repository, VendorIdentity
from connections.queries.identity_list import Wish, identity_list, visible
from portal import roles
from portal.models import AuditEvent, Membership, User
from portal.policy import Actor, Role
from tests.connections.pages import signed_in, text
from tests.connections.test_trail_search import keep, planted, team
from tests.works import Works

PAGE = "/o/acme/members/identities/"


def saw(works: Works, repository: Any, *people: Person, organization: Any = None) -> None:
    """A worker kept records that name these."""
    with roles.using_role("worker"), works.inside(organization):
        persons.note_people(repository.connection_id, people)


def verified(actor: Actor) -> None:
    user = User.objects.get(id=actor.id)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)


def states(works: Works, actor: Actor | None = None, **wish: Any) -> dict[str, tuple[str, str]]:
    """State and member of each identity by its name, as this person's page lists them."""
    with works.inside():
        shown = identity_list(actor or works.admin, Wish(**wish), may_map=False)
        return {row.known.shown: (row.known.state, row.known.member) for row in shown.rows}


@pytest.fixture
def people(works: Works) -> dict[str, Actor]:
    """Seven at the vendor, of whom four are members here; each as another evidence shows."""
    named = ("Bob", "Carol", "Dan", "Erin")
    made = {name: works.person(f"{name.lower()}@acme.example", name, Role.MEMBER) for name in named}
    verified(made["Carol"])
    web = planted(works, granted_by_id=made["Bob"].id, account_kind="user", granted_by_name="Bob")
    with roles.using_role("worker"), works.inside():
        web.connection.account_id = "acc-bob"
        web.connection.save(update_fields=["account_id"])
    saw(
        works, web,
        Person("acc-bob", "Robert B."), Person("acc-carol", "C.", "Carol@Acme.example"),
        Person("acc-dan", "dan"), Person("", "E", "erin@home.example"), Person("acc-x", "Xaver"),
        Person("acc-ci", "Build bot"), Person("", "nobody at all"),
    )  # fmt: skip
    return made


def test_who_is_proven_is_matched_and_who_is_alike_only_suggested(
    works: Works, people: dict[str, Actor]
) -> None:
    assert states(works) == {
        "Robert B.": ("matched", "Bob"),
        "C.": ("matched", "Carol"),
        "dan": ("suggested", "Dan"),
        "E": ("suggested", "Erin"),
        "Xaver": ("unknown", ""),
        "Build bot": ("unknown", ""),
    }
    page = text(signed_in(works.admin).get(PAGE))
    assert "Bob linked this account here" in page and "verified here" in page
    assert states(works, state="suggested").keys() == {"dan", "E"}
    assert states(works, search="home.ex").keys() == {"E"}
    assert states(works, search="caRol").keys() == {"C."}

    twin = works.person("dan2@acme.example", "Dan", Role.MEMBER)  # two who fit are none
    assert states(works)["dan"] == ("unknown", "")
    verified(people["Erin"])
    with works.inside():
        Membership.objects.filter(user_id=twin.id).delete()
        Membership.objects.filter(user_id=people["Carol"].id).delete()
    assert states(works)["dan"] == ("suggested", "Dan")
    assert states(works)["C."] == ("unknown", "")  # who left is matched no more


def test_people_say_who_it_is_change_their_mind_and_take_it_back(
    works: Works, people: dict[str, Actor]
) -> None:
    client = signed_in(works.admin)
    with works.inside():
        xaver = VendorIdentity.objects.get(key="acc-x")
        bot = VendorIdentity.objects.get(key="acc-ci")

    def say(which: VendorIdentity, deed: str, who: str = "") -> str:
        form = {"back": "?state=unknown", "member": str(people[who].id) if who else ""}
        answer = client.post(f"{PAGE}{which.id}/{deed}", form)
        assert answer.status_code == 303
        return str(answer["Location"])

    assert say(xaver, "member", "Erin") == f"{PAGE}?state=unknown#i-{xaver.id}"
    say(bot, "bot")
    assert states(works)["Xaver"] == ("confirmed", "Erin")
    assert states(works)["Build bot"] == ("bot", "")
    say(xaver, "member", "Dan")
    assert states(works)["Xaver"] == ("confirmed", "Dan")
    say(xaver, "undo")
    assert states(works)["Xaver"] == ("confirmed", "Erin")
    say(xaver, "undo")
    assert "There is nothing to take back any more." in text(client.get(PAGE))
    say(bot, "undo")
    assert states(works)["Build bot"] == ("unknown", "")
    with works.inside():
        recorded = AuditEvent.objects.filter(action__startswith="identity.").order_by("sequence")
        assert list(recorded.values_list("action", flat=True)) == [
            *("identity.mapped", "identity.not_a_person", "identity.mapped"),
            *("identity.taken_back", "identity.taken_back"),
        ]
        first = recorded[0]
        assert (first.subject_name, first.details["member"]) == ("Xaver", "Erin")
        Membership.objects.filter(user_id=people["Erin"].id).delete()
    page = text(client.get(PAGE))
    assert "left" in page and states(works)["Xaver"] == ("confirmed", "Erin")
    assert "Choose a member first." in text(client.get(say(bot, "member").partition("#")[0]))


def test_only_admins_say_and_nobody_about_another_organization(
    works: Works, people: dict[str, Actor]
) -> None:
    globex = works.organization("globex")
    theirs = planted(works, organization=globex)
    saw(works, theirs, Person("acc-far", "Far away"), organization=globex)
    with works.inside(globex):
        far = VendorIdentity.objects.get()
    with works.inside():
        xaver = VendorIdentity.objects.get(key="acc-x")
    assert "Far away" not in text(signed_in(works.admin).get(PAGE))
    assert signed_in(works.admin).post(f"{PAGE}{far.id}/bot").status_code == 404
    for actor in (works.alice, people["Bob"]):
        assert "Say who it is" not in text(signed_in(actor).get(PAGE))
        assert signed_in(actor).post(f"{PAGE}{xaver.id}/bot").status_code == 403
        with works.inside(), pytest.raises(PermissionDenied):
            flows.not_a_person(actor=actor, identity=xaver)
    mallory = works.person("m@globex.example", "Mallory", Role.OWNER, globex)
    with works.inside(), pytest.raises(FlowProblem):
        flows.confirm(actor=works.admin, identity=xaver, user_id=mallory.id)  # type: ignore[arg-type]


def test_whom_only_a_teams_connection_saw_is_shown_to_who_reads_its_details(
    works: Works, people: dict[str, Actor]
) -> None:
    theirs = planted(works, "Secret", team=team(works))
    saw(works, theirs, Person("acc-hush", "Hush"), Person("acc-x", "Xaver"))

    assert {"Hush", "Xaver"} <= states(works).keys()
    assert "Hush" not in states(works, people["Bob"]) and "Xaver" in states(works, people["Bob"])
    assert "Secret" not in text(signed_in(people["Bob"]).get(PAGE))
    with works.inside():
        hush = VendorIdentity.objects.get(key="acc-hush")
        assert visible(people["Bob"], hush.id) is None


def test_an_identity_seen_again_is_written_only_when_it_changed(works: Works) -> None:
    web = planted(works)
    again = planted(works, "Other", team=team(works))
    saw(works, web, Person("a", "Ann", "Ann@x.example"), Person("a", "", "two@x.example"))
    saw(works, web, Person("a", "Ann", "ann@x.example"))

    def row() -> tuple[Any, ...]:
        with works.inside():
            one = VendorIdentity.objects.extra(select={"mark": "xmin::text"}).get()
            return one.mark, one.name, one.emails, len(one.connections)

    mark, *rest = row()
    assert rest == ["Ann", ["ann@x.example", "two@x.example"], 1]
    saw(works, web, Person("a", "Ann"), Person("a", "Ann", "two@x.example"))
    assert row()[0] == mark
    saw(works, again, Person("a", "Ann B."))
    assert row()[1:] == ("Ann B.", ["ann@x.example", "two@x.example"], 2)


def test_a_trail_names_the_member_and_never_a_guess_as_certain(
    works: Works, people: dict[str, Actor]
) -> None:
    with works.inside():
        web = Repository.objects.get()
    for number, (key, name) in enumerate((("acc-bob", "Robert B."), ("acc-dan", "dan"))):
        keep(
            works, web, Commit, remote_id=f"{number}" * 40, parents=[], author_remote_id=key,
            author_name=name,
        )  # fmt: skip
    client = signed_in(people["Erin"])
    sure = text(client.get("/o/acme/trail/", {"q": "0" * 40}))
    guess = text(client.get("/o/acme/trail/", {"q": "1" * 40}))
    assert '<span class="strong" dir="auto">Bob</span>' in sure and "as Robert B." in sure
    assert '<span class="strong" dir="auto">dan</span>' in guess and "perhaps" in guess
