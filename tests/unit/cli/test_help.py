"""What `lab --help` and shell completion show, and what they must not import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lab.cli import options
from lab.cli.app import app
from tests.unit.cli.commands import ROOT, every
from tests.unit.fake_api import FakeApi

# Without pydantic: Typer itself imports it to read a command's options. The lab's own use of it is lab.config.
HEAVY = (
    "cryptography",
    "jinja2",
    "kubernetes",
    "oras",
    "psutil",
    "python_on_whales",
    "requests",
    "rich",
    "starlette",
    "tenacity",
    "uvicorn",
    "watchfiles",
    "yaml",
    "lab.config",
    "lab.kube",
    "lab.stacks",
    "scenarios.isolation",
)


def loaded(words: Sequence[str], **environment: str) -> set[str]:
    """Run the command line in a fresh interpreter and return the heavy modules that it imported."""
    program = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('LOADED', *[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr))\n"
        f"sys.argv = ['lab', *{list(words)!r}]\n"
        "from lab.cli.app import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PATH": "", **environment}, text=True, capture_output=True, check=False
    )
    line = next(line for line in done.stderr.splitlines() if line.startswith("LOADED"))
    return set(line.split()[1:])


def test_the_list_of_commands_does_not_even_import_pydantic() -> None:
    program = "import sys; sys.argv = ['lab', '--help']\nfrom lab.cli.app import main\ntry: main()\nexcept SystemExit: "
    program += "print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("words", [["--help"], ["up", "--help"], ["dev", "process", "--help"], ["run", "--help"]])
def test_help_imports_no_tool(words: list[str]) -> None:
    assert loaded(words) == set()


def test_completion_of_commands_and_scenarios_imports_no_tool() -> None:
    completion = {"_LAB_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    assert loaded([], **completion, COMP_WORDS="lab st") == set()
    assert loaded([], **{**completion, "COMP_CWORD": "2"}, COMP_WORDS="lab run iso") == set()


def test_completion_knows_scenarios_and_clusters() -> None:
    def complete(words: str, index: int) -> list[str]:
        environment = {"_LAB_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(index)}
        return CliRunner().invoke(app, [], prog_name="lab", env=environment).stdout.split()

    assert complete("lab run iso", 2) == ["isolation"]
    assert complete("lab walk iso", 2) == ["isolation"]
    assert complete("lab stage iso", 2) == ["isolation"]
    assert complete("lab export web --from ea", 4) == ["east"]
    assert complete("lab failover podinfo --primary we", 4) == ["west"]
    assert complete("lab artifacts build kub", 3) == ["kubectl", "kubernetes"]
    assert complete("lab check isolation/lo", 2) == ["isolation/locked"]


CLUSTERS = {"--in", "--from", "--cluster", "--primary", "--backup"}
"""Options with the name of a cluster; `--from` of a permission is a caller, which begins with one."""


def test_every_option_that_names_a_cluster_completes_it() -> None:
    silent = [
        f"lab {' '.join(path)} {parameter.opts[0]}"
        for path, command in every()
        for parameter in command.params
        if CLUSTERS.intersection(parameter.opts) and parameter._custom_shell_complete is None
    ]
    assert silent == []


def test_completion_knows_services_and_callers(up: Path, apis: dict[str, FakeApi]) -> None:
    for cluster, kind, name in (("east", "Service", "podinfo"), ("west", "ServiceAccount", "frontend")):
        path = f"/api/v1/namespaces/test/{kind.lower()}s/{name}"
        metadata = {"name": name, "namespace": "test"}
        apis[cluster].objects[path] = {"apiVersion": "v1", "kind": kind, "metadata": metadata}
    assert options.service_names("pod") == ["podinfo"]
    assert options.service_names("x") == []
    assert options.caller_names("west/") == ["west/frontend"]


def test_completion_without_a_lab_is_empty(folder: Path) -> None:
    assert options.service_names("") == []


def test_every_command_is_in_a_titled_group() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    sections = [line for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")]
    groups = ["Options:", "Lifecycle:", "Scenarios:", "Traffic:", "Development:", "Artifacts:"]
    assert sections == groups, "register the command with one of the panels of lab/cli/groups.py"
    listed = {line.split()[0] for line in shown.splitlines() if line.startswith("  ")}
    assert set(ROOT.commands) <= listed


@pytest.mark.parametrize(
    ("path", "command"), list(every()), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_help_is_whole_at_80_columns(path: tuple[str, ...], command: Any) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "80"}).stdout
    for line in shown.splitlines():
        assert len(line) <= 80
        assert line.startswith("Usage:") or not line.rstrip().endswith("..."), f"cut off: {line}"
    assert "[[" not in shown
    assert command.help


@pytest.mark.parametrize(
    ("path", "command"), list(every()), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_option_and_argument_says_what_it_is(path: tuple[str, ...], command: Any) -> None:
    silent = [p.name for p in command.params if not getattr(p, "help", None) and p.name != "help"]
    assert silent == [], f"lab {' '.join(path)}: give these a `help`"


def test_every_command_has_a_test() -> None:
    tested: set[tuple[str, ...]] = set()
    for file in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            given = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
            words = tuple(str(word.value) for word in given if isinstance(word, ast.Constant))
            tested |= {words[:1], words[:2]}
    leaves = [path for path, command in every() if not hasattr(command, "commands")]
    untested = [path for path in leaves if path not in tested]
    assert untested == [], "add a test that calls the command to a file of this folder"
