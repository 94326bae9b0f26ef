#!/usr/bin/python3 -IS
"""An OCI runtime in front of runc that asks for no capability which this machine cannot give.

Where the capability bounding set lacks a capability (a virtual machine or container that was given less),
an engine that asks for all of them, as Docker 20.10 does for `--privileged`, is refused by the kernel:
"unable to apply caps: operation not permitted". This program takes what is lacking out of the process
description and becomes the real runtime. The description is the bundle's config.json for `create` and `run`,
and the `--process` file for `exec` (OCI runtime specification, config.md, `process.capabilities`). Where
nothing is lacking, it only becomes the real runtime.

The lab copies this file out of its own environment, so it imports nothing of the lab and needs only Python
3.8. It runs for every container and every exec: what takes time to import is imported where it is needed.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # type checkers know the name; importing it from typing doubles the start-up time
if TYPE_CHECKING:
    from typing import Any

# In bit order (linux/capability.h).
CAPABILITIES = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
    SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
    AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
    PERFMON BPF CHECKPOINT_RESTORE
"""

# The flags of runc that take no value; all others do. It matters: "exec -t ID tool -p x" has no process file.
SWITCHES = """
    debug systemd-cgroup help h version v no-pivot no-new-keyring no-mount-fallback no-subreaper keep detach d
    tty t no-new-privs ignore-paused
"""

USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def lacking(status: str) -> frozenset[str]:
    """Return the capabilities outside the bounding set that the text of a /proc/PID/status shows."""
    for line in status.splitlines():
        if line.startswith("CapBnd:"):
            bits = int(line.split()[1], 16)
            return frozenset(f"CAP_{name}" for bit, name in enumerate(CAPABILITIES.split()) if not bits >> bit & 1)
    return frozenset()


def split(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Part leading flags from what follows: ({"root": "/x"}, ["create", "--bundle", "/b", "ID"])."""
    switches = SWITCHES.split()
    flags: dict[str, str] = {}
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "--":
        name, given, value = rest.pop(0).lstrip("-").partition("=")
        if not given and name not in switches and rest:
            value = rest.pop(0)
        flags[name] = value
    return flags, rest


def description(arguments: list[str]) -> str | None:
    """Return the JSON file that describes the process which these arguments of runc's start, if they do."""
    _, words = split(arguments)
    if not words:
        return None
    flags, _ = split(words[1:])
    if words[0] in ("create", "run"):
        return os.path.join(flags.get("bundle") or flags.get("b") or ".", "config.json")  # noqa: PTH118 - fast
    if words[0] == "exec":
        return flags.get("process") or flags.get("p")
    return None


def take_out(document: dict[str, Any], names: frozenset[str]) -> bool:
    """Take capabilities out of a config.json or a process file, in place; True when there was one to take."""
    process = document.get("process") or document
    sets = process.get("capabilities") or {}
    changed = False
    for kind, asked in sets.items():
        kept = [name for name in asked or [] if name not in names]
        if kept != (asked or []):
            sets[kind] = kept
            changed = True
    return changed


def rewrite(file: str, names: frozenset[str]) -> None:
    """Take capabilities out of a JSON file, which stays the same file with its mode and owner."""
    import json  # noqa: PLC0415 - a fifth of the run time, and most calls can do without

    with open(file, encoding="utf-8") as stream:  # noqa: PTH123 - fast
        document = json.load(stream)
    if take_out(document, names):
        with open(file, "w", encoding="utf-8") as stream:  # noqa: PTH123 - fast
            json.dump(document, stream)


def real_runtime(own_file: str, path: str) -> str | None:
    """Return the runtime to become: `real` beside this file (a link), else runc on PATH."""
    folders = [folder for folder in f"{path}:{USUAL_PATH}".split(":") if folder]
    candidates = [f"{os.path.dirname(own_file)}/real", *(f"{folder}/runc" for folder in folders)]  # noqa: PTH120
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and not os.path.samefile(candidate, own_file):  # noqa: PTH121 - fast
            return os.path.realpath(candidate)
    return None


def main(arguments: list[str]) -> int:
    """Take out what cannot be given and become the real runtime; return (127) only where there is none."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as stream:  # noqa: PTH123 - fast
        names = lacking(stream.read())
    file = description(arguments) if names else None
    if file:
        try:
            rewrite(file, names)
        except (OSError, ValueError, AttributeError):
            # The runtime reads the same file, and what it says about it is what the engine hands on.
            file = None
    runtime = real_runtime(os.path.realpath(__file__), os.environ.get("PATH", ""))
    if runtime is None:
        sys.stderr.write(f"{__file__}: no runc on PATH; install one, or undo this with `lab doctor --undo`\n")
        return 127
    os.execv(runtime, [runtime, *arguments])  # noqa: S606 - what it is for
    return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
