"""A TLS client outside of the clusters: straight to a gateway, with a certificate that any authority signed."""

from __future__ import annotations

import http.client
import os
import ssl
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.base.pki import Issued
from lab.mesh.model import TlsEntrance
from lab.scenario.evidence import Evidence, EvidenceKind

from .probes import Said

_TIMEOUT_S = 5.0


class _ToGateway(http.client.HTTPSConnection):
    """A connection to a gateway that asks for a service behind it as the mesh's own proxies do."""

    def __init__(self, entrance: TlsEntrance, *, context: ssl.SSLContext) -> None:
        super().__init__(entrance.address, entrance.port, timeout=_TIMEOUT_S, context=context)
        self._tls, self._entrance = context, entrance

    def connect(self) -> None:
        """Connect, with the entrance's server name instead of the address, and say what comes before requests."""
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._entrance.server_name)
        self.sock.sendall(self._entrance.preface)


def ask(entrance: TlsEntrance, *, host: str, path: str, identity: Issued, who: str) -> Said:
    """Send one GET through a gateway with this certificate; whoever answers is believed.

    Args:
        entrance: where to connect, and as what.
        host: full name of the service behind it.
        path: to ask for.
        identity: the client's certificate with its chain.
        who: the client, in the evidence's title.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # When the connection is refused, the server has to have done it.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([entrance.alpn])
    with TemporaryDirectory() as folder:
        file = Path(folder) / "identity.pem"
        with open(file, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
            stream.write(identity.key + identity.certificate)
        context.load_cert_chain(file)
    status, body, error = 0, "", ""
    connection = _ToGateway(entrance, context=context)
    try:
        connection.request("GET", path, headers={"host": host})
        answer = connection.getresponse()
        status, body = answer.status, answer.read(4000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as problem:
        error = f"{type(problem).__name__}: {problem}"
    finally:
        connection.close()
    evidence = Evidence(
        kind=EvidenceKind.ANSWERS,
        title=f"GET {path} of {host} by {who}, straight to {entrance.address}:{entrance.port}",
        text=f"HTTP {status}\n{body}" if status else error,
        data={"status": status, "error": error},
    )
    return Said(status=status, body=body, error=error, evidence=evidence)
