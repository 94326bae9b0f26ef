"""One sample after the change has settled, against a frontend whose answers the test decides."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lab import config
from lab.base.errors import LabError, WaitTimeout
from lab.base.names import Cluster
from lab.measure import stats
from lab.scenario.context import Context
from lab.scenario.observation import Observation
from scenarios import request_routing
from scenarios.sampling import settled_split, settling
from tests.unit.scenarios.kit import lab_of

SAMPLE = stats.design_for(0.5)
Answer = Callable[[int, int], dict[str, int]]
"""Number of the call (from 0) and its requests → answers by cluster; "failed" counts failures."""


class Frontend:
    def __init__(self) -> None:
        self.calls: list[dict[str, str]] = []
        self.answer: Answer = lambda _, count: {"east": count // 2, "west": count - count // 2}

    @property
    def counts(self) -> list[int]:
        return [int(call["count"]) for call in self.calls]

    def reply(self, path: str) -> dict[str, Any]:
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        answers = dict(self.answer(len(self.calls), int(query["count"])))
        self.calls.append(query)
        failed = answers.pop("failed", 0)
        totals = {
            "requests": sum(answers.values()) + failed,
            "by_cluster": answers,
            "by_pod": answers,
            "failed": failed,
            "by_failure": {"status": failed} if failed else {},
        }
        return {"upstream": {"name": query["upstream"]}, "totals": totals, "answers": []}


@pytest.fixture
def frontend() -> Iterator[tuple[Frontend, int]]:
    made = Frontend()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(made.reply(self.path)).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made, server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def context(frontend: tuple[Frontend, int]) -> Context:
    spec = config.parse(f"[clusters.east]\n[clusters.west]\ningress_port = {frontend[1]}\n")
    mesh: Any = SimpleNamespace(capabilities=frozenset())
    return Context(lab=lab_of(spec), mesh=mesh)


def judged(context: Context, design: stats.Design = SAMPLE, **changes: Any) -> Observation:
    west: Cluster = context.west
    return settled_split(context, west, "podinfo", answering=context.east, design=design, **changes)


def east(share: Callable[[int], float]) -> Answer:
    """Answer exactly this share of each call from East."""

    def answer(number: int, count: int) -> dict[str, int]:
        own = round(count * share(number))
        return {"east": own, "west": count - own}

    return answer


def test_one_sample_of_the_designs_size_follows_two_batches_that_fit(
    context: Context, frontend: tuple[Frontend, int]
) -> None:
    observation = judged(context)

    assert observation.holds
    assert frontend[0].counts[:2] == [50, 50]
    assert sum(frontend[0].counts[2:]) == SAMPLE.n == 1707
    assert observation.seen.startswith("1707 requests, answered by east 853, west 854; p = 1")
    (evidence,) = observation.evidence
    assert evidence.data == {"requests": 1707, "by_cluster": {"east": 853, "west": 854}, "failed": 0}


def test_the_sample_begins_after_the_old_weights_are_gone(context: Context, frontend: tuple[Frontend, int]) -> None:
    frontend[0].answer = east(lambda number: 0.0 if number < 3 or number == 4 else 0.5)

    assert judged(context).holds
    # One batch that fits is not enough: the fifth is by the old weights again.
    assert frontend[0].counts[:8] == [50, 50, 50, 50, 50, 50, 50, 250]


@pytest.mark.parametrize(
    ("new", "old"), [(0.5, 0.25), (0.5, 0.75), (0.1, 0.35), (0.9, 0.65), (0.1, 0.5), (0.0, 0.1), (1.0, 0.9), (0.1, 0.0)]
)
def test_old_weights_rarely_pass_two_batches(new: float, old: float) -> None:
    passes = 1 - settling(new, old).power
    assert passes**2 < 0.01


def test_a_wrong_split_that_batches_cannot_see_is_refused_once_and_not_tried_again(
    context: Context, frontend: tuple[Frontend, int]
) -> None:
    frontend[0].answer = east(lambda _: 0.44)

    observation = judged(context)
    assert not observation.holds
    assert sum(frontend[0].counts) == 100 + SAMPLE.n


def test_weights_that_never_settle_fail_without_a_sample(context: Context, frontend: tuple[Frontend, int]) -> None:
    frontend[0].answer = east(lambda _: 0.0)

    observation = judged(context, settles_within_s=0.0)
    assert not observation.holds
    assert "not in effect after 0 s: 50 requests, answered by east 0, west 50" in observation.seen
    assert frontend[0].counts == [50]
    assert observation.evidence


def test_one_failed_request_of_the_sample_fails_it(context: Context, frontend: tuple[Frontend, int]) -> None:
    frontend[0].answer = lambda number, count: (
        {"east": count // 2, "west": count - count // 2 - (number == 4)} | ({"failed": 1} if number == 4 else {})
    )
    observation = judged(context)
    assert not observation.holds
    assert "1 failed" in observation.seen


def test_a_batch_that_was_cut_short_is_filled_up_to_exactly_the_sample(
    context: Context, frontend: tuple[Frontend, int]
) -> None:
    half = east(lambda _: 0.5)
    frontend[0].answer = lambda number, count: half(number, count if number < 2 else min(count, 100))

    observation = judged(context)
    assert observation.holds
    assert observation.seen.startswith("1707 requests")


def test_a_sample_that_takes_too_long_says_nothing_about_the_split(
    context: Context, frontend: tuple[Frontend, int]
) -> None:
    half = east(lambda _: 0.5)
    frontend[0].answer = lambda number, count: half(number, count if number < 2 else 0)

    with pytest.raises(LabError, match=r"west: sample of podinfo: 0 of 1,707 requests after 0 s.*Next: lab status"):
        judged(context, sample_within_s=0.0)


def test_a_frontend_that_does_not_answer_is_an_error_and_no_refusal(context: Context) -> None:
    context.lab = lab_of(config.parse("[clusters.east]\n[clusters.west]\ningress_port = 1024\n"))
    with pytest.raises(WaitTimeout, match="west to use the weights of podinfo"):
        judged(context, settles_within_s=0.0)


def test_stickiness_is_judged_on_one_connection_and_settling_is_not(
    context: Context, frontend: tuple[Frontend, int]
) -> None:
    (check,) = (
        check for step in request_routing.SCENARIO.steps for check in step.checks if check.name == "half_is_not_sticky"
    )
    assert check.look(context).holds
    used = [(call["connection"], call["parallel"], int(call["count"])) for call in frontend[0].calls]
    assert used == [("new", "5", 50), ("new", "5", 50), ("reuse", "1", 102)]

    frontend[0].calls.clear()
    frontend[0].answer = east(lambda number: 0.5 if number < 2 else 1.0)
    assert not check.look(context).holds


def test_every_split_check_looks_once_and_says_both_error_rates() -> None:
    checks = [
        check for step in request_routing.SCENARIO.steps for check in step.checks if "is noticed" in check.expected
    ]

    assert [check.within_s for check in checks] == [0.0] * 6
    assert checks[0].expected == (
        "East answers 786 to 921 of 1,707 (false alarm 1 in 1,009; a split of 45:55 is noticed with 80 %), none failed"
    )
