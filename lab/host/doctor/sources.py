"""Where the artifacts come from: package registries, container registries, and the tools that turn one into the other.

Each package client has its own registry configuration, so the checks ask the client.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from lab.base.concurrency import Threads
from lab.base.errors import CommandError
from lab.base.hosts import is_loopback
from lab.host import debian
from lab.host.changes import MachineChange
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.host.doctor.snapshot import HostSnapshot
from lab.host.machine import Machine

# The toolchain that is there answers, not one that go would fetch first.
_NO_DOWNLOAD = {"GOTOOLCHAIN": "local"}


def check_packages(scene: HostSnapshot) -> Iterator[Finding]:
    """Do the registries answer that the images are built from?"""
    name, why = "packages", "images and binaries are built from packages"
    if scene.artifacts_ready or scene.spec.artifacts.source == "upstream":
        return
    clients = {"Go modules": _go, "Python packages": _pip, "Debian packages": _apt}
    with Threads(len(clients)) as threads:
        answers = dict(zip(clients, threads.map(lambda ask: _ask(ask, scene), clients.values()), strict=True))
    silent = [what for what, answer in answers.items() if answer is False]
    unknown = [what for what, answer in answers.items() if answer is None]
    told = [f"{what}: no answer" for what in silent] + [f"{what}: not looked (no client)" for what in unknown]
    if silent:
        # One of three may be a mirror's bad day, and its packages may be cached; none at all means no network.
        say = fail if len(silent) + len(unknown) == len(clients) else warn
        fix = "check the network, and what `go env GOPROXY`, `pip config list` and apt's sources name"
        yield say(name, "; ".join(told), why, fix=fix)
    else:
        yield ok(name, "; ".join(told) or "all registries in reach", why)


def _ask(ask: Callable[[HostSnapshot], bool | None], scene: HostSnapshot) -> bool | None:
    try:
        return ask(scene)
    except CommandError:
        return None


def _go(scene: HostSnapshot) -> bool | None:
    if scene.machine.which("go") is None:
        return None
    proxies = scene.machine.run(["go", "env", "GOPROXY"], env=_NO_DOWNLOAD, timeout_s=10).stdout.strip()
    urls = [part for part in re.split(r"[,|]", proxies) if part.startswith("http")]
    return any(scene.senses.reaches(url) for url in urls) if urls else None


def _pip(scene: HostSnapshot) -> bool | None:
    if find_spec("pip") is None:
        return None
    words = ["index", "versions", "pip", "--retries", "0", "--timeout", "3", "--disable-pip-version-check"]
    return scene.machine.run([sys.executable, "-m", "pip", *words], check=False, timeout_s=30).returncode == 0


def _apt(scene: HostSnapshot) -> bool | None:
    # sources.list(5), both forms; `apt-get indextargets` knows them too, but takes seconds.
    folder = scene.machine.path("/etc/apt")
    files = [folder / "sources.list", *folder.glob("sources.list.d/*.list"), *folder.glob("sources.list.d/*.sources")]
    lines = [line for file in files if file.is_file() for line in file.read_text("utf-8", "replace").splitlines()]
    places = [line for line in lines if re.match(r"deb\s|URIs:", line)]
    urls = {url for line in places for url in re.findall(r"https?://\S+", line)}
    return any(scene.senses.reaches(url) for url in sorted(urls)) if urls else None


def check_registries(scene: HostSnapshot) -> Iterator[Finding]:
    """Do the container registries answer, where the lab takes images from them?"""
    name, wanted = "registries", scene.spec.artifacts
    hosts = (wanted.mirror.partition("/")[0],) if wanted.mirror else scene.registries
    if scene.artifacts_ready or wanted.source == "packages" or not hosts:
        return
    with Threads(len(hosts)) as threads:
        answers = list(threads.map(lambda host: _registry(scene, host), hosts))
    silent = [host for host, answer in zip(hosts, answers, strict=True) if not answer]
    if not silent:
        yield ok(name, f"{', '.join(hosts)}: in reach", "upstream's images come from there")
    elif wanted.source == "upstream" or wanted.mirror:
        fix = 'check the network, or set source = "packages" under [artifacts] in lab.toml'
        yield fail(name, f"{', '.join(silent)}: no answer", "lab.toml takes images from there", fix=fix)
    else:
        yield ok(name, f"{', '.join(silent)}: no answer", "images are built from packages then")


def _registry(scene: HostSnapshot, host: str) -> bool:
    # A registry of one's own on this machine often has no TLS, and engines allow that for loopback addresses only.
    schemes = ("https", "http") if is_loopback(host) else ("https",)
    return any(scene.senses.reaches(f"{scheme}://{host}/v2/") for scheme in schemes)


def check_tools(scene: HostSnapshot) -> Iterator[Finding]:
    """Are the tools there that images are built with?"""
    if scene.artifacts_ready or scene.spec.artifacts.source == "upstream":
        return
    why = "; ".join(f"{package.name}: {package.why}" for package in debian.IMAGES)
    yield _rootfs_tools(scene, "image tools", why)
    if find_spec("pip") is None:
        fix = f"{sys.executable} -m ensurepip"
        yield fail("pip", f"{sys.executable} has none", "Python's packages in the images come through it", fix=fix)


def _rootfs_tools(scene: HostSnapshot, name: str, why: str) -> Finding:
    machine = scene.machine
    if machine.is_debian:
        if missing := debian.missing(debian.IMAGES, machine):
            told = f"missing: {', '.join(package.name for package in missing)}"
            return fail(name, told, why, fix=debian.command(missing, machine), fixable=machine.is_root)
    elif machine.which("debootstrap") is None:
        fix = 'install debootstrap, or set source = "upstream" under [artifacts] in lab.toml'
        say = fail if scene.spec.artifacts.source == "packages" else warn
        return say(name, "missing: debootstrap", why, fix=fix)
    if not machine.is_root:
        return fail(name, "debootstrap works for root only", why, fix="run the command as root")
    return ok(name, "debootstrap", why)


def change(finding: Finding, machine: Machine) -> MachineChange:
    """Plan to install what images are built with."""
    missing = debian.missing(debian.IMAGES, machine)
    return MachineChange(
        what=f"install the packages {', '.join(package.name for package in missing)}",
        why=finding.why,
        command=finding.fix or "",
        undo=debian.undo(missing, machine),
        apply=lambda: install_tools(machine),
    )


def install_tools(machine: Machine) -> str:
    """Install what images are built with; return what was done.

    Raises:
        HostError: it cannot be installed.
    """
    installed = debian.ensure(debian.IMAGES, machine)
    return f"installed {', '.join(package.name for package in installed)}" if installed else ""
