"""A program that runs inside a pod (standard library only): sends one request and prints the result as JSON.

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
from typing import Any
from urllib.parse import urlsplit

UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH}


def main() -> None:
    """Send the request that the argument describes."""
    request = json.loads(sys.argv[1])
    result = {"status": 0, "headers": {}, "body": "", "error": "", "failure": "", "peer": "", "certificate": ""}
    try:
        send(request, result)
    except (OSError, ValueError, http.client.HTTPException) as error:
        result["error"] = f"{type(error).__name__}: {error}"
        result["failure"] = failure(error)
    print(json.dumps(result))


def send(request: dict[str, Any], result: dict[str, Any]) -> None:
    """Connect, speak TLS if requested, send the request, and record each stage that is reached."""
    url = urlsplit(request["url"])
    secure = url.scheme == "https"
    connection = http.client.HTTPConnection(
        url.hostname, url.port or (443 if secure else 80), timeout=request["timeout_s"]
    )
    try:
        connection.connect()
        result["peer"] = connection.sock.getpeername()[0]
        if secure:
            connection.sock = tls(connection.sock, request, url.hostname)
            result["certificate"] = base64.b64encode(connection.sock.getpeercert(binary_form=True) or b"").decode()
            connection.sock.sendall(base64.b64decode(request.get("preface", "")))
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request(request["method"], path, headers=request["headers"])
        response = connection.getresponse()
        result["status"] = response.status
        result["headers"] = {name.lower(): value for name, value in response.getheaders()}
        result["body"] = response.read(4000).decode("utf-8", "replace")
    finally:
        connection.close()


def tls(plain: socket.socket, request: dict[str, Any], host: str) -> ssl.SSLSocket:
    """Return a TLS connection that accepts any server certificate, so that only the server can refuse."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if "alpn" in request:
        context.set_alpn_protocols([request["alpn"]])
    if "identity_bytes" in request:
        if sys.platform != "linux":
            raise OSError("this program runs in a pod")
        file = os.memfd_create("identity")  # the pod's file system is read-only, and no disk should hold a key
        os.write(file, sys.stdin.buffer.read(request["identity_bytes"]))
        context.load_cert_chain(f"/proc/self/fd/{file}")
        os.close(file)
    return context.wrap_socket(plain, server_hostname=request.get("server_name", host))


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
    """Return how a request without a response ended, as a value of scenarios.probes.Failure."""
    if isinstance(error, socket.gaierror):
        return "no such name" if error.errno in {socket.EAI_NONAME, socket.EAI_NODATA} else "other"
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return "TLS alert"
    if isinstance(error, OSError) and error.errno in UNREACHABLE:
        return "unreachable"
    return next((kind for of, kind in KINDS if isinstance(error, of)), "other")


main()
