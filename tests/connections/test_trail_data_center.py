"""The trail at a server of one's own, held against that server's record; what it never tells."""

from __future__ import annotations

from connections.flows import inquiries
from integrations.bitbucket_data_center import CONNECTOR
from tests.connections.coding import slugs
from tests.connections.test_incremental_data_center import change, line, read, truth
from tests.connections.test_trail import lines, names, trail_of
from tests.vendor import Vendor
from tests.works import Works

DANA, TOMAS = "Dana Levi", "Tomás Ó Súilleabháin"  # she pushes and merges, the project is hers


def test_a_trail_of_a_server_says_what_is_on_its_own_record(works: Works, vendor: Vendor) -> None:
    """Pusher by webhook; approver, merge and build as the server has them; no deployments."""
    connection = read(works, vendor, [one.key for one in CONNECTOR.streams])
    slug = slugs(works)[1]
    with line(works, vendor, connection) as at:
        [pushed] = change(vendor, "/push", slug, branch="fix", commits=["Mend it"])["changes"]
        wish = {"source": "fix", "title": "Mend the latch", "reviewers": ["tomas"]}
        pull = change(vendor, "/pull-requests", slug, do="create", **wish)
        review = {"id": pull["id"], "user": "tomas"}
        change(vendor, "/pull-requests", slug, do="approve", **review)
        state = {"state": "FAILED", "key": "CI-7", "url": "https://ci.acme.example/job/7"}
        change(vendor, "/statuses", slug, commit=pushed["new"], **state)
        change(vendor, "/pull-requests", slug, do="merge", id=pull["id"])
        at.deliver(at.sent())
        at.work()
        at.work(seconds=9)

    so = truth(vendor, slug)
    there = next(one for one in so["pull_requests"] if one["id"] == pull["id"])
    approved = [each["user"] for each in there["participants"] if each["approved"]]
    [build] = [one for one in so["statuses"] if one["commit"] == pushed["new"]]
    assert (build["key"], build["state"], len(approved)) == ("CI-7", "FAILED", 1)
    found = trail_of(works, pushed["new"][:9])

    assert set(names(found, "Pushed")) == {DANA}
    first = min(lines(found, "Pushed"), key=lambda one: str(one.at))
    assert first.says == "To the branch fix." and "Webhook" in first.source
    assert names(found, "Approved") == [TOMAS]
    assert names(found, "Merged") == [DANA]
    assert there["merge_commit"][:12] in lines(found, "Merged")[0].says
    gaps = " ".join(gap.says for part in found.parts for gap in part.gaps)
    assert "lists no deployments" in gaps and "lists no pipelines" in gaps

    # A server tells of no build by webhook, and lists are read of open pull requests' heads only.
    assert "No build result is kept" in gaps and not lines(found, "Build CI-7")
    with works.inside():
        asked = {"repository": found.repository, "kind": "commit", "key": pushed["new"]}
        inquiries.request(actor=works.alice, **asked)
    works.drain()
    [line_of_build] = lines(trail_of(works, pushed["new"]), "Build CI-7")
    assert line_of_build.says == "Failed."
    assert trail_of(works, build["url"]).subject.key == pushed["new"]
