"""Runs inside a pod (standard library only): send one request, print what became of it as JSON.

Argument: the request as JSON (url, method, timeout_s, headers; for a TLS client with a certificate of its own also
server_name, alpn, preface in base64, and identity_bytes, the length of the key and certificate on standard input).
"""

import base64
import errno
import http.client
import json
import os
import socket
import ssl
import sys
from urllib.parse import urlsplit

UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH}


def main() -> None:
    """Send the request that the argument describes."""
    asked = json.loads(sys.argv[1])
    said = {"status": 0, "headers": {}, "body": "", "error": "", "failure": "", "peer": "", "certificate": ""}
    try:
        send(asked, said)
    except (OSError, ValueError, http.client.HTTPException) as error:
        said["error"] = f"{type(error).__name__}: {error}"
        said["failure"] = failure(error)
    print(json.dumps(said))


def send(asked: dict, said: dict) -> None:
    """Connect, speak TLS if requested, send the request, and record each stage that is reached."""
    url = urlsplit(asked["url"])
    secure = url.scheme == "https"
    connection = http.client.HTTPConnection(
        url.hostname, url.port or (443 if secure else 80), timeout=asked["timeout_s"]
    )
    try:
        connection.connect()
        said["peer"] = connection.sock.getpeername()[0]
        if secure:
            connection.sock = tls(connection.sock, asked, url.hostname)
            said["certificate"] = base64.b64encode(connection.sock.getpeercert(binary_form=True) or b"").decode()
            connection.sock.sendall(base64.b64decode(asked.get("preface", "")))
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request(asked["method"], path, headers=asked["headers"])
        answer = connection.getresponse()
        said["status"] = answer.status
        said["headers"] = {name.lower(): value for name, value in answer.getheaders()}
        said["body"] = answer.read(4000).decode("utf-8", "replace")
    finally:
        connection.close()


def tls(plain: socket.socket, asked: dict, host: str) -> ssl.SSLSocket:
    """Return a TLS connection that believes any server: a refusal has to be the server's, not this client's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if "alpn" in asked:
        context.set_alpn_protocols([asked["alpn"]])
    if "identity_bytes" in asked:
        file = os.memfd_create("identity")  # the pod's file system is read-only, and a key belongs in no file
        os.write(file, sys.stdin.buffer.read(asked["identity_bytes"]))
        context.load_cert_chain(f"/proc/self/fd/{file}")
        os.close(file)
    return context.wrap_socket(plain, server_hostname=asked.get("server_name", host))


KINDS = (
    (ssl.SSLEOFError, "closed"),
    (ssl.SSLZeroReturnError, "closed"),
    (http.client.RemoteDisconnected, "closed"),
    (ConnectionResetError, "reset"),
    (BrokenPipeError, "reset"),
    (ConnectionRefusedError, "connection refused"),
    (TimeoutError, "timed out"),
)


def failure(error: Exception) -> str:
    """Return how a request ended without an answer, as a value of scenarios.probes.Failure."""
    if isinstance(error, socket.gaierror):
        return "no such name" if error.errno in {socket.EAI_NONAME, socket.EAI_NODATA} else "other"
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return "TLS alert"
    if isinstance(error, OSError) and error.errno in UNREACHABLE:
        return "unreachable"
    return next((kind for of, kind in KINDS if isinstance(error, of)), "other")


main()
