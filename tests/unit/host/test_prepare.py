"""Preparing the machine for `lab up`: one question for all changes, or an error without any change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from lab import config
from lab.base.errors import HostError
from lab.base.paths import Paths
from lab.host import doctor as checks
from lab.host.changes import MachineChange
from lab.host.doctor import Finding, Verdict
from lab.host.prepare import prepare

OK = Finding(name="memory", verdict=Verdict.OK, observed="much", why="")
WARN = Finding(name="proxies", verdict=Verdict.WARN, observed="one", why="", fix="export NO_PROXY=x")
LATER = Finding(name="inotify", verdict=Verdict.WARN, observed="few", why="", fix="sysctl", fixable=True)
FIXABLE = Finding(name="engine", verdict=Verdict.FAIL, observed="stopped", why="w", fix="start it", fixable=True)
FATAL = Finding(name="port 8080", verdict=Verdict.FAIL, observed="in use by x", why="w", fix="end x")


@dataclass
class Machine:
    """A machine whose checks find, one after the other, what the test says, and which notes what happens in order."""

    rounds: list[list[Finding]] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    ran: list[Any] = field(default_factory=list)

    def run(self, *_: Any, **how: Any) -> list[Finding]:
        self.ran.append(how["checks"])
        return self.rounds.pop(0)

    def changes(self, findings: Iterable[Finding], **_: Any) -> list[MachineChange]:
        return [self._change(finding.name) for finding in findings if finding.fixable]

    def _change(self, name: str) -> MachineChange:
        def apply() -> str:
            self.happened.append(f"apply {name}")
            return f"{name}: done"

        return MachineChange(what=f"fix {name}", why="w", command=f"do {name}", undo=f"undo {name}", apply=apply)

    def prepare(self, *rounds: list[Finding], answer: bool | None = None, **how: Any) -> list[Finding]:
        def confirm(question: str) -> bool:
            self.happened.append(f"ask {question}")
            return bool(answer)

        self.rounds = list(rounds)
        ask = None if answer is None else confirm
        return prepare(config.parse(""), Paths.of("eastwest"), say=self.happened.append, confirm=ask, **how).findings


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(checks, "run", made.run)
    monkeypatch.setattr(checks, "changes", made.changes)
    return made


@pytest.mark.parametrize(("clusters", "wanted"), [(True, checks.CHECKS), (False, checks.ARTIFACT_CHECKS)])
def test_where_no_clusters_will_be_created_only_builds_and_pulls_are_checked(
    machine: Machine, clusters: bool, wanted: Any
) -> None:
    machine.prepare([FIXABLE], [OK], clusters=clusters)
    assert machine.ran == [wanted, wanted]


def test_warnings_stop_nothing_and_change_nothing(machine: Machine) -> None:
    assert machine.prepare([OK, WARN]) == [OK, WARN]
    assert machine.happened == []


def test_a_person_is_asked_once_after_every_change_was_listed_and_before_the_first_is_made(machine: Machine) -> None:
    assert machine.prepare([FIXABLE, WARN, LATER], [OK, WARN], answer=True) == [OK, WARN]
    (question,) = [line for line in machine.happened if line.startswith("ask")]
    at = machine.happened.index(question)
    listed = "\n".join(machine.happened[:at])
    for name in ("engine", "inotify"):
        for words in (f"fix {name}", f"do {name}", f"undo {name}"):
            assert words in listed
    assert machine.happened[at + 1 :] == ["apply engine", "✓ engine: done", "apply inotify", "✓ inotify: done"]


def test_where_nobody_is_there_to_ask_the_same_list_is_printed_and_everything_is_done(machine: Machine) -> None:
    machine.prepare([FIXABLE, LATER], [OK], answer=True)
    asked = list(machine.happened)
    machine.happened.clear()
    assert machine.prepare([FIXABLE, LATER], [OK]) == [OK]
    assert machine.happened == [line for line in asked if not line.startswith("ask")]


def test_a_no_changes_nothing_and_stops_where_the_lab_cannot_start(machine: Machine) -> None:
    with pytest.raises(HostError, match="nothing was changed"):
        machine.prepare([FIXABLE, LATER], answer=False)
    assert not [line for line in machine.happened if line.startswith("apply")]


def test_a_no_to_what_fails_only_later_stops_nothing(machine: Machine) -> None:
    assert machine.prepare([OK, LATER], answer=False) == [OK, LATER]
    assert not [line for line in machine.happened if line.startswith("apply")]


def test_what_fails_only_later_stops_nothing_where_it_stays(machine: Machine) -> None:
    assert machine.prepare([OK, LATER], [OK, LATER]) == [OK, LATER]


def test_no_install_prevents_every_change(machine: Machine) -> None:
    assert machine.prepare([OK, LATER], install=False, answer=True) == [OK, LATER]
    with pytest.raises(HostError, match="nothing was changed") as caught:
        machine.prepare([FIXABLE], install=False, answer=True)
    assert caught.value.next == "start it"
    assert machine.happened == []


def test_one_thing_that_cannot_be_fixed_stops_before_anything_is_changed(machine: Machine) -> None:
    with pytest.raises(HostError, match="nothing was changed") as caught:
        machine.prepare([FIXABLE, FATAL], answer=True)
    assert machine.happened == []
    assert caught.value.next == "end x"  # `lab doctor --fix` cannot do that
    for words in ("engine: stopped", "fix: start it", "port 8080: in use by x", "fix: end x"):
        assert words in str(caught.value)


def test_what_was_not_fixed_by_the_changes_is_still_a_failure(machine: Machine) -> None:
    with pytest.raises(HostError) as caught:
        machine.prepare([FIXABLE], [FIXABLE])
    assert "nothing was changed" not in str(caught.value)
