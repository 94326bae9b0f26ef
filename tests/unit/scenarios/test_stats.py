import math
import random

import pytest

from lab.measure.stats import accepted, binomial_p_value, binomial_pmf, percentile


def test_the_probabilities_sum_to_one() -> None:
    assert math.fsum(binomial_pmf(k, 200, 0.3) for k in range(201)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("k", "n", "p", "expected"),
    [
        # 7 of 9 fair coins: 2 * (36 + 9 + 1) / 512. 0 of 5: 2 / 32. Exactly the middle: everything.
        (7, 9, 0.5, 92 / 512),
        (0, 5, 0.5, 2 / 32),
        (5, 10, 0.5, 1.0),
        # One-sided by nature: 3 of 3 at 0.9 is the likeliest result of all.
        (3, 3, 0.9, 1.0),
        (0, 3, 0.9, 0.001),
        (4, 4, 1.0, 1.0),
        (3, 4, 1.0, 0.0),
    ],
)
def test_the_p_value_is_exact(k: int, n: int, p: float, expected: float) -> None:
    assert binomial_p_value(k, n, p) == pytest.approx(expected)


def test_an_impossible_result_is_refused() -> None:
    with pytest.raises(ValueError, match="5 of 4"):
        binomial_p_value(5, 4, 0.5)


def test_the_accepted_counts_are_those_of_the_p_value() -> None:
    interval = accepted(200, 0.5)

    assert binomial_p_value(interval.low, 200, 0.5) >= 1e-4 > binomial_p_value(interval.low - 1, 200, 0.5)
    assert interval.low + interval.high == 200
    assert str(interval) == f"{interval.low} to {interval.high} of 200"


def test_a_weight_of_zero_accepts_no_exception() -> None:
    assert str(accepted(100, 0.0)) == "0 of 100"
    assert 1 not in accepted(100, 0.0)
    assert str(accepted(100, 1.0)) == "100 of 100"


def test_false_alarms_are_as_rare_as_promised() -> None:
    dice = random.Random(1)
    interval = accepted(100, 0.1, alpha=0.01)
    alarms = sum(sum(dice.random() < 0.1 for _ in range(100)) not in interval for _ in range(2000))

    assert alarms / 2000 <= 0.015


def test_percentiles_are_nearest_rank() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (50.0, 99.0, 100.0)
    assert percentile([], 50) is None
