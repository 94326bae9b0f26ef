"""Exact binomial tests and their design, intervals of rates and medians."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

FALSE_ALARM = 1e-3
"""Significance level: at most one of a thousand correct splits fails its check."""
POWER = 0.8
"""The probability with which a check must notice the deviation for which its sample was designed."""
CONFIDENCE = 0.95
"""Confidence level of intervals."""
_DEVIATION, _STRAY = 0.05, 0.01
_NEGLIGIBLE = 1e-18
_TIE = 1 + 1e-7
"""Two counts are equally likely if their probabilities differ only by rounding (the factor of R's `binom.test`)."""


def binomial_pmf(k: int, n: int, p: float) -> float:
    """Return the probability of exactly `k` successes in `n` tries of probability `p`."""
    if p in {0.0, 1.0}:
        return 1.0 if k == n * p else 0.0
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))


def binomial_p_value(k: int, n: int, p: float) -> float:
    """Return how likely a result at least as unlikely as `k` of `n` is, when each try succeeds with probability `p`.

    The exact two-sided test: the sum over all results that are not more likely than `k` (as in R's `binom.test`).

    Raises:
        ValueError: `k` is not in 0..n, or `p` not in 0..1.
    """
    if not (0 <= k <= n and 0.0 <= p <= 1.0):
        raise ValueError(f"{k} of {n} at {p} is not a binomial result")
    limit = binomial_pmf(k, n, p) * _TIE
    return min(1.0, math.fsum(q for i in range(n + 1) if (q := binomial_pmf(i, n, p)) <= limit))


@dataclass(frozen=True, kw_only=True)
class Design:
    """The test of one sample: how many tries, which counts it accepts, and how often it is wrong.

    Attributes:
        n: number of tries.
        expected: the probability of a success if all is well.
        alternative: the wrong probability that the test must notice.
        low: the lowest accepted count.
        high: the highest accepted count.
        false_alarm: the probability that the test refuses a sample of probability `expected`.
        power: the probability that the test refuses a sample of probability `alternative`.
    """

    n: int
    expected: float
    alternative: float
    low: int
    high: int
    false_alarm: float
    power: float

    def __contains__(self, k: int) -> bool:
        return self.low <= k <= self.high

    @property
    def counts(self) -> str:
        """The accepted counts as text: "786 to 921 of 1,707"."""
        counts = f"{self.low:,}" if self.low == self.high else f"{self.low:,} to {self.high:,}"
        return f"{counts} of {self.n:,}"

    @property
    def errors(self) -> str:
        """Both error rates as text; a split is written with the share of `expected` last, as in "45:55"."""
        alarm = f"1 in {math.floor(1 / self.false_alarm):,}" if self.false_alarm else "never"
        other, own = (f"{round(100 * share, 1):g}" for share in (1 - self.alternative, self.alternative))
        return f"false alarm {alarm}; a split of {other}:{own} is noticed with {math.floor(100 * self.power)} %"


def alternative_to(expected: float) -> float:
    """Return the wrong share that a check of a split must notice.

    - A split between both clusters: five points nearer to half (50 → 55, 10 → 15, 90 → 85). The deviation away from
      half has less variance, so the same sample notices it with a higher power.
    - All or nothing: one stray request in a hundred (0 → 1, 100 → 99).
    """
    if expected in {0.0, 1.0}:
        return abs(expected - _STRAY)
    return round(expected + (_DEVIATION if expected <= 1 / 2 else -_DEVIATION), 9)


def design(*, n: int, expected: float = 0.5, alternative: float, alpha: float = FALSE_ALARM) -> Design:
    """Return the exact two-sided test of `n` tries: it accepts the counts whose p-value is at least `alpha`.

    False alarm and power are sums of binomial probabilities, not a normal approximation:
    false alarm = P(X outside low..high | expected), power = P(X outside low..high | alternative).

    Raises:
        ValueError: a probability is not in 0..1, or both are the same.
    """
    if not (n > 0 and 0.0 <= expected <= 1.0 and 0.0 <= alternative <= 1.0 and expected != alternative):
        raise ValueError(f"a test of {n} tries cannot distinguish {expected} from {alternative}")
    first, likely = _likely(n, expected)
    low, high, refused = 0, len(likely) - 1, 0.0
    while low < high:
        least = min(likely[low], likely[high]) * _TIE
        both = likely[low] <= least and likely[high] <= least
        with_next = refused + (likely[low] + likely[high] if both else min(likely[low], likely[high]))
        if with_next >= alpha:
            break
        refused = with_next
        low, high = low + (likely[low] <= least), high - (likely[high] <= least)
    start, others = _likely(n, alternative)
    accepted = math.fsum(q for k, q in enumerate(others, start) if first + low <= k <= first + high)
    return Design(
        n=n,
        expected=expected,
        alternative=alternative,
        low=first + low,
        high=first + high,
        false_alarm=refused,
        power=1 - accepted,
    )


@cache
def sample_size(
    expected: float = 0.5, alternative: float = 0.45, alpha: float = FALSE_ALARM, power: float = POWER
) -> int:
    """Return the smallest number of tries whose exact test notices `alternative` with this power.

    The power of an exact test rises in a saw-tooth, so the search computes it for one size after the other, and a
    sample must have exactly this size. The search begins where the most powerful of all tests (`_highest_power`, which
    rises steadily) first has the power: no smaller sample can do.

    The textbook's approximation, ((z(1-alpha/2) sqrt(p(1-p)) + z(power) sqrt(q(1-q))) / (q-p))² for the shares p and q
    (for example Fleiss, Levin, Paik: Statistical Methods for Rates and Proportions, 2003), gives 1,704 for 45:55, where
    the exact size is 1,707.

    Raises:
        ValueError: as in `design`, or a power that no sample has.
    """
    if not (0.0 < alpha < 1.0 and 0.0 < power < 1.0):
        raise ValueError(f"no sample has a power of {power} at a false-alarm rate of {alpha}")
    design(n=1, expected=expected, alternative=alternative, alpha=alpha)
    enough = 1
    while _highest_power(enough, expected, alternative, alpha) < power:
        enough *= 2
    n = bisect_left(range(enough), power, lo=1, key=lambda size: _highest_power(size, expected, alternative, alpha))
    while design(n=n, expected=expected, alternative=alternative, alpha=alpha).power < power:
        n += 1
    return n


def design_for(expected: float, *, alternative: float | None = None) -> Design:
    """Return the smallest test that notices `alternative`, or that of `alternative_to`, with the power `POWER`."""
    other = alternative_to(expected) if alternative is None else alternative
    return design(n=sample_size(expected, other), expected=expected, alternative=other)


def _highest_power(n: int, expected: float, alternative: float, alpha: float) -> float:
    """Return the power of the most powerful test of `n` tries (Neyman and Pearson: one-sided, randomised at its limit).

    No test with this false-alarm rate has more, and the power rises with every further try.
    """
    first, likely = _likely(n, expected)
    start, others = _likely(n, alternative)
    counts = list(enumerate(others, start))
    left, power = alpha, 0.0
    for k, q in reversed(counts) if alternative > expected else counts:
        p = likely[k - first] if 0 <= k - first < len(likely) else 0.0
        if p >= left:
            return power + q * left / p
        left, power = left - p, power + q
    return power


def _likely(n: int, p: float) -> tuple[int, list[float]]:
    """Return the probabilities of all counts that are not negligible, and the first of these counts.

    From the most likely count to both sides, each from its neighbour: P(k+1) / P(k) = (n-k) / (k+1) * p / (1-p).
    """
    top = min(n, math.floor((n + 1) * p))
    peak = binomial_pmf(top, n, p)
    if p in {0.0, 1.0}:
        return top, [peak]
    odds = p / (1 - p)
    up, down = [peak], [peak]
    for k in range(top, n):
        if up[-1] < _NEGLIGIBLE:
            break
        up.append(up[-1] * (n - k) / (k + 1) * odds)
    for k in range(top, 0, -1):
        if down[-1] < _NEGLIGIBLE:
            break
        down.append(down[-1] * k / (n - k + 1) / odds)
    return top - len(down) + 1, [*reversed(down[1:]), *up]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A confidence interval: `low` to `high`, inclusive."""

    low: float
    high: float


def wilson(passed: int, total: int, *, confidence: float = CONFIDENCE) -> Interval | None:
    """Return the interval of a rate from `passed` of `total`; None without tries.

    Wilson's score interval without continuity correction (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927, 209-212).

    Raises:
        ValueError: `passed` is not in 0..total.
    """
    if not 0 <= passed <= total:
        raise ValueError(f"{passed} of {total} is not a rate")
    if total == 0:
        return None
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, scale = passed / total, 1 + z * z / total
    centre = (rate + z * z / (2 * total)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    return Interval(
        low=0.0 if passed == 0 else max(0.0, centre - half), high=1.0 if passed == total else min(1.0, centre + half)
    )


def median_interval(values: Sequence[float], *, confidence: float = CONFIDENCE) -> Interval | None:
    """Return the interval of the median of the distribution from which the values come; None for too few values.

    The exact interval between two order statistics: it assumes no distribution, only independent values. Each tail has
    at most half of 1 - `confidence`; below six values no such interval of 95 % exists.
    """
    ordered, n = sorted(values), len(values)
    below, rank = 0.0, 0
    while rank < n and below + binomial_pmf(rank, n, 0.5) <= (1 - confidence) / 2:
        below += binomial_pmf(rank, n, 0.5)
        rank += 1
    return Interval(low=ordered[rank - 1], high=ordered[n - rank]) if rank else None
