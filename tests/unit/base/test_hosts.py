from __future__ import annotations

import pytest

from lab.base.hosts import is_loopback


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1", "127.8.8.8:5000", "[::1]", "[::1]:5000"])
def test_loopback_hosts(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["localhost.evil.example", "127.evil.example", "127.0.0.1.example:5000", "docker.io", "10.0.0.1", "::1.x", ""],
)
def test_hosts_that_only_look_like_loopback(host: str) -> None:
    assert not is_loopback(host)
