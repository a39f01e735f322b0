"""A branch made at Bitbucket Cloud: POST …/refs/branches, by the hash that it begins at."""

from __future__ import annotations

from connections.contracts import Api, BranchRecord, Container
from integrations import bitbucket
from integrations.bitbucket import segment
from integrations.bitbucket_cloud import code_reading
from integrations.bitbucket_cloud.code import path_of


def make_branch(api: Api, container: Container, *, name: str, start: str) -> BranchRecord:
    """A new branch where the branch `start` stands now."""
    path = f"{path_of(container)}/refs/branches"
    begins = bitbucket.one(api.get(f"{path}/{segment(start)}"), code_reading.ref)
    body = {"name": name, "target": {"hash": begins.target}}
    return bitbucket.one(api.send("POST", path, body), code_reading.ref)
