"""Check the kernel of the engine's machine: cgroups, inotify limits, IP forwarding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lab.base.errors import CommandError, HostError
from lab.base.names import node_name
from lab.host import advice
from lab.host.changes import MachineChange
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.host.doctor.snapshot import HostSnapshot
from lab.host.machine import Machine
from lab.host.products import Product, Site
from lab.tools.kind import CLUSTER_LABEL

SYSCTL_FILE = "/etc/sysctl.d/60-eastwest-lab.conf"
# The values in kind's "known issues"; the defaults of many distributions are 128 and 8192.
INOTIFY = {"fs.inotify.max_user_instances": 512, "fs.inotify.max_user_watches": 524288}
FORWARDING = {"net.ipv4.ip_forward": 1}
# Four nodes ran with 128 instances; with six, istiod did not become ready.
_INSTANCES_A_NODE = 32
_KUBELET_NEEDS = ("cpu", "cpuset", "memory", "pids")


def check_cgroups(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that the engine has the cgroup controllers that the kubelet needs."""
    name, why = "cgroups", "the kubelet in each node limits pods with them"
    engine = snapshot.engine
    if engine is None or engine.rootless or snapshot.origin.product is Product.PODMAN:
        return
    missing = [wanted for wanted in _KUBELET_NEEDS if wanted not in engine.controllers]
    version = f"v{engine.cgroup_version or '?'}"
    if missing:
        fix = "mount the cgroup hierarchies (Debian's cgroupfs-mount does), or start the engine's machine with systemd"
        yield fail(name, f"{version}, without {', '.join(missing)}", why, fix=fix)
    elif version == "v1":
        yield ok(name, "v1; the lab tells the kubelet to accept it (failCgroupV1)", why)
    else:
        yield ok(name, version, why)


def check_inotify(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check the inotify limits of the engine's kernel. Low limits fail late, with "too many open files" in a log."""
    name, why = "inotify", "every kubelet and containerd needs instances, or it fails with 'too many open files'"
    machine = snapshot.machine
    if snapshot.engine is None or snapshot.origin.site is Site.REMOTE:
        return
    if snapshot.engine_is_here:
        now = {key: _number(machine, key) for key in INOTIFY}
    elif snapshot.facts is not None:
        now = {key: snapshot.facts.sysctls.get(key, -1) for key in INOTIFY}
    else:
        yield ok(name, "not known before the engine has a node image", why)
        return
    observed = ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in now.items())
    few = {key: wanted for key, wanted in INOTIFY.items() if 0 < now[key] < wanted}
    if not few:
        yield ok(name, observed, why, undo=_undo(machine) if snapshot.engine_is_here else None)
        return
    fix = advice.sysctl(snapshot.origin, machine, few, snapshot.needs.node_image)
    nodes = {c.name for c in snapshot.containers if c.running and CLUSTER_LABEL in c.labels}
    nodes |= {node_name(snapshot.spec.name, cluster) for cluster in snapshot.spec.clusters}
    too_few = now["fs.inotify.max_user_instances"] < _INSTANCES_A_NODE * len(nodes)
    say = fail if too_few else warn
    yield say(name, observed, why, fix=fix, fixable=machine.is_root and snapshot.engine_is_here)


def check_forwarding(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that the engine's kernel forwards IPv4 packets."""
    name, why = "forwarding", "the engine's kernel forwards packets between the nodes and other networks"
    machine = snapshot.machine
    if snapshot.engine is None or snapshot.origin.product is Product.PODMAN:
        return
    if not snapshot.engine.ipv4_forwarding:
        fix = advice.sysctl(snapshot.origin, machine, FORWARDING, snapshot.needs.node_image)
        can = machine.is_root and snapshot.engine_is_here
        yield fail(name, "net.ipv4.ip_forward is 0", why, fix=fix, fixable=can)
    else:
        undo = _undo(machine) if snapshot.engine_is_here else None
        yield ok(name, "net.ipv4.ip_forward is 1", why, undo=undo)


def change(finding: Finding, machine: Machine, wanted: Mapping[str, int]) -> MachineChange:
    """Plan to set kernel parameters, now and for the next boots."""
    return MachineChange(
        what=f"set the kernel's {', '.join(f'{key}={value}' for key, value in wanted.items())}, also in {SYSCTL_FILE}",
        why=finding.why,
        command=finding.fix or "",
        undo=f"rm {SYSCTL_FILE}, then reboot",
        apply=lambda: set_sysctls(machine, wanted),
    )


def set_sysctls(machine: Machine, wanted: Mapping[str, int]) -> str:
    """Set kernel parameters now and for the next boots, never lower than they are; return what was done.

    Raises:
        HostError: this user has no permission to set them.
    """
    raised = {key: value for key, value in wanted.items() if _number(machine, key) < value}
    file = machine.path(SYSCTL_FILE)
    lines = dict(_read(machine)) | {key: str(value) for key, value in raised.items()}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{key} = {value}\n" for key, value in lines.items())
        file.write_text(f"# Set by `lab doctor --fix`; delete this file to undo at the next boot.\n{text}", "utf-8")
        machine.run(["sysctl", "-q", "-p", file], timeout_s=10)
    except OSError as error:
        raise HostError(f"cannot be written: {error.strerror}", where=SYSCTL_FILE) from error
    except CommandError as error:
        raise HostError(f"the kernel's limits cannot be set: {error.stderr.strip()}", where=SYSCTL_FILE) from error
    return f"{', '.join(f'{key}={value}' for key, value in raised.items())} (undo: delete {SYSCTL_FILE})"


def _read(machine: Machine) -> Iterator[tuple[str, str]]:
    for line in machine.read(SYSCTL_FILE).splitlines():
        key, given, value = line.partition("=")
        if given and not line.startswith("#"):
            yield key.strip(), value.strip()


def _undo(machine: Machine) -> str | None:
    return f"rm {SYSCTL_FILE}, then reboot" if machine.path(SYSCTL_FILE).exists() else None


def _number(machine: Machine, key: str) -> int:
    """Return a kernel parameter; -1 if it does not exist."""
    text = machine.read(f"/proc/sys/{key.replace('.', '/')}").strip()
    return int(text) if text.isdigit() else -1
