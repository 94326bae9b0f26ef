"""Report the user's environment variables that the lab does not pass to its own commands."""

from __future__ import annotations

from collections.abc import Iterator

from lab.base import environment
from lab.host.doctor.findings import Finding, ok
from lab.host.doctor.snapshot import HostSnapshot


def check_environment(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Report each setting that the lab ignores."""
    name, why = "environment", "settings for other work would change what the lab builds and starts"
    ignored = environment.ignored(snapshot.machine.environ)
    for setting in ignored:
        yield ok(name, f"{setting} is ignored for the lab's own commands", why)
    if not ignored:
        yield ok(name, "no variable changes the lab's own commands", why)
