"""Print a line for each IPv4 packet that leaves through a device. Runs alone, in a machine's network namespace."""

from __future__ import annotations

import socket
import sys

_ALL, _IPV4, _OUTGOING = 3, 0x0800, 4
"""Only a socket for all protocols sees what leaves (packet(7))."""
_NAMES = {1: "icmp", 6: "tcp", 17: "udp"}
_DNS = 53


def asked(message: bytes) -> str:
    """Return the name in the first question of a DNS message (RFC 1035, 4.1)."""
    labels, rest = [], message[12:]
    while rest and rest[0]:
        labels.append(rest[1 : 1 + rest[0]].decode("latin-1"))
        rest = rest[1 + rest[0] :]
    return ".".join(labels) or "."


def text(packet: bytes) -> str:
    """Return protocol, ends, and the name that a DNS query asks for."""
    length, protocol = (packet[0] & 15) * 4, packet[9]
    source, target = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
    port = int.from_bytes(packet[length + 2 : length + 4], "big") if protocol in {6, 17} else 0
    name = f" {asked(packet[length + 8 :])}" if protocol == 17 and port == _DNS else ""
    return f"{_NAMES.get(protocol, protocol)} {source} > {target}:{port}{name}"


def main() -> None:
    """Record until the process is ended; the first line says that recording has begun."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL)) as device:
        device.bind((sys.argv[1], _ALL))
        print("recording", flush=True)
        while True:
            packet, where = device.recvfrom(65535)
            if where[1:3] == (_IPV4, _OUTGOING):
                print(text(packet), flush=True)


if __name__ == "__main__":
    main()
