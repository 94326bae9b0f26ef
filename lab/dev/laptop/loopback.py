"""Connect to a port on this machine's loopback addresses; some development servers listen on ::1 only."""

from __future__ import annotations

import asyncio
import socket

ADDRESSES = ("127.0.0.1", "::1")


def listens(port: int) -> bool:
    """Return whether something accepts connections on the port."""
    for address in ADDRESSES:
        try:
            with socket.create_connection((address, port), timeout=1):
                return True
        except OSError:
            continue
    return False


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the port, on 127.0.0.1 or else on ::1.

    Raises:
        OSError: nothing listens on either address; the error is from 127.0.0.1.
    """
    ipv4, ipv6 = ADDRESSES
    try:
        return await asyncio.open_connection(ipv4, port)
    except OSError as refused:
        try:
            return await asyncio.open_connection(ipv6, port)
        except OSError:
            raise refused from None
