"""Exact binomial tests and percentiles for the scenarios."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FALSE_ALARM = 1e-4
"""Significance level: at most one of ten thousand correct splits fails its check."""


def binomial_pmf(k: int, n: int, p: float) -> float:
    """Return the probability of exactly `k` successes in `n` tries of probability `p`."""
    if p in {0.0, 1.0}:
        return 1.0 if k == n * p else 0.0
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))


def binomial_p_value(k: int, n: int, p: float) -> float:
    """Return how likely a result at least as unlikely as `k` of `n` is, when each try succeeds with probability `p`.

    The exact two-sided test: the sum over all results that are not more likely than `k` (as in R's
    `binom.test`; the factor forgives rounding).

    Raises:
        ValueError: `k` is not in 0..n, or `p` not in 0..1.
    """
    if not (0 <= k <= n and 0.0 <= p <= 1.0):
        raise ValueError(f"{k} of {n} at {p} is not a binomial result")
    limit = binomial_pmf(k, n, p) * (1 + 1e-7)
    return min(1.0, math.fsum(q for i in range(n + 1) if (q := binomial_pmf(i, n, p)) <= limit))


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """Counts of `n` that are consistent with the probability `p`: `low` to `high`, inclusive."""

    n: int
    p: float
    low: int
    high: int

    def __contains__(self, k: int) -> bool:
        return self.low <= k <= self.high

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.low} of {self.n}"
        return f"{self.low} to {self.high} of {self.n}"


def accepted(n: int, p: float, *, alpha: float = FALSE_ALARM) -> Accepted:
    """Return the counts whose exact two-sided p-value is at least `alpha`; for p 0 or 1 only the one exact count."""
    counts = [k for k in range(n + 1) if binomial_p_value(k, n, p) >= alpha]
    return Accepted(n=n, p=p, low=counts[0], high=counts[-1])


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the nearest-rank percentile (0..100) of values in any order; None without values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]
