"""What the status says of whom clusters trust."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from lab.lifecycle.status import distrust
from lab.mesh import Identity

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EAST = Identity(
    cluster="east",
    trust_domain="east.example",
    names="spiffe://east.example/…",
    anchor_fingerprint="ab" * 32,
    anchor_ends=NOW + timedelta(days=1),
    issuer_ends=NOW + timedelta(days=1),
)
WEST = replace(EAST, cluster="west", trust_domain="west.example")


def test_clusters_of_one_anchor_that_has_not_ended_trust_each_other() -> None:
    assert distrust((EAST, WEST), NOW) == ()


def test_another_anchor_is_named_with_both_and_the_fix() -> None:
    (words,) = distrust((EAST, replace(WEST, anchor_fingerprint="cd" * 32)), NOW)
    assert "east abababab" in words
    assert "west cdcdcdcd" in words
    assert "lab up" in words


def test_what_has_ended_is_named_with_its_day_and_the_fix() -> None:
    anchor, issuer = distrust((replace(EAST, anchor_ends=NOW), replace(WEST, issuer_ends=NOW)), NOW)
    assert "east's trust anchor ended on 2026-01-01" in anchor
    assert "lab down, then lab up" in anchor
    assert "west's issuer ended" in issuer
