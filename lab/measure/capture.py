"""Bytes between the nodes: a capture on the bridge of the lab's Docker network.

Needs Linux, the engine on this machine, and CAP_NET_RAW (packet(7)); elsewhere there is none, and it says so.
"""

from __future__ import annotations

import socket
import struct
import threading
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.base.errors import LabError
from lab.tools.docker import Docker

_ALL_PROTOCOLS = 0x0003  # ETH_P_ALL, linux/if_ether.h
_IPV4 = 0x0800
_TCP = 6
_SOL_PACKET, _ADD_MEMBERSHIP, _PROMISCUOUS = 263, 1, 1  # linux/if_packet.h
_POLL_S = 0.1
_SETTLE_S = 0.3
"""Packets reach the reader a moment after the request that made them has ended."""


class CaptureUnavailableError(LabError):
    """There is no capture on this machine."""


@dataclass(frozen=True, kw_only=True)
class Packet:
    """A TCP segment: the two addresses, the two ports, and what it carried."""

    ends: tuple[str, str]
    ports: tuple[int, int]
    payload: bytes


def parse(frame: bytes) -> Packet | None:
    """Read an Ethernet frame; None where it holds no TCP over IPv4 (RFC 791, RFC 9293)."""
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
    # Short frames are padded to 60 bytes: the IP header tells where the data ends.
    return Packet(ends=ends, ports=(source, target), payload=frame[data : 14 + total])


@dataclass
class Capture:
    """Listens to an interface while the block runs."""

    interface: str
    packets: list[Packet] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        """Begin to listen.

        Raises:
            CaptureUnavailableError: this process may not.
        """
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
        except (AttributeError, OSError) as error:
            raise CaptureUnavailableError(f"this process may not capture packets: {error}") from error
        try:
            self._socket.bind((self.interface, 0))
            # The bridge hands frames between two containers up to this machine only while it is promiscuous.
            request = struct.pack("IHH8s", socket.if_nametoindex(self.interface), _PROMISCUOUS, 0, b"")
            self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, request)
        except OSError as error:
            self._socket.close()
            raise CaptureUnavailableError(f"no packets can be captured on {self.interface}: {error}") from error
        self._socket.settimeout(_POLL_S)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._over.set()
        self._reader.join()
        self._socket.close()

    def take(self) -> list[Packet]:
        """Return what was seen since the last time."""
        self._over.wait(_SETTLE_S)
        with self._guard:
            taken, self.packets = self.packets, []
        return taken

    def _read(self) -> None:
        while not self._over.is_set():
            try:
                frame = self._socket.recv(65535)
            except TimeoutError:
                continue
            except OSError:  # the interface went away, and with it what could be heard
                return
            if (packet := parse(frame)) is not None:
                with self._guard:
                    self.packets.append(packet)


def bridge_of(network: str) -> str:
    """Return the interface of a Docker network on this machine.

    Raises:
        CaptureUnavailableError: the engine runs on another machine, as in Docker Desktop.
    """
    found = Docker().network(network)
    if found is None:
        raise CaptureUnavailableError(f"there is no network {network}")
    interface = f"br-{found.id[:12]}"
    if not Path("/sys/class/net", interface).exists():
        raise CaptureUnavailableError(f"the engine's interface {interface} is not on this machine")
    return interface
