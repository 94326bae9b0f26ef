from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import stacks
from lab.base.errors import ClusterError, CommandError, UnavailableError
from lab.base.names import STACKS
from lab.base.step import CHANGED, Step
from lab.clusters.kind.provider import KindProvider
from lab.clusters.provider import NodeStatus, OwnedResource
from lab.host.doctor import Finding, Verdict
from lab.host.prepare import Prepared
from lab.tools.docker import EngineDeniedError
from tests.unit.cli.conftest import Command

FAILS = Finding(name="engine", verdict=Verdict.FAIL, observed="no engine", why="nodes are containers", fix="install it")
OWNED = [OwnedResource(kind="container", name="dev-west-control-plane")]


def test_up_runs_the_plan_and_shows_where_the_lab_is(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [Step(name="west/cluster", title="create west", run=lambda: CHANGED)]
    monkeypatch.setattr("lab.lifecycle.plan.up", lambda _: steps)
    monkeypatch.setattr("lab.cli.machine.prepare", lambda *_, **__: Prepared(findings=[], changed=False))
    monkeypatch.setattr("lab.lifecycle.artifacts.needs", lambda *_: None)
    monkeypatch.setattr("lab.lifecycle.changes.now", lambda *_: [])
    monkeypatch.setattr("lab.report.environment.write_manifests", lambda *_: None)
    ended = lab("up", "--yes")
    assert ended.code == 0
    assert "1 of 1 steps changed something" in ended.out
    assert "http://localhost:8080" in ended.out
    assert "west/cluster: create west" in ended.err
    assert "west/cluster: create west" in lab("logs").out
    assert "0.0 s  0.0      west/cluster  create west" in lab("up", "--yes", "--timings").out
    (path,) = lab("up", "--yes", "--timings", "--json").json["critical_path"]
    assert path["name"] == "west/cluster"


def test_up_searches_again_for_artifacts_after_it_started_the_engine(
    lab: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[Any] = []
    choose = stacks.choose
    monkeypatch.setattr(stacks, "choose", lambda lab: searched.append(lab.artifacts) or choose(lab))
    monkeypatch.setattr("lab.lifecycle.plan.up", lambda lab: searched.append(lab.artifacts) or [])
    monkeypatch.setattr("lab.cli.machine.prepare", lambda *_, **__: Prepared(findings=[], changed=True))
    monkeypatch.setattr("lab.lifecycle.artifacts.needs", lambda *_: None)
    monkeypatch.setattr("lab.lifecycle.changes.now", lambda *_: [])
    monkeypatch.setattr("lab.report.environment.write_manifests", lambda *_: None)
    assert lab("up", "--yes").code == 0
    before, after, planned = searched
    assert before is not after
    assert planned is after


@pytest.fixture
def partly(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The stack lacks one artifact; the artifacts that `lab up` pulls instead of stopping there."""
    pulled: list[Any] = []

    def choose(_: Any) -> Any:
        raise UnavailableError("the proxy is unavailable", wanted=("proxy", "kind"), next="docker pull proxy")

    def obtain(_: Any, names: Any, *, known: UnavailableError, **__: Any) -> None:
        pulled.append(names)
        raise known

    monkeypatch.setattr(stacks, "choose", choose)
    monkeypatch.setattr("lab.cli.obtaining.obtain", obtain)
    return pulled


def test_up_pulls_the_other_artifacts_where_one_is_unavailable(lab: Command, partly: list[Any]) -> None:
    ended = lab("up", "--yes", "--json")
    assert (ended.code, partly) == (2, [("proxy", "kind")])
    assert ended.json["error"] == {"what": "the proxy is unavailable", "where": None, "next": "docker pull proxy"}


def test_the_plan_of_up_pulls_nothing(lab: Command, partly: list[Any]) -> None:
    ended = lab("up", "--plan")
    assert (ended.code, partly, "next:  docker pull proxy" in ended.err) == (2, [], True)


def test_up_continues_where_an_engine_that_was_started_has_the_missing_one(
    lab: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose, errors = stacks.choose, [UnavailableError("the proxy is unavailable", wanted=("proxy",), next="pull it")]
    searched: list[Any] = []

    def chosen(lab: Any) -> Any:
        searched.append(lab.artifacts)
        if errors:
            raise errors.pop()
        return choose(lab)

    monkeypatch.setattr(stacks, "choose", chosen)
    monkeypatch.setattr("lab.cli.obtaining.obtain", lambda *_, **__: None)
    monkeypatch.setattr("lab.lifecycle.plan.up", lambda _: [])
    monkeypatch.setattr("lab.cli.machine.prepare", lambda *_, **__: Prepared(findings=[], changed=False))
    monkeypatch.setattr("lab.lifecycle.artifacts.needs", lambda *_: None)
    monkeypatch.setattr("lab.lifecycle.changes.now", lambda *_: [])
    monkeypatch.setattr("lab.report.environment.write_manifests", lambda *_: None)
    assert lab("up", "--yes").code == 0
    assert searched[0] is not searched[1], "what was searched before the engine ran is searched again"


def test_a_failed_step_ends_up_with_its_error(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Any:
        raise ClusterError("the node is gone", where="west", next="lab up")

    monkeypatch.setattr("lab.lifecycle.plan.up", lambda _: [Step(name="west/cluster", title="create", run=fails)])
    monkeypatch.setattr("lab.cli.machine.prepare", lambda *_, **__: Prepared(findings=[], changed=False))
    monkeypatch.setattr("lab.lifecycle.artifacts.needs", lambda *_: None)
    ended = lab("up", "--json")
    assert ended.code == 3
    assert "west: the node is gone" in ended.err
    assert ended.json["error"]["next"] == "lab up"


def test_the_plan_is_whole_where_there_is_no_terminal(lab: Command) -> None:
    ended = lab("up", "--plan")
    assert ended.code == 0
    lines = [line.rstrip() for line in ended.out.splitlines()]
    rows = [line for line in lines if line.lstrip().startswith("west/")]
    assert 81 < max(map(len, lines)) < 190
    assert not [line for line in lines if "─" in line], "a rule would be as long as the widest row"
    assert [row for row in rows if "and " in row and row.endswith(" more")]
    assert {step["name"] for step in lab("up", "--plan", "--json").json} == {row.split()[0] for row in rows} | {
        step["name"] for step in lab("up", "--plan", "--json").json if not step["name"].startswith("west/")
    }


@pytest.mark.parametrize("name", ["kuma", ""])
def test_an_unknown_stack_is_a_usage_error(lab: Command, name: str) -> None:
    ended = lab("up", "--plan", "--stack", name)
    assert ended.code == 2
    assert f"{name!r} is not a stack\nnext:  name one of: {', '.join(STACKS)}, auto" in ended.err


def test_logs_of_an_empty_cluster_name_are_refused(lab: Command) -> None:
    ended = lab("logs", "--cluster", "")
    assert (ended.code, "unknown cluster ''" in ended.err) == (2, True)


def test_down_deletes_and_its_plan_does_not(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.lifecycle.down.owned", lambda *_, **__: OWNED)
    ended = lab("down", "--plan")
    assert (ended.code, "dev-west-control-plane" in ended.out, "nothing was changed" in ended.out) == (0, True, True)
    monkeypatch.setattr("lab.lifecycle.down.down", lambda *_, **__: OWNED)
    assert "✓ container dev-west-control-plane" in lab("down").out
    assert lab("down", "--json").json == [{"kind": "container", "name": "dev-west-control-plane"}]


def test_a_tools_error_is_explained(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise CommandError(["docker", "ps"], returncode=1, stderr="Cannot connect to the Docker daemon")

    monkeypatch.setattr("lab.lifecycle.status.gather", fails)
    ended = lab("status")
    assert ended.code == 3
    assert "error:" in ended.err
    assert ended.out == ""


def test_the_doctors_findings_decide_the_exit_code(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.cli.machine.findings", lambda _: [FAILS])
    ended = lab("doctor")
    assert ended.code == 3
    assert "fix: install it" in ended.out
    assert lab("doctor", "--json").json[0]["verdict"] == FAILS.verdict.value
    monkeypatch.setattr("lab.cli.machine.findings", lambda _: [])
    assert lab("doctor").code == 0


def test_the_doctors_report_is_written_and_its_path_is_printed_last(
    lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.cli.machine.findings", lambda _: [FAILS])
    ended = lab("doctor", "--report")
    file = folder / "lab-doctor-report.md"
    assert (ended.code, ended.out.splitlines()[-1].split()[:2]) == (3, ["report:", str(file)])
    assert "| failure | engine |" in file.read_text()
    ended = lab("doctor", "--report", "other.md", "--json")
    assert ended.json[0]["verdict"] == FAILS.verdict.value, "only the findings are on standard output"
    assert str(folder / "other.md") in ended.err


def test_the_doctors_report_includes_a_wrong_lab_toml(
    lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.cli.machine.findings", lambda _: [])
    (folder / "lab.toml").write_text("name = 5\n")
    ended = lab("doctor", "--report", "r.md")
    assert ended.code == 2
    assert "name = 5" in (folder / "r.md").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["doctor", "r.md"], "next:  lab doctor --report r.md"),
        (["doctor", "--report", "--fix"], "--report changes nothing"),
        (["doctor", "--report", "lab.toml"], "exists and is not a report"),
        (["doctor", "--report", "none/r.md"], "no such folder"),
    ],
)
def test_a_report_that_cannot_be_written_is_refused(
    lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.setattr("lab.cli.machine.findings", lambda _: pytest.fail("nothing is checked before"))
    before = (folder / "lab.toml").read_text()
    ended = lab(*words)
    assert (ended.code, message in ended.err) == (2, True)
    assert (folder / "lab.toml").read_text() == before


def test_reset_forgets_the_place_of_a_walk(lab: Command, up: Path, mesh: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mesh()
    monkeypatch.setattr("lab.lifecycle.reset.reset", lambda *_: iter(["west: a split removed"]))
    (up / "walk.json").write_text("{}")
    ended = lab("reset")
    assert (ended.code, ended.out) == (0, "✓ west: a split removed\n")
    assert not (up / "walk.json").exists()


def test_logs_name_what_to_do_where_nothing_ran(lab: Command) -> None:
    ended = lab("logs")
    assert (ended.code, "next:  lab up" in ended.err) == (3, True)
    assert lab("logs", "istiod", "--cluster", "north").code == 2


def test_logs_of_a_workload_and_of_everything(lab: Command, up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.lifecycle.logs.of_workload", lambda _lab, names, workload, lines: [f"{names} {workload}"])
    assert lab("logs", "istiod", "--cluster", "west").out == "['west'] istiod\n"
    monkeypatch.setattr("lab.lifecycle.logs.collect", lambda _lab, _names, folder: folder)
    assert lab("logs", "--export", "all").out == "✓ all\n"


def test_kubeconfig_prints_a_path_or_what_is_missing(lab: Command, folder: Path) -> None:
    assert lab("kubeconfig").code == 3
    assert lab("kubeconfig", "--merge", "--unmerge").code == 2
    file = folder / "state" / "dev" / "kubeconfig"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}")
    assert lab("kubeconfig").out == f"{file}\n"


def test_a_stack_without_a_dashboard_says_so(lab: Command, up: Path) -> None:
    ended = lab("dashboard")
    assert ended.code == 2
    assert "dashboard" in ended.err


def test_version_names_what_is_installed(lab: Command) -> None:
    assert lab("version").out.startswith("lab ")
    assert "Kubernetes" in " ".join(lab("version", "--json").json["installs"])


@pytest.mark.parametrize("words", [("upp",), ("up", "--nonsense"), ("split",), ("dev", "nothing")])
def test_a_wrong_command_line_is_a_usage_error(lab: Command, words: tuple[str, ...]) -> None:
    ended = lab(*words)
    assert ended.code == 2
    assert "Usage: lab" in ended.err


def test_a_word_json_behind_the_command_is_not_the_option(lab: Command) -> None:
    ended = lab("dev", "process", "--", "true", "--json")
    assert (ended.code, ended.out) == (3, "")
    assert "is not up" in ended.err


THEIRS = "the Docker network 'dev' belongs to the lab of ada@host with the state folder /ada/dev"


@pytest.mark.parametrize(
    "words",
    [
        "status",
        "reset",
        "dashboard",
        "kubeconfig",
        "logs istiod",
        "run request_routing",
        "walk --auto",
        "stage --no-browser",
        "check",
        "check request_routing/half",
        "dev shared",
        "dev pod .",
        "dev process",
        "dev stop",
        "export podinfo",
        "unexport podinfo",
        "split podinfo=50 podinfo-east=50",
        "unsplit podinfo",
        "failover podinfo",
        "unfailover podinfo",
        "federate podinfo",
        "unfederate podinfo",
    ],
)
def test_a_command_names_the_owner_of_another_lab_of_this_name(
    lab: Command, folder: Path, nodes: dict[str, NodeStatus], others: list[str], words: str
) -> None:
    others.append(THEIRS)
    nodes.update(east=NodeStatus.FOREIGN, west=NodeStatus.ABSENT)
    ended = lab(*words.split())
    assert (ended.code, THEIRS in ended.err) == (3, True)
    assert "next:  set another `name` in lab.toml" in ended.err
    assert not (folder / "state").exists()


@pytest.mark.parametrize("words", ["split podinfo=50 podinfo-east=50", "dev stop", "check", "run request_routing"])
def test_a_lab_that_is_not_up_is_named_as_such(lab: Command, nodes: dict[str, NodeStatus], words: str) -> None:
    nodes.update(dict.fromkeys(nodes, NodeStatus.ABSENT))
    ended = lab(*words.split())
    assert (ended.code, "the lab dev is not up" in ended.err, "next:  lab up" in ended.err) == (3, True, True)


def _has(_: KindProvider, name: str) -> bool:
    return name == "dev"


def _has_none(_: KindProvider, name: str) -> bool:
    return False


def _unknown(_: KindProvider, name: str) -> bool:
    raise EngineDeniedError("this user may not use the container engine")


@pytest.mark.parametrize(("has_lab", "advised"), [(_has, False), (_has_none, True), (_unknown, False)])
@pytest.mark.parametrize("words", ["up", "status", "down"])
def test_another_users_state_is_to_be_taken_over_only_if_no_lab_is_up(  # noqa: PLR0917 - fixtures and a row
    lab: Command,
    up: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_lab: Callable[[KindProvider, str], bool],
    advised: bool,
    words: str,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 4711)
    monkeypatch.setattr(KindProvider, "has_lab", has_lab)
    ended = lab(words)
    assert (ended.code, f'sudo chown -R "$USER" {up}' in ended.err) == (3, advised)
    assert "next:  set LAB_STATE_DIR to another folder, or another `name` in lab.toml" in ended.err


# Profiles

SMALL = "?observability=otel-collector&authentication=oauth2-proxy,oidc-provider"


@pytest.fixture
def brought_up(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """`lab up` runs an empty plan; the labs that it was made for."""
    planned: list[Any] = []

    def up(lab: Any) -> list[Step]:
        planned.append(lab)
        return []

    monkeypatch.setattr("lab.lifecycle.plan.up", up)
    monkeypatch.setattr("lab.cli.machine.prepare", lambda *_, **__: Prepared(findings=[], changed=False))
    monkeypatch.setattr("lab.lifecycle.artifacts.needs", lambda *_: None)
    monkeypatch.setattr("lab.lifecycle.changes.now", lambda *_: [])
    monkeypatch.setattr("lab.report.environment.write_manifests", lambda *_: None)
    monkeypatch.setattr("lab.initialize.lab_profile.LabProfile.missing", lambda *_: [])
    return planned


def test_up_keeps_its_profile_until_it_is_removed(lab: Command, folder: Path, brought_up: list[Any]) -> None:
    ended = lab("up", "--yes", "--profile", SMALL)
    assert ended.code == 0, ended.err
    assert "http://localhost:8081/oauth2/sign_in: sign in of east" in ended.out
    assert "the password is in: kubectl" in ended.out
    record = folder / "state" / "dev" / "profile.json"
    assert "otel-collector" in record.read_text()
    assert lab("up", "--yes").code == 0
    assert [one.extension.choices.ids >= {"otel-collector", "oauth2-proxy"} for one in brought_up] == [True, True]
    assert lab("up", "--yes", "--profile", "none").code == 0
    assert brought_up[-1].extension.choices is None
    assert not record.exists()
    assert lab("up", "--yes").code == 0
    assert brought_up[-1].extension is None


def test_up_refuses_a_profile_before_anything_is_changed(lab: Command, folder: Path, brought_up: list[Any]) -> None:
    for query, what in (("?platform=aks", "is for AKS"), ("?mesh=linkerd&ingress=none", "lab.toml or --stack says")):
        ended = lab("up", "--yes", "--profile", query)
        assert (ended.code, what in ended.err, "next:" in ended.err) == (2, True, True), ended.err
    assert lab("up", "--yes", "--profile", "nowhere").code == 2
    assert brought_up == []
    assert not (folder / "state").exists()


def test_up_refuses_another_mesh_than_the_running_labs(lab: Command, up: Path, brought_up: list[Any]) -> None:
    (up / "stack").write_text("linkerd\n")
    ended = lab("up", "--yes", "--profile", SMALL)
    assert ended.code == 2
    assert "is up with Linkerd, and the profile's mesh is Istio; nothing was changed" in ended.err
    assert (brought_up, (up / "profile.json").exists()) == ([], False)


def test_the_plan_of_a_profile_names_the_yaml_that_is_missing(lab: Command, folder: Path) -> None:
    ended = lab("up", "--plan", "--profile", "?observability=metrics-server")
    assert ended.code == 3, ended.out
    assert "the plan needs upstream's YAML" in ended.err
    assert "next:  lab artifacts build gateway-api-manifests metrics-server-manifests" in ended.err
    assert not (folder / "state").exists()


def test_up_obtains_the_yaml_of_a_profile_first(
    lab: Command, brought_up: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing, obtained = [["keda-manifests"]], list[Any]()
    monkeypatch.setattr("lab.initialize.lab_profile.LabProfile.missing", lambda *_: missing.pop() if missing else [])
    monkeypatch.setattr("lab.cli.obtaining.obtain", lambda _, names, **__: obtained.append((names, list(brought_up))))
    assert lab("up", "--yes", "--profile", SMALL).code == 0
    assert obtained == [(["keda-manifests"], [])], "before the plan"


def test_down_works_with_a_record_that_cannot_be_read(lab: Command, up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (up / "profile.json").write_text('{"choices": "format=99"}')
    monkeypatch.setattr("lab.lifecycle.down.down", lambda *_, **__: OWNED)
    ended = lab("down")
    assert ended.code == 0
    assert "the profile's extras are ignored; next: lab up --profile FOLDER" in ended.err
    assert lab("up", "--plan").code == 2
