"""`lab initialize page`: prints the URL with the choices, opens the browser, and ends with Ctrl-C."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx2
import pytest

from lab.stage import run
from tests.unit.cli.conftest import Command


@pytest.fixture
def visited(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a browser gets at the printed URL, just before Ctrl-C."""
    found: list[str] = []

    def visit() -> None:
        printed = capsys.readouterr().out
        url = printed.split()[1]
        found.append(url)
        with httpx2.Client(trust_env=False, verify=False, timeout=60) as client:
            found.append(client.get(url).text)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "until_interrupted", visit)
    return found


def test_it_serves_the_page_until_ctrl_c(lab: Command, visited: list[str]) -> None:
    assert lab("initialize", "page", "--port", "0", "--no-browser").code == 0
    assert visited[0].partition("#")[0].endswith("/initialize")
    assert "<title>Initializer" in visited[1]


def test_it_begins_with_the_choices_of_a_file_or_of_a_url(lab: Command, folder: Path, visited: list[str]) -> None:
    lab("initialize", "out", "--mesh", "none", "--ingress", "none", "--apps", "podinfo")
    assert lab("initialize", "page", "--port", "0", "--no-browser", "--from", "out/initializer.toml").code == 0
    assert "mesh=none&ingress=none&apps=podinfo" in visited[0]
    assert lab("initialize", "page", "--port", "0", "--no-browser", "--from", "http://x/?mesh=linkerd").code == 0
    assert "mesh=linkerd" in visited[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "nowhere.toml"), "nowhere.toml: the file or folder does not exist"),
        (("--from", "http://x/?mesh=linkered"), "did you mean linkerd"),
    ],
)
def test_bad_choices_start_nothing(lab: Command, visited: list[str], words: tuple[str, ...], said: str) -> None:
    ended = lab("initialize", "page", "--port", "0", "--no-browser", *words)
    assert (ended.code, said in ended.err, visited) == (2, True, [])


def test_a_port_in_use_is_named(lab: Command, visited: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = lab("initialize", "page", "--port", str(port), "--no-browser")
    assert (ended.code, visited) == (2, [])
    assert "lab initialize page --port 0" in ended.err
