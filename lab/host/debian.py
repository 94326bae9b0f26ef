"""Debian packages that the lab needs, and how to install them with apt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.base import events
from lab.base.errors import CommandError, HostError
from lab.host.machine import Machine


@dataclass(frozen=True, kw_only=True)
class Package:
    """A Debian package and the reason why the lab needs it."""

    name: str
    why: str


ENGINE = (
    Package(name="docker.io", why="the Docker Engine, with containerd and runc"),
    Package(name="iptables", why="the engine's published ports and address translation"),
)
COMMAND = Package(name="docker-cli", why="the docker command, if the distribution has a separate package for it")
APPARMOR = Package(name="apparmor", why="if the kernel uses AppArmor, the engine does not start without its parser")
IMAGES = (
    Package(name="debootstrap", why="root file systems for the images that the lab builds"),
    Package(name="debian-archive-keyring", why="the keys that verify Debian's packages"),
)
_APT = {"DEBIAN_FRONTEND": "noninteractive"}
_INSTALL_S = 1200
# Another apt, for example the one that runs after boot, can lock dpkg for minutes.
_PATIENT = ("-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3")


def missing(packages: Sequence[Package], machine: Machine) -> tuple[Package, ...]:
    """Return the packages that are not installed."""
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *(p.name for p in packages)]
    listed = machine.run(query, check=False, timeout_s=30).stdout.splitlines()
    return tuple(package for package in packages if f"{package.name} installed" not in listed)


def command(packages: Sequence[Package], machine: Machine) -> str:
    """Return the shell command that installs packages."""
    names = " ".join(package.name for package in packages)
    update, install = "apt-get update", f"apt-get install -y --no-install-recommends {names}"
    return f"{machine.as_root(update)} && {machine.as_root(install)}"


def undo(packages: Sequence[Package], machine: Machine) -> str:
    """Return the shell command that removes packages."""
    return machine.as_root(f"apt-get remove {' '.join(package.name for package in packages)}")


def available(package: Package, machine: Machine) -> bool:
    """Whether the distribution has a package of this name (after `update`)."""
    return machine.run(["apt-cache", "show", package.name], check=False, timeout_s=60).returncode == 0


def update(machine: Machine) -> None:
    """Download apt's package lists.

    Raises:
        HostError: the download failed.
    """
    events.progress("apt-get update")
    try:
        machine.run(["apt-get", "update", "-q", *_PATIENT], env=_APT, timeout_s=300)
    except CommandError as error:
        raise HostError(f"apt-get update failed: {_last(error)}", next="apt-get update") from error


def install(packages: Sequence[Package], machine: Machine) -> tuple[Package, ...]:
    """Install the missing packages and return them; call `update` before.

    Raises:
        HostError: this user is not root, or a package cannot be installed.
    """
    wanted = missing(packages, machine)
    if not wanted:
        return ()
    if not machine.is_root:
        raise HostError(f"missing packages: {', '.join(p.name for p in wanted)}", next=command(wanted, machine))
    events.progress(f"apt-get install {' '.join(p.name for p in wanted)}")
    words = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *_PATIENT, *(p.name for p in wanted)]
    try:
        machine.run(words, env=_APT, timeout_s=_INSTALL_S, on_line=_progress)
    except CommandError as error:
        raise HostError(f"apt-get install failed: {_last(error)}", next=command(wanted, machine)) from error
    return wanted


def ensure(packages: Sequence[Package], machine: Machine) -> tuple[Package, ...]:
    """Download the package lists, install the missing packages and return them; do nothing if none is missing."""
    if missing(packages, machine) and machine.is_root:
        update(machine)
    return install(packages, machine)


def _progress(line: str) -> None:
    if line.startswith(("Get:", "Unpacking ", "Setting up ")):
        events.progress(line.strip())


def _last(error: CommandError) -> str:
    lines = (error.stderr.strip() or error.stdout.strip() or str(error)).splitlines()
    return next((line for line in lines if line.startswith("E:")), lines[-1])
