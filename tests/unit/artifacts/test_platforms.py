"""The release files of each platform: a pure function of system and processor."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lab.artifacts import platforms
from lab.artifacts.catalog import default
from lab.artifacts.platforms import PLATFORMS, Platform, platform_of
from lab.base.errors import HostError
from lab.base.paths import PROJECT

ISTIO = "https://github.com/istio/istio/releases/download"
LINKERD = "https://github.com/linkerd/linkerd2/releases/download/edge-26.8.3/linkerd2-cli-edge-26.8.3"
KIND = "https://github.com/kubernetes-sigs/kind/releases/download/v0.33.0/kind"
FILES = {
    "linux-amd64": (
        f"{KIND}-linux-amd64",
        "https://dl.k8s.io/release/v1.37.0/bin/linux/amd64/kubectl",
        ("https://get.helm.sh/helm-v4.3.1-linux-amd64.tar.gz", "linux-amd64/helm"),
        (f"{ISTIO}/1.31.4/istioctl-1.31.4-linux-amd64.tar.gz", "istioctl"),
        f"{LINKERD}-linux-amd64",
    ),
    "linux-arm64": (
        f"{KIND}-linux-arm64",
        "https://dl.k8s.io/release/v1.37.0/bin/linux/arm64/kubectl",
        ("https://get.helm.sh/helm-v4.3.1-linux-arm64.tar.gz", "linux-arm64/helm"),
        (f"{ISTIO}/1.31.4/istioctl-1.31.4-linux-arm64.tar.gz", "istioctl"),
        f"{LINKERD}-linux-arm64",
    ),
    "darwin-amd64": (
        f"{KIND}-darwin-amd64",
        "https://dl.k8s.io/release/v1.37.0/bin/darwin/amd64/kubectl",
        ("https://get.helm.sh/helm-v4.3.1-darwin-amd64.tar.gz", "darwin-amd64/helm"),
        (f"{ISTIO}/1.31.4/istioctl-1.31.4-osx-amd64.tar.gz", "istioctl"),
        f"{LINKERD}-darwin",
    ),
    "darwin-arm64": (
        f"{KIND}-darwin-arm64",
        "https://dl.k8s.io/release/v1.37.0/bin/darwin/arm64/kubectl",
        ("https://get.helm.sh/helm-v4.3.1-darwin-arm64.tar.gz", "darwin-arm64/helm"),
        (f"{ISTIO}/1.31.4/istioctl-1.31.4-osx-arm64.tar.gz", "istioctl"),
        f"{LINKERD}-darwin-arm64",
    ),
}
PROGRAMS = ("kind", "kubectl", "helm", "istioctl", "linkerd")
SUFFIXES = (".sha256sum", ".sha256", ".sha256sum", ".sha256", ".sha256")


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_each_platform_has_its_files(platform: Platform) -> None:
    for name, suffix, expected in zip(PROGRAMS, SUFFIXES, FILES[str(platform)], strict=True):
        artifact = default()[name]
        assert artifact.upstream is not None
        download = artifact.upstream.download(artifact.version_from(upstream=True), platform)
        url, member = expected if isinstance(expected, tuple) else (expected, None)
        assert (download.url, download.member) == (url, member)
        assert download.checksum_url == f"{url}{suffix}"
        assert download.as_file == f"bin/{name}"


def test_files_for_all_platforms_are_the_same_everywhere() -> None:
    gateway_api = default()["gateway-api"].upstream
    assert gateway_api is not None
    assert len({gateway_api.download("1.6.3", platform) for platform in PLATFORMS}) == 1


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("Linux", "x86_64", "linux-amd64"),
        ("Linux", "aarch64", "linux-arm64"),
        ("Darwin", "x86_64", "darwin-amd64"),
        ("Darwin", "arm64", "darwin-arm64"),
    ],
)
def test_the_words_of_uname(system: str, machine: str, expected: str) -> None:
    assert str(platform_of(system, machine)) == expected


OTHERS = [("Windows", "AMD64"), ("Linux", "riscv64"), ("FreeBSD", "amd64"), ("", "")]


@pytest.mark.parametrize(("system", "machine"), OTHERS)
def test_another_platform_is_an_error_with_a_way_out(system: str, machine: str) -> None:
    with pytest.raises(HostError, match=r"upstream publishes no programs for .*, only for linux-amd64") as raised:
        platform_of(system, machine)
    assert "WSL 2" in (raised.value.next or "")


def test_this_machine_s_platform_is_that_of_uname(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert str(platforms.here()) == "darwin-arm64"


# What Python has on Linux and not on macOS.
LINUX_ONLY = """
import os, pkgutil, select, signal, socket
import psutil  # its module for Linux needs some of them
for module, names in (
    (os, ("sched_getaffinity", "memfd_create", "setns", "unshare", "pidfd_open", "eventfd")),
    (select, ("epoll",)),
    (signal, ("SIGRTMIN", "SIGRTMAX", "SIGSTKFLT")),
    (socket, ("AF_PACKET", "AF_NETLINK", "SO_PEERCRED")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
import lab
for module in pkgutil.walk_packages(lab.__path__, "lab."):
    if ".inpod." not in module.name and ".innode" not in module.name and not module.name.endswith("__main__"):
        __import__(module.name)
print("imported")
"""


def test_every_module_is_imported_without_what_only_linux_has() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LINUX_ONLY], capture_output=True, text=True, cwd=PROJECT, timeout=120, check=False
    )
    assert done.stdout == "imported\n", done.stderr
