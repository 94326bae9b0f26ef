"""The node image that the lab built against what kind and kubeadm ask of one (kind v0.33.0, Kubernetes 1.37)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from lab.artifacts.catalog import default
from lab.artifacts.store import ArtifactStore
from lab.base.errors import LabError
from lab.base.paths import Paths
from lab.base.process import run
from lab.config import load

Inside = Callable[..., str]


@pytest.fixture(scope="module")
def inside() -> Inside:
    """Return a function that runs a program in a container of the node image."""
    store = ArtifactStore.of(load(None), Paths.of("contract"))
    try:
        problem = store.problem("node-base")
    except LabError as error:
        pytest.skip(f"no container engine: {error}")
    if problem is not None:
        pytest.skip(f"the node image can't be looked at: {problem} (`lab artifacts build node-base`)")
    image = store.image("node-base")

    def call(program: str, *words: str) -> str:
        options = ["--rm", "--network=none", "--pull=never", f"--entrypoint={program}"]
        return run(["docker", "run", *options, image, *words], timeout_s=60).stdout

    return call


def test_it_names_its_kubernetes_version(inside: Inside) -> None:
    version = default()["node-base"].version
    assert inside("cat", "/kind/version") == f"v{version}"
    assert inside("kubelet", "--version").strip() == f"Kubernetes v{version}"


def test_the_manifests_that_kind_applies_are_filled_in(inside: Inside) -> None:
    for name in ("default-cni.yaml", "default-storage.yaml"):
        text = inside("cat", f"/kind/manifests/{name}")
        assert "apiVersion:" in text
        assert "@" not in text


def test_containerd_has_every_image_that_kubeadm_asks_for(inside: Inside) -> None:
    version = default()["node-base"].version
    wanted = set(inside("kubeadm", "config", "images", "list", f"--kubernetes-version=v{version}").split())
    script = (
        "containerd >/dev/null 2>&1 & until ctr version >/dev/null 2>&1; do sleep 0.1; done; ctr -n k8s.io images ls -q"
    )
    there = set(inside("bash", "-c", script).split())
    assert wanted <= there
    storage = inside("cat", "/kind/manifests/default-storage.yaml")
    assert set(re.findall(r"image: (\S+)", storage)) <= there


def test_containerd_and_kubeadm_agree_on_the_pause_image(inside: Inside) -> None:
    assert f'sandbox_image = "{default()["node-base"].options["pause"]}"' in inside(
        "cat", "/etc/containerd/config.toml"
    )


@pytest.mark.parametrize("script", ["/usr/local/bin/entrypoint", "/kind/bin/pod-network", "/kind/bin/kubelet-cgroups"])
def test_the_scripts_parse_and_can_run(inside: Inside, script: str) -> None:
    inside("bash", "-n", script)
    assert inside("stat", "--format=%a", script).strip() == "755"


@pytest.mark.parametrize("program", ["iptables", "conntrack", "ip", "ethtool", "mount", "runc", "ctr", "pgrep"])
def test_the_programs_that_a_node_needs_are_there(inside: Inside, program: str) -> None:
    assert inside("bash", "-c", f"command -v {program}").strip()
