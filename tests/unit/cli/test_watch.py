from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from lab.base.paths import PROJECT
from lab.cli.app import app
from tests.unit.cli.conftest import Command
from tests.unit.measure.local_server import free_port
from tests.unit.watch.conftest import LocalFrontend, podinfo, proven

SHORT = ("--rate", "20", "--seconds", "1")


@pytest.fixture(autouse=True)
def little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.watch.target._ANSWER_S", 0.1)
    monkeypatch.setattr("lab.watch.show._LINE_S", 0.3)


@pytest.fixture
def west(folder: Path, up: Path) -> Iterator[LocalFrontend]:
    """The frontend of West, in a lab that is up."""
    with LocalFrontend().running() as frontend:
        ports = f"[clusters.west]\ningress_port = {frontend.port}\n"
        (folder / "lab.toml").write_text(f'name = "dev"\nstack = "istio"\n{ports}')
        yield frontend


def test_without_a_terminal_there_is_a_line_for_each_moment(lab: Command, west: LocalFrontend) -> None:
    ended = lab("watch", *SHORT)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert len(lines) >= 2
    clusters, latencies = r"(east \d+  west \d+|east \d+|west \d+)", r"p50 \d+(\.\d)? ms  p99 \d+(\.\d)? ms"
    line = rf"\d\d:\d\d:\d\d  podinfo  {clusters}  lost 0  {latencies}"
    assert [one for one in lines if not re.fullmatch(line, one)] == []
    counted = sum(int(count) for count in re.findall(r"(?:east|west) (\d+)", ended.out))
    assert 2 <= counted <= west.asked


def test_losses_are_counted_in_the_lines(lab: Command, west: LocalFrontend) -> None:
    west.answer = lambda _: httpx2.Response(503)
    ended = lab("watch", "podinfo-east", *SHORT)
    assert re.search(r"podinfo-east  lost [1-9]\d*  p50 - ms  p99 - ms", ended.out)


def test_json_is_one_line_for_each_answer(lab: Command, west: LocalFrontend) -> None:
    ended = lab("watch", "podinfo", "podinfo-east", *SHORT, "--json")
    answers: list[Any] = [json.loads(line) for line in ended.out.splitlines()]
    assert {one["upstream"] for one in answers} == {"podinfo", "podinfo-east"}
    assert {one["cluster"] for one in answers} == {"east", "west"}
    numbers = [one["n"] for one in answers if one["upstream"] == "podinfo"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 2


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("podinfi",), "does not call a service 'podinfi'; did you mean podinfo"),
        (("nothing-like-it",), "does not call a service 'nothing-like-it'\nnext:  one of: podinfo, podinfo-east"),
        (("--in", "north"), "unknown cluster 'north'"),
        (("--rate", "0"), "--rate"),
        (("--rate", "nan"), "--rate"),
        (("--rate", "101"), "--rate"),
        (("--seconds", "0"), "--seconds"),
        (("podinfo", "podinfo-east", "--rate", "60"), "at most 100 requests/s, not 120\nnext:  --rate 50"),
    ],
)
def test_wrong_input_is_refused(lab: Command, west: LocalFrontend, words: tuple[str, ...], what: str) -> None:
    ended = lab("watch", *words)
    assert (ended.code, what in ended.err, ended.out) == (2, True, ""), ended.err


def test_a_used_up_budget_is_an_error_with_advice(lab: Command, folder: Path, up: Path) -> None:
    with LocalFrontend(settings={"stream_budget_per_s": 3}).running() as frontend:
        (folder / "lab.toml").write_text(f'name = "dev"\n[clusters.west]\ningress_port = {frontend.port}\n')
        ended = lab("watch")
    assert (ended.code, "refuses 5 requests/s: 3 of 3 requests/s are free, not 5" in ended.err) == (3, True), ended.err
    assert "next:  a lower --rate, or close other pages" in ended.err


def test_a_lab_that_is_not_up_is_named(lab: Command) -> None:
    ended = lab("watch")
    assert (ended.code, "the lab dev is not up" in ended.err and "next:  lab up" in ended.err) == (3, True)


def test_a_frontend_that_does_not_answer_is_named(lab: Command, folder: Path, up: Path) -> None:
    (folder / "lab.toml").write_text(f'name = "dev"\n[clusters.west]\ningress_port = {free_port()}\n')
    ended = lab("watch")
    assert (ended.code, "does not answer through the ingress: connection refused" in ended.err) == (3, True), ended.err


def test_completion_knows_upstreams(folder: Path) -> None:
    environment = {"_LAB_COMPLETE": "complete_bash", "COMP_WORDS": "lab watch podinfo podinfo-", "COMP_CWORD": "3"}
    shown = CliRunner().invoke(app, [], prog_name="lab", env=environment).stdout
    assert shown.split() == ["podinfo-east"]


PROGRAM = """
import sys
from lab.clusters.kind.provider import KindProvider
from lab.clusters.provider import Node, NodeStatus
KindProvider.look = lambda *_: {"west": Node(name="west", status=NodeStatus.RUNNING)}
from lab.cli.app import main
main()
"""


@contextmanager
def process(*words: str, env: Mapping[str, str] = {}, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run `lab` as a process of its own, in this folder and with this environment."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **env}
    with subprocess.Popen([sys.executable, "-c", PROGRAM, *words], env=environment, **options) as started:
        try:
            yield started
        finally:
            started.kill()


def test_it_ends_when_nobody_reads_any_more(west: LocalFrontend) -> None:
    with process("watch", "--json", "--rate", "20", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        assert json.loads(started.stdout.readline())["n"] == 1
        started.stdout.close()
        assert started.wait(timeout=60) == 0
        assert started.stderr.read() == b""


def test_ctrl_c_ends_it_without_an_error(west: LocalFrontend) -> None:
    with process("watch", "--rate", "20", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        assert b"podinfo" in started.stdout.readline()
        started.send_signal(signal.SIGINT)
        assert started.wait(timeout=60) == 0
        assert started.stderr.read() == b""


class Terminal:
    """The other end of a terminal: what was drawn, and keys."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        self.slave = os.fdopen(slave, "r+b", buffering=0)
        self._text = ""
        self._grown = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while piece := os.read(self.master, 65536):
                with self._grown:
                    self._text += piece.decode("utf-8", "replace")
                    self._grown.notify_all()
        except OSError:  # the program has closed its end
            return

    def until(self, pattern: str) -> None:
        """Wait until this was drawn, after what was waited for before."""
        with self._grown:
            assert self._grown.wait_for(lambda: re.search(pattern, self._text), timeout=60), self._text[-2000:]
            found = re.search(pattern, self._text)
            assert found
            self._text = self._text[found.end() :]

    def press(self, key: str) -> None:
        os.write(self.master, key.encode())


def test_on_a_terminal_there_is_a_picture_and_keys_work(west: LocalFrontend) -> None:
    west.answer = lambda request: proven() if request.url.path == "/headers" else podinfo("east")
    terminal = Terminal()
    size = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "24", "LC_ALL": "C.UTF-8"}
    ends = {"stdin": terminal.slave, "stdout": terminal.slave, "stderr": terminal.slave}
    with process("watch", "--rate", "5", env=size, **ends) as started:
        terminal.until(r"\x1b\[\?1049h")
        terminal.until("live")
        terminal.until("100 %")
        terminal.until("mTLS .*frontend@west.example|spiffe://west.example")
        terminal.press("+")
        terminal.until("10 requests/s")
        terminal.press("p")
        terminal.until("paused")
        terminal.press("p")
        terminal.until("live")
        terminal.press("q")
        terminal.until(r"\x1b\[\?1049l")
        assert started.wait(timeout=60) == 0
    terminal.slave.close()
