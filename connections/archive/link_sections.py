"""Which rows of links an export holds: what travels where, and what came of it."""

from __future__ import annotations

from typing import Final

from connections.archive.section import section
from connections.models import BranchWish, Link, LinkRepository, RelayItem, SmartDeed

LINKS: Final = (
    section(
        "links",
        Link,
        "source_id target_id destination_id label way state paused_by paused_at choice pattern",
        "includes_new options created_by created_at activated_at removal removal_by",
        "removal_began_at removal_ended_at removal_left last_sent_at last_error last_error_at",
    ),
    section(
        "link_repositories",
        LinkRepository,
        "link_id repository_id enabled enabled_at sent failed unknown_subjects last_sent_at",
        "last_error last_error_detail last_error_at",
    ),
    section(
        "relayed",
        RelayItem,
        "link_id repository_id kind key state cause changed_at subjects sent_at error error_detail",
    ),
    section(
        "smart_commits",
        SmartDeed,
        "link_id repository_id commit subject index command state author detail created_at",
        "started_at ended_at",
    ),
    section(
        "branches_made",
        BranchWish,
        "connection_id repository_id name start subject asked_by asked_at ended_at stand error",
        "error_detail",
    ),
)
