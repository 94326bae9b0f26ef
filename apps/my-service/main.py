"""my-service: says who it is, and what it knows of users in the shared cluster. Change VERSION, save, look again.

Python's standard library only: the same file runs in a pod and on a developer's machine. It answers as podinfo does
(`/api/info`), so that the lab's frontend can ask it.
"""

import json
import os
import socket
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "1"
CLUSTER = os.environ.get("CLUSTER_NAME", "laptop")
USERS_URL = os.environ.get("USERS_URL", "http://users-east.test.svc.cluster.local/")


def users() -> dict[str, object]:
    """Ask users by its name in the cluster; on a laptop HTTP_PROXY leads there."""
    with urllib.request.urlopen(USERS_URL, timeout=2.5) as answer:
        return json.load(answer)


def info() -> dict[str, object]:
    """Who I am and what I know."""
    known = users()
    names = ", ".join(user["name"] for user in known["users"])
    return {
        "hostname": f"{socket.gethostname()}:{os.getpid()}",
        "version": VERSION,
        "color": "#7c3aed" if CLUSTER == "laptop" else "#0f766e",
        "message": f"cluster={CLUSTER}; hello {names}, users of {known['cluster']}, who see {known['caller']}",
    }


class Handler(BaseHTTPRequestHandler):
    """Answers every path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        try:
            said, status = info(), 200
        except (OSError, ValueError, KeyError) as error:
            said, status = {"error": f"users does not answer: {error}"}, 502
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Room for many at once."""

    request_queue_size = 128


if __name__ == "__main__":
    Server((os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8000"))), Handler).serve_forever()
