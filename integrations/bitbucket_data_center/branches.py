"""A branch made at Bitbucket Data Center: POST …/branches, by the hash that it begins at."""

from __future__ import annotations

from connections.contracts import Api, BranchRecord, Container
from connections.errors import RemoteGone
from integrations import bitbucket, bitbucket_code
from integrations.bitbucket_data_center import code, code_reading


def make_branch(api: Api, container: Container, *, name: str, start: str) -> BranchRecord:
    """A new branch where the branch `start` stands now."""
    begins = code.ref_of(api, container, bitbucket_code.ref_id("branch", start)).records
    if not begins or not isinstance(begins[0], BranchRecord):
        raise RemoteGone(f"The branch {start} is not there any more.")
    body = {"name": name, "startPoint": begins[0].target}
    path = f"{code.path_of(container)}/branches"
    return bitbucket.one(api.send("POST", path, body), code_reading.ref)
