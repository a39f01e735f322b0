"""The tables of what each submitted entity consists of, from the published schema."""

from __future__ import annotations

from integrations.sandbox.jira.checks import Rule, maybe, need

STATES = ("pending", "in_progress", "successful", "failed", "cancelled", "unknown")
ENVIRONMENTS = ("unmapped", "development", "testing", "staging", "production")
CHANGES = ("ADDED", "COPIED", "DELETED", "MODIFIED", "MOVED", "UNKNOWN")

REPOSITORY = {
    "id": need("id", 1024), "name": need("text", 255), "url": need("url", 2000),
    "updateSequenceId": need("number"), "description": maybe("text", 1024),
    "forkOf": maybe("text", 1024), "avatar": maybe("url", 2000),
    "avatarDescription": maybe("text", 1024),
    "commits": maybe("list"), "branches": maybe("list"), "pullRequests": maybe("list"),
}  # fmt: skip
COMMIT = {
    "id": need("id", 1024), "updateSequenceId": need("number"), "author": need("object"),
    "authorTimestamp": need("moment"), "displayId": need("text", 255), "fileCount": need("whole"),
    "message": need("text"), "url": need("url", 2000), "hash": maybe("text", 255),
    "flags": maybe("list"), "files": maybe("list"),
}  # fmt: skip
BRANCH = {
    "id": need("id", 1024), "updateSequenceId": need("number"), "name": need("text", 512),
    "lastCommit": need("object"), "url": need("url", 2000),
    "createPullRequestUrl": maybe("url", 2000),
}  # fmt: skip
PULL_REQUEST = {
    "id": need("id", 1024), "updateSequenceId": need("number"), "author": need("object"),
    "commentCount": need("whole"), "displayId": need("text", 255), "lastUpdate": need("moment"),
    "sourceBranch": need("text", 255), "title": need("text", 1024), "url": need("url", 2000),
    "status": need("text", words=("OPEN", "MERGED", "DECLINED", "UNKNOWN", "DRAFT")),
    "destinationBranch": maybe("text", 255), "sourceBranchUrl": maybe("url", 2000),
    "destinationBranchUrl": maybe("url", 2000), "reviewers": maybe("list"),
}  # fmt: skip
AUTHOR = {
    "name": maybe("text", 255), "email": maybe("text", 255), "username": maybe("text", 255),
    "url": maybe("text", 2000), "avatar": maybe("text", 2000),
}  # fmt: skip
REVIEWER = {
    "name": maybe("text", 255), "email": maybe("text", 254), "accountId": maybe("text", 128),
    "approvalStatus": maybe("text", words=("APPROVED", "UNAPPROVED")),
    "url": maybe("url", 2000), "avatar": maybe("url", 2000),
}  # fmt: skip
FILE = {
    "path": need("text", 1024), "url": need("url", 2000), "changeType": need("text", words=CHANGES),
    "linesAdded": need("whole"), "linesRemoved": need("whole"),
}  # fmt: skip
BUILD = {
    "pipelineId": need("text", 255), "buildNumber": need("number"),
    "updateSequenceNumber": need("number"), "displayName": need("text", 255),
    "url": need("url", 2000), "state": need("text", words=STATES), "lastUpdated": need("moment"),
    "description": maybe("text", 255), "label": maybe("text", 255), "testInfo": maybe("object"),
    "references": maybe("list"),
}  # fmt: skip
DEPLOYMENT = {
    "deploymentSequenceNumber": need("number"), "updateSequenceNumber": need("number"),
    "displayName": need("text", 255), "url": need("url", 2000), "description": need("text", 255),
    "lastUpdated": need("moment"), "state": need("text", words=(*STATES, "rolled_back")),
    "pipeline": need("object"), "environment": need("object"), "label": maybe("text", 255),
    "duration": maybe("whole"), "commands": maybe("list"),
}  # fmt: skip
PIPELINE = {
    "id": need("text", 255), "displayName": need("text", 255), "url": need("url", 2000),
}  # fmt: skip
ENVIRONMENT = {
    "id": need("text", 255), "displayName": need("text", 255),
    "type": need("text", words=ENVIRONMENTS),
}  # fmt: skip
TESTS = {
    "totalNumber": need("whole"), "numberPassed": need("whole"), "numberFailed": need("whole"),
    "numberSkipped": maybe("whole"),
}  # fmt: skip
KINDS: dict[str, dict[str, Rule]] = {
    "commits": COMMIT,
    "branches": BRANCH,
    "pullRequests": PULL_REQUEST,
}
