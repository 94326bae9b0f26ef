"""The checks of dev_loop that look at processes of this machine."""

from __future__ import annotations

import subprocess
import sys

import psutil

from scenarios.dev_loop import looks

LISTENS = (
    "import socket, sys; one = socket.create_server(('127.0.0.1', 0)); "
    "print(one.getsockname()[1], flush=True); sys.stdin.read()"
)


def test_a_process_that_ended_between_two_looks_listens_nowhere() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", LISTENS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert child.stdin is not None
    assert child.stdout is not None
    port = int(child.stdout.readline())
    process = psutil.Process(child.pid)
    assert [(ip, at) for _, ip, at in looks._listening(process)] == [("127.0.0.1", port)]
    child.stdin.close()
    child.wait()
    child.stdout.close()
    assert looks._listening(process) == []
