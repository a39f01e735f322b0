"""What a trail is found by, who may find it, and that a million commits make no difference."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connections as databases

from connections.models import Build, Commit, Connection, PullRequest, Push, Repository, Workspace
from connections.queries import trail as trails, trail_search, trail_words
from portal import clock, roles
from portal.models import Organization, Team, TeamMembership
from portal.policy import Actor, Role
from tests.connections.pages import signed_in, text
from tests.works import Works

CLOUD, DATA_CENTER = "bitbucket-cloud", "bitbucket-data-center"
AT = "https://git.corp.example/bitbucket/projects/PAY/repos/web"
ONE = "1234567" + "a" * 33
TWIN = "1234567" + "b" * 33


def planted(
    works: Works,
    name: str = "Code",
    *,
    connector: str = CLOUD,
    url: str = "https://bitbucket.org/acme/web",
    full_name: str = "acme/web",
    team: Team | None = None,
    organization: Organization | None = None,
    **columns: Any,
) -> Repository:
    """A repository as a sync would have kept it."""
    with roles.using_role("worker"), works.inside(organization):
        connection = Connection.objects.create(
            name=name, connector=connector, account_id=name, state="active", team=team, **columns
        )
        space = Workspace.objects.create(
            connection=connection, remote_id=name, slug="acme", name="Acme", selected=True
        )
        made: Repository = Repository.objects.create(
            workspace=space, connection=connection, remote_id=f"{full_name}@{name}",
            slug=full_name.rpartition("/")[2], name="Web", full_name=full_name, url=url,
        )  # fmt: skip
        return made


def keep(
    works: Works, repository: Repository, model: Any, organization: Any = None, **values: Any
) -> Any:
    with roles.using_role("worker"), works.inside(organization):
        return model.objects.create(
            repository=repository, connection_id=repository.connection_id, **values
        )


def found(works: Works, asked: str, actor: Actor | None = None) -> list[str]:
    """What is found, as repository and key; nothing when it says why instead."""
    with works.inside():
        came = trail_search.find(actor or works.alice, asked)
        assert came.subjects or came.says
        return [f"{one.repository.full_name} {one.key}" for one in came.subjects]


def test_every_way_to_ask_leads_to_the_commit_or_pull_request(works: Works) -> None:
    web = planted(works)
    corp = planted(
        works, "Corp", connector=DATA_CENTER, url=f"{AT}/browse", full_name="PAY/web",
        team=team(works),
    )  # fmt: skip
    for repository, commit in ((web, ONE), (corp, TWIN)):
        keep(works, repository, Commit, remote_id=commit, message="Mend", parents=[])
        keep(works, repository, PullRequest, remote_id="12", number=12, title="T", state="open")
    ci = "https://ci.corp.example/job/web/17/"
    keep(
        works, web, Build, remote_id=f"{ONE}:ci", commit=ONE, key="ci", state="failed", url=ci
    )  # fmt: skip
    one, twin = f"acme/web {ONE}", f"PAY/web {TWIN}"
    home = "https://bitbucket.org/acme/web"

    for asked in (
        *(ONE, ONE[:8], ONE.upper(), f"web@{ONE[:8]}", f"  {ONE}\n"),
        *(f"{home}/commits/{ONE}", f"{home}/src/{ONE}/README.md", f"HTTPS://BitBucket.org/acme/web/commits/{ONE[:12]}"),
        *(ci, ci.rstrip("/"), f"{ci}?tab=log#step"),
    ):  # fmt: skip
        assert found(works, asked) == [one], asked
    for asked in (f"{AT}/commits/{TWIN}", f"{AT}/commits/{TWIN[:10]}?until=x", f"PAY/web@{TWIN}"):
        assert found(works, asked) == [twin], asked
    for asked in (f"{AT}/pull-requests/12/overview", f"{AT}/pull-requests/12", "pay/web#12"):
        assert found(works, asked) == ["PAY/web 12"], asked
    for asked in (f"{home}/pull-requests/12/some-title/diff", "acme/web #12"):
        assert found(works, asked) == ["acme/web 12"], asked
    assert found(works, "web#12") == ["PAY/web 12", "acme/web 12"]
    assert found(works, "1234567") == [one, twin]
    for asked in (
        "123456",
        "web#",
        "https://",
        "http://[",
        "acme/none#1",
        f"{home}x/commits/{ONE}",
    ):
        assert found(works, asked) == [], asked
    page = text(signed_in(works.alice).get("/o/acme/trail/", {"q": "1234567"}))
    assert "2 matches" in page and "PAY/web" in page


def team(works: Works, name: str = "Payments") -> Team:
    with works.inside():
        made: Team = Team.objects.create(name=name)
        return made


def test_what_two_connections_read_is_shown_once_and_only_a_push_is_enough(works: Works) -> None:
    web = planted(works)
    again = planted(works, "Twice", team=team(works))
    with roles.using_role("worker"), works.inside():
        Repository.objects.filter(id=again.id).update(remote_id=web.remote_id)
    for repository in (web, again):
        keep(works, repository, Commit, remote_id=ONE, parents=[])
    keep(
        works, web, Push, commit=TWIN, is_head=True, delivery_id=uuid4(), ref_kind="branch",
        ref_name="main", former=ONE, by_name="Dana", received_at=clock.now(),
    )  # fmt: skip

    assert found(works, ONE[:10]) == [f"acme/web {ONE}"]
    assert found(works, TWIN[:10]) == [f"acme/web {TWIN}"]


def test_a_push_brings_what_lies_between_its_former_and_its_new_head(works: Works) -> None:
    """A push names few commits; first parents tell of the others. What is older is not its own."""
    web = planted(works)
    chain = [f"{number:040x}" for number in range(10, 15)]
    for before, commit in zip(["", *chain], chain, strict=False):
        keep(works, web, Commit, remote_id=commit, parents=[before] if before else [])
    keep(
        works, web, Push, commit=chain[4], is_head=True, delivery_id=uuid4(), ref_kind="branch",
        ref_name="main", former=chain[1], by_name="Dana", received_at=clock.now(),
    )  # fmt: skip

    def pushers(commit: str) -> list[str]:
        with works.inside():
            [subject] = trail_search.find(works.alice, commit).subjects
            part = trails.trail(subject, []).parts[0]
            return [line.who.name for line in part.lines if line.label == "Pushed" and line.who]

    assert [pushers(commit) for commit in chain] == [[], [], *[["Dana"]] * 3]


class TestWhoMaySee:
    def test_t02_another_organizations_commit_does_not_exist(self, works: Works) -> None:
        globex = works.organization("globex")
        theirs = planted(works, organization=globex)
        keep(works, theirs, Commit, organization=globex, remote_id=ONE, parents=[])
        mallory = works.person("m@globex.example", "Mallory", Role.OWNER, globex)

        assert found(works, ONE) == []
        client = signed_in(works.alice)
        form = {"q": ONE, "kind": "commit", "key": ONE}
        foreign = client.post("/o/acme/trail/look", form | {"in": str(theirs.id)})
        nobody = client.post("/o/acme/trail/look", form | {"in": str(uuid4())})
        assert foreign.status_code == nobody.status_code == 404
        assert "acme/web" in text(signed_in(mallory).get("/o/globex/trail/", {"q": ONE}))
        assert signed_in(mallory).get("/o/acme/trail/", {"q": ONE}).status_code == 404

    def test_of_a_teams_connection_only_who_reads_its_details_is_answered(
        self, works: Works
    ) -> None:
        payments = team(works)
        theirs = planted(works, "Secret", team=payments)
        keep(works, theirs, Commit, remote_id=ONE, parents=[], message="Hush")
        roles_of = {"outside": None, "reader": "reader", "admin": "admin"}
        people = {
            name: works.person(f"{name}@acme.example", name, Role.MEMBER) for name in roles_of
        }
        with works.inside():
            for name, role in roles_of.items():
                if role:
                    TeamMembership.objects.create(team=payments, user_id=people[name].id, role=role)

        pages = {
            name: text(signed_in(actor).get("/o/acme/trail/", {"q": ONE}))
            for name, actor in people.items()
        }
        assert "Hush" in pages["admin"] and "left out" not in pages["admin"]
        assert "Hush" not in pages["reader"] + pages["outside"]
        assert "1 connection of your teams is left out" in pages["reader"]
        assert "left out" not in pages["outside"]
        assert found(works, ONE) == [f"acme/web {ONE}"]  # a manager reads every team's
        posted = signed_in(people["reader"]).post(
            "/o/acme/trail/look", {"q": ONE, "kind": "commit", "key": ONE, "in": str(theirs.id)}
        )
        assert posted.status_code == 404


def test_a_million_commits_are_searched_by_the_index(works: Works) -> None:
    """As the web's role, under row-level security: LIKE would read every commit instead."""
    web = planted(works)
    insert = """
        INSERT INTO connections_commit (id, organization_id, connection_id, repository_id,
               remote_id, seen_at, message, parents, author_remote_id, author_name, author_email,
               url, pulls_said)
        SELECT gen_random_uuid(), %s, %s, %s, md5(n::text) || '00000000', now(), '', '{}', '', '',
               '', '', '' FROM generate_series(1, 20000) AS n"""
    with roles.using_role("worker"), works.inside(), databases["worker"].cursor() as cursor:
        cursor.execute(insert, [works.acme.id, web.connection_id, web.id])
    with roles.using_role("owner"), databases["owner"].cursor() as cursor:
        cursor.execute("ANALYZE connections_commit")
    with works.inside():
        rows = trail_search.between(Commit.objects.all(), "remote_id", "c4ca423")
        plan = rows[:40].explain()
        assert [one.remote_id[:7] for one in rows] == ["c4ca423"]
    assert "commit_by_hash" in plan and "~>=~" in plan.partition("Index Cond")[2], plan
    assert found(works, "c4ca423") == ["acme/web c4ca4238a0b923820dcc509a6f75849b00000000"]


def test_records_of_commits_and_pull_requests_lead_to_their_trail() -> None:
    asked = trail_words.asked_for
    assert asked("statuses", f"{ONE}:ci", "acme/web") == asked("commits", ONE, "") == ONE
    assert asked("pull-requests", "12", "acme/web") == "acme/web#12"
    assert trail_words.read("acme/web#12").pull == 12
    assert {asked("branches", "branch:x", "a/b"), asked("pull-requests", "12", "")} == {""}


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("https://x.example/a/b#!/results/7", {"run": 7}),
        ("https://x.example/a/pipelines/results/7", {"run": 7}),
        ("https://x.example/a/commits?until=abcdef1", {"hash": "abcdef1"}),
        ("https://x.example/a/pull-requests/7/commits/abcdef1", {"pull": 7, "hash": ""}),
        ("javascript://x/commits/abcdef1", {"url": ""}),
        ("web#99999999999", {"pull": 0}),
        ("a" * 5000, {"hash": ""}),
        ("\x00", {"url": ""}),
    ],
)
def test_what_is_pasted_is_read(asked: str, meant: dict[str, Any]) -> None:
    question = trail_words.read(asked)
    assert {name: getattr(question, name) for name in meant} == meant
