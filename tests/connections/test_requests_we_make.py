"""Every request our client makes is one that Bitbucket's own document describes."""

from __future__ import annotations

from connections.models import Connection
from integrations.bitbucket_cloud import CONNECTOR
from tests.integrations.openapi import needs_document, validate_request
from tests.vendor import Vendor
from tests.works import Works

REMOVED = ("/2.0/workspaces", "/2.0/repositories", "/2.0/user/permissions")


@needs_document
def test_linking_verifying_and_syncing_ask_only_what_is_documented(
    works: Works, vendor: Vendor
) -> None:
    everything = [c.key for c in CONNECTOR.manifest.capabilities if not c.writes]
    pending = works.link_by_token(vendor.token("dana-full"), capabilities=everything)
    works.sync(works.connection(pending))

    asked = vendor.requests()
    assert len(asked) > 20
    for request in asked:
        validate_request(request["method"], request["path"], request["query"])
        assert request["path"] not in REMOVED
    assert works.connection(pending).state == Connection.State.ACTIVE
