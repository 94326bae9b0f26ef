"""What the kernel gives: control groups, inotify, forwarding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lab.base.errors import CommandError, HostError
from lab.host.changes import MachineChange
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.host.doctor.snapshot import HostSnapshot
from lab.host.machine import Machine
from lab.tools.kind import CLUSTER_LABEL

SYSCTL_FILE = "/etc/sysctl.d/60-eastwest-lab.conf"
# What kind's "known issues" ask for; the defaults of many distributions are 128 and 8192.
INOTIFY = {"fs.inotify.max_user_instances": 512, "fs.inotify.max_user_watches": 524288}
FORWARDING = {"net.ipv4.ip_forward": 1}
# Four nodes ran with 128 instances; with six, istiod did not become ready.
_INSTANCES_A_NODE = 32
_KUBELET_NEEDS = ("cpu", "cpuset", "memory", "pids")


def check_cgroups(scene: HostSnapshot) -> Iterator[Finding]:
    """Can a kubelet account for its pods?"""
    name, why = "cgroups", "the kubelet in each node counts and limits with them"
    if not scene.engine_is_here:
        return
    controllers = scene.machine.read("/sys/fs/cgroup/cgroup.controllers").split()
    version = "v2"
    if not controllers:
        version = "v1"
        lines = [line.split() for line in scene.machine.read("/proc/self/mounts").splitlines()]
        controllers = [option for fields in lines if fields[2:3] == ["cgroup"] for option in fields[3].split(",")]
    missing = [wanted for wanted in _KUBELET_NEEDS if wanted not in controllers]
    if missing:
        fix = "mount the cgroup hierarchies (Debian's cgroupfs-mount does), or start the machine with systemd"
        yield fail(name, f"{version}, without {', '.join(missing)}", why, fix=fix)
    elif version == "v1":
        yield ok(name, "v1; the lab tells the kubelet to accept it (failCgroupV1)", why)
    else:
        yield ok(name, version, why)


def check_inotify(scene: HostSnapshot) -> Iterator[Finding]:
    """Are there enough inotify instances and watches? Too few show late: "too many open files" in a pod's log."""
    name, why = "inotify", "every kubelet and containerd takes instances; without one it says 'too many open files'"
    if scene.machine.system != "Linux":
        return
    now = {key: _number(scene.machine, key) for key in INOTIFY}
    told = ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in now.items())
    few = {key: wanted for key, wanted in INOTIFY.items() if 0 < now[key] < wanted}
    if not few:
        yield ok(name, told, why, undo=_undo(scene.machine))
        return
    fix = scene.machine.as_root(f"sysctl -w {' '.join(f'{key}={value}' for key, value in few.items())}")
    nodes = {c.name for c in scene.containers if c.running and CLUSTER_LABEL in c.labels}
    nodes |= {f"{scene.spec.name}-{cluster}-control-plane" for cluster in scene.spec.clusters}
    too_few = now["fs.inotify.max_user_instances"] < _INSTANCES_A_NODE * len(nodes)
    say = fail if too_few else warn
    yield say(name, told, why, fix=fix, fixable=scene.machine.is_root)


def check_forwarding(scene: HostSnapshot) -> Iterator[Finding]:
    """Does the kernel pass packets on between the nodes?"""
    name, why = "forwarding", "packets between the nodes and the world go through this machine's kernel"
    if not scene.engine_is_here:
        return
    if _number(scene.machine, "net.ipv4.ip_forward") == 0:
        fix = scene.machine.as_root("sysctl -w net.ipv4.ip_forward=1")
        yield fail(name, "net.ipv4.ip_forward is 0", why, fix=fix, fixable=scene.machine.is_root)
    else:
        yield ok(name, "net.ipv4.ip_forward is 1", why, undo=_undo(scene.machine))


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
        HostError: this user may not.
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
    """Return a kernel parameter; -1 where there is no such."""
    text = machine.read(f"/proc/sys/{key.replace('.', '/')}").strip()
    return int(text) if text.isdigit() else -1
