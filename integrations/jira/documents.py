"""Texts as Jira's REST API takes them: Atlassian Document Format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from integrations.jira.wording import Json, address


def document(*blocks: Json) -> dict[str, Any]:
    return {"version": 1, "type": "doc", "content": list(blocks)}


def paragraphs(text: str) -> list[Json]:
    """A paragraph for each line; an empty one has no content, for there are no empty texts."""
    return [paragraph([words(line)] if line.strip() else []) for line in text.split("\n")]


def paragraph(content: Sequence[Json]) -> dict[str, Any]:
    return {"type": "paragraph", "content": list(content)}


def words(text: str, url: str = "") -> dict[str, Any]:
    """A text, which leads somewhere where there is an address."""
    said: dict[str, Any] = {"type": "text", "text": text}
    href = address(url)
    return said | {"marks": [{"type": "link", "attrs": {"href": href}}]} if href else said


def mention(account_id: str, name: str) -> dict[str, Any]:
    """Somebody by their account at Atlassian, who is told of it."""
    return {"type": "mention", "attrs": {"id": account_id, "text": f"@{name}"}}


def texts(raw: object) -> str:
    """All texts of a document on one line, without mentions: Jira names people its own way."""
    if isinstance(raw, list):
        return " ".join(filter(None, map(texts, raw)))
    if not isinstance(raw, dict):
        return ""
    if raw.get("type") == "text" and isinstance(raw.get("text"), str):
        return " ".join(raw["text"].split())
    return texts(raw.get("content"))
