import math
import random
from fractions import Fraction

import pytest

from lab.measure.stats import (
    Interval,
    alternative_to,
    binomial_p_value,
    binomial_pmf,
    design,
    design_for,
    median_interval,
    sample_size,
    wilson,
)


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


def exactly(n: int, share: Fraction, low: int, high: int) -> Fraction:
    """P(low <= X <= high) in whole numbers, without any rounding."""
    return sum((math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(low, high + 1)), start=Fraction(0))


@pytest.mark.parametrize(
    ("n", "expected", "alternative"),
    [
        (1000, Fraction(1, 2), Fraction(9, 20)),
        (697, Fraction(1, 10), Fraction(3, 20)),
        (102, Fraction(1, 2), Fraction(3, 10)),
    ],
)
def test_both_error_rates_of_a_design_are_exact(n: int, expected: Fraction, alternative: Fraction) -> None:
    made = design(n=n, expected=float(expected), alternative=float(alternative))

    assert made.false_alarm == pytest.approx(float(1 - exactly(n, expected, made.low, made.high)), rel=1e-9)
    assert made.power == pytest.approx(float(1 - exactly(n, alternative, made.low, made.high)), rel=1e-9)
    assert made.false_alarm < 0.001


@pytest.mark.parametrize(("n", "p"), [(200, 0.5), (200, 0.1), (57, 0.9), (333, 0.27), (9, 0.5)])
def test_a_design_accepts_the_counts_of_the_p_value(n: int, p: float) -> None:
    made = design(n=n, expected=p, alternative=0.4, alpha=0.01)
    assert [k for k in range(n + 1) if k in made] == [k for k in range(n + 1) if binomial_p_value(k, n, p) >= 0.01]


def test_a_thousand_requests_are_too_few_for_45_of_100() -> None:
    """The exact power is 0.44. 0.8 needs 1,707 requests, or a false-alarm rate of 0.03 for a thousand."""
    thousand = design(n=1000, alternative=0.45)

    assert (thousand.low, thousand.high) == (448, 552)
    assert thousand.power == pytest.approx(0.4373, abs=1e-4)
    assert design(n=1000, alternative=0.45, alpha=0.03).power > 0.8
    assert sample_size() == 1707
    assert design(n=1707, alternative=0.45).power >= 0.8
    assert max(design(n=n, alternative=0.45).power for n in range(1500, 1707)) < 0.8


@pytest.mark.parametrize(("expected", "alternative"), [(0.1, 0.15), (0.03, 0.08), (0.0, 0.01), (0.5, 1.0), (0.9, 0.8)])
def test_no_smaller_sample_has_the_power(expected: float, alternative: float) -> None:
    n = 1
    while design(n=n, expected=expected, alternative=alternative).power < 0.8:
        n += 1
    assert sample_size(expected, alternative) == n


def test_the_sample_is_close_to_the_textbooks_approximation() -> None:
    """((z(1-alpha/2) sqrt(p(1-p)) + z(power) sqrt(q(1-q))) / (q-p))², by Fleiss, Levin and Paik."""
    approximate = ((3.2905 * math.sqrt(0.25) + 0.8416 * math.sqrt(0.45 * 0.55)) / 0.05) ** 2
    assert sample_size() == pytest.approx(approximate, rel=0.01)


@pytest.mark.parametrize(
    ("expected", "alternative"), [(0.5, 0.55), (0.1, 0.15), (0.9, 0.85), (0.7, 0.65), (0.0, 0.01), (1.0, 0.99)]
)
def test_the_alternative_is_five_points_nearer_to_half_or_one_stray_in_a_hundred(
    expected: float, alternative: float
) -> None:
    assert alternative_to(expected) == alternative


def test_the_deviation_away_from_half_is_noticed_too() -> None:
    made = design_for(0.1)
    assert design(n=made.n, expected=0.1, alternative=0.05).power > made.power >= 0.8


def test_a_design_says_both_numbers() -> None:
    half, none = design_for(0.5), design_for(0.0)

    assert half.counts == "786 to 921 of 1,707"
    assert half.errors == "false alarm 1 in 1,009; a split of 45:55 is noticed with 80 %"
    assert none.counts == "0 of 161"
    assert none.errors == "false alarm never; a split of 99:1 is noticed with 80 %"


def test_a_weight_of_zero_accepts_no_exception() -> None:
    assert 1 not in design_for(0.0)
    assert 160 not in design_for(1.0)


@pytest.mark.parametrize(("share", "rate"), [(0.1, 0.01), (0.15, 0.8)])
def test_error_rates_are_as_promised(share: float, rate: float) -> None:
    dice = random.Random(1)
    made = design(n=697, expected=0.1, alternative=0.15, alpha=0.01)
    refused = sum(sum(dice.random() < share for _ in range(made.n)) not in made for _ in range(400)) / 400

    assert refused == pytest.approx(made.false_alarm if share == 0.1 else made.power, abs=0.05)
    assert (refused <= 0.02) if share == 0.1 else (refused >= rate)


@pytest.mark.parametrize(("expected", "alternative"), [(0.5, 0.5), (1.5, 0.5), (0.5, -0.1)])
def test_a_test_of_nothing_is_refused(expected: float, alternative: float) -> None:
    with pytest.raises(ValueError, match="cannot distinguish"):
        sample_size(expected, alternative)


def test_a_power_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="no sample"):
        sample_size(power=1.0)


@pytest.mark.parametrize(
    ("passed", "total", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_the_wilson_interval_has_the_published_values(passed: int, total: int, low: float, high: float) -> None:
    found = wilson(passed, total)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_no_tries_have_no_rate() -> None:
    assert wilson(0, 0) is None
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)


def test_the_interval_of_a_median_is_between_two_values() -> None:
    # Ranks 6 and 15 of 20, 1 and 6 of 6: tables of the sign test.
    assert median_interval([float(n) for n in range(20, 0, -1)]) == Interval(low=6.0, high=15.0)
    assert median_interval([3.0, 1.0, 2.0, 6.0, 5.0, 4.0]) == Interval(low=1.0, high=6.0)
    assert median_interval([1.0] * 5) is None
