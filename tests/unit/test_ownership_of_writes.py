"""Every change of a Kubernetes object goes through `lab.kube.owned`, which checks the owner first."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.base.paths import PROJECT
from lab.kube.objects import Obj, Ref, ref
from lab.kube.owned import Grounds, NotOwnedError, Owned, Owner, change, discard
from lab.kube.writes import Verb
from tests.unit.fake_api import FakeApi, kube, put

MODULES = sorted(file for part in ("lab", "scenarios") for file in (PROJECT / part).rglob("*.py"))
WRITES, CLIENT, OWNED = (PROJECT / f"lab/kube/{name}.py" for name in ("writes", "client", "owned"))
CHANGES = {"POST", "PUT", "PATCH", "DELETE"}
KUBECTL = {"apply", "create", "delete", "edit", "patch", "replace", "label", "annotate", "scale", "expose"}


def writes(file: Path) -> Iterator[str]:
    """Yield what changes objects: the verbs that `Kube.write` needs, and kubectl's in a command of the lab's own."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if {getattr(node, key, "") for key in ("id", "name", "attr")} & {"Verb"}:
            yield "Verb"
        if isinstance(node, ast.List | ast.Tuple):
            words = {word.value for word in node.elts if isinstance(word, ast.Constant)}
            if "kubectl" in words and words & KUBECTL:
                yield "kubectl"


def test_only_the_module_that_checks_owners_changes_objects() -> None:
    found = {file for file in MODULES for _ in writes(file)}
    assert found == {WRITES, CLIENT, OWNED}


def test_the_client_sends_changes_in_one_method_only() -> None:
    (client,) = (n for n in ast.walk(ast.parse(CLIENT.read_text())) if isinstance(n, ast.ClassDef) and n.name == "Kube")
    methods = [node for node in client.body if isinstance(node, ast.FunctionDef)]
    sending = {
        method.name
        for method in methods
        for node in ast.walk(method)
        if isinstance(node, ast.Constant) and node.value in CHANGES
    }
    assert sending == {"_send_change", "review"}  # a review is not stored
    calling = {
        method.name
        for method in methods
        for node in ast.walk(method)
        if isinstance(node, ast.Attribute) and node.attr == "_send_change"
    }
    assert calling == {"write", "_plan"}


def test_nobody_else_speaks_http_to_the_api_server() -> None:
    users = {
        file.relative_to(PROJECT).as_posix()
        for file in MODULES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom | ast.Import)
        and any(f"{getattr(node, 'module', '')}.{alias.name}".endswith("kube.transport") for alias in node.names)
    }
    assert users == {"lab/kube/client.py"}


MINE, OTHER = (Owner(lab="dev", lab_id="1", part=part) for part in ("mine", "other"))
CONFIG = Ref(api_version="v1", kind="ConfigMap", name="a", namespace="test")


def config(**metadata: object) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "test", **metadata}}


@pytest.mark.parametrize(
    ("labels", "owned"),
    [
        ({}, False),
        (MINE.labels, True),
        (OTHER.labels, False),
        ({**MINE.labels, "eastwest.lab/lab-id": "2"}, False),
        ({**MINE.labels, "eastwest.lab/lab": "theirs"}, False),
        ({k: v for k, v in MINE.labels.items() if k != "eastwest.lab/lab-id"}, True),  # from before labs had an id
    ],
)
def test_what_another_owner_created_is_neither_changed_nor_deleted(labels: dict[str, str], owned: bool) -> None:
    api = FakeApi()
    put(kube(api), config(labels=labels))
    before, mine = dict(api.objects), Owned(kube(api), MINE)
    if owned:
        mine.apply(config())
        mine.patch(CONFIG, {"data": {"x": "1"}})
        assert mine.delete(CONFIG) is True
        return
    for attempt in (
        lambda: mine.apply(config()),
        lambda: mine.apply_all([config()]),
        lambda: mine.ensure_all([config()]),
        lambda: mine.patch(CONFIG, {"data": {"x": "1"}}),
    ):
        with pytest.raises(NotOwnedError, match=r"west: ConfigMap test/a exists already and .*; nothing"):
            attempt()
    assert mine.delete(CONFIG) is False
    assert api.objects == before


def test_one_foreign_object_among_many_stops_all() -> None:
    api = FakeApi()
    put(kube(api), config())
    more = [{**config(), "metadata": {"name": name, "namespace": "test"}} for name in ("b", "c")]
    with pytest.raises(NotOwnedError):
        Owned(kube(api), MINE).apply_all([*more, config()])
    assert [ref(obj) for obj in api.objects.values()] == [CONFIG]


def test_what_comes_once_it_is_allowed_comes_between_the_check_and_the_first_change() -> None:
    api = FakeApi()
    mine = Owned(kube(api), MINE)
    asked: list[list[str]] = []
    mine.apply_all([config()], once_allowed=lambda: asked.append([method for method, _ in api.asked]))
    assert [set(methods) for methods in asked] == [{"GET"}]
    with pytest.raises(NotOwnedError):
        Owned(kube(api), OTHER).apply_all([config()], once_allowed=lambda: asked.append([]))
    assert len(asked) == 1


def test_a_delete_names_the_object_that_was_looked_at() -> None:
    sent: list[str | None] = []

    class Listening(FakeApi):
        def __call__(self, method: str, path: str, **more: object) -> object:  # type: ignore[override]
            sent.append(more["body"] if method == "DELETE" else None)  # type: ignore[arg-type]
            return super().__call__(method, path, **more)  # type: ignore[arg-type]

    mine = Owned(kube(Listening()), MINE)
    mine.apply(config())
    mine.delete(CONFIG)
    assert '"uid": "uid-1"' in str(sent[-1])


def test_each_exception_names_its_kind_and_reason_and_covers_no_other_kind() -> None:
    api = FakeApi()
    put(kube(api), config())
    assert all(grounds.kind and len(grounds.reason) > 20 for grounds in Grounds)
    assert change(kube(api), CONFIG, {"data": {"x": "1"}}, grounds=Grounds.CLUSTER_DNS)["data"] == {"x": "1"}
    for grounds in set(Grounds) - {Grounds.CLUSTER_DNS}:
        with pytest.raises(ValueError, match="is not a"):
            discard(kube(api), CONFIG, grounds=grounds)
    assert len(Verb) == 3
