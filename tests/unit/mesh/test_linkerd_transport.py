"""The transport header that Linkerd's gateway reads first."""

from __future__ import annotations

import pytest

from lab.stacks.linkerd import transport_header


def test_a_header_is_the_protocols_name_a_length_and_the_message() -> None:
    name = b"podinfo.test.svc.cluster.local"
    message = b"\x08\xaa\x4d" + b"\x12\x1e" + name + b"\x1a\x02\x0a\x00"  # 9898 is 0x4d << 7 | 0x2a
    expected = b"transport.l5d.io/v1\r\n\r\n" + b"\x00\x00\x00\x27" + message
    assert transport_header.header(name.decode(), 9898) == expected


def test_a_small_port_takes_one_byte() -> None:
    assert b"\x08\x50\x12" in transport_header.header("a.test", 80)


def test_a_name_longer_than_127_characters_is_refused() -> None:
    with pytest.raises(ValueError, match="has 128 characters"):
        transport_header.header("a" * 128, 80)
