"""The address that a person names: understood, or refused with what to type instead."""

from __future__ import annotations

import pytest

from lab.base.errors import UsageError
from lab.stage.audience import AudienceAddress


def own() -> list[str]:
    return ["192.168.1.20"]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.168.1.20", "192.168.1.20", 7466),
        (" 192.168.1.20:8000 ", "192.168.1.20", 8000),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[2001:db8::1]:8000", "[2001:db8::1]", 8000),
        ("2001:db8::1", "[2001:db8::1]", 7466),
        ("[2001:db8::1]", "[2001:db8::1]", 7466),
    ],
)
def test_an_address_may_have_a_port(text: str, host: str, port: int) -> None:
    found = AudienceAddress.parse(text, own=own)
    assert (found.host, found.port) == (host, port)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is not an IP address, with or without a port"),
        ("laptop.local", "'laptop.local' is not an IP address"),
        ("192.168.1", "'192.168.1' is not an IP address"),
        ("192.168.1.20:", "is not an IP address"),
        ("192.168.1.20:http", "is not an IP address"),
        ("192.168.1.20:99999", "99999 is not a port: a port is at most 65535"),
        ("http://192.168.1.20", "is not an IP address"),
        ("0.0.0.0", "0.0.0.0 is not the address of one machine"),  # noqa: S104
        ("[::]:80", ":: is not the address of one machine"),
        ("224.0.0.1", "224.0.0.1 is not the address of one machine"),
    ],
)
def test_anything_else_is_refused_with_what_to_type(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        AudienceAddress.parse(text, own=own)
    assert "192.168.1.20" in str(caught.value.next)


def test_without_a_network_the_error_says_so() -> None:
    with pytest.raises(UsageError) as caught:
        AudienceAddress.parse("x", own=list)
    assert caught.value.next == "connect this machine to a network"


def test_an_address_of_another_machine_cannot_be_used() -> None:
    other = AudienceAddress.parse("192.0.2.1", own=own)  # RFC 5737: documentation
    with (
        pytest.raises(UsageError, match=r"192.0.2.1 is not an address of this machine") as caught,
        other.listening(own=own),
    ):
        pytest.fail("it listens")
    assert caught.value.next == "--audience with one of this machine's addresses: 192.168.1.20"


def test_a_port_that_is_in_use_is_named_with_another_one() -> None:
    with AudienceAddress.parse("127.0.0.1:0").listening() as listener:
        port = listener.getsockname()[1]
        with (
            pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 is in use") as caught,
            AudienceAddress.parse(f"127.0.0.1:{port}").listening(),
        ):
            pytest.fail("it listens")
    assert caught.value.next == "any free port: --audience 127.0.0.1:0"
