"""Serve files of releases over TLS: FOLDER/releases/HOST/PATH. Runs alone, in a machine's network namespace."""

from __future__ import annotations

import ssl
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ADDRESS, FOLDER = sys.argv[1], Path(sys.argv[2])


class Handler(SimpleHTTPRequestHandler):
    """Finds a file by the host that the client names."""

    def translate_path(self, path: str) -> str:
        """Return the file of a request."""
        return super().translate_path(f"/{self.headers.get('Host', 'none')}{path}")


def main() -> None:
    """Serve until the process is ended."""
    server = ThreadingHTTPServer((ADDRESS, 443), lambda *args: Handler(*args, directory=str(FOLDER / "releases")))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER / "server.pem", FOLDER / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
