"""The delay line's schedule, with a clock that the test moves, and its loop."""

from __future__ import annotations

import socket
import threading

import pytest

from lab.clusters.kind.innode.delay_line import LEAST_QUEUED, LONGEST_WAIT_S, DelayLine, run

FRAME = b"x" * 1250  # 10,000 bits


def line(*, delay_s: float = 0.0, jitter_s: float = 0.0, loss: float = 0.0, rate_bit_s: float = 0.0) -> DelayLine:
    return DelayLine(delay_s=delay_s, jitter_s=jitter_s, loss=loss, rate_bit_s=rate_bit_s, seed=7)


def arrivals(of: DelayLine) -> list[float]:
    """Return when each frame is due, in their order."""
    times = []
    while (now_s := of.next_s()) is not None:
        times += [now_s] * len(list(of.due(now_s)))
    return times


def test_a_frame_arrives_after_the_delay_and_not_before() -> None:
    one = line(delay_s=0.04)
    one.take(b"a", 10.0)
    one.take(b"b", 10.01)
    assert list(one.due(10.039)) == []
    assert one.next_s() == pytest.approx(10.04)
    assert list(one.due(10.04)) == [b"a"]
    assert list(one.due(11)) == [b"b"]
    assert one.next_s() is None


def test_jitter_varies_the_delay_within_its_bounds() -> None:
    one = line(delay_s=0.04, jitter_s=0.005)
    waited = []
    for now_s in range(1_000):
        one.take(b"a", now_s)
        due_s = one.next_s()
        assert due_s is not None
        waited.append(due_s - now_s)
        list(one.due(due_s))
    assert min(waited) >= 0.035 - 1e-9
    assert max(waited) <= 0.045 + 1e-9
    assert max(waited) - min(waited) > 0.009
    assert sum(waited) / 1_000 == pytest.approx(0.04, abs=0.0005)


def test_frames_keep_their_order_in_spite_of_jitter() -> None:
    one = line(delay_s=0.04, jitter_s=0.04)
    for number in range(100):
        one.take(bytes([number]), number / 10_000)
    assert list(one.due(1)) == [bytes([number]) for number in range(100)]


def test_the_share_of_lost_frames_is_the_loss_and_repeats() -> None:
    def passed() -> list[bytes]:
        one = line(loss=0.05)
        for number in range(10_000):
            one.take(number.to_bytes(2, "big"), 0.0)
        return list(one.due(0.0))

    assert len(passed()) == pytest.approx(9_500, abs=100)
    assert passed() == passed()


def test_a_limited_rate_spaces_frames_by_their_size() -> None:
    one = line(delay_s=0.5, rate_bit_s=1_000_000)
    for _ in range(10):
        one.take(FRAME, 100.0)
    assert arrivals(one) == pytest.approx([100.5 + 0.01 * number for number in range(1, 11)])


def test_a_rate_that_is_not_used_is_not_saved_up() -> None:
    one = line(rate_bit_s=1_000_000)
    one.take(FRAME, 0.0)
    one.take(FRAME, 50.0)
    one.take(FRAME, 50.0)
    assert arrivals(one) == pytest.approx([0.01, 50.01, 50.02])


def test_what_waits_too_long_for_its_turn_is_dropped() -> None:
    one = line(rate_bit_s=1_000_000)
    for _ in range(1_000):
        one.take(FRAME, 0.0)
    times = arrivals(one)
    assert times[-1] == pytest.approx(LONGEST_WAIT_S, abs=0.021)
    one.take(FRAME, 10.0)
    assert arrivals(one) == pytest.approx([10.01]), "the queue is empty again"


def test_at_a_low_rate_some_frames_may_wait_for_longer() -> None:
    one = line(rate_bit_s=64_000)
    for _ in range(100):
        one.take(FRAME, 0.0)
    assert len(arrivals(one)) == LEAST_QUEUED


def test_frames_on_their_way_arrive_when_the_line_is_stopped() -> None:
    node, device = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    out, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    stop, stopped = socket.socketpair()
    device.setblocking(False)
    far.settimeout(10)
    working = threading.Thread(target=run, args=(line(delay_s=0.2), device.fileno(), out, stopped), daemon=True)
    working.start()
    node.send(b"first")
    assert far.recv(100) == b"first"
    node.send(b"second")
    stop.send(b"\x0f")
    working.join(10)
    assert not working.is_alive()
    assert far.recv(100) == b"second"
    for one in (node, device, out, far, stop, stopped):
        one.close()


def test_a_frame_that_cannot_be_sent_is_lost_and_the_line_continues() -> None:
    node, device = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    out, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    stop, stopped = socket.socketpair()
    device.setblocking(False)
    far.close()  # each send fails
    working = threading.Thread(target=run, args=(line(), device.fileno(), out, stopped), daemon=True)
    working.start()
    for _ in range(3):
        node.send(b"frame")
    working.join(0.2)
    assert working.is_alive()
    stop.send(b"\x0f")
    working.join(10)
    assert not working.is_alive()
    for one in (node, device, out, stop, stopped):
        one.close()
