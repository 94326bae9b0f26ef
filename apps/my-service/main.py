"""my-service: answers like podinfo, with data of the service users in the shared cluster. Change VERSION and save.

Python's standard library only: the same file runs in a pod and on a developer's machine. It answers `/api/info` like
podinfo, so that the lab's frontend can call it.
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
    """Call users by its name in the cluster; on a laptop, through HTTP_PROXY."""
    with urllib.request.urlopen(USERS_URL, timeout=2.5) as answer:
        return json.load(answer)


def info() -> dict[str, object]:
    """Return this service's answer, in the format of podinfo's `/api/info`."""
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
        """Answer with the info as JSON, or with 502 if users does not answer."""
        try:
            document, status = info(), 200
        except (OSError, ValueError, KeyError) as error:
            document, status = {"error": f"users does not answer: {error}"}, 502
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class Server(ThreadingHTTPServer):
    """A server with a queue for many connections."""

    request_queue_size = 128


if __name__ == "__main__":
    Server((os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8000"))), Handler).serve_forever()
