"""Debian's packages: which ones the lab wants and why, and how they are installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.base import events
from lab.base.errors import CommandError, HostError
from lab.host.machine import Machine


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package and what the lab wants it for."""

    name: str
    why: str


ENGINE = (
    Package(name="docker.io", why="the Docker Engine, with containerd and runc"),
    Package(name="iptables", why="the engine's published ports and address translation"),
)
COMMAND = Package(name="docker-cli", why="the docker command, where the distribution keeps it apart")
APPARMOR = Package(name="apparmor", why="where the kernel uses AppArmor, the engine does not start without its parser")
IMAGES = (
    Package(name="debootstrap", why="root file systems for the images that the lab builds"),
    Package(name="debian-archive-keyring", why="the keys that Debian's packages are checked with"),
)
_APT = {"DEBIAN_FRONTEND": "noninteractive"}
_INSTALL_S = 1200
# Another apt, such as the one that runs after boot, holds dpkg's lock for minutes.
_PATIENT = ("-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3")


def missing(packages: Sequence[Package], machine: Machine) -> tuple[Package, ...]:
    """Return those that are not installed."""
    asked = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *(p.name for p in packages)]
    listed = machine.run(asked, check=False, timeout_s=30).stdout.splitlines()
    return tuple(package for package in packages if f"{package.name} installed" not in listed)


def command(packages: Sequence[Package], machine: Machine) -> str:
    """Return what a person types to install them."""
    names = " ".join(package.name for package in packages)
    update, install = "apt-get update", f"apt-get install -y --no-install-recommends {names}"
    return f"{machine.as_root(update)} && {machine.as_root(install)}"


def undo(packages: Sequence[Package], machine: Machine) -> str:
    """Return what a person types to remove them again."""
    return machine.as_root(f"apt-get remove {' '.join(package.name for package in packages)}")


def available(package: Package, machine: Machine) -> bool:
    """Whether the distribution has a package of this name (after `update`)."""
    return machine.run(["apt-cache", "show", package.name], check=False, timeout_s=60).returncode == 0


def update(machine: Machine) -> None:
    """Fetch the lists of packages.

    Raises:
        HostError: they cannot be fetched.
    """
    events.progress("apt-get update")
    try:
        machine.run(["apt-get", "update", "-q", *_PATIENT], env=_APT, timeout_s=300)
    except CommandError as error:
        raise HostError(f"the lists of packages cannot be fetched: {_last(error)}", next="apt-get update") from error


def install(packages: Sequence[Package], machine: Machine) -> tuple[Package, ...]:
    """Install those that are missing, and return them; call `update` before.

    Raises:
        HostError: this user is not root, or a package cannot be installed.
    """
    wanted = missing(packages, machine)
    if not wanted:
        return ()
    if not machine.is_root:
        raise HostError(f"missing: {', '.join(p.name for p in wanted)}", next=command(wanted, machine))
    events.progress(f"apt-get install {' '.join(p.name for p in wanted)}")
    words = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *_PATIENT, *(p.name for p in wanted)]
    try:
        machine.run(words, env=_APT, timeout_s=_INSTALL_S, on_line=_progress)
    except CommandError as error:
        raise HostError(f"apt-get install failed: {_last(error)}", next=command(wanted, machine)) from error
    return wanted


def ensure(packages: Sequence[Package], machine: Machine) -> tuple[Package, ...]:
    """Install those that are missing, with fresh lists; return them. Nothing happens when all are there."""
    if missing(packages, machine) and machine.is_root:
        update(machine)
    return install(packages, machine)


def _progress(line: str) -> None:
    if line.startswith(("Get:", "Unpacking ", "Setting up ")):
        events.progress(line.strip())


def _last(error: CommandError) -> str:
    lines = (error.stderr.strip() or error.stdout.strip() or str(error)).splitlines()
    return next((line for line in lines if line.startswith("E:")), lines[-1])
