"""The values of lab.toml: their types, and the words for one that is not valid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Interface, IPv4Network
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictInt

from lab.base import distance

_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_LABEL_VALUE = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_DOMAIN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_COLOR = r"^#[0-9a-fA-F]{6}$"
_PINNED = r"^[^@\s]+@sha256:[0-9a-f]{64}$"
_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
_MIRROR = r"^[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._/-]+)?$"
_SERVER = r"^https://[^\s/?#]+$"
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))  # RFC 1918
PATTERNS = {
    _LABEL: "is not a DNS label: lower-case letters, digits and '-', at most 20 characters",
    _LABEL_VALUE: "is not a Kubernetes label value: letters, digits, '-', '_' and '.', at most 63 characters",
    _DOMAIN: "is not a domain name: lower-case letters, digits, '-' and '.'",
    _LINE: "has a control character, such as a line break",
    _COLOR: "is not a colour of the form #2563eb",
    _PINNED: "is not an image with a digest, as in name:tag@sha256:<64 hexadecimal digits>",
    _MIRROR: "is not a registry host, as in 127.0.0.1:5000 or registry.example/prefix",
    _SERVER: "is not the URL of an API server, as in https://203.0.113.7:6443",
}

# RFC 1123 label, shortened so that "<lab>-<cluster>-control-plane" stays within a host name's 63 characters.
DnsLabel = Annotated[str, Field(pattern=_LABEL, max_length=20)]
PortNumber = Annotated[StrictInt, Field(ge=1, le=65535)]
LabelValue = Annotated[str, Field(pattern=_LABEL_VALUE, max_length=63)]
Color = Annotated[str, Field(pattern=_COLOR)]
Line = Annotated[str, Field(pattern=_LINE)]
PinnedImage = Annotated[str, Field(pattern=_PINNED)]
Domain = Annotated[str, Field(pattern=_DOMAIN, max_length=253)]
Mirror = Annotated[str, Field(pattern=_MIRROR)]
Server = Annotated[str, Field(pattern=_SERVER)]


def _cidr(value: Any) -> IPv4Network:
    try:
        interface = IPv4Interface(value if isinstance(value, str) and "/" in value else "")
    except ValueError:
        raise ValueError(
            f'must be an IPv4 network in quotation marks, such as "172.30.0.0/24", not {value!r}'
        ) from None
    network = interface.network
    if interface.ip != network.network_address:
        raise ValueError(f"{value} has host bits set; write {network}")
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise ValueError(f"{network} is not private; use a part of {', '.join(map(str, _PRIVATE))}")
    return network


Cidr = Annotated[IPv4Network, BeforeValidator(_cidr)]


def _quoted(parse: Callable[[str], float], example: str) -> BeforeValidator:
    """Return a validator of a text that `parse` understands."""

    def validate(value: Any) -> float:
        if not isinstance(value, str):
            # A TypeError would end pydantic's validation.
            raise ValueError(f"must be text in quotation marks, such as {example!r}, not {value!r}")  # noqa: TRY004
        return parse(value)

    return BeforeValidator(validate)


def _between(value: Any) -> Any:
    names = value if isinstance(value, list) else []
    if len(names) != 2 or not all(isinstance(name, str) for name in names):
        raise ValueError(f'must be a list of two clusters, such as ["west", "east"], not {value!r}')
    if names[0] == names[1]:
        raise ValueError(f"both clusters are {names[0]}; name two different clusters")
    return names


def tables_only(value: Any) -> Any:
    """Return the value of `links`; raises ValueError if it is not an array of tables."""
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise ValueError("must be tables, each with the line [[links]] above its keys")
    return value


Pair = Annotated[tuple[str, str], BeforeValidator(_between)]
Milliseconds = Annotated[float, _quoted(distance.delay_ms, "80ms")]
Percent = Annotated[float, _quoted(distance.loss_percent, "1%")]
Kbit = Annotated[int, _quoted(distance.rate_kbit, "20mbit")]

_MUST = {
    "int_type": "a whole number without quotation marks, such as 8080",
    "bool_type": "true or false, without quotation marks",
    "string_type": 'text in quotation marks, such as "east"',
    "tuple_type": 'a list of names, such as ["east"]',
    "model_type": "a table, such as [clusters.north]",
    "dict_type": "a table, such as [exports]",
    "literal_error": "one of {expected}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "string_too_short": "text that is not empty",
    "string_too_long": "text of at most {max_length} characters",
}
"""The needed type or value, by pydantic's type of an error."""


def words(error: Any) -> str:
    """Return what is wrong with a value, from pydantic's error; not for an unknown key."""
    kind, value = error["type"], error["input"]
    if kind == "string_pattern_mismatch":
        return f"{value!r} {PATTERNS[error['ctx']['pattern']]}"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind in _MUST:
        return f"must be {_MUST[kind].format(**error.get('ctx', {}))}, not {value!r}"
    message = str(error["msg"])
    return f"{message[0].lower()}{message[1:]}, not {value!r}"
