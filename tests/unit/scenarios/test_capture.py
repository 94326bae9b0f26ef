from __future__ import annotations

import struct
import sys

import pytest

from lab.base import cancel
from lab.base.cancel import Cancelled, Token
from lab.clusters.kind.innode import frames
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


def reader(code: str) -> Capture:
    return Capture(argv=[sys.executable, "-u", "-c", f"import struct, sys\n{code}"], where="lab-west-control-plane")


def test_frames_are_taken_since_the_last_time_until_the_input_ends() -> None:
    one, two = frame(b"one"), frame(b"two", protocol=17)
    code = f"""
for frame in (b"", {one!r}, {two!r}, {one!r}):
    sys.stdout.buffer.write(struct.pack("!I", len(frame)) + frame)
sys.stdout.flush()
sys.stdin.read()
"""
    with reader(code) as capture:
        assert [packet.payload for packet in capture.take()] == [b"one", b"one"]
        assert capture.take() == []
        child = capture._child
    assert child.returncode == 0, "it ended by itself"


def test_why_there_is_no_capture_is_said() -> None:
    code = "sys.exit('PermissionError: Operation not permitted')"
    with pytest.raises(CaptureUnavailableError, match="not permitted") as caught, reader(code):
        pass
    assert caught.value.where == "lab-west-control-plane"


def test_the_uplink_is_the_default_routes_interface() -> None:
    table = "Iface Destination Gateway\nveth1 0002F40A 00000000\neth1 00000000 0100C81E\n"
    assert frames.uplink(table) == "eth1"
    with pytest.raises(SystemExit, match="no default route"):
        frames.uplink("Iface Destination Gateway\n")


def test_a_capture_that_is_cancelled_before_it_begins_leaves_no_command_behind() -> None:
    with cancel.using(Token()) as token:
        token.cancel()
        capture = reader("sys.stdin.read()")
        with pytest.raises(Cancelled), capture:
            pass
    assert capture._child.returncode is not None
