"""How often one phone, one address and everybody together may tap. Bounded memory, for any number of senders.

A hall is often behind one address, so that an address gets much more than a phone. But a sender that discards its
cookie is a new phone each time: what one address may do in all, and how many phones it may have, is limited too.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address, ip_network

TOTAL_PER_S, TOTAL_BURST = 50.0, 50.0
_ADDRESS_PER_S, _ADDRESS_BURST = 40.0, 100.0
_PHONE_PER_S, _PHONE_BURST = 2.0, 5.0
_NEW_PER_S, _NEW_BURST = 10.0, 250.0
"""New phones of one address: a whole hall opens the link at once."""
_MOST = 4096
"""Phones and addresses that are remembered; the one that was seen longest ago is forgotten."""


class Refusal(Enum):
    """Why a tap is refused; the value is for the phone."""

    PHONE = "Not so fast: one tap, then another."
    EVERYBODY = "Many people are tapping. Try again in a moment."
    NEW = "Too many new phones at once. Open the link again in a moment."


@dataclass
class Bucket:
    """A token bucket: `burst` at once, then `per_s`. `clock` is monotonic, in seconds."""

    per_s: float
    burst: float
    clock: Callable[[], float]
    _tokens: float = -1.0
    _filled_s: float = 0.0

    def take(self) -> bool:
        """Take one, if there is one."""
        now_s = self.clock()
        tokens = (
            self.burst if self._tokens < 0 else min(self.burst, self._tokens + (now_s - self._filled_s) * self.per_s)
        )
        allowed = tokens >= 1
        self._tokens, self._filled_s = (tokens - 1 if allowed else tokens), now_s
        return allowed


@dataclass
class _Buckets:
    per_s: float
    burst: float
    clock: Callable[[], float]
    _known: OrderedDict[Hashable, Bucket] = field(default_factory=OrderedDict)

    def take(self, key: Hashable) -> bool:
        bucket = self._known.setdefault(key, Bucket(self.per_s, self.burst, self.clock))
        self._known.move_to_end(key)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return bucket.take()

    def __len__(self) -> int:
        return len(self._known)


class Limits:
    """All limits of one audience.

    Args:
        clock: monotonic seconds (tests pass their own).
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._total = Bucket(TOTAL_PER_S, TOTAL_BURST, clock)
        self._addresses = _Buckets(_ADDRESS_PER_S, _ADDRESS_BURST, clock)
        self._phones = _Buckets(_PHONE_PER_S, _PHONE_BURST, clock)
        self._new = _Buckets(_NEW_PER_S, _NEW_BURST, clock)

    def refuses_new(self, address: str) -> Refusal | None:
        """Return why an address gets no further phone, None if it does."""
        return None if self._new.take(_network(address)) else Refusal.NEW

    def refuses(self, phone: str | None, address: str) -> Refusal | None:
        """Return why a tap is refused, None if it is not. Without a phone's cookie, the address counts as one phone."""
        network = _network(address)
        if not self._phones.take((network, phone)):
            return Refusal.PHONE
        if not self._addresses.take(network) or not self._total.take():
            return Refusal.EVERYBODY
        return None

    @property
    def phones(self) -> int:
        """The number of phones that have tapped, at most the number that is remembered."""
        return len(self._phones)


def _network(address: str) -> str:
    """Return what counts as one address: an IPv6 host has a whole /64."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)


@dataclass(frozen=True)
class Phones:
    """Cookies that name a phone. They are signed, so that only this server can make them."""

    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def new(self) -> str:
        """Return the cookie of a new phone."""
        name = secrets.token_hex(8)
        return f"{name}.{self._sign(name)}"

    def name(self, cookie: str | None) -> str | None:
        """Return the phone's name; None if the cookie is missing or not one of this server."""
        name, _, signature = (cookie or "").partition(".")
        return name if name and hmac.compare_digest(signature.encode(), self._sign(name).encode()) else None

    def _sign(self, name: str) -> str:
        return hmac.new(self._key, name.encode(), "sha256").hexdigest()[:32]
