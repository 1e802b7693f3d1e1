"""The folders of `mt/` import only from those above them in one list, so that each can be read without those below."""

import ast
import re
from functools import cache
from pathlib import Path

from conftest import ROOT

FOLDERS = [
    "errors",
    "config",
    "runtime",
    "text",
    "display",
    "data",
    "model",
    "search",
    "runs",
    "interop",
    "translation",
    "quality",
    "serving",
    "training",
    "evaluation",
    "commands",
    "cli",
]
MAX_LINES_OF_FILE = 300
MAX_LINES_OF_FUNCTION = 50
FRAGMENT = re.compile(r'\s*"""(What|How|Whether|Those|That|Of|of|In|in|As|as|By|by|From|from) ')
"""the first line of a docstring that is not a statement by itself"""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, ast.Module]:
    return {module_name(path): ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / "mt").rglob("*.py"))}


def imports(tree: ast.Module) -> set[str]:
    """Return the modules of mt that are imported, at the top or inside a function, for types or at run time."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mt."):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("mt.")}
    return found & set(modules())


def test_folders_import_only_from_those_above():
    packages = [name for name in modules() if name.startswith("mt.") and name != "mt.__main__"]
    assert {name.split(".")[1] for name in packages} == set(FOLDERS)
    rank = {folder: number for number, folder in enumerate(FOLDERS)}
    for name in packages:
        for imported in imports(modules()[name]):
            own, other = (rank[module.split(".")[1]] for module in (name, imported))
            assert other <= own, f"{name} imports {imported}"


def test_no_module_imports_itself_through_others():
    graph = {name: imports(tree) - {name} for name, tree in modules().items()}
    finished: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name not in finished:
            for imported in graph[name]:
                visit(imported, (*path, name))
            finished.add(name)

    for name in graph:
        visit(name, ())


def test_contributing_lists_the_same_folders():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip().strip("`/") for line in text.splitlines() if line.startswith("| `")]
    assert [row.removesuffix(".py") for row in rows] == FOLDERS


def test_configuration_stops_at_the_commands():
    for name, tree in modules().items():
        names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        if not name.startswith("mt.commands."):
            assert "hydra" not in names
            assert "DictConfig" not in ast.dump(tree), name


def test_files_and_functions_are_short():
    for path in (ROOT / "mt").rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= MAX_LINES_OF_FILE, path
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert (node.end_lineno or 0) - node.lineno < MAX_LINES_OF_FUNCTION, f"{path}: {node.name}"


def test_docstrings_stand_alone():
    """Without the line above them, which help and editors do not show."""
    files = [*(ROOT / "mt").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
    found = [
        f"{path}:{number}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if FRAGMENT.match(line)
    ]
    assert files
    assert found == []
