"""Who spoke to whom: the identities that a mesh's proxy in front of podinfo put on the request.

Istio's Envoy says it in `X-Forwarded-Client-Cert` (Envoy's documentation, "HTTP header manipulation"),
Linkerd's proxy in `l5d-client-id` and, behind a multi-cluster gateway, `Forwarded` (RFC 7239).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

XFCC = "x-forwarded-client-cert"
L5D_CLIENT_ID = "l5d-client-id"
FORWARDED = "forwarded"

_SPIFFE = re.compile(r"spiffe://(?P<trust_domain>[^/]+)/ns/(?P<namespace>[^/]+)/sa/(?P<service_account>[^/]+)")
_LINKERD = re.compile(
    r"(?P<service_account>[^.]+)\.(?P<namespace>[^.]+)\.serviceaccount\.identity\.[^.]+\.(?P<trust_domain>.+)"
)

Element = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One end of a connection. The parts are None where the identity is of an unknown form."""

    id: str
    trust_domain: str | None = None
    namespace: str | None = None
    service_account: str | None = None

    @classmethod
    def parse(cls, identity: str) -> "Peer":
        """Take apart a SPIFFE id of a Kubernetes service account, or Linkerd's DNS-like name of one."""
        match = _SPIFFE.fullmatch(identity) or _LINKERD.fullmatch(identity)
        return cls(id=identity, **match.groupdict()) if match else cls(id=identity)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What one request's headers tell.

    `client` is the workload that asked, `server` the one that answered, `gateway` a gateway between them that
    ended the client's TLS. None means that the headers do not name it: Linkerd's never name the server.
    `source` is the header that the client was read from, `problem` why a header could not be read.
    """

    source: str | None = None
    client: Peer | None = None
    server: Peer | None = None
    gateway: Peer | None = None
    problem: str | None = None

    def as_json(self) -> dict[str, object]:
        """As the API shows it; `mtls` tells whether a proxy vouched for the client's certificate."""
        return {"mtls": self.client is not None, **asdict(self)}


def read_identity(headers: Mapping[str, Sequence[str]]) -> Identity:
    """Read the identities from the request headers that the server saw, by lower-case name."""
    try:
        if XFCC in headers:
            return _from_xfcc(",".join(headers[XFCC]))
        if L5D_CLIENT_ID in headers:
            return _from_linkerd(headers[L5D_CLIENT_ID][0], ",".join(headers.get(FORWARDED, ())))
    except ValueError as error:
        return Identity(problem=str(error))
    return Identity()


def _from_xfcc(value: str) -> Identity:
    elements = parse_elements(value)
    # Each proxy appends: the first element is what the first proxy saw, the last what podinfo's own one saw.
    first, last = elements[0], elements[-1]
    client, server = _peer(first, "uri"), _peer(last, "by")
    gateway = _peer(last, "uri") if len(elements) > 1 else None
    if client is None:
        return Identity(source=XFCC, server=server, problem=f"{XFCC} names no client URI")
    return Identity(source=XFCC, client=client, server=server, gateway=gateway)


def _from_linkerd(client_id: str, forwarded: str) -> Identity:
    nearest = Peer.parse(client_id)
    hop = parse_elements(forwarded)[0] if forwarded else {}
    client = _peer(hop, "for")
    # Without a gateway, or with one that says nothing of the client, the nearest peer is all that is known.
    if client is None:
        return Identity(source=L5D_CLIENT_ID, client=nearest)
    return Identity(source=FORWARDED, client=client, gateway=nearest)


def _peer(element: Element, key: str) -> Peer | None:
    values = element.get(key, ())
    return Peer.parse(values[0]) if values and values[0] else None


def parse_elements(value: str) -> list[Element]:
    """Split `k=v;k="v",k=v` into elements, each a map from lower-case key to its values in order.

    X-Forwarded-Client-Cert and Forwarded share this form. A key may come more than once in an element (By and
    URI do when a certificate has several names).

    Raises:
        ValueError: for an empty header, a part without `=`, or a quote that does not end.
    """
    elements: list[Element] = []
    for text in _split(value, ","):
        element: dict[str, list[str]] = {}
        for pair in _split(text, ";"):
            key, equals, content = pair.partition("=")
            if not equals:
                raise ValueError(f"no key=value in {pair!r}")
            element.setdefault(key.strip().lower(), []).append(_unquote(content.strip()))
        if element:
            elements.append(element)
    if not elements:
        raise ValueError("the header is empty")
    return elements


def _split(text: str, separator: str) -> Iterator[str]:
    """The parts of `text` between separators outside quotes, without the empty ones."""
    start, quoted, previous = 0, False, ""
    for at, char in enumerate(text):
        if char == '"' and previous != "\\":
            quoted = not quoted
        elif char == separator and not quoted:
            if part := text[start:at].strip():
                yield part
            start = at + 1
        previous = char
    if quoted:
        raise ValueError(f"a quote does not end in {text!r}")
    if part := text[start:].strip():
        yield part


def _unquote(value: str) -> str:
    if len(value) < 2 or not (value.startswith('"') and value.endswith('"')):
        return value
    # Envoy escapes quotes only: other backslashes belong to the certificate's subject (RFC 2253).
    return value[1:-1].replace('\\"', '"')
