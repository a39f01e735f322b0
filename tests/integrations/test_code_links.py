"""Where the two Bitbuckets show code to people, by the addresses of their repositories."""

from __future__ import annotations

import pytest

from connections.contracts import CodeLinks
from integrations.bitbucket_cloud import CONNECTOR as CLOUD
from integrations.bitbucket_data_center import CONNECTOR as DATA_CENTER

HERE = "https://bitbucket.org/acme/ledger"
THERE = "https://git.acme.example/bitbucket/projects/PAY/repos/ledger/browse"
OWN = "https://git.acme.example/users/dana/repos/ledger/browse"
HOME = "https://git.acme.example/bitbucket/projects/PAY/repos/ledger"


@pytest.mark.parametrize(
    ("links", "kind", "repository", "url"),
    [
        (CLOUD, "branch", HERE, f"{HERE}/branch/a/b%20c"),
        (CLOUD, "commit", HERE, f"{HERE}/commits/f00d"),
        (CLOUD, "pull_request", HERE, f"{HERE}/pull-requests/7"),
        (CLOUD, "new_pull_request", HERE, f"{HERE}/pull-requests/new?source=a/b%20c"),
        (
            CLOUD,
            "new_branch",
            HERE,
            "https://bitbucket.org/branch/create?issueKey=PAY-1&issueSummary=A%20%26%20B",
        ),
        (DATA_CENTER, "branch", THERE, f"{HOME}/browse?at=refs/heads/a/b%20c"),
        (DATA_CENTER, "commit", THERE, f"{HOME}/commits/f00d"),
        (DATA_CENTER, "pull_request", THERE, f"{HOME}/pull-requests/7/overview"),
        (
            DATA_CENTER,
            "new_pull_request",
            THERE,
            f"{HOME}/pull-requests?create&sourceBranch=refs/heads/a/b%20c",
        ),
        (
            DATA_CENTER,
            "new_branch",
            THERE,
            "https://git.acme.example/bitbucket/plugins/servlet/create-branch"
            "?issueKey=PAY-1&issueSummary=A%20%26%20B",
        ),
        (
            DATA_CENTER,
            "new_branch",
            OWN,
            "https://git.acme.example/plugins/servlet/create-branch"
            "?issueKey=PAY-1&issueSummary=A%20%26%20B",
        ),
        (CLOUD, "new_branch_in", HERE, ""),
        (
            DATA_CENTER,
            "new_branch_in",
            THERE,
            "https://git.acme.example/bitbucket/plugins/servlet/create-branch"
            "?repoId=42&branchFrom=refs/heads/main&branchName=PAY-1-a%26b"
            "&issueKey=PAY-1&issueSummary=A%20%26%20B",
        ),
    ],
)
def test_code_is_shown_where_the_product_shows_it(
    links: object, kind: str, repository: str, url: str
) -> None:
    found: CodeLinks = links.manifest.code_links  # type: ignore[attr-defined]
    parts = {"branch": "a/b c", "hash": "f00d", "number": "7", "issue": "PAY-1", "summary": "A & B"}
    parts |= {"id": "42", "start": "main", "name": "PAY-1-a&b"}
    assert found.filled(getattr(found, kind), repository, **parts) == url


def test_without_an_address_there_is_no_link() -> None:
    for connector in (CLOUD, DATA_CENTER):
        links = connector.manifest.code_links
        assert links.filled(links.branch, "", branch="main") == ""
        assert links.filled(links.branch, "javascript:alert(1)", branch="main") == ""
    assert CodeLinks().filled("", HERE, branch="main") == ""


def test_what_people_write_stays_in_its_place() -> None:
    links = CLOUD.manifest.code_links
    url = links.filled(links.new_branch, HERE, issue="PAY-1", summary='x&y=z#"><script>')
    assert url.count("&") == 1 and "<" not in url and "#" not in url
    assert (
        links.filled(links.branch, HERE, branch="{repository}") == f"{HERE}/branch/%7Brepository%7D"
    )
