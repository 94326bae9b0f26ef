"""Check the sources of artifacts: package registries, container registries and build tools.

Each package client has its own registry configuration, so the checks read it from the client.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec

from lab.base.concurrency import Threads
from lab.base.errors import LabError
from lab.base.hosts import is_loopback
from lab.host import debian
from lab.host.changes import MachineChange
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.host.doctor.snapshot import HostSnapshot
from lab.host.machine import Machine

# Use the installed toolchain; without this, go could download another one first.
_NO_DOWNLOAD = {"GOTOOLCHAIN": "local"}
_AS_ROOT = "run the command as root; or connect to the container registries, whose images need no build"


def check_packages(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that the package registries answer, if artifacts are built from packages."""
    needs = snapshot.needs
    name, why = "packages", f"made from packages of registries: {_some(needs.downloads)}"
    clients = {
        what: client
        for what, client, wanted in (
            ("Go modules", _go, needs.go),
            ("Python packages", _pip, needs.python),
            ("Debian packages", _apt, needs.debian),
        )
        if wanted
    }
    if not clients:
        return
    with Threads(len(clients)) as threads:
        answers = dict(zip(clients, threads.map(lambda probe: _probe(probe, snapshot), clients.values()), strict=True))
    silent = [what for what, answer in answers.items() if answer is False]
    unknown = [what for what, answer in answers.items() if answer is None]
    observed = [f"{what}: no answer" for what in silent] + [f"{what}: not checked (no client)" for what in unknown]
    if silent:
        # One registry may fail for a short time, and its packages may be cached; if none answers, there is no network.
        say = fail if len(silent) + len(unknown) == len(clients) else warn
        fix = "check the network, and the registries in `go env GOPROXY`, `pip config list` and apt's sources"
        yield say(name, "; ".join(observed), why, fix=fix)
    else:
        yield ok(name, "; ".join(observed) or "all registries answer", why)


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _probe(probe: Callable[[HostSnapshot], bool | None], snapshot: HostSnapshot) -> bool | None:
    try:
        return probe(snapshot)
    except LabError:
        return None


def _go(snapshot: HostSnapshot) -> bool | None:
    if snapshot.machine.which("go") is None:
        return None
    proxies = snapshot.machine.run(["go", "env", "GOPROXY"], env=_NO_DOWNLOAD, timeout_s=10).stdout.strip()
    urls = [part for part in re.split(r"[,|]", proxies) if part.startswith("http")]
    return any(snapshot.probes.reaches(url) for url in urls) if urls else None


def _pip(snapshot: HostSnapshot) -> bool | None:
    if find_spec("pip") is None:
        return None
    words = ["index", "versions", "pip", "--retries", "0", "--timeout", "3", "--disable-pip-version-check"]
    return snapshot.machine.run([sys.executable, "-m", "pip", *words], check=False, timeout_s=30).returncode == 0


def _apt(snapshot: HostSnapshot) -> bool | None:
    # sources.list(5), both formats; `apt-get indextargets` prints the same URLs, but takes seconds.
    folder = snapshot.machine.path("/etc/apt")
    files = [folder / "sources.list", *folder.glob("sources.list.d/*.list"), *folder.glob("sources.list.d/*.sources")]
    lines = [line for file in files if file.is_file() for line in file.read_text("utf-8", "replace").splitlines()]
    entries = [line for line in lines if re.match(r"deb\s|URIs:", line)]
    urls = {url for line in entries for url in re.findall(r"https?://\S+", line)}
    return any(snapshot.probes.reaches(url) for url in sorted(urls)) if urls else None


def check_registries(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that the container registries answer, if the lab pulls images from them."""
    name, artifacts, hosts = "registries", snapshot.spec.artifacts, snapshot.needs.registries
    if not hosts or (artifacts.source == "packages" and not artifacts.mirror):
        return
    with Threads(len(hosts)) as threads:
        answers = list(threads.map(lambda host: _registry(snapshot, host), hosts))
    silent = [host for host, answer in zip(hosts, answers, strict=True) if not answer]
    if not silent:
        yield ok(name, f"{', '.join(hosts)}: answers", "the lab pulls upstream's images from there")
    elif artifacts.source == "upstream" or artifacts.mirror:
        fix = 'check the network, or set source = "packages" under [artifacts] in lab.toml'
        yield fail(name, f"{', '.join(silent)}: no answer", "lab.toml says to pull images from there", fix=fix)
    else:
        fix = "check the network, then run the command again; without a network: lab bundle load FILE"
        yield warn(
            name, f"{', '.join(silent)}: no answer", "the lab pulls missing images and charts from there", fix=fix
        )


def _registry(snapshot: HostSnapshot, host: str) -> bool:
    # A local registry often has no TLS, and Docker allows that for loopback addresses only.
    schemes = ("https", "http") if is_loopback(host) else ("https",)
    return any(snapshot.probes.reaches(f"{scheme}://{host}/v2/") for scheme in schemes)


def check_user(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that this user may build images.

    This check comes first: for root, other problems do not exist, or the lab fixes them.
    """
    machine = snapshot.machine
    if snapshot.needs.debian and not machine.is_root and (machine.is_debian or machine.which("debootstrap")):
        yield fail("user", "not root", "debootstrap, which builds images, works only as root", fix=_AS_ROOT)


def check_tools(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that the tools for building images are installed."""
    if snapshot.needs.debian:
        why = "; ".join(f"{package.name}: {package.why}" for package in debian.IMAGES)
        yield _rootfs_tools(snapshot, "image tools", why)
    if snapshot.needs.python and find_spec("pip") is None:
        fix = f"{sys.executable} -m ensurepip"
        yield fail("pip", f"{sys.executable} has no pip", "pip downloads the Python packages of the images", fix=fix)


def _rootfs_tools(snapshot: HostSnapshot, name: str, why: str) -> Finding:
    machine = snapshot.machine
    if machine.is_debian:
        if missing := debian.missing(debian.IMAGES, machine):
            observed = f"missing: {', '.join(package.name for package in missing)}"
            return fail(name, observed, why, fix=debian.command(missing, machine), fixable=machine.is_root)
    elif machine.which("debootstrap") is None:
        fix = 'install debootstrap, or set source = "upstream" under [artifacts] in lab.toml'
        say = fail if snapshot.spec.artifacts.source == "packages" else warn
        return say(name, "missing: debootstrap", why, fix=fix)
    return ok(name, "debootstrap", why)


def change(finding: Finding, machine: Machine) -> MachineChange:
    """Plan to install the tools for building images."""
    missing = debian.missing(debian.IMAGES, machine)
    return MachineChange(
        what=f"install the packages {', '.join(package.name for package in missing)}",
        why=finding.why,
        command=finding.fix or "",
        undo=debian.undo(missing, machine),
        apply=lambda: install_tools(machine),
    )


def install_tools(machine: Machine) -> str:
    """Install the tools for building images; return a message that lists them.

    Raises:
        HostError: a package cannot be installed.
    """
    installed = debian.ensure(debian.IMAGES, machine)
    return f"installed {', '.join(package.name for package in installed)}" if installed else ""
