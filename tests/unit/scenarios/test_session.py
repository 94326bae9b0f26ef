from __future__ import annotations

import sys
from pathlib import Path

from lab import report
from lab.base.errors import LabError
from lab.lab import Lab
from lab.lifecycle import lock
from lab.report.environment import environment_of
from lab.report.session import KeepState, Session
from lab.scenario.context import Context
from lab.scenario.model import Scenario
from lab.scenario.observation import Outcome
from lab.scenario.results import LabFacts
from tests.unit.scenarios.kit import FakeRunner, check, look, runner_of, sabotaged, scenario, step, typed


def session(context: Context, folder: Path, runner: FakeRunner, keep_state: KeepState = lambda _: None) -> Session:
    return Session(
        runner=runner_of(context, runner),
        facts=LabFacts(name="eastwest", stack="istio", clusters=("east", "west")),
        run_folder=report.RunFolder.new(folder),
        keep_state=keep_state,
    )


def wrong() -> Scenario:
    return scenario(step(checks=(check(look=look(holds=False)),)), name="wrong")


def test_a_run_leaves_its_report_in_three_forms(context: Context, runner: FakeRunner, tmp_path: Path) -> None:
    it = session(context, tmp_path, runner)
    written = it.run([scenario(step(do=typed("echo"))), wrong()])

    assert [run.outcome for run in written.scenarios] == [Outcome.PASSED, Outcome.FAILED]
    assert {file.name for file in it.run_folder.path.iterdir()} >= {"report.json", "report.html", "junit.xml"}
    assert report.load(report.find(it.run_folder.path.parent, it.run_folder.id)).scenarios[1].outcome is Outcome.FAILED
    assert written.lab.machine


def test_state_of_a_failed_scenario_is_kept_without_secrets(
    context: Context, runner: FakeRunner, tmp_path: Path
) -> None:
    def keep(folder: Path) -> None:
        (folder / "west.txt").write_text("Bearer abcdefghijkl")

    it = session(context, tmp_path, runner, keep)
    written = it.run([scenario(step(do=typed("echo"))), wrong()])

    assert [run.files for run in written.scenarios] == [(), ("state/wrong/west.txt",)]
    assert "abcdefghijkl" not in (it.run_folder.path / "state/wrong/west.txt").read_text()


def test_a_lab_that_does_not_answer_is_reported(context: Context, runner: FakeRunner, tmp_path: Path) -> None:
    def keep(_: Path) -> None:
        raise LabError("no API server", where="east")

    it = session(context, tmp_path, runner, keep)
    it.run([wrong()])
    assert (it.run_folder.path / "state/wrong/could-not-look.txt").read_text() == "east: no API server\n"


def test_ctrl_c_still_writes_the_report(context: Context, runner: FakeRunner, tmp_path: Path) -> None:
    runner.answers["interrupted"] = KeyboardInterrupt()
    it = session(context, tmp_path, runner)
    written = it.run([scenario(step(do=typed("echo"))), scenario(step(do=typed("interrupted")), name="cut"), wrong()])

    assert it.interrupted
    assert [run.name for run in written.scenarios] == ["demo", "cut"]
    assert report.load(report.find(it.run_folder.path.parent, it.run_folder.id)).scenarios[1].reason == "interrupted"
    assert written.counts[Outcome.ERRORED] == 1
    junit = (it.run_folder.path / "junit.xml").read_text()
    assert 'errors="1"' in junit.splitlines()[1]


def test_sabotage_runs_each_scenario_once_for_each_of_its_sabotages(
    context: Context, runner: FakeRunner, tmp_path: Path
) -> None:
    noticed = sabotaged("one", checks=(check("a", look=look(holds=False)),), fails="a")
    unnoticed = sabotaged("two", checks=(check("b"),), fails="b")
    written = session(context, tmp_path, runner).sabotage([scenario(noticed), scenario(unnoticed, name="other")])

    assert [run.sabotage.caught for run in written.scenarios if run.sabotage] == [True, False]
    assert written.exit_code == 1


def test_typed_commands_find_the_labs_own_tools_first_and_may_use_its_lock(lab: Lab) -> None:
    lab.paths.ensure_state()
    lab.paths.stack.write_text("istio\n")
    env = environment_of(lab)
    assert env["KUBECONFIG"] == str(lab.paths.kubeconfig)
    assert env["PATH"].split(":")[:3] == ["bin", "bin", str(Path(sys.executable).parent)]
    assert env.items() >= lock.passed_on(lab.paths).items()
