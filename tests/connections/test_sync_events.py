"""What happens to repositories at the vendor ends right here, and the page says what it was."""

from __future__ import annotations

from typing import Any

from connections.flows import sync
from connections.models import Branch, Connection, Repository, Workspace
from connections.queries import visibility
from portal import roles
from tests import scenes
from tests.connections.coding import (
    SPACE,
    linked,
    poll,
    truth,
)
from tests.connections.pages import base_of, signed_in, text
from tests.connections.ways import again
from tests.vendor import Vendor
from tests.works import Works

OTHER = "yarden"
CODE = ["repositories", "branches", "commits"]


@scenes.begun
def connection(works: Works, vendor: Vendor) -> Connection:
    """The code of two workspaces was read once."""
    made = linked(works, vendor, streams=CODE)
    run = works.sync(made, SPACE, OTHER)
    assert (run.state, run.error) == ("done", "")
    return again(works, made)


def is_as_at_the_vendor(works: Works, vendor: Vendor, *spaces: str) -> None:
    """These workspaces hold what the sandbox's own record says that Dana sees, nothing else."""
    for space in spaces:
        seen = visible(vendor, space)
        for so in seen:
            uuid = so["repository"]["uuid"]
            with works.inside():
                rows = Branch.objects.filter(repository__remote_id=uuid, kind="branch")
                there = rows.filter(gone_at=None, repository__gone_at=None)
                assert dict(there.values_list("name", "target")) == so["branches"]
        with works.inside():
            kept = Repository.objects.filter(workspace__slug=space, gone_at=None)
            names = dict(kept.values_list("remote_id", "full_name"))
        listed = [so["repository"] for so in seen]
        assert names == {one["uuid"]: one["full_name"] for one in listed}


def visible(vendor: Vendor, space: str) -> list[Any]:
    """All that is so of each repository that Dana may read."""
    dana = truth(vendor)["members"][0]["uuid"]
    every = truth(vendor, workspace=space)["repositories"]
    found = [truth(vendor, one["slug"], space) for one in every]
    return [so for so in found if dana in so["permissions"]["effective"]]


def page_of(works: Works, connection: Connection, **query: str) -> str:
    """The sync tab as Alice sees it."""
    return text(signed_in(works.alice).get(base_of(connection) + "sync", query))


def why(works: Works, connection: Connection, name: str) -> list[str]:
    with works.inside():
        return [one.means for one in visibility.why(connection, name)]


def test_deleted_renamed_and_moved_repositories_are_told_apart(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    deleted, renamed, *_ = slugs_of(vendor)
    taken = slugs_of(vendor)
    there = [so["repository"]["slug"] for so in visible(vendor, OTHER)]
    moved = next(slug for slug in there if slug not in taken)
    with works.inside():
        before = Repository.objects.get(slug=renamed, workspace__slug=SPACE).id
    vendor.order("/repositories", workspace=SPACE, delete=[deleted])
    vendor.order("/repositories", workspace=SPACE, rename=renamed, new_slug="better", name="Better")
    vendor.order("/repositories", workspace=OTHER, transfer=moved, to=SPACE)
    poll(works, vendor)
    assert works.sync(connection, SPACE, OTHER).state == "done"

    is_as_at_the_vendor(works, vendor, SPACE, OTHER)
    with works.inside():
        assert Repository.objects.get(id=before).full_name == f"{SPACE}/better"
    page = page_of(works, connection)
    assert f"{SPACE}/{deleted} is not listed any more: it was deleted, moved to where" in page
    assert f"{SPACE}/{renamed} was renamed: it is {SPACE}/better now." in page
    assert f"{OTHER}/{moved} was moved to another workspace: it is {SPACE}/{moved} now." in page
    assert why(works, connection, f"{SPACE}/{deleted}") == ["gone"]
    assert why(works, connection, f"https://bitbucket.org/{SPACE}/{renamed}/") == [
        *("renamed", "here"),
    ]
    assert why(works, connection, f"{SPACE}/{moved}") == ["here"]
    assert "was moved to another workspace" in page_of(works, connection, why=f"{OTHER}/{moved}")


def test_a_branch_that_was_rewritten_is_named_and_one_that_went_on_is_not(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    forced, pushed = truth(vendor)["repositories"][:2]
    former = truth(vendor, forced["slug"])["branches"][forced["mainbranch"]]
    for one, wish in ((forced, {"force": 2, "commits": 1}), (pushed, {"commits": 2})):
        named = {"repository": one["slug"], "branch": one["mainbranch"]}
        vendor.order("/push", workspace=SPACE, **named, **wish)
    poll(works, vendor)

    is_as_at_the_vendor(works, vendor, SPACE)
    with works.inside():
        (row,) = Branch.objects.exclude(rewritten_at=None).select_related("repository")
        assert (row.repository.slug, row.former_target) == (forced["slug"], former)
        assert (
            not Branch.objects.filter(repository__slug=pushed["slug"])
            .exclude(former_target="")
            .exists()
        )
    said = (
        f"Somebody rewrote the branch {row.name} of {forced['full_name']}: the commit {former[:8]}"
    )
    assert f"{said} is not part of it any more" in page_of(works, connection)

    with roles.using_role("worker"), works.inside():
        theirs = Branch.objects.filter(repository=row.repository, kind="branch", gone_at=None)
        count = theirs.update(rewritten_at=row.rewritten_at)
    page = page_of(works, connection)
    assert f"Somebody rewrote {count} branches of" in page and count > 1 and said not in page


def test_a_workspace_that_suddenly_lists_nothing_loses_nothing(
    works: Works, vendor: Vendor
) -> None:
    made = linked(works, vendor, streams=["repositories"])
    works.sync(made, "acme")
    vendor.order("/faults", match="GET /2.0/repositories/acme", kind="body", body={"values": []})
    run = works.sync(made, "acme")

    assert run.state == "quarantined"
    is_held(works, 240)
    page = page_of(works, made)
    assert "Removals are held back" in page and "240 of 240 are no longer listed" in page
    assert "Read again first" in page
    assert works.sync(made, "acme").state == "done"
    is_held(works, 240)
    assert "Removals are held back" not in page_of(works, made)

    vendor.order("/repositories", workspace="acme", count=100)
    held = works.sync(made, "acme")
    with works.inside():
        sync.accept_shrink(actor=works.alice, run=held)
    works.drain()
    assert {one["uuid"] for one in truth(vendor, workspace="acme")["repositories"]} == present(
        works, "acme"
    )
    page = page_of(works, made)
    assert "140 repositories of Acme" in page and "are not listed any more" in page


def is_held(works: Works, count: int) -> None:
    assert len(present(works, "acme")) == count


def present(works: Works, space: str) -> set[Any]:
    with works.inside():
        kept = Repository.objects.filter(workspace__slug=space, gone_at=None)
        return set(kept.values_list("remote_id", flat=True))


def test_an_account_that_loses_a_workspace_keeps_what_was_read_of_it(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    had = present(works, OTHER)
    vendor.order("/members", workspace=OTHER, user="dana", permission=None)
    vendor.order("/push", workspace=SPACE, repository=slugs_of(vendor)[0], branch="main", commits=1)
    run = works.sync(connection, SPACE, OTHER)

    assert run.state == "quarantined"  # only what is public is listed: that is no deletion
    assert present(works, OTHER) == had
    is_as_at_the_vendor(works, vendor, SPACE)
    assert workspace(works).gone_at is not None  # a verification looked which ones are left
    page = page_of(works, connection)
    assert f"The linked account lost the workspace {workspace(works).name}." in page
    assert why(works, connection, f"{OTHER}/anything-at-all") == ["not shared"]
    assert poll(works, vendor) == [f"/2.0/repositories/{SPACE}"]

    vendor.order("/members", workspace=OTHER, user="dana", permission="member")
    works.verify(connection)
    assert works.sync(connection, SPACE, OTHER).state == "done"
    assert (workspace(works).gone_at, present(works, OTHER)) == (None, had)
    assert "lost the workspace" not in page_of(works, connection)


def slugs_of(vendor: Vendor) -> list[str]:
    return [one["slug"] for one in truth(vendor)["repositories"]]


def workspace(works: Works) -> Workspace:
    with works.inside():
        found: Workspace = Workspace.objects.get(slug=OTHER)
        return found


def test_a_repository_that_fails_says_why_since_when_and_who_must_act(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    bad = slugs_of(vendor)[0]
    refs = f"GET /2.0/repositories/{SPACE}/{bad}/refs*"
    vendor.order("/faults", match=refs, kind="status", status=403, times=None)
    for slug in slugs_of(vendor):
        vendor.order("/push", workspace=SPACE, repository=slug, branch="main", commits=1)
    poll(works, vendor)

    page = page_of(works, connection)
    assert "Failing" in page and f"{SPACE}/{bad}" in page
    assert "The linked account may not see something" in page
    assert why(works, connection, f"{SPACE}/{bad}") == ["here", "failing"]
    vendor.order("/normal")
    assert works.sync(connection, SPACE, OTHER).state == "done"
    is_as_at_the_vendor(works, vendor, SPACE, OTHER)
    assert "Nothing is in trouble." in page_of(works, connection)
