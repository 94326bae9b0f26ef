"""The user's environment: what of it the lab's own commands do not get."""

from __future__ import annotations

from collections.abc import Iterator

from lab.base import environment
from lab.host.doctor.findings import Finding, ok
from lab.host.doctor.snapshot import HostSnapshot


def check_environment(scene: HostSnapshot) -> Iterator[Finding]:
    """Which settings for other work are ignored?"""
    name, why = "environment", "settings for other work would change what the lab builds and starts"
    ignored = environment.ignored(scene.machine.environ)
    for setting in ignored:
        yield ok(name, f"{setting} is ignored for the lab's own commands", why)
    if not ignored:
        yield ok(name, "nothing in it changes the lab's own commands", why)
