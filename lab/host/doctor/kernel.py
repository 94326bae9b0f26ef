"""Check the kernel: cgroups, inotify limits, IP forwarding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lab.base.errors import CommandError, HostError
from lab.base.names import node_name
from lab.host.changes import MachineChange
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.host.doctor.snapshot import HostSnapshot
from lab.host.machine import Machine
from lab.tools.kind import CLUSTER_LABEL

SYSCTL_FILE = "/etc/sysctl.d/60-eastwest-lab.conf"
# The values in kind's "known issues"; the defaults of many distributions are 128 and 8192.
INOTIFY = {"fs.inotify.max_user_instances": 512, "fs.inotify.max_user_watches": 524288}
FORWARDING = {"net.ipv4.ip_forward": 1}
# Four nodes ran with 128 instances; with six, istiod did not become ready.
_INSTANCES_A_NODE = 32
_KUBELET_NEEDS = ("cpu", "cpuset", "memory", "pids")


def check_cgroups(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that the kernel has the cgroup controllers that the kubelet needs."""
    name, why = "cgroups", "the kubelet in each node limits pods with them"
    if not snapshot.engine_is_here:
        return
    controllers = snapshot.machine.read("/sys/fs/cgroup/cgroup.controllers").split()
    version = "v2"
    if not controllers:
        version = "v1"
        lines = [line.split() for line in snapshot.machine.read("/proc/self/mounts").splitlines()]
        controllers = [option for fields in lines if fields[2:3] == ["cgroup"] for option in fields[3].split(",")]
    missing = [wanted for wanted in _KUBELET_NEEDS if wanted not in controllers]
    if missing:
        fix = "mount the cgroup hierarchies (Debian's cgroupfs-mount does), or start the machine with systemd"
        yield fail(name, f"{version}, without {', '.join(missing)}", why, fix=fix)
    elif version == "v1":
        yield ok(name, "v1; the lab tells the kubelet to accept it (failCgroupV1)", why)
    else:
        yield ok(name, version, why)


def check_inotify(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check the inotify limits. Low limits fail late, with "too many open files" in a pod's log."""
    name, why = "inotify", "every kubelet and containerd needs instances, or it fails with 'too many open files'"
    if snapshot.machine.system != "Linux":
        return
    now = {key: _number(snapshot.machine, key) for key in INOTIFY}
    observed = ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in now.items())
    few = {key: wanted for key, wanted in INOTIFY.items() if 0 < now[key] < wanted}
    if not few:
        yield ok(name, observed, why, undo=_undo(snapshot.machine))
        return
    fix = snapshot.machine.as_root(f"sysctl -w {' '.join(f'{key}={value}' for key, value in few.items())}")
    nodes = {c.name for c in snapshot.containers if c.running and CLUSTER_LABEL in c.labels}
    nodes |= {node_name(snapshot.spec.name, cluster) for cluster in snapshot.spec.clusters}
    too_few = now["fs.inotify.max_user_instances"] < _INSTANCES_A_NODE * len(nodes)
    say = fail if too_few else warn
    yield say(name, observed, why, fix=fix, fixable=snapshot.machine.is_root)


def check_forwarding(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that the kernel forwards IPv4 packets."""
    name, why = "forwarding", "this machine's kernel forwards packets between the nodes and other networks"
    if not snapshot.engine_is_here:
        return
    if _number(snapshot.machine, "net.ipv4.ip_forward") == 0:
        fix = snapshot.machine.as_root("sysctl -w net.ipv4.ip_forward=1")
        yield fail(name, "net.ipv4.ip_forward is 0", why, fix=fix, fixable=snapshot.machine.is_root)
    else:
        yield ok(name, "net.ipv4.ip_forward is 1", why, undo=_undo(snapshot.machine))


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
