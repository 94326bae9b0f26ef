"""Hold the frames that a node sends to another node for a while, lose some of them, and send them at a limited rate.

The only process of a container in the node's network namespace, so it imports nothing of the lab. It opens a TAP
device; a filter of the node (`lab.clusters.kind.distance.delay_line`) redirects frames from the node's uplink to it.
Each frame is sent on the same uplink when it is due, as it was. The device exists only while this program runs.

`DelayLine` does what tc-netem(8) does with `delay`, `loss` and `rate`, with one difference: frames keep their order.
"""

import argparse
import fcntl
import os
import random
import select
import signal
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Iterator

LONGEST_WAIT_S = 0.2
"""Most seconds that a frame waits for others, at a limited rate; then frames are dropped, as a router does."""
LEAST_QUEUED = 16
"""Frames that may wait in any case: at a low rate, one frame alone takes longer than that."""
_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_SIOCSIFFLAGS, _SIOCSIFMTU, _SIOCGIFMTU, _SIOCSIFTXQLEN = 0x8914, 0x8922, 0x8921, 0x8943  # linux/sockios.h
_IFF_UP, _IFF_NOARP = 0x1, 0x80
_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20  # linux/if_packet.h
_QUEUE = 20_000
"""Frames that the device holds while this program is busy; the kernel drops more."""
_AT_ONCE = 64
"""Frames that are read before due ones are sent."""
_LARGEST = 65_536
_SOCKET_BYTES = 1 << 22


class DelayLine:
    """Frames on their way.

    Args:
        delay_s: the time that each frame takes.
        jitter_s: the most that a frame takes more or less; uniformly distributed.
        loss: the share of frames that are lost.
        rate_bit_s: bits per second; 0 for no limit.
        seed: makes losses and jitter repeatable.
    """

    def __init__(self, *, delay_s: float, jitter_s: float, loss: float, rate_bit_s: float, seed: int) -> None:
        self._delay_s, self._jitter_s, self._loss, self._rate_bit_s = delay_s, jitter_s, loss, rate_bit_s
        self._random = random.Random(seed)  # noqa: S311 - losses must be repeatable, not secret
        self._held: deque[tuple[float, bytes]] = deque()
        self._sending: deque[float] = deque()
        self._last_due_s = self._free_s = 0.0

    def take(self, frame: bytes, now_s: float) -> None:
        """Hold a frame, or lose it."""
        if self._loss and self._random.random() < self._loss:
            return
        sent_s = self._serialise(len(frame), now_s)
        if sent_s is None:
            return
        jitter_s = self._random.uniform(-self._jitter_s, self._jitter_s) if self._jitter_s else 0.0
        # Frames keep their order: TCP takes a frame that overtakes others for a loss.
        self._last_due_s = max(self._last_due_s, sent_s + self._delay_s + jitter_s)
        self._held.append((self._last_due_s, frame))

    def due(self, now_s: float) -> Iterator[bytes]:
        """Yield the frames that have arrived, in their order."""
        while self._held and self._held[0][0] <= now_s:
            yield self._held.popleft()[1]

    def next_s(self) -> float | None:
        """Return when the next frame is due; None if no frame is on its way."""
        return self._held[0][0] if self._held else None

    def _serialise(self, size: int, now_s: float) -> float | None:
        """Return when the last bit of a frame is on the line; None if too many frames wait before it."""
        if not self._rate_bit_s:
            return now_s
        while self._sending and self._sending[0] <= now_s:
            self._sending.popleft()
        begin_s = max(now_s, self._free_s)
        if begin_s - now_s > LONGEST_WAIT_S and len(self._sending) >= LEAST_QUEUED:
            return None
        self._free_s = begin_s + size * 8 / self._rate_bit_s
        self._sending.append(self._free_s)
        return self._free_s


def open_device(name: str, uplink: str) -> int:
    """Create the device with the uplink's MTU, and return its file descriptor."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        mtu = fcntl.ioctl(control, _SIOCGIFMTU, struct.pack("16s24x", uplink.encode()))[16:20]
        fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16s4s20x", name.encode(), mtu))
        fcntl.ioctl(control, _SIOCSIFTXQLEN, struct.pack("16si20x", name.encode(), _QUEUE))
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), _IFF_UP | _IFF_NOARP))
    return device


def open_uplink(uplink: str) -> socket.socket:
    """Return a socket that sends whole frames on the uplink."""
    if sys.platform != "linux":
        raise SystemExit("this program runs in a node's network namespace")
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    # Past the filter that redirected the frame, or it would come back.
    out.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
    out.bind((uplink, 0))
    return out


def run(line: DelayLine, device: int, out: socket.socket, stop: socket.socket) -> None:
    """Delay frames until `stop` is readable; then send those that are on their way, and end."""
    inputs: list[int | socket.socket] = [device, stop]
    while True:
        next_s = line.next_s()
        if next_s is None and not inputs:
            return
        # select's time limit has microseconds, epoll's only milliseconds.
        wait_s = None if next_s is None else max(0.0, next_s - time.monotonic())
        ready, _, _ = select.select(inputs, [], [], wait_s)
        if stop in ready:
            while _read(line, device):
                pass
            inputs = []
        elif device in ready:
            _read(line, device)
        for frame in line.due(time.monotonic()):
            try:
                out.send(frame)
            except OSError:  # the uplink is down or its queue is full: the frame is lost, as on any wire
                continue


def _read(line: DelayLine, device: int) -> bool:
    """Read frames, and return whether there may be more."""
    for _ in range(_AT_ONCE):
        try:
            frame = os.read(device, _LARGEST)
        except BlockingIOError:
            return False
        line.take(frame, time.monotonic())
    return True


def main() -> None:
    """Delay frames until SIGTERM."""
    parser = argparse.ArgumentParser()
    for name in ("device", "uplink"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("delay-ms", "jitter-ms", "loss-percent", "rate-kbit"):
        parser.add_argument(f"--{name}", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    line = DelayLine(
        delay_s=options.delay_ms / 1_000,
        jitter_s=options.jitter_ms / 1_000,
        loss=options.loss_percent / 100,
        rate_bit_s=options.rate_kbit * 1_000,
        seed=options.seed,
    )
    wake, stop = socket.socketpair()
    wake.setblocking(False)  # noqa: FBT003 - of the standard library
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)
    out = open_uplink(options.uplink)
    run(line, open_device(options.device, options.uplink), out, stop)


if __name__ == "__main__":
    main()
