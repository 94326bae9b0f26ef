"""`lab logs --export`: which objects, without secrets, for the owner only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab import config, stacks
from lab.base.errors import UsageError
from lab.base.redaction import REDACTED
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.lifecycle import logs, objects
from lab.tools.docker import Docker
from tests.unit.fake_api import FakeApi, kube, put

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0x.c2lnbmF0dXJl"
OF_LINKERD = {
    "authorizationpolicy.policy.linkerd.io",
    "httproute.policy.linkerd.io",
    "link.multicluster.linkerd.io",
    "mapping.getambassador.io",
    "server.policy.linkerd.io",
    "trafficsplit.split.smi-spec.io",
}


def named(version: str, kind: str) -> Obj:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "one", "namespace": "test"}, "spec": {}}


def with_stack(lab: Lab, name: str) -> Lab:
    return replace(lab, spec=config.parse(f'name = "dev"\nstack = "{name}"'))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Docker, "logs", lambda *_: f"node said: Authorization: Bearer {TOKEN}\n")


def test_the_kinds_of_the_labs_own_stack_are_collected(
    lab: Lab, apis: dict[str, FakeApi], tmp_path: Path, engine: None
) -> None:
    mine = with_stack(lab, "linkerd")
    for version, kind in stacks.STACKS["linkerd"].kinds:
        if kind not in {"Host", "Listener", "ServiceProfile"}:
            put(kube(apis["west"]), named(version, kind))
    folder = logs.collect(mine, ["west"], tmp_path / "all")
    assert {file.stem for file in (folder / "west").glob("*.yaml")} >= OF_LINKERD


@pytest.mark.parametrize("stack", sorted(stacks.STACKS))
def test_every_kind_that_a_stack_names_is_written_once(lab: Lab, stack: str) -> None:
    kinds = objects.kinds_of(with_stack(lab, stack))
    assert len(kinds) == len(set(kinds))
    assert not {"Secret", "ConfigMap"} & {kind for _, kind in kinds}


def test_keys_and_tokens_are_left_out_and_only_the_owner_can_look(
    lab: Lab, apis: dict[str, FakeApi], tmp_path: Path, engine: None
) -> None:
    service: dict[str, Any] = named("v1", "Service")
    service["metadata"]["annotations"] = {"note": f"token: {TOKEN}"}
    put(kube(apis["west"]), service)
    lab.paths.logs.mkdir(parents=True)
    (lab.paths.logs / "1.log").write_text(f"Bearer {TOKEN}")
    folder = logs.collect(with_stack(lab, "istio"), ["west"], tmp_path / "all")
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert {file.name for file in files} >= {"node.log", "service.core.yaml", "1.log"}
    for file in files:
        assert TOKEN not in file.read_text()
    assert REDACTED in (folder / "west" / "node.log").read_text()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_exists_is_refused(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=" exists"):
        logs.collect(lab, ["west"], tmp_path)


@pytest.mark.parametrize(("there", "choice"), [((), "lab status"), (("podinfo",), "name one of: podinfo")])
def test_an_unknown_workload_is_refused_with_the_known_ones(
    lab: Lab, apis: dict[str, FakeApi], there: tuple[str, ...], choice: str
) -> None:
    for name in there:
        pod = named("v1", "Pod")
        pod["metadata"]["labels"] = {"app": name}
        put(kube(apis["west"]), pod)
    with pytest.raises(UsageError, match="unknown workload 'foo'") as raised:
        list(logs.of_workload(lab, ["west"], "foo", 1))
    assert raised.value.next == choice
