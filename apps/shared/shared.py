"""The shared cluster's services: backend, users, large-stuff. Python's standard library only; see README.md."""

import json
import os
import secrets
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

USERS = [{"name": "Ada"}, {"name": "Grace"}, {"name": "Radia"}]
LARGE = Path("/data/large-stuff.bin")
LARGE_MIB = 32
MARKER = f"large-stuff-{secrets.token_hex(16)}"
"""A random text in every line of the data: a copy of the data can be found by it."""


def users() -> dict[str, object]:
    """Return the users."""
    return {"users": USERS}


def large_stuff() -> dict[str, object]:
    """Return size and marker of the large data."""
    return {"bytes": LARGE.stat().st_size, "marker": MARKER}


def backend() -> dict[str, object]:
    """Return a summary of the other two services, called in the same cluster."""
    with urllib.request.urlopen("http://users/", timeout=5) as answer:
        people = json.load(answer)["users"]
    with urllib.request.urlopen("http://large-stuff/", timeout=5) as answer:
        large = json.load(answer)
    return {"users": len(people), "large_stuff": large}


SERVICES = {"backend": backend, "users": users, "large-stuff": large_stuff}


class Handler(BaseHTTPRequestHandler):
    """Answers every path with the service's document, and with the caller's identity from the mesh's header."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with the document as JSON."""
        name = sys.argv[1]
        try:
            document = {} if self.path == "/healthz" else SERVICES[name]()
            status = 200
        except (OSError, ValueError, KeyError) as error:
            document, status = {"error": f"{type(error).__name__}: {error}"}, 502
        caller = self.headers.get("x-forwarded-client-cert", "").rpartition("URI=")[2]
        where = {"service": name, "cluster": os.environ["CLUSTER_NAME"], "caller": caller}
        body = json.dumps({**where, **document}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log no requests."""


def main() -> None:
    """Serve until the pod is deleted."""
    if sys.argv[1] == "large-stuff":
        line = (MARKER + "\n").encode()
        block = line * ((1 << 20) // len(line))
        with LARGE.open("wb") as file:
            for _ in range(LARGE_MIB):
                file.write(block)
    ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()  # noqa: S104 - in a pod


if __name__ == "__main__":
    main()
