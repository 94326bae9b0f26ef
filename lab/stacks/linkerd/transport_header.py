"""What a Linkerd proxy says first inside of TLS, so that the gateway knows which service is meant."""

from __future__ import annotations

ALPN = "transport.l5d.io/v1"
"""The protocol's name, in TLS and again at the beginning (linkerd2-proxy, linkerd/transport-header/src/lib.rs)."""
_HTTP1 = b"\x1a\x02\x0a\x00"  # session_protocol (3) is a message, in it http1 (1), an empty one


def header(name: str, port: int) -> bytes:
    """Return the header of a connection that speaks HTTP/1 with a service.

    Its form is the message `Header` of linkerd2-proxy's linkerd/transport-header/proto/header.proto, after its length
    in four bytes.

    Args:
        name: full name of the service, shorter than 128 characters.
        port: of the service.
    """
    words = name.encode("ascii")
    if len(words) > 127:
        raise ValueError(f"a name of {len(words)} characters: its length would need a second byte")
    message = b"\x08" + _varint(port) + b"\x12" + bytes([len(words)]) + words + _HTTP1
    return ALPN.encode() + b"\r\n\r\n" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    """Encode a number as Protocol Buffers do: seven bits a byte, the lowest first."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
