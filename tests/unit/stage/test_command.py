"""`lab stage` from its start to its end, as a real process with real shells and real HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
from pathlib import Path

import psutil
import pytest
from websockets.sync.client import connect

from lab.base import wait
from lab.base.names import Json
from lab.base.wait import NotYet
from lab.scenario.position import Position
from tests.unit.process_kit import wait_for_end
from tests.unit.stage.lab_stage import LabStage, lab_stage, until

OPTIONS = ("--port", "0", "--no-browser")


def idle(state: Json) -> bool:
    return state["running"] is None


def family(stage: LabStage) -> list[psutil.Process]:
    """Return the processes of a stage that runs `cat` in a console."""

    def look() -> list[psutil.Process] | NotYet:
        found = psutil.Process(stage.child.pid).children(recursive=True)
        names = sorted(one.name() for one in found)
        return found if names == ["bash", "bash", "cat"] else NotYet(str(names))

    return wait.until("cat", look, timeout_s=60, interval_s=0.05)


def test_a_presentation_over_http_from_the_first_step_to_the_end(tmp_path: Path) -> None:
    with lab_stage(tmp_path, *OPTIONS) as stage, stage.client() as client:
        state = until(client, "both consoles", lambda s: [c["busy"] for c in s["consoles"]] == [False, False])
        assert (state["lab"]["name"], state["current"]) == ("dev", "demo/one")
        assert client.post("/api/wish", json={"wish": "go", "at": "demo/one"}).status_code == 202
        assert client.post("/api/wish", json={"wish": "go", "at": "demo/one"}).status_code == 409
        state = until(client, "the step", idle)
        assert (state["steps"][0]["state"], state["steps"][0]["checks"]) == ("done", "green")
        assert [mark["text"] for mark in state["marks"]] == [
            "One",
            "echo --context=east first",
            "sh -c 'echo refused; exit 1'",
        ]
        for at in ("demo/one", "demo/two"):
            assert client.post("/api/wish", json={"wish": "go", "at": at}).status_code == 202
            state = until(client, at, idle)
        assert [one["name"] for one in state["consoles"]] == ["east", "west", "west-2"]
        assert (stage.home / "made").exists()
        assert client.post("/api/jump", json={"to": "demo/one"}).status_code == 202
        state = until(client, "the jump", idle)
        assert [one["name"] for one in state["consoles"]] == ["east", "west"]
        assert not (stage.home / "made").exists()
        assert not (stage.home / "ready").exists()
        assert "<title>Initializer" in client.get("/initialize").text
        assert client.get("/api/initialize/options").json()["categories"]


def test_the_lock_is_held_and_only_the_consoles_work_for_the_stage(tmp_path: Path) -> None:
    with lab_stage(tmp_path, *OPTIONS) as stage, stage.client() as client:
        until(client, "both consoles", lambda s: [c["busy"] for c in s["consoles"]] == [False, False])
        with lab_stage(tmp_path, *OPTIONS) as second:
            assert second.ended() == 3
            assert "`lab stage` (process" in " ".join(second.errors)
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        host = str(client.base_url.netloc, "ascii")
        uri = f"ws://{host}/ws/console/west"
        with connect(uri, additional_headers={"Cookie": cookie}, origin=f"http://{host}", proxy=None) as socket_:  # type: ignore[arg-type]
            socket_.send(json.dumps({"type": "resize", "cols": 90, "rows": 25}))
            socket_.send(json.dumps({"type": "input", "data": 'echo "held=$LAB_LOCK_HELD_BY" $LAB_CLUSTER\r'}))
            shown = b""
            while b"held=%d:" % stage.child.pid not in shown:
                part = socket_.recv(timeout=60)
                shown += part if isinstance(part, bytes) else b""  # text is the console's size
            assert b"/dev/lock west" in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_stage_and_says_what_is_left_to_undo(tmp_path: Path, number: int) -> None:
    with lab_stage(tmp_path, *OPTIONS, "cat") as stage, stage.client() as client:
        assert client.post("/api/wish", json={"wish": "go", "at": "demo/one"}).status_code == 202
        until(client, "cat", lambda s: any(mark["text"] == "cat" for mark in s["marks"]))
        children = family(stage)
        os.kill(stage.child.pid, number)
        assert stage.ended() == 0
        assert stage.lines[-1] == (
            "steps to undo: demo/one; `lab stage` or `lab walk` continues there, `lab reset` undoes them"
        )
        assert [line for line in stage.errors if "port 7465" not in line] == []
        wait_for_end(*children, within_s=60)
    left = Position.read(stage.state / "walk.json")
    assert (left.at, left.begun, left.done) == ("demo/one", ["demo/one"], [])
    assert list((stage.state / "shells").iterdir()) == []

    with lab_stage(tmp_path, *OPTIONS) as again, again.client() as client:
        assert until(client, "the state", idle)["steps"][0]["state"] == "failed"
    with lab_stage(tmp_path, *OPTIONS, "--fresh") as fresh, fresh.client() as client:
        state = until(client, "the undo", lambda s: s["running"] is None and s["turn"] == 1)
        assert (state["current"], state["steps"][0]["state"]) == ("demo/one", "idle")
        os.kill(fresh.child.pid, signal.SIGINT)
        assert (fresh.ended(), fresh.lines[-1]) == (0, "nothing is left to undo")


def test_no_shell_is_left_by_a_stage_that_is_killed(tmp_path: Path) -> None:
    with lab_stage(tmp_path, *OPTIONS, "cat") as stage, stage.client() as client:
        assert client.post("/api/wish", json={"wish": "go", "at": "demo/one"}).status_code == 202
        until(client, "cat", lambda s: any(mark["text"] == "cat" for mark in s["marks"]))
        children = family(stage)
        os.kill(stage.child.pid, signal.SIGKILL)
        stage.ended()
        wait_for_end(*children, within_s=60)
    with lab_stage(tmp_path, *OPTIONS) as again:  # the lock has ended with its process
        assert again.url


@pytest.mark.parametrize(("more", "code"), [((), 0), (("--fresh",), 2)])
def test_steps_of_another_presentation_are_named_and_no_fresh_start(
    tmp_path: Path, more: tuple[str, ...], code: int
) -> None:
    with lab_stage(tmp_path, *OPTIONS) as first:
        assert first.url
    left = Position(file=first.state / "walk.json", at="other/one", begun=["other/one"], done=["other/one"])
    left.write()
    with lab_stage(tmp_path, *OPTIONS, *more) as stage:
        if code == 0:
            assert stage.url
            os.kill(stage.child.pid, signal.SIGINT)
        assert stage.ended() == code
    assert "an earlier presentation left changes of other/one" in "\n".join(stage.errors)
    assert Position.read(first.state / "walk.json").begun == ["other/one"]


def test_a_rehearsal_plays_everything_keeps_the_times_and_undoes_everything(tmp_path: Path) -> None:
    with lab_stage(tmp_path, *OPTIONS, "--auto") as stage:
        assert stage.ended() == 0, stage.errors
        assert re.fullmatch(r"rehearsed: 3 steps in \d+ s: 3 passed", stage.lines[-1])
        assert not (stage.home / "made").exists()
    times = json.loads((stage.state / "rehearsal.json").read_text())["stacks"]["istio"]
    assert set(times) == {"demo/one", "demo/two", "demo/last"}
    assert all(seconds >= 0 for seconds in times.values())
    assert not (stage.state / "walk.json").exists()
    with lab_stage(tmp_path, *OPTIONS) as later, later.client() as client:
        assert until(client, "the state", idle)["clock"]["rehearsed_s"] == pytest.approx(sum(times.values()), abs=0.1)


def test_a_rehearsal_with_a_failed_check_exits_with_1(tmp_path: Path) -> None:
    with lab_stage(tmp_path, *OPTIONS, "--auto", holds=False) as stage:
        assert stage.ended() == 1
        assert stage.lines[-1].startswith("failed: "), stage.lines


def test_ctrl_c_in_a_rehearsal_undoes_what_ran(tmp_path: Path) -> None:
    with lab_stage(tmp_path, *OPTIONS, "--auto", "cat") as stage, stage.client() as client:
        until(client, "cat", lambda s: any(mark["text"] == "cat" for mark in s["marks"]))
        assert client.post("/api/wish", json={"wish": "go", "at": "demo/one"}).status_code == 409
        os.kill(stage.child.pid, signal.SIGINT)
        assert stage.ended() == 130
        assert "! undoing the steps that ran; press Ctrl-C again to stop at once" in stage.errors
    assert not (stage.state / "rehearsal.json").exists()


def test_the_token_is_only_where_its_user_can_read_it(tmp_path: Path) -> None:
    with lab_stage(tmp_path, *OPTIONS) as stage:
        token = stage.url.partition("#token=")[2]
        file = stage.state / "stage.html"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(stage.state.stat().st_mode) == 0o700
        assert f"url={stage.url}" in file.read_text()
        with stage.client():
            assert not file.exists()  # used
        family = [psutil.Process(stage.child.pid), *psutil.Process(stage.child.pid).children(recursive=True)]
        for process in family:
            assert token not in str(process.cmdline()) + str(process.environ())
        os.kill(stage.child.pid, signal.SIGINT)
        assert stage.ended() == 0
    logs = "".join(log.read_text() for log in (stage.state / "logs").iterdir())
    assert "stage" in " ".join(log.name for log in (stage.state / "logs").iterdir())
    assert token not in logs + "".join(stage.errors)


def test_a_port_that_is_taken_names_its_user_and_another_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with lab_stage(tmp_path, "--port", str(port), "--no-browser") as stage:
            assert stage.ended() == 2
            errors = "\n".join(stage.errors)
            assert f"port {port} is in use by " in errors
            assert f"(pid {os.getpid()})" in errors
            assert "lab stage --port 0" in errors
            assert psutil.Process(os.getpid()).name() in errors


def test_another_port_than_that_of_lab_toml_has_no_page(tmp_path: Path) -> None:
    with lab_stage(tmp_path, *OPTIONS) as stage:
        assert "port 7465" in stage.printed("! the page can be shown only")


def test_a_killed_browser_in_the_middle_of_a_step_changes_nothing(tmp_path: Path) -> None:
    with lab_stage(tmp_path, *OPTIONS, "cat") as stage, stage.client() as client:
        host = str(client.base_url.netloc, "ascii")
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        assert client.post("/api/wish", json={"wish": "go", "at": "demo/one"}).status_code == 202
        browser = connect(
            f"ws://{host}/ws/console/west",
            additional_headers={"Cookie": cookie},
            origin=f"http://{host}",  # type: ignore[arg-type]
            proxy=None,
        )
        raw = socket.create_connection(("127.0.0.1", int(host.partition(":")[2])), timeout=30)
        raw.sendall(f"GET /api/events HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n".encode())
        assert raw.recv(20).startswith(b"HTTP/1.1 200")
        until(client, "cat", lambda s: any(mark["text"] == "cat" for mark in s["marks"]))
        browser.socket.close()  # as a crash does
        raw.close()
        with stage.client() as second:
            assert until(second, "the step", lambda s: s["running"]["step"] == "demo/one")
            assert second.post("/api/interrupt", json={}).status_code == 202
            state = until(second, "the end", idle)
            assert state["steps"][0]["state"] == "failed"
            assert second.post("/api/wish", json={"wish": "undo", "at": "demo/one"}).status_code == 202
            assert until(second, "the undo", idle)["steps"][0]["state"] == "idle"


def ends_with(stage: LabStage, code: int, *texts: str) -> None:
    assert stage.ended() == code
    for text in texts:
        assert text in "\n".join(stage.errors)


@pytest.mark.skipif(not Path("/usr/bin/fish").exists(), reason="no fish")
@pytest.mark.parametrize("shell", ["/usr/bin/fish", "/bin/sh"])
def test_a_rehearsal_in_another_shell(tmp_path: Path, shell: str) -> None:
    with lab_stage(tmp_path, *OPTIONS, "--auto", shell=shell) as stage:
        ends_with(stage, 0)


def test_an_unknown_scenario_names_the_known_ones(tmp_path: Path) -> None:
    with lab_stage(tmp_path, *OPTIONS, "nope") as stage:
        ends_with(stage, 2, "unknown scenario or act 'nope'")
