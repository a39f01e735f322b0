"""Rules about the building itself: floors, cycles, sizes, and where vendors may be named."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("portal", "connections", "integrations")
MAY_IMPORT = {
    "portal": {"portal"},
    "connections": {"portal", "connections"},
    "integrations": {"connections", "integrations"},
}
ROOMS_MAY_IMPORT = {"connections.contracts", "connections.errors", "connections.records"}
WITHOUT_DJANGO = (
    "connections/contracts.py",
    "connections/methods.py",
    "connections/moments.py",
    "connections/lineage.py",
    "connections/errors.py",
    "connections/records.py",
    "connections/relay_commands.py",
    "connections/relay_events.py",
    "connections/relay_panels.py",
    "connections/relay_words.py",
    "connections/http.py",
    "connections/vendor_api.py",
    "connections/strict_json.py",
    "connections/oauth_wire.py",
    "connections/oauth_answers.py",
    "connections/addresses.py",
    "connections/origins.py",
)
LONGEST_FILE, LONGEST_TEST_FILE, LONGEST_FUNCTION = 300, 400, 60


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Dotted names that this file imports, whether modules or names in them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def whole(names: set[str], modules: Mapping[str, Path]) -> set[str]:
    """The modules among the names; `from package import module` names the module alone."""
    found = {name for name in names if name in modules}
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


@pytest.mark.parametrize("floor", FLOORS)
def test_no_floor_reaches_up(floor: str) -> None:
    for path in sources(floor):
        floors = {name.split(".")[0] for name in imports(path)} & MAY_IMPORT.keys()
        assert floors <= MAY_IMPORT[floor], path


def test_rooms_know_only_the_contract_and_their_family() -> None:
    for path in sources("integrations"):
        room = ".".join(module(path).split(".")[:2])
        for name in imports(path):
            if name.startswith("connections"):
                assert any(name == one or name.startswith(f"{one}.") for one in ROOMS_MAY_IMPORT), (
                    path,
                    name,
                )
            if name.startswith("integrations."):
                other = ".".join(name.split(".")[:2])
                family = (ROOT / other.replace(".", "/")).with_suffix(".py")
                assert other == room or family.is_file(), (path, name)
            assert not name.startswith("django"), (path, name)


def test_the_sandbox_imports_nothing_of_ours() -> None:
    for path in sources("integrations/sandbox"):
        for name in imports(path):
            if name.split(".")[0] in FLOORS:
                assert name.startswith("integrations.sandbox"), (path, name)


def test_nothing_in_the_product_imports_the_sandbox() -> None:
    for path in sources(*FLOORS):
        if "sandbox" not in path.parts:
            assert not any(name.startswith("integrations.sandbox") for name in imports(path)), path


@pytest.mark.parametrize("name", WITHOUT_DJANGO)
def test_the_wire_knows_no_django(name: str) -> None:
    assert not any(each.split(".")[0] == "django" for each in imports(ROOT / name))


def test_no_module_is_part_of_a_cycle() -> None:
    modules = {module(path): path for path in sources(*FLOORS)}
    graph = {
        name: {found for found in whole(imports(path), modules) if found != name}
        for name, path in modules.items()
    }
    done: set[str] = set()
    trail: list[str] = []

    def visit(name: str) -> None:
        assert name not in trail, " → ".join([*trail[trail.index(name) :], name])
        if name in done:
            return
        trail.append(name)
        for other in sorted(graph[name]):
            visit(other)
        trail.pop()
        done.add(name)

    for name in graph:
        visit(name)


def test_imports_stand_at_the_top() -> None:
    for path in sources(*FLOORS):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "ready":
                inner = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
                assert not inner, f"{path}: {node.name}"


def test_private_names_stay_in_their_package() -> None:
    for path in sources(*FLOORS):
        package = module(path).split(".")[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    private = alias.name.startswith("_") and not alias.name.startswith("__")
                    assert not private or node.module.split(".")[0] == package, (path, alias.name)


def test_files_and_functions_are_short() -> None:
    lengths = []
    for path in sources(*FLOORS):
        lines = path.read_text().splitlines()
        assert len(lines) <= LONGEST_FILE, f"{path}: {len(lines)} lines"
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= LONGEST_FUNCTION, f"{path}: {node.name} has {length} lines"
                lengths.append(length)
    assert statistics.median(lengths) <= 10
    assert statistics.quantiles(lengths, n=20)[18] <= 35
    for path in sources("tests"):
        assert len(path.read_text().splitlines()) <= LONGEST_TEST_FILE, path


def test_every_module_says_what_it_is_for() -> None:
    for path in sources(*FLOORS):
        text = path.read_text()
        assert not text.strip() or ast.get_docstring(ast.parse(text)), path


def test_only_env_reads_the_environment() -> None:
    allowed = {"portal/env.py", "portal/celery.py", "portal/wsgi.py", "manage.py"}
    for path in sources("portal", "connections"):
        name = str(path.relative_to(ROOT))
        if name not in allowed:
            assert "os.environ" not in path.read_text(), name


def test_vendors_are_named_in_their_own_folders_only() -> None:
    vendors = {dotted.rsplit(".", 1)[1].split("_")[0] for dotted in settings.CONNECTORS}
    vendors.add("atlassian")
    pages = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "templates").rglob("*.txt")]
    for path in [*sources("portal", "connections"), *pages]:
        code = path.read_text().lower()
        for vendor in vendors:
            if path.stem in {"settings", "gallery"}:
                continue
            assert vendor not in code, f"{path} names {vendor}"
