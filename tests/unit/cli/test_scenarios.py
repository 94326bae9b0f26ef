from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from lab.cli.app import app
from lab.clusters.provider import NodeStatus
from lab.lifecycle import changes
from lab.lifecycle.changes import Change
from lab.scenario.actions import Observe
from lab.scenario.model import Registry
from lab.scenario.position import Position
from lab.stacks import CheckVerdict, UpstreamCheck
from tests.unit.cli.conftest import Command
from tests.unit.scenarios.kit import check, look, scenario, step, typed


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch, mesh: Any) -> Registry:
    """One small scenario, on a lab that is not asked."""
    made = Registry()
    made.add(scenario(step(checks=(check(),))))
    monkeypatch.setattr("lab.scenario.registry.registry", lambda _target: made)
    monkeypatch.setattr(changes, "now", lambda *_: ())
    monkeypatch.setattr("lab.artifacts.store.ArtifactStore.binary", lambda _self, name: Path("bin") / name)
    made_mesh = mesh()
    made_mesh.name, made_mesh.capabilities = "istio", frozenset()
    return made


@pytest.fixture
def failing(demo: Registry) -> Registry:
    made = scenario(step(checks=(check(look=look(holds=False, seen="no"), within_s=0),)))
    demo.scenarios["demo"] = made
    return demo


def test_scenarios_are_listed_without_a_lab(lab: Command, demo: Registry) -> None:
    assert "It works" in lab("run", "--list").out
    assert [one["name"] for one in lab("run", "--list", "--json").json] == ["demo"]


@pytest.mark.parametrize("command", [("run",), ("check", "demo/one"), ("check",), ("walk", "--auto"), ("stage",)])
def test_without_a_lab_the_next_command_is_named(lab: Command, demo: Registry, command: tuple[str, ...]) -> None:
    ended = lab(*command)
    assert ended.code == 3
    assert "next:  lab up" in ended.err


def test_an_interrupted_run_has_one_next_command(
    lab: Command, demo: Registry, up: Path, apis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    demo.scenarios["demo"] = scenario(step(do=(Observe("x", interrupt),)))
    monkeypatch.setattr("os._exit", sys.exit)
    ended = lab("run")
    assert ended.code == 130
    assert ended.err == "done: none\nleft: demo\nnext:  lab run demo\n"
    assert "1 errored" in ended.out


def test_a_run_is_reported_and_listed(lab: Command, demo: Registry, up: Path, apis: Any) -> None:
    ended = lab("run")
    assert ended.code == 0
    (run,) = lab("report", "--json").json
    assert (Path(run["path"]) / "report.html").is_file()
    assert run["id"] in lab("report").out
    assert lab("report", "diff", run["id"], run["id"]).out == "no differences between the two runs\n"
    assert lab("report", "diff", run["id"], "none").code == 2


def test_a_failed_check_is_exit_code_1(lab: Command, failing: Registry, up: Path, apis: Any) -> None:
    ended = lab("run", "--json")
    assert ended.code == 1
    assert ended.json["scenarios"][0]["outcome"] == "failed"


@pytest.mark.usefixtures("up", "apis")
@pytest.mark.parametrize("command", [("run",), ("walk", "--auto")], ids=" ".join)
def test_steps_and_commands_are_marks_on_the_page(
    lab: Command, demo: Registry, marks: list[tuple[str, str]], command: tuple[str, ...]
) -> None:
    assert lab(*command).code == 0
    (scenario,) = demo.scenarios.values()
    typed = [("command", line) for step in scenario.steps for line in step.lines]
    assert [mark for mark in marks if mark[0] == "step"] == [("step", step.title) for step in scenario.steps]
    assert [mark for mark in marks if mark in typed] == typed


def test_a_set_is_run_several_times(lab: Command, demo: Registry, up: Path, apis: Any) -> None:
    ended = lab("run", "--repeat", "3")
    assert ended.code == 0
    modes = [one["mode"] for one in lab("report", "--json").json]
    assert sorted(modes) == ["repeat", "run", "run", "run"]
    assert "run 3 of 3" in ended.out
    assert "demo/works" in ended.out
    assert "3 of 3 runs passed (100 %, interval 43.9 to 100 %); every check passed in every run" in ended.out
    (page,) = (Path(line.removeprefix("summary: ")) for line in ended.out.splitlines() if line.startswith("summary: "))
    assert page.name == "repeat.html"
    assert page.is_file()


def test_a_repeat_in_json_with_a_failed_run_is_exit_code_1(
    lab: Command, failing: Registry, up: Path, apis: Any
) -> None:
    ended = lab("run", "--repeat", "2", "--json", "demo")
    assert ended.code == 1
    assert (ended.json["repeat"], ended.json["passed"], len(ended.json["runs"])) == (2, 0, 2)
    assert ended.json["checks"][0]["rate"] == 0.0


def test_a_failed_run_of_a_repeat_is_named(lab: Command, failing: Registry, up: Path, apis: Any) -> None:
    ended = lab("run", "--repeat", "2")
    assert ended.code == 1
    assert "demo failed: works: no" in ended.out
    assert "0 of 2" in ended.out


def test_ctrl_c_in_a_repeat_reports_what_is_complete(
    lab: Command, demo: Registry, up: Path, apis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = 0

    def act(_: Any) -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            raise KeyboardInterrupt

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr("os._exit", leave)
    demo.scenarios["demo"] = scenario(step(do=(Observe("x", act),), checks=(check(),)))
    ended = lab("run", "--repeat", "20")
    assert ended.code == 130
    assert "2 of 2 runs passed" in ended.out
    assert "interrupted: 2 of 20 runs are complete and counted" in ended.err
    assert "next:  run the same command again" in ended.err


def test_a_repeat_of_one_is_the_plain_run(lab: Command, demo: Registry, up: Path, apis: Any) -> None:
    ended = lab("run", "--repeat", "1", "--json")
    assert ended.json["schema"] == "eastwest.lab/report/v2"
    assert len(list((up.parents[1] / "runs").iterdir())) == 1


@pytest.mark.parametrize(
    "words", [("--repeat", "0"), ("--repeat", "-3"), ("--repeat", "many"), ("--repeat", "2", "--sabotage")]
)
def test_a_wrong_repeat_is_a_usage_error(
    lab: Command, demo: Registry, up: Path, apis: Any, words: tuple[str, ...]
) -> None:
    ended = lab("run", *words)
    assert ended.code == 2
    assert "--repeat" in ended.err
    assert not (up.parents[1] / "runs").exists()


def test_commands_of_steps_get_the_labs_kubeconfig_its_lab_toml_and_its_lock(
    lab: Command, demo: Registry, up: Path, apis: Any, folder: Path
) -> None:
    """A step may type `lab …`: it must work on the same lab, while `lab run` holds the lock."""
    other = folder / "other.toml"
    (folder / "lab.toml").rename(other)
    demo.scenarios["demo"] = scenario(step(do=typed("printenv KUBECONFIG LAB_CONFIG LAB_LOCK_HELD_BY")))
    ended = lab("run", "--json", "--config", str(other))
    assert ended.code == 0
    printed = ended.json["scenarios"][0]["steps"][0]["output"].splitlines()[1:]
    assert printed == [str(up / "kubeconfig"), str(other), f"{os.getpid()}:{up / 'lock'}"]


def test_a_rehearsal_undoes_its_steps(lab: Command, demo: Registry, up: Path, apis: Any) -> None:
    demo.scenarios["demo"] = scenario(step(do=typed("echo done"), undo=typed("echo undone")))
    ended = lab("walk", "--auto")
    assert ended.code == 0
    assert "$ echo done" in ended.out
    assert "$ echo undone" in ended.out


def test_a_rehearsal_names_what_an_unfinished_walk_left(lab: Command, demo: Registry, up: Path, apis: Any) -> None:
    Position(file=up / "walk.json", at="demo/one", begun=["demo/one"]).write()
    ended = lab("walk", "--auto")
    assert "an earlier presentation left changes of demo/one. `lab reset` undoes them." in ended.err
    assert Position.read(up / "walk.json").begun == ["demo/one"]


@pytest.mark.usefixtures("demo", "up", "apis")
@pytest.mark.parametrize("command", [("run",), ("walk", "--auto")])
def test_scenarios_name_the_changes_that_they_begin_with(
    lab: Command, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """Seen: a failover that was left made three scenarios fail, and nothing said why."""
    left = (
        Change(cluster="west", kind="failover", effect="failover: requests to podinfo go to east"),
        Change(cluster="west", kind="objects", effect="objects of dev: Deployment test/mine"),
    )
    monkeypatch.setattr(changes, "now", lambda *_: left)
    ended = lab(*command)
    assert "changed since `lab up`: west: failover: requests to podinfo go to east. Scenarios can fail" in ended.err
    assert "`lab reset` undoes it" in ended.err
    assert "objects of dev" not in ended.err


def test_a_check_uses_the_measurements_of_an_unfinished_walk(lab: Command, demo: Registry, up: Path, apis: Any) -> None:
    def recorded(context: Any) -> Any:
        return look(holds=context.recall("seconds") < 1)(context)

    demo.scenarios["demo"] = scenario(step(do=typed("echo"), checks=(check(look=recorded),)))
    ended = lab("check", "demo/one")
    assert ended.code == 2
    assert "run it first" in ended.out
    Position(file=up / "walk.json", memo={"seconds": 0.5}).write()
    assert lab("check", "demo/one").code == 0


def test_a_report_is_opened(lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lab("report", "open").code == 2
    run = folder / "runs" / "20270101-000000-abcd"
    run.mkdir(parents=True)
    (run / "report.json").write_text("{}")
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert lab("report", "open").out == f"{run / 'report.html'}\n"
    assert opened == [(run / "report.html").as_uri()]


def test_no_report_yet_names_what_makes_one(lab: Command) -> None:
    assert "lab run" in lab("report").out


def test_a_walk_needs_a_terminal(lab: Command, demo: Registry, up: Path) -> None:
    ended = lab("walk")
    assert ended.code == 2
    assert "lab walk --auto" in ended.err


def test_a_walk_with_a_closed_standard_input_is_a_usage_error(
    lab: Command, demo: Registry, up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.cli.scenarios.sys", SimpleNamespace(stdin=None))
    assert lab("walk").code == 2


def test_a_walk_of_what_does_not_exist_names_scenarios_and_acts(lab: Command, demo: Registry, up: Path) -> None:
    ended = lab("walk", "--auto", "99")
    assert ended.code == 2
    assert "unknown scenario or act '99'; scenarios: demo; acts: 1 or profit" in ended.err


def test_completion_knows_steps_and_reports(folder: Path) -> None:
    def completed(*words: str) -> list[str]:
        line = {"COMP_WORDS": " ".join(("lab", *words)), "COMP_CWORD": str(len(words))}
        return (
            CliRunner().invoke(app, [], prog_name="lab", env={"_LAB_COMPLETE": "complete_bash", **line}).stdout.split()
        )

    run, load = folder / "runs" / "20270101-000000-abcd", folder / "runs" / "20270102-000000-ef01"
    for file in (run / "report.json", load / "load.json"):
        file.parent.mkdir(parents=True)
        file.write_text("{}")
    assert completed("check", "isolation/c") == ["isolation/card"]
    assert completed("report", "open", "2027") == [load.name, run.name]
    assert completed("report", "diff", "2027") == [run.name]


def test_upstreams_checks_decide_the_exit_code(lab: Command, up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = UpstreamCheck(
        cluster="west", command="istioctl analyze", what="x", verdict=CheckVerdict.FAILED, words="bad"
    )
    monkeypatch.setattr("lab.lifecycle.checks.run", lambda _: [fails])
    ended = lab("check")
    assert (ended.code, "bad" in ended.out) == (1, True)
    assert lab("check", "--json").json[0]["verdict"] == "failed"


def test_an_unknown_step_is_named_before_the_lab_is_looked_at(lab: Command, nodes: dict[str, NodeStatus]) -> None:
    nodes.update(dict.fromkeys(nodes, NodeStatus.ABSENT))
    ended = lab("check", "nonsense")
    assert (ended.code, "unknown step 'nonsense'" in ended.err) == (2, True)
    assert "request_routing/half" in ended.err


@pytest.mark.parametrize("command", ["walk", "stage"])
def test_a_rehearsal_has_no_position_to_forget(lab: Command, command: str) -> None:
    ended = lab(command, "--auto", "--fresh")
    assert (ended.code, f"lab {command} --auto" in ended.err) == (2, True)
