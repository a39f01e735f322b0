"""Bodies held against Jira's own OpenAPI documents, where those are at hand."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

SPECS = Path(__file__).resolve().parents[3] / "shared/specs"
SOFTWARE, PLATFORM = "jira-software-swagger.v3.json", "jira-platform-swagger-v3.v3.json"
needs_documents = pytest.mark.skipif(
    not (SPECS / SOFTWARE).exists(), reason="Jira's OpenAPI documents are not beside the project"
)

SERVICES = {
    "jira/devinfo/0.1/cloud/{site}/bulk": "/rest/devinfo/0.10/bulk",
    "jira/builds/0.1/cloud/{site}/bulk": "/rest/builds/0.1/bulk",
    "jira/deployments/0.1/cloud/{site}/bulk": "/rest/deployments/0.1/bulk",
}
# Atlassian's own app for GitHub sends it for open drafts; the document lacks it.
UNDOCUMENTED_STATUS = "DRAFT"


def wrong(path: str, body: object) -> list[str]:
    """What the document for a parcel's path says against a body; nothing when all is well."""
    return against(SOFTWARE, SERVICES[path], "post", body)


def against(document: str, path: str, method: str, body: object) -> list[str]:
    """What an operation's request schema says against a body."""
    plain = json.loads(json.dumps(body))
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in _validator(document, path, method).iter_errors(plain)
        if error.instance != UNDOCUMENTED_STATUS
    ]


@cache
def _document(name: str) -> Any:
    return json.loads((SPECS / name).read_text())


@cache
def _validator(name: str, path: str, method: str) -> Draft202012Validator:
    document = _document(name)
    content = document["paths"][path][method]["requestBody"]["content"]["application/json"]
    schema = {**content["schema"], "components": document["components"]}
    return Draft202012Validator(schema)
