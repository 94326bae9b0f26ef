"""Cut and restored networks: the commands that are shown are the commands that run."""

from __future__ import annotations

import shlex
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.base.errors import CommandError
from lab.base.process import Completed
from lab.clusters.kind import link
from lab.clusters.kind.wire import KindWire
from lab.lab import Lab
from lab.tools.docker import Docker
from tests.unit.wire_kit import CUT, MEND


@dataclass
class Ran:
    """A process runner that notes what it ran."""

    commands: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], **_: object) -> Completed:
        self.commands.append(tuple(argv))
        return Completed(argv=tuple(argv), returncode=0, stdout="", stderr="", duration_s=0)


def test_the_command_shown_is_the_command_run(lab: Lab) -> None:
    ran = Ran()
    wire = KindWire(Docker(run=ran))
    west, east = lab.clusters["west"], lab.clusters["east"]
    shown = [wire.cut_command(west, east), wire.restore_command(west, east)]
    assert ran.commands == []
    assert wire.cut(west, east) == shown[0]
    assert wire.restore(west, east)
    assert [tuple(shlex.split(command)) for command in shown] == ran.commands
    assert shown == [CUT, MEND]


def test_only_a_missing_rule_is_nothing_to_undo(lab: Lab) -> None:
    west = lab.clusters["west"]

    def restored(code: int, stderr: str) -> bool:
        def run(argv: Sequence[str], **_: object) -> Completed:
            return Completed(argv=tuple(argv), returncode=code, stdout="", stderr=stderr, duration_s=0)

        return link.restore(Docker(run=run), west, "172.30.0.9")

    assert restored(0, "")
    assert not restored(1, "iptables: Bad rule (does a matching rule exist in that chain?).\n")
    with pytest.raises(CommandError, match="not found"):
        restored(2, "iptables v1.8.11 (nf_tables): host/network `dev-east-control-plane' not found\n")


@pytest.mark.parametrize(
    ("exits", "code", "deletes"),
    [((0, 0, 0), 0, True), ((0, 1, 0), 0, False), ((2, 2, 2), 2, True)],
    ids=["there is a rule", "there is none", "the other node has no address"],
)
def test_the_undo_of_a_step_fails_if_it_cannot_tell(
    tmp_path: Path, exits: tuple[int, int, int], code: int, deletes: bool
) -> None:
    """The command runs in a shell as it does in a node, with stand-ins for iptables and getent."""
    known, check, delete = exits
    iptables, log = tmp_path / "iptables", tmp_path / "log"
    iptables.write_text(
        f'#!/bin/sh\necho "$@" >>{log}\ncase "$*" in *--check*) exit {check};; *--delete*) exit {delete};; esac\n'
    )
    (tmp_path / "getent").write_text(f"#!/bin/sh\nexit {known}\n")
    for stand_in in (iptables, tmp_path / "getent"):
        stand_in.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", link.passing("dev-east-control-plane")], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False
    )
    assert done.returncode == code
    assert ("--delete" in log.read_text()) is deletes


def test_a_node_tries_all_ends_with_one_command(lab: Lab) -> None:
    """The script runs in a shell as it does in a node; nothing listens on port 1 of this machine."""
    ran: list[list[str]] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ends = [("127.0.0.1", listener.getsockname()[1]), ("127.0.0.1", 1)]

        class Here:
            def execute(self, node: str, argv: list[str], *, check: bool) -> Completed:
                assert (node, check) == ("dev-west-control-plane", False)
                ran.append(argv)
                done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
                return Completed(argv=tuple(argv), returncode=0, stdout=done.stdout, stderr="", duration_s=0)

        assert link.reaches(Here(), lab.clusters["west"], ends) == {ends[0]}  # type: ignore[arg-type]
    assert len(ran) == 1
