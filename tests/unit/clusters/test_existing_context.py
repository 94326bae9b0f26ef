"""The user's context of an existing cluster: found as kubectl finds it, and copied so that it works from anywhere."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lab.base.errors import ClusterError, LabError, UsageError
from lab.base.step import StepStatus
from lab.clusters import addresses, kubeconfig, provider
from lab.clusters.existing import context
from lab.clusters.existing import provider as existing
from lab.clusters.provider import NodeStatus
from lab.kube import manifests
from lab.lab import Lab
from tests.unit.clusters.existing_kit import TOML, entry, lab_of, write
from tests.unit.fake_api import FakeApi

GKE = "https://203.0.113.7"
LAPTOP = "https://192.0.2.9:6443"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    write(tmp_path / "config", entry("gke_shop_europe", GKE, token="t"), entry("laptop", LAPTOP, token="u"))
    return lab_of(tmp_path)


def test_paths_become_absolute_and_a_program_stays_one(lab: Lab, tmp_path: Path) -> None:
    program = {"command": "./bin/login", "installHint": "see\n the docs"}
    write(tmp_path / "config", entry("gke_shop_europe", GKE, **{"client-key": "me.key", "exec": program}))
    found = context.find(lab, "east")
    assert found.server == GKE
    assert found.entries["clusters"]["cluster"]["certificate-authority"] == str(tmp_path / "pki/ca.crt")
    assert found.entries["users"]["user"]["client-key"] == str(tmp_path / "me.key")
    assert found.missing_program == str(tmp_path / "./bin/login")
    assert found.install_hint == "see the docs"


def test_a_program_on_the_path_stays_a_name(lab: Lab, tmp_path: Path) -> None:
    write(tmp_path / "config", entry("gke_shop_europe", GKE, exec={"command": "sh"}))
    found = context.find(lab, "east")
    assert (found.program, found.missing_program) == ("sh", "")


def test_without_a_name_kubectls_files_are_read_and_the_first_entry_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = lab_of(tmp_path, TOML.replace('kubeconfig = "config"\n', ""))
    one = entry("gke_shop_europe", GKE, token="t")
    write(tmp_path / "a", {kind: one[kind] for kind in ("contexts", "users")})
    write(tmp_path / "b", {"clusters": one["clusters"]}, entry("gke_shop_europe", "https://wrong.example"))
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(str(tmp_path / name) for name in ("a", "missing", "b")))
    assert context.find(lab, "east").server == GKE


def test_an_unknown_context_names_those_that_there_are(lab: Lab, tmp_path: Path) -> None:
    write(tmp_path / "config", entry("laptop", LAPTOP))
    with pytest.raises(ClusterError, match="no context 'gke_shop_europe'; it has: laptop") as refused:
        context.find(lab, "east")
    assert "get-contexts" in str(refused.value.next)


def test_a_context_without_its_cluster_is_named(lab: Lab, tmp_path: Path) -> None:
    whole = entry("gke_shop_europe", GKE)
    write(tmp_path / "config", {kind: whole[kind] for kind in ("contexts", "users")})
    with pytest.raises(ClusterError, match="names the cluster 'gke_shop_europe-cluster', which"):
        context.find(lab, "east")


@pytest.fixture
def ready(apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeApi]:
    monkeypatch.setattr("lab.kube.client.Kube.version", lambda _: "v1.33.1")
    return apis


def test_adopting_copies_the_context_and_marks_the_cluster(lab: Lab, ready: dict[str, FakeApi]) -> None:
    east = lab.clusters["east"]
    assert existing.look(lab, east).status is NodeStatus.ABSENT
    assert provider().ensure(lab, east, image="none").status is StepStatus.CHANGED
    file = lab.paths.kubeconfig
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kubeconfig.contexts(file) == ("east",)
    assert kubeconfig.existing(file) == {"east": "gke_shop_europe"}
    (mark,) = ready["east"].objects.values()
    assert mark["metadata"]["labels"]["eastwest.lab/lab-id"] == lab.id != ""
    node = existing.look(lab, east)
    assert (node.status, node.address) == (NodeStatus.RUNNING, "203.0.113.7")
    assert provider().ensure(lab, east, image="none").status is StepStatus.UNCHANGED


def test_new_credentials_are_taken_over(lab: Lab, ready: dict[str, FakeApi], tmp_path: Path) -> None:
    east = lab.clusters["east"]
    existing.ensure(lab, east)
    write(tmp_path / "config", entry("gke_shop_europe", GKE, token="new"))
    assert existing.ensure(lab, east).status is StepStatus.CHANGED
    assert "new" in lab.paths.kubeconfig.read_text()


def test_the_copy_serves_where_the_users_kubeconfig_is_another_one(lab: Lab, ready: dict[str, FakeApi]) -> None:
    east = lab.clusters["east"]
    existing.ensure(lab, east)
    write(lab.spec.file.with_name("config"))  # type: ignore[union-attr]
    assert existing.ensure(lab, east).status is StepStatus.UNCHANGED


def test_another_labs_cluster_is_refused(lab: Lab, ready: dict[str, FakeApi]) -> None:
    east = lab.clusters["east"]
    existing.ensure(lab, east)
    lab.paths.write_lab_id("another")
    with pytest.raises(ClusterError, match=r"Namespace eastwest-lab exists already .* of the lab dev"):
        existing.ensure(lab, east)


def test_a_cluster_does_not_change_under_a_lab(lab: Lab, ready: dict[str, FakeApi], tmp_path: Path) -> None:
    existing.ensure(lab, lab.clusters["east"])
    other = lab_of(
        tmp_path, TOML.replace("gke_shop_europe", "laptop").replace('"laptop"\nkubeconfig', '"l"\nkubeconfig', 1)
    )
    with pytest.raises(ClusterError, match=r"the lab is in the context 'gke_shop_europe', and lab.toml names 'l' now"):
        existing.ensure(other, other.clusters["east"])
    created = lab_of(tmp_path, 'name = "dev"')
    with pytest.raises(ClusterError, match="names no `context` for it now"):
        provider().ensure(created, created.clusters["east"], image="none")


def test_a_cluster_that_the_lab_created_is_not_replaced_by_an_existing_one(lab: Lab, ready: dict[str, FakeApi]) -> None:
    one = entry("kind", "https://127.0.0.1:1")
    kubeconfig.adopt(
        lab.paths.kubeconfig, name="east", from_kind=manifests.dump({kind: [part] for kind, part in one.items()})
    )
    with pytest.raises(ClusterError, match="the lab created east itself"):
        existing.ensure(lab, lab.clusters["east"])


def test_other_clusters_get_the_address_of_lab_toml_else_the_kubeconfigs(
    lab: Lab, ready: dict[str, FakeApi], tmp_path: Path
) -> None:
    from lab.kube import connect

    existing.ensure(lab, lab.clusters["east"])
    assert addresses.api_server(connect(lab.clusters["east"])) == GKE
    told = lab_of(tmp_path, TOML.replace("[clusters.west]", 'server = "https://10.0.0.8:6443"\n[clusters.west]'))
    assert told.clusters["east"].server == "https://10.0.0.8:6443"
    assert addresses.end_of("https://[2001:db8::1]:6443") == ("2001:db8::1", 6443)
    assert addresses.end_of(GKE) == ("203.0.113.7", 443)


def test_nothing_is_asked_of_an_engine_for_existing_clusters_only(lab: Lab, ready: dict[str, FakeApi]) -> None:
    """The unit tests have no engine: each of these would raise."""
    for cluster in lab.clusters.values():
        existing.ensure(lab, cluster)
    assert {node.status for node in provider().look(lab).values()} == {NodeStatus.RUNNING}
    assert provider().prepare(lab).status is StepStatus.UNCHANGED
    assert provider().wire.state(lab, ["east", "west"]).cuts == ()
    assert provider().wire.ensure_routes(lab).status is StepStatus.UNCHANGED
    assert provider().power.start(lab.clusters["east"]) is False


@pytest.mark.parametrize(
    "attempt",
    [
        lambda p, e, w: p.power.kill(e),
        lambda p, e, w: p.power.stop(e),
        lambda p, e, w: p.power.pause(e),
        lambda p, e, w: p.wire.cut(w, e),
        lambda p, e, w: p.wire.cut_command(w, e),
        lambda p, e, w: p.wire.restore(e, "10.0.0.1"),
        lambda p, e, w: p.wire.means(e),
        lambda p, e, w: p.wire.ping(w, e),
        lambda p, e, w: p.shell.run(e, ["true"]),
    ],
)
def test_the_lab_touches_no_node_of_an_existing_cluster(lab: Lab, attempt: object) -> None:
    with pytest.raises(UsageError, match="it is an existing cluster, and the lab"):
        attempt(provider(), lab.clusters["east"], lab.clusters["west"])  # type: ignore[operator]


def test_a_damaged_kubeconfig_hides_no_existing_cluster_and_hinders_no_other_lab(lab: Lab, tmp_path: Path) -> None:
    lab.paths.ensure_state()
    lab.paths.kubeconfig.write_text("clusters: [")
    with pytest.raises(LabError):
        existing.owned(lab)
    assert existing.owned(lab_of(tmp_path, 'name = "dev"')) == []
