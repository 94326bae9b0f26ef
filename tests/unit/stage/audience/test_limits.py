"""How often one may tap, and what that costs in memory."""

from __future__ import annotations

import pytest

from lab.stage.audience import limits
from lab.stage.audience.limits import Bucket, Limits, Phones, Refusal
from tests.unit.stage.audience.kit import Clock


def allowed(count: int, check: object) -> int:
    assert callable(check)
    return sum(check(number) is None for number in range(count))


def test_a_bucket_gives_a_burst_and_then_its_rate() -> None:
    clock = Clock()
    bucket = Bucket(2.0, 5.0, clock)
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]
    clock.now_s = 0.9
    assert [bucket.take() for _ in range(2)] == [True, False]
    clock.now_s = 1000.0
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]


def test_one_phone_is_slowed_down_and_another_is_not() -> None:
    clock = Clock()
    limit = Limits(clock)
    assert allowed(20, lambda _: limit.refuses("a", "10.0.0.1")) == 5
    assert limit.refuses("a", "10.0.0.1") is Refusal.PHONE
    assert limit.refuses("b", "10.0.0.1") is None
    clock.now_s = 1.0
    assert allowed(20, lambda _: limit.refuses("a", "10.0.0.1")) == 2


def test_a_phone_without_a_cookie_shares_with_all_of_its_address() -> None:
    limit = Limits(Clock())
    assert allowed(20, lambda _: limit.refuses(None, "10.0.0.1")) == 5
    assert limit.refuses(None, "10.0.0.2") is None


def test_everybody_together_is_limited() -> None:
    clock = Clock()
    limit = Limits(clock)
    assert allowed(200, lambda number: limit.refuses(f"p{number}", f"10.0.0.{number}")) == 50
    assert limit.refuses("another", "10.0.1.1") is Refusal.EVERYBODY
    clock.now_s = 1.0
    assert allowed(200, lambda number: limit.refuses(f"q{number}", f"10.0.0.{number}")) == 50


def test_one_address_never_gets_all_that_there_is() -> None:
    clock = Clock()
    limit = Limits(clock)
    taken = 0
    for second in range(1, 60):
        clock.now_s = float(second)
        taken += allowed(300, lambda number, s=second: limit.refuses(f"{s}-{number}", "10.0.0.1"))
        assert limit.refuses(f"other-{second}", "10.0.0.2") is None or second < 4
    assert taken <= 100 + 40 * 60


def test_new_phones_of_one_address_are_limited() -> None:
    clock = Clock()
    limit = Limits(clock)
    assert allowed(1000, lambda _: limit.refuses_new("10.0.0.1")) == 250
    assert limit.refuses_new("10.0.0.2") is None
    clock.now_s = 1.0
    assert allowed(1000, lambda _: limit.refuses_new("10.0.0.1")) == 10


def test_an_ipv6_host_cannot_use_all_its_addresses() -> None:
    limit = Limits(Clock())
    assert allowed(20, lambda number: limit.refuses(None, f"2001:db8::{number:x}")) == 5
    assert limit.refuses(None, "2001:db8:0:1::1") is None
    assert limit.refuses(None, "fe80::1%eth0") is None
    assert limit.refuses(None, "not an address") is None


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST", 100)
    limit = Limits(Clock())
    for number in range(1000):
        limit.refuses(f"p{number}", f"10.0.{number // 250}.{number % 250}")
        limit.refuses_new(f"10.0.{number // 250}.{number % 250}")
    assert limit.phones == 100
    assert len(limit._addresses) == 100
    assert len(limit._new) == 100


def test_only_this_server_makes_cookies() -> None:
    phones = Phones()
    cookie = phones.new()
    name = phones.name(cookie)
    assert name is not None
    assert phones.new() != cookie
    other = Phones().new()
    for wrong in (None, "", ".", name, f"{name}.", f"{name}.{'0' * 32}", f"x{cookie}", f"{cookie}x", other, "é.é"):
        assert phones.name(wrong) is None
    assert "key" not in repr(phones)
