"""Existing clusters in lab.toml."""

from __future__ import annotations

import pytest

from lab import config
from tests.unit.test_config import problems

EAST = '[clusters.east]\ncontext = "gke"\n'


def test_a_context_makes_an_existing_cluster_and_the_other_stays_kinds() -> None:
    spec = config.parse(EAST)
    assert spec.existing == ("east",)
    assert spec.clusters["east"].stands_in_for == "itself"
    assert spec.clusters["west"].stands_in_for == "Docker Desktop"


@pytest.mark.parametrize(
    ("toml", "source", "target", "reaches"),
    [
        ("", "west", "east", True),
        ("", "east", "west", True),
        (EAST, "west", "east", True),
        (EAST, "east", "west", False),  # a cluster of kind is on this machine
        (EAST + "reachable = false\n[exports]\npodinfo = []\n", "west", "east", False),
        (EAST + '[clusters.west]\ncontext = "home"\n', "east", "west", True),
        (EAST + '[clusters.west]\ncontext = "home"\nreachable = false\n', "east", "west", False),
        (EAST + '[clusters.west]\ncontext = "home"\nreachable = false\n', "west", "east", True),
    ],
)
def test_who_reaches_whom(toml: str, source: str, target: str, reaches: bool) -> None:
    assert config.parse(toml).reaches(source, target) is reaches


@pytest.mark.parametrize(
    ("toml", "key", "words"),
    [
        ('[clusters.east]\nkubeconfig = "x"\n', "clusters.east.kubeconfig", "is for an existing cluster; name its"),
        ('[clusters.east]\nserver = "https://x"\n', "clusters.east.server", "is for an existing cluster"),
        ("[clusters.east]\nreachable = false\n", "clusters.east.reachable", "is for an existing cluster"),
        (EAST + "ingress_port = 8080\n", "clusters.east.ingress_port", "is for a cluster that the lab creates"),
        (EAST + 'pod_cidr = "10.0.0.0/16"\n', "clusters.east.pod_cidr", "an existing one has its own"),
        (EAST + 'server = "10.0.0.1"\n', "clusters.east.server", "is not the URL of an API server"),
        ('[clusters.east]\ncontext = ""\n', "clusters.east.context", "text that is not empty"),
        (EAST + "[network]\nflat = true\n", "network.flat", "adds no routes there"),
        (EAST + '[clusters.west]\ncontext = "gke"\n', "clusters.west.context", "the context of east already"),
        (
            EAST + '[[links]]\nbetween = ["west", "east"]\ndelay = "80ms"\n',
            "links.0.between",
            "the lab does not delay its packets",
        ),
        ('[clusters.west]\ncontext = "gke"\n', "exports.podinfo", "no other cluster reaches east"),
        (EAST + '[exports]\npodinfo = ["west"]\n', "exports.podinfo", "no other cluster reaches west"),
    ],
)
def test_what_contradicts_an_existing_cluster_is_named(toml: str, key: str, words: str) -> None:
    assert words in problems(toml)[key][1]


def test_existing_clusters_may_have_the_same_addresses_and_ports() -> None:
    assert config.parse(EAST + '[clusters.west]\ncontext = "home"\n').clusters.keys() == {"east", "west"}
