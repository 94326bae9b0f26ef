"""Distances at the nodes: the commands that are shown are those that run, and what a node tells of its distances."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from lab.base.distance import Distance
from lab.base.errors import ClusterError, CommandError
from lab.base.names import LAB_ID_LABEL, LAB_LABEL
from lab.base.process import Completed
from lab.clusters.kind import routes
from lab.clusters.kind.distance import change, delay_line, netem, record
from lab.clusters.kind.distance.record import Direction
from lab.clusters.kind.provider import KindProvider
from lab.clusters.kind.wire import KindWire
from lab.clusters.provider import Means, OneWay
from lab.lab import Lab
from lab.tools.docker_records import Image
from tests.unit.clusters.conftest import FakeDocker, container

FAR = Distance(delay_ms=80, jitter_ms=10, loss_percent=1, rate_kbit=20_000)
LINE = "dev-west-to-east-line"
IMAGE = Image(
    id="sha256:1",
    tags=(),
    digests=(),
    labels={},
    architecture="amd64",
    size_bytes=1,
    entrypoint=("python3.11", "-m", "frontend"),
)


@dataclass
class Engine(FakeDocker):
    """An engine whose nodes run the lab's scripts: a container that starts has its device, unless it `fails`."""

    ran: list[tuple[str, ...]] = field(default_factory=list)
    devices: set[str] = field(default_factory=set)
    fails: str = ""
    refuses: str = ""
    engine_images: dict[str, Image] = field(default_factory=lambda: {"eastwest-lab/frontend:1": IMAGE})

    def typed(self, *words: str, timeout_s: float = 60, check: bool = True) -> Completed:
        del timeout_s, check
        if self.refuses and words[:2] == ("container", "create"):
            raise CommandError(words, returncode=125, stderr=self.refuses)
        self.ran.append(words)
        options = dict(word.lstrip("-").split("=", 1) for word in words if word.startswith("--") and "=" in word)
        match words[:2]:
            case ("container", "create"):
                labels = dict(word.removeprefix("--label=").split("=", 1) for word in words if "--label=" in word)
                self.nodes[options["name"]] = container(options["name"], status="created", labels=labels)
                self.device = options["device"]
            case ("container", "start"):
                self.nodes[words[2]] = replace(self.nodes[words[2]], status="exited" if self.fails else "running")
                self.devices |= set() if self.fails else {self.device}
            case ("container", "rm"):
                self.nodes.pop(words[-1])
        return Completed(argv=words, returncode=0, stdout="", stderr="", duration_s=0)

    def execute(self, name: str, argv: Sequence[str], *, check: bool = True, **_: Any) -> Completed:  # type: ignore[override]
        del name, check
        if argv[:2] == ["sh", "-c"]:
            assert argv[2] == record.READ_UPLINK
            return Completed(argv=tuple(argv), returncode=0, stdout="eth0\n", stderr="", duration_s=0)
        assert list(argv[:4]) == ["ip", "link", "show", "dev"]
        there = argv[4] in self.devices
        return Completed(argv=tuple(argv), returncode=0, stdout="is up" if there else "", stderr="", duration_s=0)

    def logs(self, name: str, *, tail: int | None = None) -> str:
        assert (name, tail) == (LINE, 1)
        return self.fails


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, lab: Lab) -> Engine:
    monkeypatch.setattr(change, "node_address", lambda kube: "172.30.0.2")
    monkeypatch.setattr(change, "connect", lambda cluster: None)
    lab.paths.state.mkdir(parents=True)
    lab.paths.write_lab_id("1")
    return Engine()


def wire(engine: Engine) -> KindWire:
    return KindWire(engine)  # type: ignore[arg-type]


def ends(lab: Lab) -> tuple[Any, ...]:
    return lab, lab.clusters["west"], lab.clusters["east"]


def split(commands: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(shlex.split(command))[1:] for command in commands]


@pytest.mark.parametrize("means", Means)
def test_the_commands_that_are_shown_are_those_that_run(lab: Lab, engine: Engine, means: Means) -> None:
    shown = wire(engine).distance_commands(*ends(lab), FAR, means)
    assert engine.ran == []
    assert wire(engine).set_distance(*ends(lab), FAR, means) == shown
    assert split(shown) == engine.ran
    engine.ran.clear()
    shown = wire(engine).clearing_commands(*ends(lab))
    assert engine.ran == []
    assert wire(engine).clear_distance(*ends(lab)) == shown
    assert split(shown) == engine.ran
    assert engine.nodes == {}


def test_a_line_is_the_labs_container_without_folders_of_this_machine(lab: Lab, engine: Engine) -> None:
    wire(engine).set_distance(*ends(lab), FAR, Means.LINE)
    create = engine.ran[0]
    assert {"--network=container:dev-west-control-plane", "--pull=never", "--cap-drop=ALL"} <= set(create)
    assert {word for word in create if "--cap-add" in word} == {"--cap-add=NET_ADMIN", "--cap-add=NET_RAW"}
    assert not [word for word in create if word.startswith(("--volume", "--mount", "-v", "--privileged"))]
    assert {"--delay-ms=40", "--jitter-ms=5", "--loss-percent=1", "--rate-kbit=20000"} <= set(create)
    labels = engine.nodes[LINE].labels
    assert (labels[LAB_LABEL], labels[LAB_ID_LABEL], labels[delay_line.LABEL]) == ("dev", "1", "west>east")


def test_a_line_replaces_the_one_before(lab: Lab, engine: Engine) -> None:
    wire(engine).set_distance(*ends(lab), FAR, Means.LINE)
    engine.ran.clear()
    wire(engine).set_distance(*ends(lab), Distance(delay_ms=20), Means.LINE)
    verbs = [words[1] for words in engine.ran]
    assert verbs == ["exec", "stop", "rm", "create", "cp", "start", "exec", "exec"]
    assert engine.ran[0][-1].startswith("rm -f /run/eastwest-lab-distances/"), "first frames stop to go to it"


def test_the_node_watches_a_line_before_frames_go_to_it(lab: Lab, engine: Engine) -> None:
    wire(engine).set_distance(*ends(lab), FAR, Means.LINE)
    watch, redirect = engine.ran[-2:]
    assert "--detach" in watch
    assert "monitor link" in watch[-1]
    assert "tc filter del dev eth0 egress pref 2" in watch[-1]
    assert "match ip dst 172.30.0.2/32 action mirred egress redirect dev line2" in redirect[-1]


def test_pods_addresses_are_far_as_well_on_a_flat_network(lab: Lab, engine: Engine) -> None:
    network = lab.spec.network.model_copy(update={"flat": True})
    flat = replace(lab, spec=lab.spec.model_copy(update={"network": network}))
    for means in Means:
        command = wire(engine).distance_commands(*ends(flat), FAR, means)[-1]
        assert "match ip dst 172.30.0.2/32" in command
        assert "match ip dst 10.10.0.0/16" in command


def test_a_container_of_that_name_that_is_not_the_labs_is_not_touched(lab: Lab, engine: Engine) -> None:
    engine.nodes[LINE] = container(LINE, labels={LAB_LABEL: "dev", LAB_ID_LABEL: "2", delay_line.LABEL: "west>east"})
    for act in (
        lambda: wire(engine).set_distance(*ends(lab), FAR, Means.LINE),
        lambda: wire(engine).clear_distance(*ends(lab)),
    ):
        with pytest.raises(ClusterError, match=f"{LINE}.*is not the lab's; it was not touched"):
            act()
    assert engine.ran == []


def test_without_the_image_nothing_is_changed(lab: Lab, engine: Engine) -> None:
    engine.engine_images.clear()
    with pytest.raises(ClusterError, match=r"does not have the image eastwest-lab/frontend:1.*lab artifacts build"):
        wire(engine).set_distance(*ends(lab), FAR, Means.LINE)
    assert engine.ran == []


def test_a_kernel_without_netem_and_tun_is_named(lab: Lab, engine: Engine) -> None:
    engine.refuses = 'error gathering device information: "/dev/net/tun": no such file or directory'
    with pytest.raises(ClusterError, match=r"neither netem nor /dev/net/tun.*module sch_netem or tun"):
        wire(engine).set_distance(*ends(lab), FAR, Means.LINE)
    assert engine.ran == []


def test_a_program_that_ends_at_once_is_named_and_no_frame_goes_to_it(lab: Lab, engine: Engine) -> None:
    engine.fails = "PermissionError: [Errno 1] Operation not permitted"
    with pytest.raises(ClusterError, match="the delay line ended: PermissionError"):
        wire(engine).set_distance(*ends(lab), FAR, Means.LINE)
    assert not [words for words in engine.ran if "mirred" in words[-1]]


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        # A rate, because netem keeps the order of packets only with one, and a change keeps the rate from before.
        (Distance(delay_ms=80), "netem limit 100000 delay 40ms rate 100gbit"),
        (Distance(delay_ms=80, jitter_ms=10), "netem limit 100000 delay 40ms 5ms rate 100gbit"),
        (Distance(loss_percent=0.5), "netem limit 100000 loss 0.5% rate 100gbit"),
        # 0.2 s at 20 Mbit/s are 333 packets of 1500 bytes, and 45 ms of delay 75.
        (FAR, "netem limit 425 delay 40ms 5ms loss 1% rate 20000kbit"),
    ],
)
def test_netem_gets_one_direction_of_a_distance(distance: Distance, words: str) -> None:
    assert netem.words(distance) == words


def test_netem_is_tried_where_it_changes_nothing(lab: Lab) -> None:
    class Node(FakeDocker):
        def execute(self, name: str, argv: Sequence[str], **_: Any) -> Completed:  # type: ignore[override]
            self.did.append(f"{name} {' '.join(argv)}")
            return Completed(argv=tuple(argv), returncode=2, stdout="", stderr="", duration_s=0)

    node = Node()
    assert KindWire(node).means(lab.clusters["west"]) is Means.LINE  # type: ignore[arg-type]
    assert node.did == ["dev-west-control-plane unshare --net tc qdisc add dev lo root netem delay 1ms"]


DIRECTION = Direction(
    source="west", target="east", node="node", uplink="eth0", number=26, addresses=("172.30.0.26/32",)
)
KNOWN = f"distance-record {shlex.split(record.note(DIRECTION, FAR, Means.LINE))[4].rstrip(';')}"
DEVICE = "distance-device 7: line26: <BROADCAST,UP> mtu 1500"
FILTER = "distance-filter \taction order 1: mirred (Egress Redirect to device line26) stolen"


@pytest.mark.parametrize(
    ("lines", "works"),
    [
        ((KNOWN, DEVICE, FILTER), True),
        ((KNOWN, FILTER.replace("line26", "*")), False),
        ((KNOWN, DEVICE), False),
        ((KNOWN, DEVICE.replace("line26", "line261"), FILTER), False),
    ],
)
def test_a_line_works_while_its_device_and_filter_are_there(lines: tuple[str, ...], works: bool) -> None:
    assert record.read("west", ["default via 172.30.0.1 dev eth0", *lines]) == [
        OneWay(source="west", target="east", distance=FAR, means=Means.LINE, works=works)
    ]


@pytest.mark.parametrize(("number", "works"), [(26, True), (27, False)])
def test_netem_works_while_the_targets_class_has_it(number: int, works: bool) -> None:
    known = json.loads(KNOWN.removeprefix("distance-record ")) | {"means": "netem"}
    queue = f"distance-qdisc qdisc netem 8001: parent 45:{number:x} limit 425 delay 40ms"
    (one,) = record.read("west", [f"distance-record {json.dumps(known)}", queue])
    assert (one.means, one.works) == (Means.NETEM, works)


def test_netem_takes_the_place_of_a_line_and_clear_removes_both(lab: Lab, engine: Engine) -> None:
    wire(engine).set_distance(*ends(lab), FAR, Means.LINE)
    engine.ran.clear()
    wire(engine).set_distance(*ends(lab), FAR, Means.NETEM)
    assert [words[1] for words in engine.ran] == ["exec", "stop", "rm", "exec"]
    assert engine.nodes == {}
    wire(engine).set_distance(*ends(lab), FAR, Means.LINE)
    engine.ran.clear()
    wire(engine).clear_distance(*ends(lab))
    assert [words[1] for words in engine.ran] == ["exec", "stop", "rm"]
    assert "tc class del dev eth0 classid 45:2" in engine.ran[0][-1]


@pytest.mark.parametrize(
    ("status", "lines", "found"),
    [
        ("running", (KNOWN, DEVICE, FILTER), [(FAR, True)]),
        # One that stands still drops packets; a device and a filter do not show it.
        ("paused", (KNOWN, DEVICE, FILTER), [(FAR, False)]),
        ("created", (), [(Distance(), False)]),
        (None, (KNOWN, DEVICE, FILTER), [(FAR, False)]),
        (None, (), []),
    ],
)
def test_a_nodes_record_and_the_lines_container_are_read_together(
    lab: Lab, engine: Engine, *, status: str | None, lines: tuple[str, ...], found: list[tuple[Distance, bool]]
) -> None:
    if status:
        labels = {LAB_LABEL: "dev", LAB_ID_LABEL: "1", delay_line.LABEL: "west>east"}
        engine.nodes[LINE] = container(LINE, status=status, labels=labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routes, "tables", lambda docker, lab, clusters: {"west": list(lines)})
        patch.setattr(routes, "wanted_everywhere", lambda lab: {"west": []})
        state = wire(engine).state(lab, ["west"])
    assert [(one.distance, one.works) for one in state.distances] == found
    assert all((one.source, one.target) == ("west", "east") for one in state.distances)


def test_lines_are_the_labs_and_go_before_the_nodes(lab: Lab, engine: Engine) -> None:
    wire(engine).set_distance(*ends(lab), FAR, Means.LINE)
    engine.nodes["other-line"] = container("other-line", labels={delay_line.LABEL: "x>y", LAB_LABEL: "other"})
    provider = KindProvider(engine)  # type: ignore[arg-type]
    assert [(one.kind, one.name) for one in provider.owned(lab)] == [("container", LINE)]
    provider.remove(lab)
    assert engine.did == [f"remove {LINE}"]
    assert list(engine.nodes) == ["other-line"]
