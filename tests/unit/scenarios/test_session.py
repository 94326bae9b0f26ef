from __future__ import annotations

from pathlib import Path

from lab import report
from lab.base.errors import LabError
from lab.report.session import KeepState, Session, typed_environment
from lab.scenario.context import Context
from lab.scenario.model import Outcome, Sabotage, Scenario
from lab.scenario.results import LabFacts
from lab.scenario.runner import ScenarioRunner
from tests.unit.scenarios.kit import check, look, scenario, step


def session(context: Context, folder: Path, keep_state: KeepState = lambda _: None) -> Session:
    return Session(
        runner=ScenarioRunner(context=context),
        facts=LabFacts(name="eastwest", stack="istio", clusters=("east", "west")),
        run_folder=report.RunFolder.new(folder),
        keep_state=keep_state,
    )


def wrong() -> Scenario:
    return scenario(step(checks=(check(look=look(holds=False)),)), name="wrong")


def test_a_run_leaves_its_report_in_three_forms(context: Context, tmp_path: Path) -> None:
    it = session(context, tmp_path)
    written = it.run([scenario(step(command="echo")), wrong()])

    assert [run.outcome for run in written.scenarios] == [Outcome.PASSED, Outcome.FAILED]
    assert {file.name for file in it.run_folder.path.iterdir()} >= {"report.json", "report.html", "junit.xml"}
    assert report.load(it.run_folder).scenarios[1].outcome is Outcome.FAILED
    assert written.lab.machine


def test_state_of_a_failed_scenario_is_kept_without_secrets(context: Context, tmp_path: Path) -> None:
    def keep(folder: Path) -> None:
        (folder / "west.txt").write_text("Bearer abcdefghijkl")

    it = session(context, tmp_path, keep)
    written = it.run([scenario(step(command="echo")), wrong()])

    assert [run.files for run in written.scenarios] == [(), ("state/wrong/west.txt",)]
    assert "abcdefghijkl" not in (it.run_folder.path / "state/wrong/west.txt").read_text()


def test_a_lab_that_does_not_answer_is_reported(context: Context, tmp_path: Path) -> None:
    def keep(_: Path) -> None:
        raise LabError("no API server", where="east")

    it = session(context, tmp_path, keep)
    it.run([wrong()])
    assert (it.run_folder.path / "state/wrong/could-not-look.txt").read_text() == "east: no API server\n"


def test_ctrl_c_still_writes_the_report(context: Context, tmp_path: Path) -> None:
    def interrupted(_: Context) -> None:
        raise KeyboardInterrupt

    it = session(context, tmp_path)
    written = it.run([scenario(step(command="echo")), scenario(step(act=interrupted), name="cut"), wrong()])

    assert it.interrupted
    assert [run.name for run in written.scenarios] == ["demo", "cut"]
    assert report.load(it.run_folder).scenarios[1].reason == "interrupted"
    assert written.counts[Outcome.ERRORED] == 1
    junit = (it.run_folder.path / "junit.xml").read_text()
    assert 'errors="1"' in junit.splitlines()[1]


def test_sabotage_runs_each_scenario_once_for_each_of_its_sabotages(context: Context, tmp_path: Path) -> None:
    noticed = step(
        "one",
        checks=(check("a", look=look(holds=False)),),
        sabotage=Sabotage(title="off", act=lambda _: None, undo=lambda _: None, fails="a"),
    )
    unnoticed = step(
        "two",
        checks=(check("b"),),
        sabotage=Sabotage(title="off", act=lambda _: None, undo=lambda _: None, fails="b"),
    )
    written = session(context, tmp_path).sabotage([scenario(noticed), scenario(unnoticed, name="other")])

    assert [run.sabotage.caught for run in written.scenarios if run.sabotage] == [True, False]
    assert written.exit_code == 1


def test_typed_commands_find_the_labs_own_tools_first() -> None:
    env = typed_environment(Path("/state/kubeconfig"), [Path("/store/kubectl")])
    assert env["KUBECONFIG"] == "/state/kubeconfig"
    assert env["PATH"].startswith("/store/kubectl:")
