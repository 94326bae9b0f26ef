"""What engines say, in the lab's words. The texts are from Docker 20.10 and 28."""

from __future__ import annotations

import pytest

from lab.base.errors import CommandError, HostError, LabError
from lab.tools.docker import EngineDeniedError, EngineDownError, explain
from lab.tools.docker_errors import EndpointError

DAEMON = "Error response from daemon: "
ENDPOINT = "driver failed programming external connectivity"


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            EngineDownError,
            "at unix:///var/run/docker.sock",
        ),
        (
            "ERROR: Cannot connect to the Docker daemon at tcp://10.0.0.9:2375. Is the docker daemon running?",
            EngineDownError,
            "at tcp://10.0.0.9:2375",
        ),
        (
            'Failed to initialize: unable to resolve docker endpoint: context "x": context not found: open /y: no such',
            EndpointError,
            'context "x": context not found',
        ),
        ('context "x": context not found: open /y: no such file', EndpointError, 'context "x": context not found'),
        ("unable to resolve docker endpoint: open /home/me/.docker/ca.pem: no such file", EndpointError, "ca.pem"),
        ("unexpected EOF\n", EngineDownError, "no container engine"),
        ("error during connect: Get http://x/v1.41/info: EOF", EngineDownError, "no container engine"),
        (
            "permission denied while trying to connect to the Docker daemon socket: connect: permission denied",
            EngineDeniedError,
            "this user",
        ),
        (f"{DAEMON}write /var/lib/docker/tmp/x: no space left on device", HostError, "disk is full"),
        (
            f"{DAEMON}{ENDPOINT}: Bind for 127.0.0.1:8080 failed: port is already allocated",
            HostError,
            "port 8080 on 127.0.0.1",
        ),
        (
            f"{DAEMON}{ENDPOINT}: userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use",
            HostError,
            "port 8080 on 127.0.0.1",
        ),
        (
            f"{DAEMON}failed to bind host port for 127.0.0.1:8080:172.18.0.2:80/tcp: address already in use",
            HostError,
            "port 8080 on 127.0.0.1",
        ),
        (f"{DAEMON}Pool overlaps with other one on this address space", HostError, "subnet overlaps"),
        (
            f"{DAEMON}client version 1.52 is too new. Maximum supported API version is 1.41",
            HostError,
            "1.52 is too new",
        ),
        (
            f"docker: {DAEMON}OCI runtime create failed: unable to apply caps: operation not permitted: unknown.",
            HostError,
            "privileged",
        ),
    ],
)
def test_known_causes_have_a_way_out(said: str, kind: type[LabError], words: str) -> None:
    error = CommandError(["docker", "x"], returncode=1, stderr=said)
    explained = explain(error)
    assert type(explained) is kind
    assert words in explained.what
    assert explained.next
    assert explained.__cause__ is error


def test_an_unknown_failure_stays_what_it_is() -> None:
    error = CommandError(["docker", "x"], returncode=1, stderr="Error: something new")
    assert explain(error) is error


@pytest.mark.parametrize(
    "message",
    [
        "Cannot connect to the Docker daemon at tcp://10.0.0.9:1. Is the docker daemon running?",
        "unable to resolve docker endpoint: open /home/me/.docker/ca.pem: no such file",
        'context "x": context not found: open /y: no such file',
        "unexpected EOF\n",
    ],
)
@pytest.mark.parametrize(
    ("environ", "hint"),
    [
        ({"DOCKER_HOST": "tcp://10.0.0.9:1", "DOCKER_CONTEXT": "x"}, "unset DOCKER_HOST, or correct it"),
        ({"DOCKER_CONTEXT": "x"}, "unset DOCKER_CONTEXT"),
        ({}, "docker context use"),
    ],
)
def test_the_hint_names_the_choice_of_another_engine(
    message: str, environ: dict[str, str], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if message.startswith("unexpected") and "DOCKER_HOST" not in environ:
        hint = "lab doctor --fix"  # nothing says that it is another engine
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert hint in (explain(CommandError(["docker"], returncode=1, stderr=message)).next or "")


@pytest.mark.parametrize("host", ["", "unix:///var/run/docker.sock"])
def test_this_machines_own_engine_is_started_by_the_doctor(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    message = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    assert explain(CommandError(["docker"], returncode=1, stderr=message)).next == "lab doctor --fix"
