"""Clusters that joined: their record, their defaults, and what cannot be together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab import config
from lab.base.errors import ConfigError, UsageError
from lab.base.names import Cluster
from lab.components import frontend
from lab.config import LabSpec, joined
from lab.lab import Lab
from lab.lifecycle import changes
from lab.lifecycle.changes import Traffic
from lab.stacks import STACKS
from lab.stacks.istio import control_plane
from tests.unit.fake_api import FakeApi


def add(spec: LabSpec, name: str, *, busy: tuple[int, ...] = ()) -> LabSpec:
    table = joined.table(spec, name, region=None, ingress_port=None, is_free=lambda port: port not in busy)
    return joined.extended(spec, {name: table})


def test_six_clusters_have_addresses_ports_and_colours_of_their_own() -> None:
    spec = config.parse("")
    for name in ("north", "south", "alps", "bay"):
        spec = add(spec, name)
    clusters = spec.clusters.values()
    for value in ("pod_cidr", "service_cidr", "ingress_port", "region", "trust_domain"):
        assert len({getattr(cluster, value) for cluster in clusters}) == 6, value
    assert len({cluster.podinfo.color for cluster in clusters}) == 6
    assert spec.joined == ("north", "south", "alps", "bay")
    assert [cluster.trust_domain for cluster in clusters][2:] == list(joined.TRUST_DOMAINS[:4])
    assert spec.exports["podinfo"] == ("east", "north", "south", "alps", "bay")


def test_a_place_that_is_free_again_is_used_again() -> None:
    two = add(add(config.parse(""), "north"), "south")
    again = add(joined.without(two, "north"), "other")
    assert again.clusters["other"].pod_cidr == two.clusters["north"].pod_cidr
    assert again.clusters["other"].podinfo.color == two.clusters["north"].podinfo.color
    assert again.joined == ("south", "other")
    assert again.exports["podinfo"] == ("east", "south", "other")


def test_a_port_that_something_else_uses_is_left_out() -> None:
    assert add(config.parse(""), "north", busy=(8082, 8083)).clusters["north"].ingress_port == 8084
    assert add(config.parse("[stage]\nport = 8082\n"), "north").clusters["north"].ingress_port == 8083


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("North", {}, "is not a DNS label"),
        ("north", {"ingress_port": 8081}, "the lab uses 8081 already"),
        ("north", {"ingress_port": 70000}, "must be at most 65535"),
        ("north", {"region": "a b"}, "is not a Kubernetes label value"),
    ],
)
def test_values_that_are_not_possible_are_refused(name: str, options: dict[str, object], words: str) -> None:
    given = {"region": None, "ingress_port": None, **options}
    with pytest.raises(UsageError, match=words):
        joined.table(config.parse(""), name, is_free=lambda _: True, **given)  # type: ignore[arg-type]


def test_a_role_is_not_a_name() -> None:
    spec = config.parse('[roles]\neast = "gke"\nwest = "laptop"\n[clusters.gke]\n[clusters.laptop]\n')
    with pytest.raises(UsageError, match="name of a role"):
        add(spec, "east")


def test_the_record_survives(tmp_path: Path) -> None:
    spec = add(config.parse(""), "north")
    joined.write(tmp_path / "joined.json", {"north": spec.clusters["north"]})
    assert (tmp_path / "joined.json").stat().st_mode & 0o777 == 0o600
    assert joined.extended(config.parse(""), joined.read(tmp_path / "joined.json")) == spec
    joined.write(tmp_path / "joined.json", {})
    assert list(tmp_path.iterdir()) == []
    assert joined.read(tmp_path / "joined.json") == {}


def test_lab_toml_wins_and_conflicts_are_named(tmp_path: Path) -> None:
    table = {"north": add(config.parse(""), "north").clusters["north"]}
    lasting = config.parse("[clusters.north]\ningress_port = 9000\n")
    assert joined.extended(lasting, table) == lasting
    assert lasting.joined == ()
    with pytest.raises(ConfigError, match=r"clusters.north.ingress_port: 8082 is clusters.south.ingress_port already"):
        joined.extended(
            config.parse('[clusters.south]\npod_cidr = "10.50.0.0/16"\nservice_cidr = "10.51.0.0/16"\n'), table
        )
    (tmp_path / "joined.json").write_text("[]")
    with pytest.raises(ConfigError, match="cannot be read"):
        joined.read(tmp_path / "joined.json")


def test_a_scenario_takes_the_first_name_that_lab_toml_does_not_have() -> None:
    assert joined.spare_name(config.parse("")) == "north"
    assert joined.spare_name(add(config.parse(""), "north")) == "north", "it joined: the walk that added it continues"
    assert joined.spare_name(config.parse("[clusters.north]\n")) == "south"


def test_a_cluster_that_joins_restarts_no_frontend(lab: Lab) -> None:
    three = Lab(spec=add(lab.spec, "north"), paths=lab.paths, artifacts=lab.artifacts)
    for name in ("east", "west"):
        assert frontend.Frontend().objects(three, three.clusters[name]) == frontend.Frontend().objects(
            lab, lab.clusters[name]
        )
    assert frontend.upstream_names(three, three.clusters["north"]) == ["podinfo", "podinfo-east", "podinfo-west"]


def test_a_cluster_that_joins_changes_no_istio(lab: Lab) -> None:
    """Proxies would replace their listeners, and cut long connections."""
    three = Lab(spec=add(lab.spec, "north"), paths=lab.paths, artifacts=lab.artifacts)
    for name in ("east", "west"):
        assert control_plane.place(three, three.clusters[name]) == control_plane.place(lab, lab.clusters[name])
    domains = control_plane.place(three, three.clusters["north"]).other_trust_domains
    assert {"east.example", "west.example"} <= set(domains)
    assert three.spec.clusters["north"].trust_domain not in domains
    written = replace(lab, keeps_keys=False)
    assert control_plane.place(written, lab.clusters["east"]).other_trust_domains == ["west.example"]


def test_more_clusters_than_trust_domains_cannot_join() -> None:
    spec = config.parse("")
    for name in ("a", "b", "c", "d", "e", "f"):
        spec = add(spec, name)
    with pytest.raises(UsageError, match="6 clusters have joined: a, b, c") as raised:
        add(spec, "g")
    assert raised.value.next == "lab cluster remove a"


def test_a_frontend_can_call_for_what_it_can_call(lab: Lab) -> None:
    three = Lab(spec=add(lab.spec, "north"), paths=lab.paths, artifacts=lab.artifacts)
    for stack in STACKS.values():
        for name in three.clusters:
            cluster: Cluster = three.clusters[name]
            assert set(stack.answers(three, name)) <= set(frontend.upstream_names(three, cluster))


def test_the_status_shows_that_a_cluster_joined(lab: Lab, apis: dict[str, FakeApi]) -> None:
    assert apis
    three = Lab(spec=add(lab.spec, "north"), paths=lab.paths, artifacts=lab.artifacts)
    from lab.clusters.provider import WireState

    (change,) = changes.find(three, Traffic(), ["east", "west"], WireState())
    assert (change.cluster, change.kind) == ("north", "cluster")
    assert change.effect == "cluster: north joined; it is not in lab.toml"
    assert not change.decides_answers
