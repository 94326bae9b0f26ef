"""Encode the transport header: the first bytes that a Linkerd proxy sends inside TLS, to name the service."""

from __future__ import annotations

ALPN = "transport.l5d.io/v1"
"""The protocol's name, in ALPN and at the start of the header (linkerd2-proxy, linkerd/transport-header/src/lib.rs)."""
_HTTP1 = b"\x1a\x02\x0a\x00"  # session_protocol (3) is a message, in it http1 (1), an empty one


def header(name: str, port: int) -> bytes:
    """Return the transport header of an HTTP/1 connection to a service.

    It consists of the protocol's name, the length in four bytes, and the message `Header` of linkerd2-proxy's
    linkerd/transport-header/proto/header.proto.

    Args:
        name: full name of the service, shorter than 128 characters.
        port: port of the service.
    """
    encoded = name.encode("ascii")
    if len(encoded) > 127:
        raise ValueError(f"the service's full name has {len(encoded)} characters; a transport header allows 127 here")
    message = b"\x08" + _varint(port) + b"\x12" + bytes([len(encoded)]) + encoded + _HTTP1
    return ALPN.encode() + b"\r\n\r\n" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    """Encode a number as a Protocol Buffers varint: seven bits in each byte, the lowest first."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
