"""East and West are roles: with other clusters in these roles, no text and no act of a scenario names east or west."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.mesh.capabilities import Capability
from lab.scenario import commands
from lab.scenario.actions import Apply, Command, Delete, NewPhase, Until, on
from lab.scenario.model import Scenario, ScenarioStep, Topology
from lab.scenario.registry import registry
from tests.unit.scenarios.kit import RENAMED, SCENARIOS, STACKS, check, look, scenario, step, target, typed
from tests.unit.scenarios.test_shown import lines_of_scenario

RENDERED = {
    stack: tuple(registry(target(stack, Path("/nowhere"), spec=RENAMED)).scenarios.values()) for stack in STACKS
}
WHOLE = [pytest.param(whole, id=f"{stack}-{whole.name}") for stack in STACKS for whole in RENDERED[stack]]
STEPS = [
    pytest.param(one, id=f"{stack}-{whole.name}/{one.name}")
    for stack in STACKS
    for whole in RENDERED[stack]
    for one in whole.steps
]
MODULES = [file for file in sorted(SCENARIOS.rglob("*.py")) if "test_" not in file.name]
CLUSTER = re.compile(r"\b(east|west)\b(?!-west)(?<!east-west)")
ADDRESS = re.compile(
    r"-east\b|-west-|eastwest-|(context=|--in |--from |--primary |--backup )(east|west)\b|localhost:808[01]"
)
MANIFEST = re.compile(r"\S+\.yaml")
"""A file's name says what it does, by the roles: failover-to-west.yaml."""
PLACEHOLDER = re.compile(r"\{\w+\}")


def texts(value: Any) -> Iterator[str]:
    """Yield every text of a scenario; the clusters of a topology are roles."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from texts(item)
    elif is_dataclass(value) and not isinstance(value, type | Topology):
        for each in fields(value):
            yield from texts(getattr(value, each.name))


@pytest.mark.parametrize("one", STEPS)
def test_a_steps_scripts_name_the_clusters_of_the_lab(one: ScenarioStep) -> None:
    for script in (one.script, one.undo_script, one.verb):
        assert CLUSTER.search(MANIFEST.sub("", script)) is None, script
        assert PLACEHOLDER.search(script) is None, script
        commands.parse(script)


@pytest.mark.parametrize("whole", WHOLE)
def test_no_command_of_a_renamed_lab_names_east_or_west(whole: Scenario) -> None:
    """Also in what a sabotage does and undoes."""
    lines = list(lines_of_scenario(whole))
    assert lines or Capability.DIRECT in whole.requires, "Istio has no direct exports, and no command for them"
    for where, line in lines:
        assert CLUSTER.search(MANIFEST.sub("", line)) is None, (where, line)
        assert not re.search(r"(east|west)\.example|localhost:808|eastwest-(east|west)", line), (where, line)
        assert PLACEHOLDER.search(line) is None, (where, line)


@pytest.mark.parametrize("whole", WHOLE)
def test_no_text_has_the_names_or_addresses_of_the_default_lab(whole: Scenario) -> None:
    for text in texts(whole):
        assert ADDRESS.search(text) is None, text
        assert PLACEHOLDER.search(text) is None, text
    for node in whole.topology.nodes:
        assert not any(PLACEHOLDER.search(name) or ADDRESS.search(name) for name in node.services)


ROLE_ARGUMENTS = {"cluster", "role", "by", "to", "of"}


def takes_roles(tree: ast.AST) -> dict[str, tuple[set[int], int | None]]:
    """Return the functions with parameters of the type Role: their positions, and where `*roles` begins."""
    found = {}
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            annotated = [ast.unparse(a.annotation) if a.annotation else "" for a in function.args.args]
            rest = function.args.vararg
            is_role = rest is not None and rest.annotation is not None and ast.unparse(rest.annotation) == "Role"
            positions = {n for n, annotation in enumerate(annotated) if annotation == "Role"}
            found[function.name] = (positions, len(annotated) if is_role else None)
    return found


def role_literals(file: Path, tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the literals that are roles by their place: mypy checks that a Role goes only where one is expected."""
    functions: dict[str, tuple[set[int], int | None]] = {}
    for beside in (*SCENARIOS.glob("*.py"), *file.parent.glob("*.py")):  # whose functions a scenario calls
        functions |= takes_roles(ast.parse(beside.read_text(encoding="utf-8")))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (keyword.value for keyword in node.keywords if keyword.arg in ROLE_ARGUMENTS)
            for keyword in node.keywords:
                if keyword.arg == "entrances":
                    yield from ast.walk(keyword.value)
            positions, rest = functions.get(ast.unparse(node.func), (set(), None))
            for number, argument in enumerate(node.args):
                if number in positions or (rest is not None and number >= rest):
                    yield argument
        elif isinstance(node, ast.For) and ast.unparse(node.target) == "role":
            yield from ast.walk(node.iter)


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(SCENARIOS)))
def test_steps_and_checks_take_clusters_from_the_context(file: Path) -> None:
    """The literals "east" and "west" are roles, never names of clusters."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    roles = {id(node) for node in role_literals(file, tree)}
    literals = [
        f"line {node.lineno}: {node.value!r}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in {"east", "west"} and id(node) not in roles
    ]
    assert literals == []


def test_placeholders_become_names_and_addresses_and_other_braces_stay(tmp_path: Path) -> None:
    here = target("istio", tmp_path, spec=RENAMED)
    text = """{east} {west} {east_url} {west_url} {east_node} {west_node} {namespace} {other} '[{"op":"add"}]'"""
    assert here.text(text) == (
        "gke laptop http://localhost:9001 http://localhost:9002 demo-gke-control-plane demo-laptop-control-plane "
        """test {other} '[{"op":"add"}]'"""
    )
    assert here.text("{east_domain} {west_domain} {apps}") == "gke.test laptop.test apps"
    assert here.text("{work}") == str(tmp_path / "state" / "work")
    assert here.text(here.text(text)) == here.text(text)


@pytest.mark.parametrize(
    ("toml", "options"),
    [
        ("", "--clear"),
        ('[[links]]\nbetween = ["west", "east"]\ndelay = "40ms"\nloss = "1%"', "--delay 40ms --loss 1%"),
    ],
)
def test_the_distance_of_lab_toml_is_put_back(tmp_path: Path, toml: str, options: str) -> None:
    here = target("istio", tmp_path, spec=config.parse(toml))
    assert here.text("lab network {west} {east} {distance}") == f"lab network west east {options}"


def test_each_lab_has_a_card_number_of_its_own(tmp_path: Path) -> None:
    one = target("istio", tmp_path)
    other = replace(one, lab_id="another")
    assert one.text("{card}") != other.text("{card}")
    assert re.fullmatch(r"400000\d{10}", one.text("{card}"))


def test_every_part_of_a_step_is_rendered(tmp_path: Path) -> None:
    raw = scenario(
        step(
            do=(*typed("echo {west}"), Until("answers by {east}", look(), timeout_s=1), NewPhase("{west} stops")),
            verb="lab split --in {west}",
            checks=(check(claim="{east} answers", command="kubectl --context={east} get pods"),),
        ),
        claim="{east} and {west}",
        try_next=("Open {west_url}.",),
    )
    rendered = target("istio", tmp_path, spec=RENAMED).scenario(raw)
    (one, _) = rendered.steps
    assert one.script == "echo laptop\n# wait for answers by gke, up to 1 s\n# phase of the load: laptop stops"
    assert (one.verb, one.checks[0].claim) == ("lab split --in laptop", "gke answers")
    assert one.checks[0].command == "kubectl --context=gke get pods"
    assert (rendered.claim, rendered.try_next) == ("gke and laptop", ("Open http://localhost:9002.",))


def test_actions_of_another_stack_are_left_out(tmp_path: Path) -> None:
    raw = scenario(step(do=(on(linkerd=typed("echo linkerd"), istio=(on(istio=Command("echo istio")),)),)))
    lines = {stack: target(stack, tmp_path).scenario(raw).steps[0].lines for stack in ("linkerd", "istio")}
    assert lines == {"linkerd": ("echo linkerd",), "istio": ("echo istio",)}


def test_a_path_is_shown_as_a_person_types_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    here = target("istio", tmp_path, here=tmp_path / "checkout")
    assert here.shown(tmp_path / "checkout" / "scenarios" / "a.yaml") == "scenarios/a.yaml"
    assert here.shown(tmp_path / "state" / "a.yaml") == "~/state/a.yaml"
    assert here.shown(Path("/opt/a.yaml")) == "/opt/a.yaml"


def test_a_path_with_spaces_and_quotes_is_shown_quoted_and_runs_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "Ada's {east} home"
    monkeypatch.setenv("HOME", str(home))
    here = target("istio", home / "my state", here=tmp_path / "checkout", scenarios=home / "the lab" / "scenarios")
    (here.scenarios / "demo").mkdir(parents=True)
    (here.scenarios / "demo" / "a.yaml").write_text("# nothing of a lab\n")
    one = here.scenario(
        scenario(step(do=(Apply("a.yaml", to="west"), Command("rm -rf {work}/x")), undo=(Delete("a.yaml", of="west"),)))
    ).steps[0]

    a, work = home / "the lab" / "scenarios" / "demo" / "a.yaml", here.paths.work / "x"
    programs = [line.programs for text in (*one.lines, one.undo_script) for line in commands.parse(text)]
    assert programs == [
        (("kubectl", "--context=west", "apply", "-f", str(a)),),
        (("rm", "-rf", str(work)),),
        (("kubectl", "--context=west", "delete", "--ignore-not-found", "-f", str(a)),),
    ]
    for line in one.lines:  # a real shell reads the line as the lab does
        words = subprocess.run(["sh", "-c", f"printf '%s\\n' {line}"], check=True, capture_output=True, text=True)
        assert words.stdout.splitlines() == list(commands.parse(line)[0].programs[0])


def test_a_path_is_shown_whole_for_a_user_without_a_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    here = target("istio", tmp_path, here=tmp_path / "checkout")
    assert here.shown(tmp_path / "a.yaml") == str(tmp_path / "a.yaml")
