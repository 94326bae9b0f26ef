"""Remove keys and tokens from evidence, reports and collected logs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lab.base.names import Json

REDACTED = "[redacted]"
_SECRETS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    # The same in base64, as Secrets and kubeconfigs hold it: "-----BEGIN " with PRIVATE, EC PRIVATE or RSA PRIVATE.
    re.compile(r"LS0tLS1CRUdJTi(?:BQUklWQVRF|BFQyBQUklWQVRF|BSU0EgUFJJVkFUR)[\w+/=]*"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),  # a JSON web token, as service accounts carry them
    re.compile(r"(?<=[Bb]earer )[\w.~+/=-]{8,}"),
    re.compile(r"""(?<=client-key-data: )[^\s"']+|(?<=client-key-data": ")[^"]+"""),
    re.compile(r"""(?<=token: )[^\s"']{16,}|(?<=token": ")[^"]{16,}"""),
    re.compile(r"(?<=://)[^\s/:@]+:[^\s/@]+(?=@)"),  # user and password of a URL
    # A credential in the query of a URL, such as ?access_token=… or &X-Amz-Signature=….
    re.compile(
        r"(?P<kept>[?&][\w.-]*(?:token|secret|passw(?:or)?d|api[_-]?key|credential|signature|\bsig)=)[^\s&#'\"]+",
        re.IGNORECASE,
    ),
)


def redact(text: str) -> str:
    """Return the text without keys and tokens."""
    for secret in _SECRETS:
        text = secret.sub(lambda match: match.groupdict().get("kept", "") + REDACTED, text)
    return text


def redact_json(data: Json) -> Json:
    """Return the document without keys and tokens in any of its strings."""
    match data:
        case str():
            return redact(data)
        case Mapping():
            return {key: redact_json(value) for key, value in data.items()}
        case Sequence():
            return [redact_json(value) for value in data]
        case _:
            return data
