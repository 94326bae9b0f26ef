from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from lab.base.names import Cluster
from lab.base.step import StepStatus
from lab.components.base import ManifestComponent, State
from lab.kube.objects import Obj
from lab.kube.owned import NotOwnedError
from lab.lab import Lab
from tests.unit.fake_api import FakeApi, kube, put


@dataclass
class Things(ManifestComponent):
    """A component of VirtualServices with these names."""

    names: list[str] = field(default_factory=lambda: ["a", "b"])
    value: str = "1"
    name: str = "things"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        return [
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": {"name": name, "namespace": "test"},
                "spec": {"value": self.value},
            }
            for name in self.names
        ]


PLACE = "/apis/networking.istio.io/v1/namespaces/test/virtualservices/"


@pytest.fixture
def west(lab: Lab) -> Cluster:
    return lab.clusters["west"]


@pytest.fixture
def api(apis: dict[str, FakeApi]) -> FakeApi:
    return apis["west"]


def there(api: FakeApi) -> set[str]:
    return {path.removeprefix(PLACE) for path in api.objects if path.startswith(PLACE)}


def test_an_applied_component_is_current_and_not_applied_again(lab: Lab, west: Cluster, api: FakeApi) -> None:
    things = Things()
    assert things.observe(lab, west) is State.ABSENT
    assert things.apply(lab, west).status is StepStatus.CHANGED
    assert things.observe(lab, west) is State.CURRENT
    api.asked.clear()
    assert things.apply(lab, west).status is StepStatus.UNCHANGED
    assert {method for method, _ in api.asked} == {"GET"}


def test_a_first_apply_asks_for_each_thing_once(lab: Lab, west: Cluster, api: FakeApi) -> None:
    Things().apply(lab, west)
    asked = [(method, path.partition("?")[0]) for method, path in api.asked if path.count("/") > 3]
    inventory = "/api/v1/namespaces/eastwest-lab/configmaps/things"
    assert asked[:4] == [
        ("GET", inventory),
        ("GET", PLACE.rstrip("/")),  # the owners of all, before anything is changed
        ("GET", inventory),  # its owner
        ("PATCH", inventory),
    ]
    assert sorted(asked[4:6]) == [("PATCH", PLACE + "a"), ("PATCH", PLACE + "b")]
    assert asked[6:] == [("GET", inventory), ("PATCH", inventory)]


def test_everything_carries_the_labs_labels(lab: Lab, west: Cluster, api: FakeApi) -> None:
    Things().apply(lab, west)
    assert api.objects[PLACE + "a"]["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "eastwest-lab",
        "eastwest.lab/lab": "dev",
        "eastwest.lab/component": "things",
    }


@pytest.mark.parametrize("accident", ["deleted", "edited"])
def test_a_deleted_or_edited_object_is_applied_again(lab: Lab, west: Cluster, api: FakeApi, accident: str) -> None:
    Things().apply(lab, west)
    if accident == "deleted":
        del api.objects[PLACE + "b"]
    else:
        api.objects[PLACE + "b"]["spec"]["value"] = "9"
        api.objects[PLACE + "b"]["metadata"]["generation"] += 1
    assert Things().observe(lab, west) is State.STALE
    assert Things().apply(lab, west).status is StepStatus.CHANGED
    assert api.objects[PLACE + "b"]["spec"]["value"] == "1"
    assert Things().observe(lab, west) is State.CURRENT


def test_objects_of_an_earlier_version_are_deleted(lab: Lab, west: Cluster, api: FakeApi) -> None:
    Things().apply(lab, west)
    Things(names=["b", "c"]).apply(lab, west)
    assert there(api) == {"b", "c"}


def test_objects_of_a_killed_run_are_in_the_inventory(
    lab: Lab, west: Cluster, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Things, "after_apply", killed)
        with pytest.raises(KeyboardInterrupt):
            Things(names=["a", "b"]).apply(lab, west)
    assert Things(names=["b"]).observe(lab, west) is State.STALE
    Things(names=["b"]).apply(lab, west)
    assert there(api) == {"b"}


def test_removal_deletes_all_objects_and_can_be_repeated(lab: Lab, west: Cluster, api: FakeApi) -> None:
    Things().apply(lab, west)
    Things(names=[]).remove(lab, west)
    assert there(api) == set()
    assert Things().observe(lab, west) is State.ABSENT
    Things().remove(lab, west)


def test_an_object_that_somebody_changed_and_changed_back_is_unchanged(lab: Lab, west: Cluster, api: FakeApi) -> None:
    Things().apply(lab, west)
    api.objects[PLACE + "b"]["metadata"]["generation"] += 2
    assert Things().apply(lab, west).status is StepStatus.UNCHANGED
    assert Things().observe(lab, west) is State.CURRENT


@dataclass
class Settings(ManifestComponent):
    """A ConfigMap, which has no generation."""

    name: str = "settings"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        metadata = {"name": "settings", "namespace": "test"}
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "wanted"}}]


def test_an_edited_config_map_is_applied_again(lab: Lab, west: Cluster, api: FakeApi) -> None:
    settings = Settings()
    settings.apply(lab, west)
    there = "/api/v1/namespaces/test/configmaps/settings"
    api.objects[there]["data"] = {"key": "another"}
    assert settings.observe(lab, west) is State.STALE
    assert settings.apply(lab, west).status is StepStatus.CHANGED
    assert api.objects[there]["data"] == {"key": "wanted"}
    assert settings.apply(lab, west).status is StepStatus.UNCHANGED


def test_another_owners_object_is_refused_and_nothing_is_applied(lab: Lab, west: Cluster, api: FakeApi) -> None:
    (theirs, _) = Things().objects(lab, west)
    put(kube(api), theirs)
    before = dict(api.objects)
    for _ in range(2):  # a first refusal must not make the object known to the inventory
        with pytest.raises(NotOwnedError, match="VirtualService test/a exists already"):
            Things().apply(lab, west)
    assert api.objects == before


def test_an_object_whose_labels_were_removed_is_known_by_its_uid(lab: Lab, west: Cluster, api: FakeApi) -> None:
    Things().apply(lab, west)
    api.objects[PLACE + "b"]["metadata"]["labels"] = {}
    assert Things().observe(lab, west) is State.STALE
    assert Things().apply(lab, west).status is StepStatus.CHANGED
    assert Things().observe(lab, west) is State.CURRENT


def test_an_object_that_somebody_created_again_without_labels_is_theirs(lab: Lab, west: Cluster, api: FakeApi) -> None:
    Things().apply(lab, west)
    api.objects[PLACE + "b"]["metadata"] |= {"labels": {}, "uid": "another"}
    with pytest.raises(NotOwnedError):
        Things().apply(lab, west)
    Things(names=[]).remove(lab, west)
    assert there(api) == {"b"}


def test_an_object_that_is_being_deleted_is_applied_again(lab: Lab, west: Cluster, api: FakeApi) -> None:
    things = Things()
    things.apply(lab, west)
    api.objects[f"{PLACE}a"]["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "uid": "old"}
    assert things.observe(lab, west) is State.STALE
    things.apply(lab, west)
    assert api.objects[f"{PLACE}a"]["metadata"]["uid"] != "old"
    assert things.observe(lab, west) is State.CURRENT
