from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from lab.artifacts.store import ArtifactStore
from lab.base.paths import PROJECT
from lab.cli.app import app
from tests.unit.cli.conftest import Command
from tests.unit.measure.local_server import LocalServer, Mode, free_port, serving

PYTHON = sys.executable
ROUNDED_S = 0.002
"""Times in a report have three decimals."""
SHORT = ("--rate", "50", "--duration", "1s")
FINDS = "import os; print(os.environ['KUBECONFIG'], os.environ['PATH'].split(os.pathsep)[0])"


@pytest.fixture(autouse=True)
def little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.measure.target._ANSWER_S", 0.1)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with serving() as started:
        yield started


@pytest.fixture
def west(server: LocalServer, folder: Path, up: Path, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    """The server is the frontend of West, in a lab that is up."""
    (folder / "lab.toml").write_text(f'name = "dev"\nstack = "istio"\n[clusters.west]\ningress_port = {server.port}\n')
    monkeypatch.setattr(ArtifactStore, "binary", lambda _, name: Path("/artifacts") / name)
    return server


def saved(folder: Path) -> Any:
    (file,) = (folder / "runs").glob("*/load.json")
    return json.loads(file.read_text())


def test_a_load_of_a_service_says_who_answered(lab: Command, west: LocalServer, folder: Path) -> None:
    ended = lab("load", "podinfo", *SHORT)
    assert ended.code == 0
    assert "0.0 s: 50 requests/s to podinfo, through the ingress of west" in ended.out
    assert re.search(r"west │[▁▂▃▄▅▆▇█]+│\n", ended.out)
    assert re.search(r"the whole load +0.0 to \d\.\d +(\d+) +west \1 +0 ", ended.out)
    assert re.search(r"(\d+) sent, answered by west \1, 0 lost\n", ended.out)
    assert str(folder / "runs") in ended.out
    assert (saved(folder)["lost"], saved(folder)["command"]) == (0, None)


def test_a_load_from_inside_is_sent_by_the_frontend(lab: Command, west: LocalServer) -> None:
    ended = lab("load", "podinfo", "--from", "west", "--inside", *SHORT, "--json")
    assert ended.json["target"] == "podinfo, from inside west"
    assert list(ended.json["answered_by"]) == ["west"]
    assert "/api/stream?upstream=podinfo&rate=50" in west.asked


def test_the_command_runs_under_load_with_the_labs_kubeconfig(lab: Command, west: LocalServer, up: Path) -> None:
    ended = lab("load", "podinfo", *SHORT, "--", PYTHON, "-c", FINDS)
    assert ended.code == 0
    assert f"  │ {up / 'kubeconfig'} /artifacts\n" in ended.out
    assert "the command exited with 0" in ended.out
    for phase in ("before", "during the command", "after the command"):
        assert re.search(rf"^ {phase} +\d", ended.out, re.MULTILINE)
    assert "1 during the command, from 0." in ended.out


def test_a_command_beside_a_url_has_the_users_own_environment(
    lab: Command, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/my/own")
    ended = lab("load", "--url", server.base, *SHORT, "--", PYTHON, "-c", FINDS)
    assert (ended.code, "  │ /my/own " in ended.out) == (0, True)


def lossy(server: LocalServer) -> list[str]:
    """Return a command that lets the server close connections for 10 requests, and answer for 10."""
    urls = [f"{server.base}/mode/{mode}?hold=10" for mode in ("CLOSE", "ANSWER")]
    return [PYTHON, "-c", f"import urllib.request\nfor url in {urls}: urllib.request.urlopen(url)"]


def test_lost_requests_and_the_recovery_are_reported(lab: Command, server: LocalServer, folder: Path) -> None:
    ended = lab("load", "--url", f"{server.base}/x", *SHORT, "--", *lossy(server))
    found = saved(folder)
    before, during, after = found["load"]["phases"]
    assert ended.code == 0
    assert (before["lost"], after["lost"], found["recovered"]) == (0, 0, True)
    assert during["lost"] == found["lost"] >= 8
    start_s = found["load"]["marks"][0]["at_s"]
    rows = [dict(zip(found["load"]["columns"], row, strict=True)) for row in found["load"]["requests"]]
    last_s = max(row["at_s"] for row in rows if row["answered_by"] is None)
    next_s = min(row["at_s"] + row["latency_ms"] / 1000 for row in rows if row["at_s"] > last_s)
    assert last_s - start_s <= found["recovery_s"] <= next_s - start_s + ROUNDED_S
    assert f"recovered {found['recovery_s']:.1f} s after the start of the command" in ended.out
    assert f"{found['lost']} lost: the connection was closed without an answer" in ended.out
    assert re.search(r"lost │ +[▁▂▃▄▅▆▇█]", ended.out)


def test_lost_requests_fail_if_the_user_asks_for_that(lab: Command, server: LocalServer) -> None:
    ended = lab("load", "--url", server.base, *SHORT, "--fail-on-loss", "--", *lossy(server))
    assert (ended.code, "requests were lost" in ended.err) == (1, True)
    assert lab("load", "--url", server.base, *SHORT, "--fail-on-loss").code == 0


@pytest.mark.parametrize("code", [3, 130])
def test_the_exit_code_is_that_of_a_command_that_failed(lab: Command, server: LocalServer, code: int) -> None:
    ended = lab("load", "--url", server.base, *SHORT, "--", PYTHON, "-c", f"print('x'); raise SystemExit({code})")
    assert ended.code == code
    assert ended.err == f"error: the command exited with {code}\n"
    assert "0 lost" in ended.out


def test_json_is_alone_on_standard_output(lab: Command, server: LocalServer) -> None:
    ended = lab("load", "--url", server.base, *SHORT, "--json", "--", PYTHON, "-c", "print('from the command')")
    document = ended.json
    assert document["schema"] == "eastwest.lab/load/v2"
    assert (document["command"]["output"], document["command"]["exit_code"]) == ("from the command", 0)
    assert document["sent"] == sum(slot["sent"] for slot in document["timeline"]) > 30
    assert "requests" not in document["load"]
    assert Path(document["files"]["html"]).read_text().startswith("<!doctype html>")
    assert "from the command" in ended.err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "there is neither a SERVICE nor a --url"),
        (("podinfi",), "the frontend does not call a service 'podinfi'"),
        (("podinfo", "--from", "north"), "unknown cluster 'north'"),
        (("podinfo", "--inside", "--rate", "150"), "at most 100 requests/s"),
        (("podinfo", "--rate", "0"), "--rate"),
        (("podinfo", "--rate", "nan"), "--rate"),
        (("podinfo", "--rate", "many"), "--rate"),
        (("podinfo", "--duration", "20"), "'20' is not a duration"),
        (("podinfo", "--duration", "1h"), "'1h' is not a duration"),
        (("podinfo", "--duration", "-5s"), "'-5s' is not a duration"),
        (("podinfo", "--duration", "0s"), "0s is not between 1s and 60m"),
        (("podinfo", "--duration", "61m"), "61m is not between 1s and 60m"),
        (("podinfo", "--", "no-such-program", "x"), "command not found: no-such-program"),
        (("--url", "localhost"), "not a URL"),
        (("--url", "http://localhost", "--inside"), "are for a SERVICE of the lab"),
        (("--url", "http://localhost", "--from", "west"), "are for a SERVICE of the lab"),
        (("sleep", "--url", "http://localhost"), "a load has a SERVICE or a --url, not both"),
        (("podinfo", "sleep", "1"), "sleep 1: a COMMAND comes after `--`"),
        (("podinfo", "--", "/"), "/ is a folder, not a program"),
        (("podinfo", "--", "/etc/passwd"), "/etc/passwd is not executable"),
    ],
)
def test_wrong_input_starts_no_load(
    lab: Command, west: LocalServer, folder: Path, words: tuple[str, ...], what: str
) -> None:
    ended = lab("load", *words)
    assert (ended.code, what in ended.err) == (2, True), ended.err
    assert not (folder / "runs").exists()


def test_a_target_that_does_not_answer_starts_no_load(lab: Command, west: LocalServer, folder: Path) -> None:
    west.mode = Mode.ERROR
    url = f"http://127.0.0.1:{free_port()}"
    for words, what in ((("podinfo",), "podinfo does not answer"), (("--url", url), f"{url}: does not answer")):
        ended = lab("load", *words, "--", PYTHON, "-c", "print('ran')")
        assert (ended.code, what in ended.err, "next:" in ended.err, "ran" in ended.out) == (3, True, True, False)
    assert not (folder / "runs").exists()


def test_a_folder_for_the_report_that_cannot_be_written_starts_no_load(
    lab: Command, server: LocalServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").touch()
    monkeypatch.setenv("LAB_RUNS_DIR", str(folder / "file" / "runs"))
    ended = lab("load", "--url", server.base, *SHORT, "--", PYTHON, "-c", "print('ran')")
    assert (ended.code, "is a file, and the lab needs a folder" in ended.err, "ran" in ended.out) == (3, True, False), (
        ended.err
    )
    assert len(server.asked) == 1, "only the check before the load"


def test_loads_are_listed_and_opened_as_runs_are(
    lab: Command, server: LocalServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda _: None)
    lab("load", "--url", server.base, *SHORT)
    (listed,) = lab("report", "--json").json
    assert (listed["mode"], listed["what"], listed["exit_code"]) == ("load", server.base, 0)
    assert f"{saved(folder)['sent']} sent, 0 lost" in lab("report").out
    assert lab("report", "open", listed["id"]).out == f"{listed['path']}/load.html\n"
    assert "unknown report of a run" in lab("report", "diff", listed["id"], listed["id"]).err


def test_completion_knows_the_services_that_a_frontend_calls(folder: Path) -> None:
    environment = {"_LAB_COMPLETE": "complete_bash", "COMP_WORDS": "lab load podinfo-", "COMP_CWORD": "2"}
    shown = CliRunner().invoke(app, [], prog_name="lab", env=environment).stdout
    assert shown.split() == ["podinfo-east"]


def test_a_lab_that_is_not_up_is_named(lab: Command) -> None:
    ended = lab("load", "podinfo")
    assert (ended.code, "the lab dev is not up" in ended.err and "next:  lab up" in ended.err) == (3, True)


def test_ctrl_c_stops_the_load_and_the_command_and_prints_what_was_measured(server: LocalServer, folder: Path) -> None:
    command = [PYTHON, "-uc", "import os, signal; print(os.getpid()); signal.pause()"]
    words = [PYTHON, "-m", "lab", "load", "--url", server.base, "--duration", "4s", "--", *command]
    with subprocess.Popen(
        words, cwd=folder, env={"PYTHONPATH": str(PROJECT), "LAB_RUNS_DIR": str(folder / "runs")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        line = next(line for line in child.stdout if "│" in line)
        server.mode = Mode.HANG
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    assert time.monotonic() - began < 2
    assert child.returncode == 130
    assert "then interrupted" in out
    assert re.search(r"^ before +0.0 to", out, re.MULTILINE)
    assert "interrupted: `lab load` did not finish" in err
    found = saved(folder)
    assert (found["interrupted"], found["command"]["exit_code"]) == (True, None)
    assert found["sent"] == len(found["load"]["requests"]) + found["under_way"]
    assert not psutil.pid_exists(int(line.rpartition("│")[2]))
