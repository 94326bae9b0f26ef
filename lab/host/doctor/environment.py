"""Check the lab's folders, and report the user's variables that the lab does not pass to its own commands."""

from __future__ import annotations

from collections.abc import Iterator

from lab.base import environment
from lab.host.doctor.findings import Finding, fail, ok
from lab.host.doctor.snapshot import HostSnapshot


def check_folders(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that this user can write to the lab's folders."""
    folders = {"LAB_CACHE_DIR": snapshot.paths.cache, "LAB_STATE_DIR": snapshot.paths.state}
    refused = {name: folder for name, folder in folders.items() if not snapshot.probes.can_write(folder)}
    for name, folder in refused.items():
        why = "the lab keeps artifacts, keys and logs in its folders"
        fix = f"set {name} to a folder that this user can write to"
        yield fail("folders", f"{folder} cannot be written", why, fix=fix)


def check_environment(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Report each setting that the lab ignores."""
    name, why = "environment", "settings for other work would change what the lab builds and starts"
    ignored = environment.ignored(snapshot.machine.environ)
    for setting in ignored:
        yield ok(name, f"{setting} is ignored for the lab's own commands", why)
    if not ignored:
        yield ok(name, "no variable changes the lab's own commands", why)
