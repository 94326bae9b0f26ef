"""Capture TCP segments between the nodes, from frames that a command in a node's network namespace prints."""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from types import TracebackType
from typing import IO, Self

from lab.base import process, wait
from lab.base.errors import LabError, WaitTimeout
from lab.base.wait import NotYet

_IPV4 = 0x0800
_TCP = 6
_START_S, _END_S, _POLL_S = 30.0, 1.0, 0.1
_SETTLE_S = 0.5
"""Packets reach the reader a moment after their request has ended."""
_BY_HAND = "lab doctor"


class CaptureUnavailableError(LabError):
    """Packets cannot be captured on this machine."""


@dataclass(frozen=True, kw_only=True)
class Packet:
    """A TCP segment: addresses and ports (source, destination), and payload."""

    ends: tuple[str, str]
    ports: tuple[int, int]
    payload: bytes


def parse(frame: bytes) -> Packet | None:
    """Parse an Ethernet frame; None if it is not TCP over IPv4 (RFC 791, RFC 9293)."""
    if len(frame) < 54 or struct.unpack_from("!H", frame, 12)[0] != _IPV4:
        return None
    header_length = (frame[14] & 0x0F) * 4
    if frame[14 + 9] != _TCP:
        return None
    total = struct.unpack_from("!H", frame, 14 + 2)[0]
    tcp = 14 + header_length
    data = tcp + (frame[tcp + 12] >> 4) * 4
    source, target = struct.unpack_from("!HH", frame, tcp)
    ends = (str(IPv4Address(frame[26:30])), str(IPv4Address(frame[30:34])))
    # Short frames are padded to 60 bytes; the IP header has the length of the data.
    return Packet(ends=ends, ports=(source, target), payload=frame[data : 14 + total])


@dataclass(kw_only=True)
class Capture:
    """Captures packets while the block runs, with a command inside the network namespace.

    Args:
        argv: a command that prints frames as `lab.clusters.kind.innode.frames` does, until its input ends.
        where: the captured node or interface, for errors.
    """

    argv: Sequence[str]
    where: str
    packets: list[Packet] = field(default_factory=list)
    _listening: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        """Start the capture.

        Raises:
            CaptureUnavailableError: the command cannot capture there; with its last line of output.
        """
        self._child = process.start(self.argv, piped=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            wait.until(f"the packet capture on {self.where}", self._began, timeout_s=_START_S, interval_s=_POLL_S)
        except WaitTimeout as error:
            self._end()
            raise CaptureUnavailableError(error.what, where=self.where, next=_BY_HAND) from error
        except BaseException:
            self._end()
            raise
        if not self._listening.is_set():
            errors = self._end().splitlines() or ["the command ended without output"]
            raise CaptureUnavailableError(f"cannot capture packets: {errors[-1]}", where=self.where, next=_BY_HAND)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the capture."""
        self._end()

    def take(self) -> list[Packet]:
        """Return the packets since the last call."""
        wait.pause(_SETTLE_S)
        with self._guard:
            taken, self.packets = self.packets, []
        return taken

    def _began(self) -> bool | NotYet:
        return self._listening.is_set() or self._over.is_set() or NotYet("the command has not started to capture")

    def _end(self) -> str:
        """Close the command's input, kill it if it does not end, and return its error output."""
        stdin, _, errors = self._pipes()
        stdin.close()
        self._reader.join(_END_S)
        process.stop(self._child)
        self._child.wait()
        with errors:
            return errors.read().decode(errors="replace").strip()

    def _read(self) -> None:
        _, frames, _ = self._pipes()
        with frames:
            while head := _exactly(frames, 4):
                self._listening.set()
                frame = _exactly(frames, struct.unpack("!I", head)[0])
                if (packet := parse(frame)) is not None:
                    with self._guard:
                        self.packets.append(packet)
        self._over.set()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        child = self._child
        assert child.stdin and child.stdout and child.stderr  # noqa: S101, PT018 - started with pipes
        return child.stdin, child.stdout, child.stderr


def _exactly(stream: IO[bytes], size: int) -> bytes:
    """Read exactly `size` bytes; empty if the stream ends before."""
    data = b""
    while len(data) < size:
        if not (more := stream.read(size - len(data))):
            return b""
        data += more
    return data
