from __future__ import annotations

import struct

import pytest

from lab.measure.capture import Capture, CaptureUnavailableError, parse


def frame(payload: bytes, *, protocol: int = 6, kind: int = 0x0800, padding: int = 0) -> bytes:
    tcp = struct.pack("!HHIIBBHHH", 40000, 15443, 0, 0, 5 << 4, 0, 0, 0, 0)
    total = 20 + len(tcp) + len(payload)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, total, 0, 0, 64, protocol, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    return bytes(12) + struct.pack("!H", kind) + ip + tcp + payload + bytes(padding)


def test_a_segment_is_read() -> None:
    packet = parse(frame(b"GET / HTTP/1.1"))
    assert packet is not None
    assert (packet.ends, packet.ports, packet.payload) == (("10.0.0.1", "10.0.0.2"), (40000, 15443), b"GET / HTTP/1.1")


def test_padding_is_no_payload() -> None:
    packet = parse(frame(b"", padding=6))
    assert packet is not None
    assert packet.payload == b""


@pytest.mark.parametrize("other", [frame(b"x", protocol=17), frame(b"x", kind=0x86DD), b"short"])
def test_all_else_is_left_out(other: bytes) -> None:
    assert parse(other) is None


def test_an_interface_that_is_not_there_is_said() -> None:
    with pytest.raises(CaptureUnavailableError, match="packets"), Capture("nowhere0"):
        pass
