"""`lab authorize` and `lab unauthorize`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import UsageError
from lab.mesh.capabilities import Capability
from lab.mesh.model import Caller, Permission
from tests.unit.cli.conftest import Command
from tests.unit.fake_api import FakeApi

FRONTEND = Caller(cluster="west", namespace="test", service_account="frontend")
SERVICE = {
    "metadata": {"name": "podinfo", "namespace": "test"},
    "spec": {"selector": {"app": "podinfo"}, "ports": [{"port": 9898, "targetPort": "http"}]},
}
SERVICE_PATH = "/api/v1/namespaces/test/services/podinfo"
ACCOUNT_PATH = "/api/v1/namespaces/test/serviceaccounts/frontend"


@pytest.fixture
def clusters(apis: dict[str, FakeApi], up: Any) -> dict[str, FakeApi]:
    """West has the frontend's account, East has podinfo."""
    apis["east"].objects[SERVICE_PATH] = {"apiVersion": "v1", "kind": "Service", **SERVICE}
    apis["west"].objects[ACCOUNT_PATH] = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "frontend", "namespace": "test"},
    }
    (up / "id").write_text("1\n")
    return apis


def policies(api: FakeApi) -> list[Any]:
    return [obj for path, obj in api.objects.items() if "/authorizationpolicies/" in path]


def test_the_permission_reaches_the_mesh(lab: Command, mesh: Any, up: Path, apis: dict[str, FakeApi]) -> None:
    wanted = Permission(
        cluster="east", service="podinfo", callers=(FRONTEND,), methods=("GET",), paths=("/api/info", "/env")
    )
    fake = mesh(authorize=None, permissions=[wanted])
    words = ("--in", "east", "--from", "west/frontend", "--from", "west/test/frontend", "--method", "GET")
    ended = lab("authorize", "podinfo", *words, "--path", "/api/info", "--path", "/env")
    assert ended.code == 0
    assert fake.called == [("authorize", wanted), ("permissions", ["east"])]
    assert "only west/frontend may GET /api/info or /env of podinfo in east" in ended.out
    # A caller that does not exist yet is not an error: its account may come later.
    assert "west has no service account test/frontend" in ended.err


def test_authorize_twice_and_unauthorize_twice(lab: Command, clusters: dict[str, FakeApi]) -> None:
    words = ("authorize", "podinfo", "--from", "west/frontend", "--method", "GET")
    first, second = lab(*words), lab(*words)
    assert (first.code, first.err) == (0, "")
    assert (second.code, second.out) == (0, first.out)
    assert len(policies(clusters["east"])) == 1
    assert lab("unauthorize", "podinfo").out.startswith("✓ deleted the permission of podinfo in east\n")
    assert policies(clusters["east"]) == []
    again = lab("unauthorize", "podinfo")
    assert (again.code, again.out.splitlines()[0]) == (0, "= nothing to delete: podinfo has no permission in east")


def test_nobody_is_a_permission_without_callers(lab: Command, clusters: dict[str, FakeApi]) -> None:
    ended = lab("authorize", "podinfo", "--nobody")
    assert "nobody may call podinfo in east" in ended.out
    assert policies(clusters["east"])[0]["spec"]["rules"] == []


def test_json_has_what_is_allowed_now(lab: Command, clusters: dict[str, FakeApi]) -> None:
    found = lab("authorize", "podinfo", "--from", "west/frontend", "--json").json
    caller = {"cluster": "west", "namespace": "test", "service_account": "frontend"}
    permission = {"cluster": "east", "service": "podinfo", "callers": [caller], "methods": [], "paths": []}
    assert found == {"changed": True, "permissions": [permission]}
    assert lab("unauthorize", "podinfo", "--json").json == {"changed": True, "permissions": []}
    assert lab("unauthorize", "podinfo", "--json").json == {"changed": False, "permissions": []}


def test_an_unknown_service_is_refused(lab: Command, clusters: dict[str, FakeApi]) -> None:
    ended = lab("authorize", "podinfoo", "--from", "west/frontend")
    assert ended.code == UsageError.exit_code
    assert "east: Service 'podinfoo' does not exist in namespace test, or has no pods of its own" in ended.err
    assert policies(clusters["east"]) == []


@pytest.mark.parametrize(
    ("words", "said", "next_"),
    [
        ((), "it is not clear who may call podinfo", "lab authorize podinfo --from CLUSTER/ACCOUNT, or --nobody"),
        (("--nobody", "--from", "west/frontend"), "--nobody refuses every request", "omit --from"),
        (("--nobody", "--method", "GET"), "--nobody refuses every request", "omit --from"),
        (("--from", "north/frontend"), "unknown cluster 'north'", "one of: east, west"),
        (("--from", "west/frontend", "--in", "north"), "unknown cluster 'north'", "one of: east, west"),
        (("--from", "frontend"), "'frontend' is not a caller", "--from CLUSTER/ACCOUNT"),
        (("--from", "west/"), "'west/' is not a caller", "--from CLUSTER/ACCOUNT"),
        (("--from", "west/a/b/c"), "'west/a/b/c' is not a caller", "--from CLUSTER/ACCOUNT"),
        (("--from", "west/frontend", "--method", "get"), "'get' is not an HTTP method", "--method GET"),
        (("--from", "west/frontend", "--method", "LOOK"), "'LOOK' is not an HTTP method", "one of: GET"),
        (("--from", "west/frontend", "--path", "api"), "'api' is not a path", "--path /api/info"),
        (("--from", "west/frontend", "--path", "/api/*"), "'/api/*' is not a path", "--path /api/info"),
    ],
)
def test_wrong_words_change_nothing(lab: Command, mesh: Any, words: tuple[str, ...], said: str, next_: str) -> None:
    fake = mesh(authorize=None, permissions=[])
    ended = lab("authorize", "podinfo", *words)
    assert ended.code == 2
    assert said in ended.err
    assert f"next:  {next_}" in ended.err
    assert fake.called == []


@pytest.mark.parametrize("words", [("--method", "GET"), ("--path", "/api/info")])
def test_a_mesh_without_rules_for_requests_is_named(lab: Command, mesh: Any, words: tuple[str, ...]) -> None:
    fake = mesh(authorize=None)
    fake.capabilities = frozenset(Capability) - {Capability.AUTHORIZE_REQUEST}
    ended = lab("authorize", "podinfo", "--from", "west/frontend", *words)
    assert ended.code == UsageError.exit_code
    assert "the istio stack cannot allow callers by method and path" in ended.err
    assert "next:  the same command without --method and --path" in ended.err
    assert fake.called == []
