"""Long runs: the order of the faults, which losses belong to a fault, growth, and what the report calls a problem."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.base.errors import ClusterError
from lab.lab import Lab
from lab.measure.counting import Request
from lab.measure.load import Load
from lab.measure.recording import Recording
from lab.measure.under_load import UnderLoad
from lab.stacks import STACKS
from lab.stage.faults import catalog
from soak import __main__ as command
from soak import growth, minutes
from soak.faults import Fault, drawn, of_lab
from soak.growth import Sample
from soak.minutes import Minute, Run
from soak.report import Report


def fault(name: str) -> Fault:
    return Fault(id=name, title=f"{name} happens", do=lambda: None, undo=lambda: None)


FAULTS = [fault(name) for name in ("a", "b", "c", "d")]


def names(faults: Sequence[Fault]) -> str:
    return "".join(one.id for one in faults)


def test_a_seed_fixes_the_order_and_each_round_has_every_fault() -> None:
    order = names(drawn(FAULTS, seed=7, count=10))
    assert order == names(drawn(FAULTS, seed=7, count=10))
    assert len({names(drawn(FAULTS, seed=seed, count=10)) for seed in range(20)}) > 10
    assert [sorted(order[at : at + 4]) for at in (0, 4)] == [list("abcd")] * 2
    assert len(order) == 10


@pytest.mark.parametrize("stack", STACKS)
def test_the_faults_are_those_of_the_menu_and_a_new_issuer(lab: Lab, stack: str) -> None:
    lab = replace(lab, spec=lab.spec.model_copy(update={"stack": stack}))
    mesh = STACKS[stack].mesh(lab)

    def ids(engine: str) -> list[str]:
        return [one.id for one in of_lab(lab, mesh, execute=lambda _: None, repair=lambda: None, engine=engine)]

    menu = [one.id for one in catalog.of_lab(lab, mesh, shown=str)]
    assert ids("") == [*menu, "new-issuer-east", "new-issuer-west"]
    assert ids("true")[-1] == "restart-engine"


def request(at_s: float, *, latency_ms: float = 10, error: str = "") -> Request:
    return Request(at_s=at_s, latency_ms=latency_ms, answered_by=None if error else "west", error=error)


def minute(from_s: float, over_s: float | None, *, problem: str = "") -> Minute:
    return Minute(fault="a", title="a happens", from_s=from_s, undone_s=from_s + 1, over_s=over_s, problem=problem)


def run_of(requests: Sequence[Request], *found: Minute) -> Run:
    recording = Recording(name="a load", rate_per_s=1, requests=tuple(requests), marks=())
    return Run(minutes=list(found), recordings=[recording])


@pytest.mark.parametrize(
    ("lost", "outside"),
    [
        (request(8, error="reset"), 1),
        (request(8, latency_ms=2500, error="reset"), 0),  # it was under way when the fault came
        (request(12, error="reset"), 0),
        (request(20, error="reset"), 0),
        (request(20.1, error="reset"), 1),
    ],
)
def test_a_loss_belongs_to_the_fault_that_met_the_request(lost: Request, outside: int) -> None:
    run = run_of([request(n) for n in range(30)] + [lost], minute(10, 20))
    assert len(run.lost_outside) == outside
    assert run.cost(run.minutes[0]).lost == 1 - outside


def test_a_fault_whose_losses_do_not_end_owns_all_that_follow() -> None:
    run = run_of([request(5), request(50, error="reset")], minute(10, None))
    assert run.lost_outside == []
    cost = run.cost(run.minutes[0])
    assert (cost.sent, cost.lost, cost.gap_s, cost.first_error) == (1, 1, None, "reset")


def test_the_longest_gap_of_a_fault_is_reported() -> None:
    requests = [request(n / 10, error="reset" if 110 <= n < 125 else "") for n in range(300)]
    cost = run_of(requests, minute(10, 20)).cost(minute(10, 20))
    assert (cost.lost, cost.gap_s) == (15, pytest.approx(1.5))


@dataclass
class Did:
    """What a fault did, and errors that it raises."""

    fails: str = ""
    done: list[str] = field(default_factory=list)

    def fault(self) -> Fault:
        return Fault(id="a", title="a happens", do=lambda: self.act("do"), undo=lambda: self.act("undo"))

    def act(self, what: str) -> None:
        self.done.append(what)
        if what == self.fails:
            raise ClusterError(f"cannot {what}")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QUIET_S", "HOLDS_S", "SETTLED_S", "EVERY_S"):
        monkeypatch.setattr(minutes, name, 0.01)


def loads() -> UnderLoad:
    return UnderLoad(loads=[Load("a load", 50, lambda: request(0))])


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("fails", ["", "do", "undo"])
def test_a_fault_is_undone_and_the_run_goes_on(fails: str) -> None:
    did, run, told = Did(fails=fails), Run(), list[str]()
    minutes.run(run, [did.fault(), did.fault()], loads(), sample=lambda _: [], tell=told.append)
    assert did.done == ["do", "undo"] * 2
    assert [one.problem for one in run.minutes] == [f"cannot {fails}" if fails else ""] * 2
    assert [line.partition(":")[0] for line in told] == ["1 of 2", "2 of 2"]
    assert [mark.text for mark in run.recordings[0].marks] == ["a happens", "quiet"] * 2


@pytest.mark.usefixtures("at_once")
def test_ctrl_c_undoes_the_fault_and_keeps_what_was_measured() -> None:
    did, run = Did(), Run()

    def interrupted() -> None:
        raise KeyboardInterrupt

    one = replace(did.fault(), do=interrupted)
    with pytest.raises(KeyboardInterrupt):
        minutes.run(run, [one], loads(), sample=lambda _: [], tell=print)
    assert did.done == ["undo"]
    assert run.recordings
    assert [(one.fault, one.over_s) for one in run.minutes] == [("a", None)], "what is lost now belongs to the fault"


@pytest.mark.usefixtures("at_once")
def test_a_cluster_that_cannot_be_measured_does_not_end_the_run() -> None:
    def sample(_: float) -> list[Sample]:
        raise ClusterError("it does not answer")

    run = Run()
    minutes.run(run, [fault("a")], loads(), sample=sample, tell=print)
    assert len(run.minutes) == 1
    assert report(run).problems == ["not measured: it does not answer"]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("waiting", "is_over"), [(0, True), (50, True), (51, False)])
def test_a_fault_is_not_over_while_requests_wait_for_an_answer(
    monkeypatch: pytest.MonkeyPatch, waiting: int, is_over: bool
) -> None:
    monkeypatch.setattr(minutes, "_OVER_S", 0.01)
    load = SimpleNamespace(under_way=waiting, rate_per_s=50.0)
    under_load = SimpleNamespace(loads=[load], recordings=(), now_s=7.0, rest=lambda _: None)
    assert (minutes._over(under_load) is not None) is is_over  # type: ignore[arg-type]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="nodes are Linux, and this system has no /proc")
def test_a_node_says_four_numbers() -> None:
    """The script runs in a shell as it does in a node, here on the processes of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        done = subprocess.run(["sh", "-c", growth._SCRIPT], capture_output=True, text=True, check=True, timeout=60)
    pages, size, files, connections = map(float, done.stdout.split())
    assert pages > 0
    assert size >= 4096
    assert files > 2
    assert connections >= 2, "both ends of the one that this test has made"


def test_an_existing_lab_of_its_name_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "state" / "soak").mkdir(parents=True)
    (tmp_path / "state" / "soak" / "id").write_text("somebody's")
    monkeypatch.setattr("sys.argv", ["soak", "--output", str(tmp_path / "results")])
    assert command.main() == 1
    assert "a lab 'soak' exists" in capsys.readouterr().out
    assert not (tmp_path / "results").exists()


def samples(count: int, memory_mib: float) -> list[Sample]:
    """Return samples in which the memory rises by so much in all."""
    return [
        Sample(
            at_s=60 * n, cluster="west", memory_mib=1000 + memory_mib * n / count, files=5000, connections=300,
            objects=400 + n % 2,
        )
        for n in range(count)
    ]  # fmt: skip


def grows(found: Sequence[Sample]) -> dict[str, bool | None]:
    return {one.name: one.grows for one in growth.judge(found)}


def test_growth_is_judged_by_its_limits() -> None:
    steady = dict.fromkeys(("memory", "open files", "connections", "objects"), False)
    assert grows(samples(20, 100)) == steady
    assert grows(samples(20, 400)) == steady | {"memory": True}
    assert grows(samples(growth.LEAST - 1, 400)) == dict.fromkeys(steady, None)


def test_objects_are_counted_without_those_that_end_by_themselves() -> None:
    lines = [
        "# HELP apiserver_resource_objects Number of stored objects",
        'apiserver_resource_objects{group="",resource="pods"} 12',
        'apiserver_resource_objects{group="apps",resource="replicasets"} 30',
        'apiserver_resource_objects{group="",resource="events"} 500',
        'apiserver_resource_objects{group="x",resource="unknown"} -1',
        "apiserver_request_total 99",
    ]
    assert growth.objects("\n".join(lines)) == 12
    assert growth.objects("\n".join(lines).replace("resource_objects", "storage_objects")) == 12
    with pytest.raises(ClusterError, match="does not count"):
        growth.objects("apiserver_request_total 99\n")


def report(run: Run, *, minutes: int = 1) -> Report:
    return Report(run=run, stack="istio", seed=7, minutes=minutes, rate_per_s=50)


def test_the_report_names_what_is_not_as_it_must_be(tmp_path: Path) -> None:
    run = run_of([request(5, error="reset"), request(15)], minute(10, 20, problem="cannot undo"), minute(70, None))
    run.samples = samples(20, 400)
    assert report(run, minutes=3).problems == [
        "1 requests lost while nothing was broken; the first after 5 s: reset",
        "2 of 3 faults were done",
        "after 10 s, a happens: cannot undo",
        "after 70 s, a happens: its losses did not end",
        "west's memory grew from 1110 to 1350 MiB",
    ]
    written = json.loads(report(run).write(tmp_path).read_text(encoding="utf-8"))
    assert written["schema"] == "eastwest-lab/soak/v1"
    assert [one["fault"] for one in written["faults"]] == ["a", "a"]


def test_a_good_run_has_no_problems() -> None:
    assert report(run_of([request(5), request(15)], minute(10, 20))).problems == []
