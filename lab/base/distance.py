"""The distance between two clusters: what a network between them would cost, and how a person writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)%")
_RATE = re.compile(r"(\d+(?:\.\d+)?)(kbit|mbit|gbit)")
_KBIT = {"kbit": 1, "mbit": 1_000, "gbit": 1_000_000}
MOST_DELAY_MS = 1_000.0
"""A satellite's round trip takes about 600 ms. While a failover is on, each try has 1 s on both stacks: with a round
trip of nearly 1 s or more, tries at the other cluster fail."""
MOST_LOSS_PERCENT = 50.0
"""With more, TCP hardly connects; `lab partition` drops everything."""
LEAST_RATE_KBIT, MOST_RATE_KBIT = 64, 10_000_000


@dataclass(frozen=True, kw_only=True)
class Distance:
    """What a network between two clusters does to packets.

    `delay_ms` is what a round trip gets longer by, half of it in each direction; `jitter_ms` varies the round trip by
    up to so much in both directions. `loss_percent` and `rate_kbit` (1000 bit/s) are for each direction; a rate of 0 is
    no limit.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss_percent: float = 0.0
    rate_kbit: int = 0

    def __bool__(self) -> bool:
        """Return whether it has a delay, a loss or a rate."""
        return bool(self.delay_ms or self.loss_percent or self.rate_kbit)

    def __str__(self) -> str:
        """Return it as text: "80 ms ± 10 ms, 1 % loss, 20 Mbit/s"."""
        parts = []
        if self.delay_ms:
            parts.append(f"{self.delay_ms:g} ms" + (f" ± {self.jitter_ms:g} ms" if self.jitter_ms else ""))
        if self.loss_percent:
            parts.append(f"{self.loss_percent:g} % loss")
        if self.rate_kbit:
            parts.append(_rate(self.rate_kbit))
        return ", ".join(parts) or "no distance"

    @property
    def options(self) -> str:
        """It as options of `lab network`: "--delay 80ms --jitter 10ms --loss 1% --rate 20000kbit"."""
        values = {
            "--delay": f"{self.delay_ms:g}ms" if self.delay_ms else "",
            "--jitter": f"{self.jitter_ms:g}ms" if self.jitter_ms else "",
            "--loss": f"{self.loss_percent:g}%" if self.loss_percent else "",
            "--rate": f"{self.rate_kbit}kbit" if self.rate_kbit else "",
        }
        return " ".join(f"{name} {value}" for name, value in values.items() if value)


def delay_ms(text: str) -> float:
    """Return the milliseconds of a delay such as "80ms" or "0.5s".

    Raises:
        ValueError: it is not a time, or out of range; the words name what is accepted.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a time with a unit, such as 80ms or 0.5s")
    value = float(found[1]) * (1_000 if found[2] == "s" else 1)
    if not 0 < value <= MOST_DELAY_MS:
        raise ValueError(f"{text} is out of range: more than 0ms, at most {MOST_DELAY_MS / 1_000:g}s")
    return value


def loss_percent(text: str) -> float:
    """Return the percentage of a loss such as "1%"; raises ValueError as `delay_ms` does."""
    found = _SHARE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a percentage, such as 1% or 0.5%")
    value = float(found[1])
    if not 0 < value <= MOST_LOSS_PERCENT:
        raise ValueError(
            f"{text} is out of range: more than 0%, at most {MOST_LOSS_PERCENT:g}%; `lab partition` drops all packets"
        )
    return value


def rate_kbit(text: str) -> int:
    """Return the kbit/s of a rate such as "20mbit"; raises ValueError as `delay_ms` does."""
    found = _RATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a rate with a unit, such as 20mbit, 500kbit or 1gbit")
    value = float(found[1]) * _KBIT[found[2]]
    if not LEAST_RATE_KBIT <= value <= MOST_RATE_KBIT:
        most = MOST_RATE_KBIT // _KBIT["gbit"]
        raise ValueError(f"{text} is out of range: at least {LEAST_RATE_KBIT}kbit, at most {most}gbit")
    return round(value)


def conflicts(distance: Distance) -> Iterator[tuple[str, str]]:
    """Yield (part, words) for each part of a distance that does not fit the others."""
    if distance.jitter_ms and not distance.delay_ms:
        yield "jitter", "varies a delay, and there is none; set a delay, too"
    elif distance.jitter_ms > distance.delay_ms:
        jitter, delay = f"{distance.jitter_ms:g}ms", f"{distance.delay_ms:g}ms"
        yield "jitter", f"{jitter} is longer than the delay of {delay}, which it varies"
    if not distance:
        yield "delay", "nothing is set; set a delay, a loss or a rate"


def _rate(kbit: int) -> str:
    for unit, name in ((1_000_000, "Gbit/s"), (1_000, "Mbit/s")):
        if kbit >= unit:
            return f"{kbit / unit:g} {name}"
    return f"{kbit} kbit/s"
