"""The documents say what is so: each promise has its test, each setting and permission its line."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from connections import registry
from connections.contracts import Connector
from portal.policy import TABLE, Permission, Role

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SECURITY = (DOCS / "security.md").read_text()
OPERATIONS = (DOCS / "operations.md").read_text()
PEOPLE = (DOCS / "people.md").read_text()
ROW = re.compile(r"^\| (?P<promise>.+?) \| `(?P<test>[^`]+)` \|$", re.MULTILINE)
SETTINGS = ("settings.py", "key_settings.py", "mail_settings.py")
ASKED = ("boolean", "text", "integer", "listed", "mapping", "choice", "secret")
# Read for each login role; the document names them with one line each.
BY_ROLE = {"DATABASE_URL", "DATABASE_PASSWORD"}


def names_in(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def promises() -> list[tuple[str, str]]:
    return [(row["promise"], row["test"]) for row in ROW.finditer(SECURITY)]


@pytest.mark.parametrize(("promise", "test"), promises(), ids=lambda text: text[-60:])
def test_each_promise_names_a_test_that_exists(promise: str, test: str) -> None:
    path, _, name = test.partition("::")
    assert (ROOT / path).is_file(), f"{promise}: no {path}"
    if name:
        assert name.rpartition("::")[2] in names_in(ROOT / path), f"{promise}: no {name} in {path}"


def test_each_promise_has_a_test() -> None:
    """A row of the tables that the pattern above does not read would escape it."""
    rows = [line for line in SECURITY.splitlines() if line.startswith("| ")]
    head = {"| promise | test |"}
    unread = [line for line in rows if line not in head and not ROW.fullmatch(line)]
    assert unread == []
    assert len(promises()) >= 20


def settings_read() -> set[str]:
    """The names that the settings ask the environment for."""
    found = set()
    files = [ROOT / "portal" / name for name in SETTINGS]
    for node in ast.walk(ast.parse("\n".join(file.read_text() for file in files))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ASKED
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "env"
            and isinstance(node.args[0], ast.Constant)
        ):
            found.add(str(node.args[0].value))
    return found


def documented() -> set[str]:
    lines = [line for line in OPERATIONS.splitlines() if line.startswith("| `")]
    return {name for line in lines for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", line)}


def test_each_setting_has_its_line() -> None:
    assert settings_read() >= {"PORTAL_MODE", "SECRET_KEY", "SIGNUP"}
    assert settings_read() - documented() == set()


def test_each_documented_setting_is_read() -> None:
    table = OPERATIONS.partition("## Settings")[2].partition("| `PYTHON`")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", " ".join(cells)))
    read = settings_read()
    files = {f"{name}_FILE" for name in read}
    by_role = {name for name in named if any(name.startswith(prefix) for prefix in BY_ROLE)}
    alone = {name for name in named if name.startswith("_")}
    assert named - read - files - by_role - alone - {"NAME_FILE"} == set()


def test_each_permission_has_its_line_and_the_line_is_right() -> None:
    """The table of docs/people.md is the one of policy.py, cell by cell."""
    lines = [line.strip("| ").split(" | ") for line in PEOPLE.splitlines() if line.startswith("| ")]
    head = next(line for line in lines if line[0] == "permission")
    roles = [Role(name) for name in head[2:]]
    told = {
        line[0].strip("`"): dict(zip(roles, line[2:], strict=True))
        for line in lines
        if line[0].strip("`") in set(Permission)
    }
    assert roles == list(Role)
    assert told == {
        str(permission): {r: "yes" if permission in TABLE[r] else "no" for r in Role}
        for permission in Permission
    }


def test_links_between_documents_lead_somewhere() -> None:
    for page in [*DOCS.glob("*.md"), *ROOT.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if "://" not in target and not target.startswith("mailto:"):
                assert (page.parent / target).exists(), f"{page.name} → {target}"


@pytest.mark.parametrize(
    "connector", list(registry.connectors().values()), ids=lambda c: c.manifest.slug
)
def test_each_connector_has_a_page_with_clicks_scopes_and_quirks(connector: Connector) -> None:
    """What to click at the vendor, each scope with its reason, and what is odd with its source."""
    manifest = connector.manifest
    page = (DOCS / f"{manifest.slug}.md").read_text()
    assert f"(docs/{manifest.slug}.md)" in (ROOT / "README.md").read_text()
    parts = {part.partition("\n")[0]: part for part in page.split("\n## ")}
    clicks = next(text for title, text in parts.items() if title.startswith("What to click"))
    odd = next(text for title, text in parts.items() if title.startswith("What is odd"))
    why = next(text for title, text in parts.items() if "| why |" in text)
    assert "](https://" in clicks or "](jira.md" in clicks
    assert odd.count("](https://") >= 4
    for method in manifest.choices:
        assert method.title in page, method.title
    words = [w for c in manifest.capabilities for scopes in c.scopes.values() for w in scopes]
    for word in words:
        said = {word, word.removeprefix("global:"), word.capitalize()}
        assert any(each in why for each in said), word
