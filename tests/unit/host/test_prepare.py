"""`lab up` before it does anything: mend, or stop with everything untouched."""

from __future__ import annotations

from typing import Any

import pytest

from lab import config
from lab.base.errors import HostError
from lab.base.paths import Paths
from lab.host import doctor as checks
from lab.host.doctor import Finding, Verdict
from lab.host.prepare import prepare

OK = Finding(name="memory", verdict=Verdict.OK, observed="much", why="")
WARN = Finding(name="proxies", verdict=Verdict.WARN, observed="one", why="", fix="export NO_PROXY=x")
LATER = Finding(name="inotify", verdict=Verdict.WARN, observed="few", why="", fix="sysctl", fixable=True)
MENDABLE = Finding(name="engine", verdict=Verdict.FAIL, observed="stopped", why="w", fix="start it", fixable=True)
FATAL = Finding(name="port 8080", verdict=Verdict.FAIL, observed="in use by x", why="w", fix="end x")


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Prepare a machine whose checks find, one after the other, what the test says."""

    def prepared(*found: list[Finding], **how: Any) -> tuple[list[Finding], list[str], list[str]]:
        rounds = list(found)
        fixed: list[str] = []
        said: list[str] = []

        def fix(findings: list[Finding], **_: Any) -> list[str]:
            fixed.extend(finding.name for finding in findings)
            return [f"{finding.name}: done" for finding in findings]

        monkeypatch.setattr(checks, "run", lambda *_, **__: rounds.pop(0))
        monkeypatch.setattr(checks, "fix", fix)
        spec = config.parse("")
        try:
            return prepare(spec, Paths.of("eastwest"), say=said.append, **how), fixed, said
        finally:
            prepared.fixed = fixed  # type: ignore[attr-defined]

    return prepared


def test_warnings_stop_nothing_and_change_nothing(call: Any) -> None:
    findings, fixed, said = call([OK, WARN])
    assert (findings, fixed, said) == ([OK, WARN], [], [])


def test_what_can_be_mended_is_said_and_mended(call: Any) -> None:
    findings, fixed, said = call([MENDABLE, WARN, LATER], [OK, WARN])
    assert findings == [OK, WARN]
    assert fixed == ["engine", "inotify"]
    assert said[:2] == ["engine: stopped; doing: start it", "engine: done"]


def test_what_would_bite_later_stops_nothing_where_it_stays(call: Any) -> None:
    assert call([OK, LATER], [OK, LATER])[0] == [OK, LATER]
    assert call([OK, LATER], install=False) == ([OK, LATER], [], [])


def test_one_thing_that_cannot_be_mended_stops_before_anything_is_changed(call: Any) -> None:
    with pytest.raises(HostError, match="nothing was changed") as caught:
        call([MENDABLE, FATAL])
    assert call.fixed == []
    for words in ("engine: stopped", "fix: start it", "port 8080: in use by x", "fix: end x"):
        assert words in str(caught.value)


def test_no_install_gives_the_command(call: Any) -> None:
    with pytest.raises(HostError, match="nothing was changed") as caught:
        call([MENDABLE], install=False)
    assert caught.value.next == "start it"
    assert call.fixed == []


def test_what_mending_did_not_mend_is_still_a_failure(call: Any) -> None:
    with pytest.raises(HostError) as caught:
        call([MENDABLE], [MENDABLE])
    assert "nothing was changed" not in str(caught.value)
