"""The lab from a bundle on newer engines, which are installed from Debian's packages into folders of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.machines import OrdinaryUser, another_machine, build_wheel, folder_for_a_machine, save_bundle

_PACKAGES = "docker.io,docker-cli,containerd,runc,iptables,iproute2,ca-certificates"
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with folder_for_a_machine() as made:
        yield made


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Path:
    return save_bundle(folder, "istio")


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    return build_wheel(folder)


def install(release: str, target: Path) -> Path:
    """Install a release's engine into a folder."""
    if not _SOURCES.exists():
        pytest.skip(f"there is no {_SOURCES}: this is not Debian")
    mirror = next(line.split()[1] for line in _SOURCES.read_text().splitlines() if line.startswith("URIs:"))
    argv = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", release, str(target), mirror]
    # debootstrap knows only the releases that are older than itself; their steps are the same.
    done = subprocess.run([*argv, "/usr/share/debootstrap/scripts/trixie"], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return target


@pytest.mark.parametrize("containerd_store", [False, True], ids=["classic", "containerd"])
@pytest.mark.parametrize(("release", "version"), [("trixie", "26."), ("forky", "28.")])
def test_a_newer_engine(
    folder: Path, bundle: Path, wheel: Path, *, release: str, version: str, containerd_store: bool
) -> None:
    system = folder / release
    if not system.exists():
        install(release, system)
    with another_machine(folder / "machine", system=system, containerd_store=containerd_store) as machine:
        assert machine.docker("version", "--format", "{{.Server.Version}}").startswith(version)
        user = OrdinaryUser.of(machine, wheel)
        user.lab("bundle", "load", bundle)
        user.lab("up")
        assert "everything is alive" in user.lab("status")
        assert " 0 failed, 0 errored" in user.lab("run", "service_discovery", "cross_cluster_access")
        user.lab("down")
