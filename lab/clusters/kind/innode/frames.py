"""Copy the frames of a node's uplink to standard output, until standard input ends.

This is the only process of a container in the node's network namespace, so it imports nothing of the lab. Each frame
has its length before it (four bytes, big-endian); a length of 0 means that the capture has started.
"""

import select
import socket
import struct
import sys
from pathlib import Path

_ALL_PROTOCOLS = 0x0003  # linux/if_ether.h
_LARGEST = 262144


def uplink(table: str) -> str:
    """Return the interface of the default route (proc(5), /proc/net/route)."""
    for line in table.splitlines()[1:]:
        interface, destination, *_ = line.split()
        if destination == "00000000":
            return interface
    raise SystemExit("the node has no default route")


def main() -> None:
    """Capture frames and copy them."""
    if sys.platform != "linux":
        raise SystemExit("this program runs in a node's network namespace")
    interface = uplink(Path("/proc/net/route").read_text(encoding="ascii"))
    # A socket for one protocol sees only what arrives; one for all sees what is sent as well (packet(7)).
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
    listener.bind((interface, 0))
    out = sys.stdout.buffer
    out.write(struct.pack("!I", 0))
    out.flush()
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:  # readable only at its end: nothing is written to it
            return
        if listener in ready:
            frame = listener.recv(_LARGEST)
            out.write(struct.pack("!I", len(frame)) + frame)
            out.flush()


if __name__ == "__main__":
    main()
