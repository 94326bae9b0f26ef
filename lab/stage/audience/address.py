"""The address at which phones reach this machine."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from lab.base.errors import HostError, UsageError
from lab.host.doctor.snapshot import HostProbes

PORT = 7466
_BACKLOG = 256
_WITH_PORT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[^:\[\]]+))(?::(?P<port>\d{1,5}))?")


def _own_addresses() -> Sequence[str]:
    """Return the addresses of this machine that another machine could reach."""
    found = [str(interface.ip) for _, interface in HostProbes().interfaces()]
    return [one for one in found if not ip_address(one).is_loopback]


@dataclass(frozen=True)
class AudienceAddress:
    """An address of this machine, and a port; 0 is any free port."""

    ip: IPv4Address | IPv6Address
    port: int = PORT

    @classmethod
    def parse(cls, text: str, *, own: Callable[[], Sequence[str]] = _own_addresses) -> AudienceAddress:
        """Read `ADDRESS` or `ADDRESS:PORT`; an IPv6 address with a port is in brackets.

        Raises:
            UsageError: it is not an address of one machine, or not a port.
        """
        match = _WITH_PORT.fullmatch(text.strip())
        bare = text.strip() if match is None else match["v6"] or match["v4"]
        try:
            ip = ip_address(bare)
        except ValueError:
            raise UsageError(f"{text!r} is not an IP address, with or without a port", next=_choice(own)) from None
        if ip.is_unspecified or ip.is_multicast:
            what = f"{ip} is not the address of one machine: the link for the phones needs one that they can reach"
            raise UsageError(what, next=_choice(own))
        port = int(match["port"]) if match is not None and match["port"] else PORT
        if port > 65535:
            raise UsageError(f"{port} is not a port: a port is at most 65535", next=f"--audience {ip}")
        return cls(ip, port)

    @property
    def host(self) -> str:
        """The address as it stands in a URL."""
        return f"[{self.ip}]" if self.ip.version == 6 else str(self.ip)

    @contextmanager
    def listening(self, *, own: Callable[[], Sequence[str]] = _own_addresses) -> Iterator[socket.socket]:
        """Listen while the block runs.

        Raises:
            UsageError: this machine does not have the address, or another program uses the port.
            HostError: this user may not use the port.
        """
        family = socket.AF_INET6 if self.ip.version == 6 else socket.AF_INET
        try:
            listener = socket.create_server((str(self.ip), self.port), family=family, backlog=_BACKLOG)
        except PermissionError as error:
            what = f"this user may not listen on port {self.port}"
            raise HostError(what, next=f"--audience {self.host}:{PORT}") from error
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise UsageError(f"{self.ip} is not an address of this machine", next=_choice(own)) from error
            what = f"port {self.port} of {self.ip} is in use by another program"
            raise UsageError(what, next=f"any free port: --audience {self.host}:0") from error
        with listener:
            yield listener


def _choice(own: Callable[[], Sequence[str]]) -> str:
    known = ", ".join(own())
    return f"--audience with one of this machine's addresses: {known}" if known else "connect this machine to a network"
