"""The structure that docs/architecture.md draws: imports point down, and every dependency has one home."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from lab.base.paths import PROJECT

# From the top down. A room may import from itself and from those below; TYPE_CHECKING imports count too.
FLOORS = (
    ("cli", "__main__"),
    ("present", "report", "stage", "watch"),
    ("scenario",),
    ("initialize",),
    ("lifecycle", "dev", "shells"),
    ("stacks",),
    ("mesh", "components"),
    ("clusters",),
    ("lab",),
    ("artifacts", "host"),
    ("measure",),
    ("kube",),
    ("tools",),
    ("config",),
    ("base",),
    ("__init__",),
)
HOMES = {
    "backports": {"lab.artifacts.resolver"},
    "cryptography": {"lab.base.pki"},
    "docker": {"lab.artifacts.logins"},
    "filelock": {"lab.base.locks"},
    "jinja2": {"lab.kube.manifests", "lab.report"},
    "kubernetes": {"lab.kube"},
    "markupsafe": {"lab.report"},
    "merge3": {"lab.initialize.update"},
    "oras": {"lab.artifacts.registry"},
    "platformdirs": {"lab.base.paths"},
    "prometheus_client": {"lab.stacks.istio.mesh", "lab.stacks.linkerd.hops"},
    "psutil": {"lab.host"},
    "pydantic": {
        "lab.artifacts.bundle.manifest",
        "lab.cli.output",
        "lab.config",
        "lab.report.codec",
    },
    "python_on_whales": {"lab.tools.docker"},
    "requests": {"lab.measure.http", "lab.artifacts"},
    "rich": {"lab.cli", "lab.present.screen", "lab.watch"},
    "segno": {"lab.stage.audience"},
    "starlette": {"lab.stage"},
    "subprocess": {"lab.base.children", "lab.base.process"},
    "tenacity": {"lab.base.wait"},
    "typer": {"lab.cli"},
    "urllib3": {"lab.kube.transport"},
    "uvicorn": {"lab.stage"},
    "watchfiles": {"lab.dev.laptop.folder"},
    "yaml": {"lab.kube.manifests"},
}
_NOT_IMPORTED = {"pip", "websockets"}
"""Run as a program, because an environment of uv has none; imported by uvicorn."""
MODULES = sorted((PROJECT / "lab").rglob("*.py"))
SCENARIOS = sorted((PROJECT / "scenarios").rglob("*.py"))


def imports(file: Path) -> Iterator[str]:
    """Yield the full name of everything that is imported, also for type checks only."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted(file: Path) -> str:
    return ".".join(file.relative_to(PROJECT).with_suffix("").parts)


def level(name: str) -> int:
    part = name.split(".")[1]
    found = [number for number, floor in enumerate(FLOORS) if part in floor]
    assert found, f"{name} is on no floor: add it to FLOORS and to docs/architecture.md"
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


def test_every_home_of_a_dependency_uses_it() -> None:
    users = {
        (dependency, home)
        for file in MODULES
        for dependency in {name.split(".")[0] for name in imports(file)}
        for home in HOMES.get(dependency, ())
        if dotted(file).startswith(home)
    }
    homes = {(dependency, home) for dependency, homes in HOMES.items() for home in homes}
    assert users == homes, "take the home that does not import its dependency out of HOMES"


def test_every_usage_error_names_what_to_do_next() -> None:
    silent = [
        f"{dotted(file)}:{node.lineno}"
        for file in MODULES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "UsageError"
        if "next" not in {keyword.arg for keyword in node.keywords}
    ]
    assert silent == [], "give each UsageError here a `next`: the command to type"


def test_no_module_is_longer_than_400_lines() -> None:
    long = {
        dotted(file): lines for file in [*MODULES, *SCENARIOS] if (lines := len(file.read_text().splitlines())) > 400
    }
    assert long == {}, "split the module by what it does"


def test_every_dependency_is_used_and_every_home_declared() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {name.split(">")[0].split(".")[0].replace("-", "_").replace("pyyaml", "yaml") for name in declared}
    used = {name.split(".")[0] for file in MODULES for name in imports(file)}
    assert names - used == _NOT_IMPORTED, "take the unused one out of `dependencies` in pyproject.toml"
    undeclared = used - sys.stdlib_module_names - {"lab", "scenarios"} - names
    assert undeclared == set(), "add it to `dependencies` in pyproject.toml"
    assert set(HOMES) - {"subprocess"} == names - _NOT_IMPORTED, "HOMES names the modules that import each dependency"


@pytest.mark.parametrize("file", SCENARIOS, ids=dotted)
def test_scenarios_import_each_other_relatively(file: Path) -> None:
    # In the wheel they are inside the lab's own package.
    tree = ast.parse(file.read_text(encoding="utf-8"))
    absolute = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    absolute = [name for name in absolute if name and name.split(".")[0] == "scenarios"]
    assert absolute == [], "import these with `from ..module import name`"


def test_no_two_classes_have_one_name() -> None:
    homes: dict[str, list[str]] = {}
    for file in [*MODULES, *SCENARIOS]:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(dotted(file))
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}, "rename one of the two"


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = {dotted(file).removesuffix(".__init__") for file in MODULES}
    graph = {
        dotted(file): {name for found in imports(file) for name in (found, found.rpartition(".")[0]) if name in modules}
        for file in MODULES
        if file.name != "__init__.py"
    }
    TopologicalSorter(graph).prepare()


def test_the_e2e_session_runs_every_file() -> None:
    tree = ast.parse((PROJECT / "noxfile.py").read_text(encoding="utf-8"))
    lists = {"_E2E", "_LINKS", "_CLUSTERS", "_EXISTING", "_INITIALIZER", "_OTHER_MACHINES", "_ENGINES"}
    named = [
        name
        for n in tree.body
        if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) in lists
        for name in ast.literal_eval(n.value)
    ]
    files = {file.name for file in (PROJECT / "tests/e2e").glob("test_*.py")}
    assert {f"test_{name}.py" for name in named} == files, "_E2E in noxfile.py, or a list beside it, names each file"


def test_the_tests_that_need_an_engine_can_be_collected() -> None:
    """They are run last; a name that has moved shows here in seconds."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/contract", "tests/e2e"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
