"""Answers held against Atlassian's own OpenAPI documents, where those are at hand."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

SPECS = Path(__file__).resolve().parents[3] / "shared/specs"
needs_documents = pytest.mark.skipif(
    not SPECS.exists(), reason="Atlassian's OpenAPI documents are not beside the project"
)
JIRA, V2, V1, DEVELOPMENT = (
    "jira-platform-swagger-v3.v3.json",
    "confluence-openapi-v2.v3.json",
    "confluence-v1-swagger.v3.json",
    "jira-software-swagger.v3.json",
)
# Where the documents say less or other than what is seen, by document and place of the error.
GAPS = {
    r"GET /rest/api/3/serverInfo .*'defaultLocale'": "Every site says it; the schema is closed.",
}


def assert_documented(name: str, method: str, template: str, status: int, told: object) -> None:
    """Nothing is said against an answer but what is a known gap."""
    if not SPECS.exists():
        return
    responses = document(name)["paths"][template][method.lower()]["responses"]
    content = responses[str(status)].get("content", {}).get("application/json", {})
    if told is None or "schema" not in content:
        return
    schema = {**content["schema"], "components": document(name)["components"]}
    found = [
        f"{method} {template} {'/'.join(map(str, error.absolute_path))} {error.message[:120]}"
        for error in Draft202012Validator(schema).iter_errors(told)
    ]
    assert not [each for each in found if not any(re.match(gap, each) for gap in GAPS)]


@cache
def document(name: str) -> Any:
    return json.loads((SPECS / name).read_text())
