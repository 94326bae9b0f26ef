"""What real requests through a frontend say."""

from __future__ import annotations

from typing import Any

import pytest

from lab.base.wait import TransientError
from lab.lab import Lab
from lab.lifecycle import answers

BOTH = frozenset({"east", "west"})


def frontend(monkeypatch: pytest.MonkeyPatch, by_cluster: dict[str, int], *, failed: int = 0, of: str = "east") -> None:
    rows = [{"error": {"detail": "HTTP 403 RBAC: access denied"}}] * failed
    totals = {"by_cluster": by_cluster, "failed": failed}
    found = {"totals": totals, "frontend": {"cluster": of}, "answers": [{"error": None}, *rows]}
    monkeypatch.setattr(answers.http, "get_json", lambda *_, **__: found)


def ask(lab: Lab, expected: frozenset[str] = BOTH) -> answers.FrontendAnswers:
    return answers.ask(lab, "east", "podinfo", expected, timeout_s=1)


def test_answers_from_every_cluster_are_no_problem(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    frontend(monkeypatch, {"east": 12, "west": 12})
    assert ask(lab) == answers.FrontendAnswers(
        cluster="east", upstream="podinfo", requests=24, by_cluster={"east": 12, "west": 12}
    )


def test_requests_that_fail_are_counted_with_the_first_reason(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    frontend(monkeypatch, {}, failed=12)
    assert ask(lab, frozenset({"east"})).problem == (
        "12 of 12 requests of east's frontend to podinfo fail: HTTP 403 RBAC: access denied"
    )


def test_a_cluster_that_does_not_answer_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    frontend(monkeypatch, {"east": 24})
    found = ask(lab)
    assert found.problem == "west answered none of 24 requests of east's frontend to podinfo"
    assert found.missing == ("west",)


def test_an_ingress_that_leads_to_another_cluster_is_a_problem(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    frontend(monkeypatch, {"east": 12, "west": 12}, of="west")
    assert "leads to west's frontend" in ask(lab).problem


def test_no_answer_at_all_is_a_problem_with_its_reason(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any, **__: Any) -> Any:
        raise TransientError("no answer (ConnectTimeout)")

    monkeypatch.setattr(answers.http, "get_json", nothing)
    found = ask(lab)
    assert found.failed == found.requests == 24
    assert "ConnectTimeout" in found.problem
