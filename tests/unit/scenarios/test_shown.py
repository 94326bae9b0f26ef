"""What is shown is what runs: for every scenario, stack and step, and nothing else changes a cluster."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.base.paths import PROJECT
from lab.base.process import Completed
from lab.scenario.actions import Action, Command, NewPhase, Observe, Pause, Start, Stop, Until
from lab.scenario.context import Context
from lab.scenario.executor import Output, Typed
from lab.scenario.model import Scenario, lines_of, script_of
from lab.scenario.registry import registry
from tests.unit.cli.commands import every
from tests.unit.scenarios.kit import RENAMED, SCENARIOS, STACKS, executor_of, look, target

PARTS = ("shown", "undo", "sabotage", "undo of the sabotage")


def parts_of(step: Any) -> dict[str, Sequence[Action]]:
    sabotage = step.sabotage
    return {
        "shown": (*step.before, *step.do),
        "undo": step.undo,
        "sabotage": sabotage.do if sabotage else (),
        "undo of the sabotage": sabotage.undo if sabotage else (),
    }


def cases() -> Iterator[Any]:
    for stack in STACKS:
        for whole in registry(target(stack, Path("/nowhere"))).scenarios.values():
            for step in whole.steps:
                yield pytest.param(stack, whole.name, step.name, id=f"{stack}-{whole.name}-{step.name}")


class Terminal:
    """Records each program that is handed to it instead of running it."""

    def __init__(self) -> None:
        self.programs: list[tuple[str, ...]] = []

    def run(self, argv: Any, **_: Any) -> Completed:
        self.programs.append(tuple(argv))
        return Completed(argv=tuple(argv), returncode=0, stdout="", stderr="", duration_s=0.0)

    def start(self, argv: Any, **_: Any) -> Any:
        self.programs.append(tuple(argv))
        return SimpleNamespace(stdin=None, stdout=None, stderr=None, returncode=0, pid=0, poll=lambda: None)


def typed_by_a_person(text: str) -> list[tuple[str, ...]]:
    """Return the programs of a command line as a POSIX shell starts them: independent of lab.scenario.commands."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars="|")
    lexer.whitespace_split = True
    programs: list[list[str]] = [[]]
    for word in lexer:
        if word == "|":
            programs.append([])
        else:
            programs[-1].append(str(Path.home() / word[2:]) if word.startswith("~/") else word)
    return [tuple(program) for program in programs]


def without_waits(actions: Sequence[Action]) -> Iterator[Action]:
    for action in actions:
        match action:
            case Start():
                yield replace(action, ready=look(), says="")
            case Stop() | NewPhase() | Pause() | Until() | Observe():
                continue
            case _:
                yield action


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("stack", "name", "step_name"), list(cases()))
def test_the_lines_shown_are_the_commands_run(
    tmp_path: Path, context: Context, *, stack: str, name: str, step_name: str, part: str
) -> None:
    here = target(stack, tmp_path)
    whole = registry(here).scenarios[name]
    step = next(one for one in whole.steps if one.name == step_name)
    actions = parts_of(step)[part]
    terminal, told = Terminal(), list[Output]()
    executor = executor_of(context, terminal.run, starter=terminal.start, manifests=here.manifests, tell=told.append)
    executor.do(name, tuple(without_waits(actions)))

    shown = list(lines_of(actions))
    assert [program for line in shown for program in typed_by_a_person(line)] == terminal.programs
    typed_texts = [item.text for item in told if isinstance(item, Typed)]
    assert typed_texts == [line.replace("\\\n", " ") for line in shown]
    script = [line for line in script_of(actions).splitlines() if not line.startswith("#")]
    assert script == [row for line in shown for row in line.splitlines()]
    if part == "shown":
        assert list(step.lines) == shown
        assert step.script == script_of(actions)
    if part == "undo":
        assert step.undo_script == script_of(actions)


@pytest.mark.parametrize("spec", [None, RENAMED], ids=["default", "renamed"])
@pytest.mark.parametrize("stack", STACKS)
def test_every_line_is_one_line_without_a_placeholder_or_other_shell_syntax(
    stack: str, spec: Any, tmp_path: Path
) -> None:
    for whole in registry(target(stack, tmp_path, spec=spec)).scenarios.values():
        for where, line in lines_of_scenario(whole):
            assert "{" not in line or ('{"' in line or "{{" in line or "jsonpath" in line or "='{" in line), (
                where,
                line,
            )
            assert "\n" not in line.replace("\\\n", ""), (where, line)
            bare = " ".join(_unquoted(line))
            assert not set(bare) & set(";&<>`$()#*?"), (where, line)


def lines_of_scenario(whole: Scenario) -> Iterator[tuple[str, str]]:
    for step in whole.steps:
        for part, actions in parts_of(step).items():
            for line in lines_of(actions):
                yield f"{whole.name}/{step.name}, {part}", line


def _unquoted(line: str) -> Iterator[str]:
    """Yield the parts of a line outside of quotes."""
    kept, quote = [], ""
    for letter in line:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            kept.append(letter)
    yield "".join(kept)


READS = {
    "kubectl": {"get", "describe", "logs", "wait", "top", "version", "explain", "auth"},
    "linkerd": {"check", "diagnostics", "identity", "multicluster", "viz", "version", "authz"},
    "istioctl": {"proxy-config", "proxy-status", "analyze", "version", "x", "experimental", "ztunnel-config"},
    "docker": {"ps", "inspect", "logs"},
    "lab": {"status", "hops", "check", "report"},
}
"""What a program may do in the command of a check."""


@pytest.mark.parametrize("spec", [None, RENAMED], ids=["default", "renamed"])
@pytest.mark.parametrize("stack", STACKS)
def test_the_command_of_a_check_only_reads(stack: str, spec: Any, tmp_path: Path) -> None:
    for whole in registry(target(stack, tmp_path, spec=spec)).scenarios.values():
        for check in (check for step in whole.steps for check in step.checks if check.command):
            for program, *words in typed_by_a_person(check.command):
                if program in READS:
                    verb = next(word for word in words if not word.startswith("-"))
                    assert verb in READS[program], check.command
                else:
                    assert program in {"curl", "grep", "jq", "dig", "head", "sort", "uniq"}, check.command
                    assert not {"-X", "-d", "--data", "--request"} & set(words), check.command
            if spec:
                assert not re.search(r"(?<!-)\b(east|west)\b(?!-west)|localhost:808", check.command), check.command


@pytest.mark.parametrize("stack", STACKS)
def test_every_command_of_the_lab_in_a_step_exists(stack: str, tmp_path: Path) -> None:
    known = {path for path, _ in every()}
    for whole in registry(target(stack, tmp_path)).scenarios.values():
        for where, line in lines_of_scenario(whole):
            if line.startswith("lab "):
                words = tuple(shlex.split(line)[1:])
                assert words[:1] in known or words[:2] in known, (where, line)
        for step in whole.steps:
            assert not step.verb or step.verb.startswith("lab "), step.verb


@pytest.mark.parametrize("stack", STACKS)
def test_what_a_step_starts_is_stopped_by_the_end_of_the_scenario(stack: str, tmp_path: Path) -> None:
    for whole in registry(target(stack, tmp_path)).scenarios.values():
        for step in whole.steps:
            started = {a.text for a in (*step.before, *step.do) if isinstance(a, Start)}
            assert started <= {a.text for a in step.undo if isinstance(a, Stop)}, f"{whole.name}/{step.name}"


@pytest.mark.parametrize("stack", STACKS)
def test_a_step_that_types_commands_says_how_to_undo_them(stack: str, tmp_path: Path) -> None:
    """An undo works also when nothing was done: kubectl's deletes ignore what does not exist."""
    for whole in registry(target(stack, tmp_path)).scenarios.values():
        for step in whole.steps:
            for action in step.undo:
                if isinstance(action, Command) and " delete " in action.text:
                    assert "--ignore-not-found" in action.text or "--selector" in action.text, action.text


# Nothing else changes a cluster

MODULES = [file for file in sorted(SCENARIOS.rglob("*.py")) if "test_" not in file.name and file.stem != "conftest"]
WRITERS = (
    "lab.kube.owned",
    "lab.components",
    "lab.lifecycle",
    "lab.dev.shared.start",
    "lab.base.process",
    "lab.tools",
    "lab.cli",
    "subprocess",
    "multiprocessing",
)
LOOKS = {
    *("gateways", "links", "tls_entrance", "identities", "refusals", "identity_of", "exports", "splits", "failovers"),
    *("permissions", "intercepts", "ingress_routes", "federated", "hops", "name", "capabilities", "gateway_workloads"),
    "direct_exports",
}
"""Methods of a mesh that only look."""
MESH_CHANGES = {
    *("link", "unlink", "forget", "require_mtls", "export", "unexport", "split", "unsplit", "split_smi", "fail_over"),
    *("unfail_over", "authorize", "unauthorize", "intercept", "remove_intercept", "add_ingress_route"),
    *("remove_ingress_route", "federate", "unfederate", "export_direct"),
}
CHANGES = MESH_CHANGES | {
    *("power", "wire", "apply", "apply_all", "create", "patch", "replace_object", "delete", "delete_all", "scale"),
    *("restart", "made_by_scenario", "label", "annotate", "write", "popen", "Popen", "system", "start", "run"),
}
"""Methods of meshes, providers, Kube, Owned and the operating system that change something."""
OF_STRINGS = {"split"}
READING = {
    "provider().shell.run(context.west, _IMAGES)": "lists images",
    "provider().shell.run(cluster, argv, check=False, timeout_s=60)": "greps files",
    "commands.scale": "returns a Command",
}
"""Calls that only look, or that are data."""


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(SCENARIOS)))
def test_no_module_of_a_scenario_imports_a_writer(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        found = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        assert not [name for name in found if name.startswith(WRITERS)], ast.unparse(node)


@pytest.mark.parametrize(
    "file",
    [file for file in MODULES if file.name != "probe_client.py"],  # a program that runs inside a pod
    ids=lambda file: str(file.relative_to(SCENARIOS)),
)
def test_no_module_of_a_scenario_calls_a_method_that_changes_a_lab(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if ast.unparse(node) in READING or ast.unparse(node.func) in READING:
            continue
        of = ast.unparse(node.func.value)
        changes = node.func.attr in CHANGES - OF_STRINGS or (node.func.attr in OF_STRINGS and "mesh" in of)
        assert not changes, f"line {node.lineno}: {ast.unparse(node)}"


def test_every_method_of_a_mesh_is_known_to_look_or_to_change() -> None:
    tree = ast.parse((PROJECT / "lab/mesh/protocols.py").read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = {f.name for one in classes for f in one.body if isinstance(f, ast.FunctionDef)}
    assert methods == LOOKS | MESH_CHANGES


def test_no_context_method_changes_a_lab() -> None:
    public = {name for name in vars(Context) if not name.startswith("_")}
    assert public - {"full", "rate_per_s", "env", "memo", "lab", "mesh"} == {
        "base_url",
        "capabilities",
        "cluster",
        "east",
        "recall",
        "west",
    }
