"""Cut and restore the network between two clusters, with a rule on one node that drops packets to the other.

Dropped packets behave like a cut cable: nothing is refused, and open connections become silent. The rule exists only
in the node's container, and a restart of the container removes it. It is the last that a packet meets: a route to
nowhere would drop the other node's packets as well, because they come from an address without a way back (Linux,
net/ipv4/fib_frontend.c, fib_validate_source).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from lab.base.errors import CommandError
from lab.base.names import Cluster
from lab.tools.docker import Docker

_IPTABLES = "iptables --wait --table mangle"
READ = f"{_IPTABLES} --list-rules POSTROUTING"
"""The command with which a node says what it drops."""
_NO_RULE = "does a matching rule exist"
"""A part of what iptables says of a rule that it cannot delete (libiptc, iptc_strerror)."""
_TRY = """for end in "$@"; do
  { timeout 1 bash -c 'exec 3<>"/dev/tcp/$0"' "$end" 2>/dev/null && echo "$end"; } &
done
wait
"""


def dropping(node: str) -> str:
    """Return a shell command that has a node drop all packets to another node, whose name Docker's DNS knows."""
    return f"{_IPTABLES} --check {_rule(node)} 2>/dev/null || {_IPTABLES} --insert {_rule(node)}"


def passing(node: str) -> str:
    """Return a shell command that undoes `dropping`, and succeeds if there is nothing to undo.

    It fails if Docker's DNS does not know the other node, so that nobody can tell.
    """
    missing = f"getent hosts {node} >/dev/null && ! {_IPTABLES} --check {_rule(node)} 2>/dev/null"
    return f"{missing} || {_IPTABLES} --delete {_rule(node)}"


def cut(docker: Docker, source: Cluster, target: Cluster) -> str:
    """Drop all traffic from a cluster's node and pods to the other's node, and return the command; idempotent."""
    docker.execute(source.node, _cutting(target))
    return cut_command(docker, source, target)


def restore(docker: Docker, source: Cluster, to: str) -> bool:
    """Remove the cut to a node or an address; True if there was one.

    Raises:
        CommandError: the node does not run, or Docker's DNS does not know the other one.
    """
    done = docker.execute(source.node, _restoring(to), check=False)
    if done.returncode and _NO_RULE not in done.stderr:
        raise CommandError(done.argv, returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)
    return done.returncode == 0


def cut_command(docker: Docker, source: Cluster, target: Cluster) -> str:
    """Return the command that `cut` runs."""
    return _typed(docker, source, _cutting(target))


def restore_command(docker: Docker, source: Cluster, to: str) -> str:
    """Return the command that `restore` runs."""
    return _typed(docker, source, _restoring(to))


def cut_addresses(lines: Sequence[str]) -> list[str]:
    """Return the addresses that a node drops all packets to, from lines that include those of READ."""
    found = (re.fullmatch(r"-A POSTROUTING -d ([0-9.]+)/32 -j DROP", line) for line in lines)
    return list(dict.fromkeys(match[1] for match in found if match))


def reaches(docker: Docker, source: Cluster, ends: Sequence[tuple[str, int]]) -> frozenset[tuple[str, int]]:
    """Return the addresses and ports that a cluster's node can connect to within a second; all are tried at once."""
    words = [f"{address}/{port}" for address, port in ends]
    answer = docker.execute(source.node, ["bash", "-c", _TRY, "bash", *words], check=False).stdout.split()
    return frozenset(end for end, word in zip(ends, words, strict=True) if word in answer)


def _typed(docker: Docker, source: Cluster, argv: Sequence[str]) -> str:
    return shlex.join(docker.argv("container", "exec", source.node, *argv))


def _rule(to: str) -> str:
    return f"POSTROUTING --destination {to} --jump DROP"


def _cutting(target: Cluster) -> list[str]:
    return ["sh", "-c", dropping(target.node)]


def _restoring(to: str) -> list[str]:
    return shlex.split(f"{_IPTABLES} --delete {_rule(to)}")
