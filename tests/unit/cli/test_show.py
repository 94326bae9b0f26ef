"""`--show` on the command line, with the lab's own meshes on API servers in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from lab.clusters.provider import NodeStatus
from lab.stacks.linkerd import multicluster
from tests.unit.cli.conftest import Command
from tests.unit.fake_api import FakeApi, kube, put
from tests.unit.golden.test_golden import service

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(params=["istio", "linkerd"])
def stack(request: pytest.FixtureRequest, up: Path, folder: Path, apis: dict[str, FakeApi]) -> str:
    name: str = request.param
    (folder / "lab.toml").write_text(f'name = "dev"\nstack = "{name}"\n')
    (up / "stack").write_text(f"{name}\n")
    for cluster, api in apis.items():
        put(kube(api, cluster), service("podinfo"))
    marks = {multicluster.TARGET_LABEL: "east"} if name == "linkerd" else {}
    exported = {"eastwest.lab/exported-service": "podinfo", "eastwest.lab/exported-from": "east"}
    put(kube(apis["west"], "west"), service("podinfo-east", **(marks or exported)))
    return name


def test_a_split_is_printed_and_not_applied(lab: Command, stack: str, apis: dict[str, FakeApi], up: Path) -> None:
    before, files = json.dumps({n: api.objects for n, api in apis.items()}), sorted(up.rglob("*"))
    ended = lab("split", "podinfo=90", "podinfo-east=10", "--show")
    assert (ended.code, ended.out) == (0, (GOLDEN / stack / "shown/split.txt").read_text())
    assert ("this is for 2 kubectl commands" in ended.err) == (stack == "istio")
    assert json.dumps({n: api.objects for n, api in apis.items()}) == before
    assert sorted(up.rglob("*")) == files  # not even the lab's lock


def test_json_has_the_same_objects(lab: Command, stack: str) -> None:
    records = lab("split", "podinfo=90", "podinfo-east=10", "--show", "--json").json
    printed = lab("split", "podinfo=90", "podinfo-east=10", "--show").out
    assert [record["object"] for record in records] == list(yaml.safe_load_all(printed))
    assert {record["action"] for record in records} == {"apply"}


@pytest.mark.parametrize(
    "words",
    [
        ("unexport", "podinfo", "--from", "east", "--by-ingress"),
        ("unsplit", "podinfo"),
        ("unfailover", "podinfo"),
    ],
)
def test_an_undo_without_anything_to_undo(lab: Command, stack: str, words: tuple[str, ...]) -> None:
    ended = lab(*words, "--show")
    assert (ended.code, ended.out) == (0, "# nothing to apply or delete\n")
    assert lab(*words, "--show", "--json").json == []


@pytest.mark.parametrize(
    "words",
    [
        ("export", "nothing"),
        ("export", "nothing", "--by-ingress"),
        ("export", "podinfo", "--direct"),
        ("export", "podinfo", "--direct", "--by-ingress"),
        ("split", "podinfo=1", "nothing=1", "podinfo"),
        ("split", "podinfo", "podinfo=0"),
        ("failover", "nothing"),
        ("federate", "podinfo"),
        ("unfederate", "podinfo", "--config", "nowhere.toml"),
        ("unsplit", "podinfo", "--in", "north"),
    ],
)
def test_errors_are_those_without_show(lab: Command, stack: str, words: tuple[str, ...]) -> None:
    real, shown = lab(*words), lab(*words, "--show")
    assert (shown.code, shown.out, shown.err) == (real.code, "", real.err)
    assert shown.code != 0


def test_a_stopped_node_is_named(lab: Command, stack: str, nodes: dict[str, NodeStatus]) -> None:
    nodes["east"] = NodeStatus.STOPPED
    real, shown = lab("unsplit", "podinfo"), lab("unsplit", "podinfo", "--show")
    assert (shown.code, shown.err) == (real.code, real.err)


def test_json_alone_names_show(lab: Command, stack: str, apis: dict[str, FakeApi]) -> None:
    before = json.dumps(apis["west"].objects)
    ended = lab("split", "podinfo=90", "podinfo-east=10", "--json")
    assert (ended.code, ended.json["error"]["next"]) == (2, "lab split … --show --json")
    assert json.dumps(apis["west"].objects) == before
