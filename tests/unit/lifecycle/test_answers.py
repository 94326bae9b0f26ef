"""What real requests through a frontend say."""

from __future__ import annotations

from types import SimpleNamespace
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


SIX = frozenset({"east", "west", "north", "south", "alps", "bay"})


@pytest.mark.parametrize(("silent", "requests"), [(0, 24), (1, 36), (99, 72)])
def test_more_clusters_cost_more_requests_only_until_all_have_answered(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, silent: int, requests: int
) -> None:
    """`silent`: the number of batches in which one of six clusters answers nothing."""
    asked: list[int] = []

    def get_json(url: str, *, params: dict[str, int], timeout_s: float) -> Any:
        asked.append(params["count"])
        names = sorted(SIX - {"bay"} if len(asked) <= silent else SIX)
        return {"totals": {"by_cluster": dict.fromkeys(names, 1), "failed": 0}, "frontend": {"cluster": "east"},
                "answers": []}  # fmt: skip

    monkeypatch.setattr(answers.http, "get_json", get_json)
    found = ask(lab, SIX)
    assert found.requests == sum(asked) == requests
    assert found.missing == (("bay",) if silent == 99 else ())


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


def stack_with(**upstreams: frozenset[str]) -> Any:
    return SimpleNamespace(answers=lambda lab, cluster: upstreams)


def test_a_frontend_whose_services_may_have_no_pods_is_asked_itself(lab: Lab) -> None:
    nobody: frozenset[str] = frozenset()
    assert answers.expected_of(lab, stack_with(podinfo=BOTH, cart=nobody), "east") == {"podinfo": BOTH}
    for stack in (stack_with(), stack_with(podinfo=nobody)):
        assert answers.expected_of(lab, stack, "east") == {answers.FRONTEND: nobody}


@pytest.mark.parametrize(
    ("cluster", "problem"), [("east", ""), ("west", "east's ingress port leads to west's frontend")]
)
def test_a_frontend_that_is_asked_itself_calls_nobody(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, cluster: str, problem: str
) -> None:
    urls = []

    def get(url: str, **_: Any) -> Any:
        urls.append(url)
        return {"cluster": cluster}

    monkeypatch.setattr(answers.http, "get_json", get)
    found = answers.ask(lab, "east", answers.FRONTEND, frozenset(), timeout_s=1)
    assert (found.problem, found.requests, found.reached) == (problem, 1, True)
    assert urls == [f"{lab.ingress_url('east')}/api/info"]


def test_a_frontend_without_its_route_is_a_problem(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: Any, **__: Any) -> Any:
        raise TransientError("404")

    monkeypatch.setattr(answers.http, "get_json", absent)
    found = answers.ask(lab, "east", answers.FRONTEND, frozenset(), timeout_s=1)
    assert (found.problem, found.reached) == ("east's frontend does not answer through its ingress: 404", False)
