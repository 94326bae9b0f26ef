"""Distances: what a person writes, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from lab.base.distance import Distance, conflicts, delay_ms, loss_percent, rate_kbit


@pytest.mark.parametrize(("text", "value"), [("80ms", 80), ("0.2s", 200), ("1s", 1000), ("0.5ms", 0.5)])
def test_a_time_has_a_unit(text: str, value: float) -> None:
    assert delay_ms(text) == value


@pytest.mark.parametrize(("text", "value"), [("1%", 1), ("0.5%", 0.5), ("50%", 50)])
def test_a_loss_is_a_percentage(text: str, value: float) -> None:
    assert loss_percent(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("20mbit", 20_000), ("1.5mbit", 1_500), ("500kbit", 500), ("1gbit", 10**6)]
)
def test_a_rate_has_a_unit(text: str, value: int) -> None:
    assert rate_kbit(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (delay_ms, "80", "is not a time with a unit"),
        (delay_ms, "-80ms", "is not a time with a unit"),
        (delay_ms, "80 ms", "is not a time with a unit"),
        (delay_ms, "1e3ms", "is not a time with a unit"),
        (delay_ms, "", "is not a time with a unit"),
        (delay_ms, "0ms", "more than 0ms, at most 1s"),
        (delay_ms, "3s", "more than 0ms, at most 1s"),
        (delay_ms, f"{'9' * 400}s", "more than 0ms, at most 1s"),
        (loss_percent, "1", "is not a percentage"),
        (loss_percent, "-1%", "is not a percentage"),
        (loss_percent, "0%", "more than 0%, at most 50%"),
        (loss_percent, "100%", "`lab partition` drops all packets"),
        (rate_kbit, "20", "is not a rate with a unit"),
        (rate_kbit, "20mb", "is not a rate with a unit"),
        (rate_kbit, "-20mbit", "is not a rate with a unit"),
        (rate_kbit, "0kbit", "at least 64kbit, at most 10gbit"),
        (rate_kbit, "11gbit", "at least 64kbit, at most 10gbit"),
        (rate_kbit, f"{'9' * 400}gbit", "at least 64kbit, at most 10gbit"),
    ],
)
def test_other_values_are_refused_with_what_is_accepted(parse: Callable[[str], float], text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse(text)


def test_a_jitter_needs_a_delay_that_is_as_long() -> None:
    assert dict(conflicts(Distance(jitter_ms=5, loss_percent=1))).keys() == {"jitter"}
    assert dict(conflicts(Distance(delay_ms=5, jitter_ms=6))).keys() == {"jitter"}
    assert not list(conflicts(Distance(delay_ms=5, jitter_ms=5)))
    assert dict(conflicts(Distance())).keys() == {"delay"}


def test_a_distance_is_options_of_the_command_that_sets_it() -> None:
    whole = Distance(delay_ms=80, jitter_ms=10, loss_percent=0.5, rate_kbit=1500)
    assert whole.options == "--delay 80ms --jitter 10ms --loss 0.5% --rate 1500kbit"
    assert Distance(loss_percent=3).options == "--loss 3%"


def test_a_distance_is_a_line_of_text() -> None:
    whole = Distance(delay_ms=80, jitter_ms=10, loss_percent=1, rate_kbit=20_000)
    assert str(whole) == "80 ms ± 10 ms, 1 % loss, 20 Mbit/s"
    assert str(Distance(rate_kbit=500)) == "500 kbit/s"
    assert str(Distance(rate_kbit=1_500_000)) == "1.5 Gbit/s"
