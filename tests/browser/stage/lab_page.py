"""The lab's page, as far as the stage needs it: something with a button in a frame."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler


class LabPage(BaseHTTPRequestHandler):
    """Answers with a small page, or with an error while `down` is set."""

    down = False

    def do_GET(self) -> None:
        body = b"<!doctype html><title>page</title><h1>Who answers?</h1><button>Pause</button>"
        self.send_response(503 if self.down else 200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
