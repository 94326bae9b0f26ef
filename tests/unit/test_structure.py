"""The structure that docs/architecture.md draws: imports point down, and every dependency has one home."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.paths import PROJECT

# From the top down. A module may import from its own layer and from those below.
LAYERS = (
    {"cli", "__main__"},
    {"cli_mesh", "cli_dev"},
    {"cli_scenarios"},
    {"screens", "scenario_screens", "walk_view"},
    {"walk", "walkthrough", "reset", "scenario_console", "scenario_lab"},
    {"scenario_session"},
    {"report"},
    {"scenario_runner"},
    {"results"},
    {"scenario"},
    {"scenario_context", "load_stream"},
    {"plan", "runner", "console", "status", "teardown", "logs", "lock", "upstream_checks"},
    {"stacks"},
    {"dev"},
    {"mesh", "components"},
    {"clusters"},
    {"context"},
    {"host"},
    {"artifacts"},
    {"kube", "manifests", "objects"},
    {"objects"},
    {"capture", "load"},
    {"recording"},
    {"tools", "probe", "typed"},
    {"process", "wait"},
    {"events"},
    {"model", "config"},
    {"paths", "errors", "evidence", "stats", "keys"},
    {"__init__"},
)
HOMES = {
    "cryptography": {"lab.components.pki"},
    "filelock": {"lab.lock", "lab.artifacts"},
    "jinja2": {"lab.manifests"},
    "kubernetes": {"lab.kube"},
    "oras": {"lab.artifacts.published"},
    "platformdirs": {"lab.paths"},
    "psutil": {"lab.host"},
    "pydantic": {"lab.config"},
    "python_on_whales": {"lab.tools.docker"},
    "requests": {"lab.probe", "lab.artifacts"},
    "rich": {"lab.console", "lab.screens", "lab.cli", "lab.scenario_console", "lab.scenario_screens", "lab.walk_view"},
    "subprocess": {"lab.process"},
    "tenacity": {"lab.wait"},
    "typer": {"lab.cli"},
    "watchfiles": {"lab.dev.folder"},
    "yaml": {"lab.manifests"},
}
MODULES = sorted((PROJECT / "lab").rglob("*.py"))


def imports(file: Path) -> Iterator[str]:
    """Yield the full name of everything that is imported at run time."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    hidden = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted(file: Path) -> str:
    return ".".join(file.relative_to(PROJECT).with_suffix("").parts)


def level(name: str) -> int:
    part = name.split(".")[1]
    found = [number for number, layer in enumerate(LAYERS) if part in layer]
    assert found, f"{name} is in no layer: add it to LAYERS and to docs/architecture.md"
    return found[0]


@pytest.mark.parametrize("file", MODULES, ids=dotted)
def test_imports_point_down(file: Path) -> None:
    own = level(dotted(file))
    modules = {dotted(other).removesuffix(".__init__") for other in MODULES}
    for name in imports(file):
        if name.startswith("lab.") and (name in modules or name.rsplit(".", 1)[0] in modules - {"lab"}):
            assert level(name) >= own, f"{dotted(file)} imports {name}, which is above it"


@pytest.mark.parametrize("file", MODULES, ids=dotted)
def test_every_dependency_has_one_home(file: Path) -> None:
    for name in imports(file):
        homes = HOMES.get(name.split(".")[0])
        if homes is not None:
            assert any(dotted(file).startswith(home) for home in homes), f"{dotted(file)} imports {name}: use {homes}"


def test_no_module_is_longer_than_400_lines() -> None:
    long = {dotted(file): lines for file in MODULES if (lines := len(file.read_text().splitlines())) > 400}
    assert long == {}


def test_every_dependency_is_used_and_every_home_declared() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {name.split(">")[0].replace("-", "_").replace("pyyaml", "yaml") for name in declared}
    used = {name.split(".")[0] for file in MODULES for name in imports(file)}
    assert names - used == set()
    assert set(HOMES) - {"subprocess"} == names
