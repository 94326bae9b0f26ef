from __future__ import annotations

import asyncio
import io
import json
import sys
import urllib.request
import zipfile
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from lab.base.errors import UsageError
from lab.dev.inpod.runner import LENGTH, Runner
from lab.dev.laptop import folder
from lab.dev.laptop.pod import DevPod, Put
from lab.lab import Lab
from tests.unit.dev.conftest import free_port
from tests.unit.fake_api import FakeApi

LAST = Put(pod="pod-1", seconds=1, size_bytes=1, problem="")
MAIN = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"VERSION")
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def written(place: Path, text: str) -> Path:
    place.mkdir(exist_ok=True)
    (place / "main.py").write_text(text)
    return place


def said(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return str(answer.read().decode())


def test_a_folder_runs_is_replaced_and_says_what_is_wrong(tmp_path: Path) -> None:
    port = free_port()
    runner = Runner(tmp_path / "work", port)

    async def put(text: str) -> str:
        done = await runner.put(folder.archive(written(tmp_path / "code", text)))
        return str(done["problem"])

    async def story() -> None:
        assert await put(MAIN.replace("VERSION", "one")) == ""
        assert await asyncio.to_thread(said, port) == "one"
        problem = await put("def broken(:\n")
        assert problem.startswith("main.py exited with 1")
        assert "SyntaxError" in problem
        assert await put(MAIN.replace("VERSION", "two")) == ""
        assert await asyncio.to_thread(said, port) == "two"
        await runner.stop()

    (tmp_path / "work").mkdir()
    asyncio.run(story())


def test_a_copy_waits_for_the_main_process_of_a_container_that_has_just_started(tmp_path: Path) -> None:
    code = folder.archive(written(tmp_path / "code", MAIN.replace("VERSION", "one")))
    path = str(tmp_path / "socket")
    (tmp_path / "work").mkdir()
    runner = Runner(tmp_path / "work", free_port())

    async def story() -> bytes:
        put = await asyncio.create_subprocess_exec(
            sys.executable, "-c", f"from lab.dev.inpod import runner; runner.put({path!r})", stdin=PIPE, stdout=PIPE
        )
        printing = asyncio.create_task(put.communicate(LENGTH.pack(len(code)) + code))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(printing), 1)
        server = await asyncio.start_unix_server(runner.handle, path)
        printed, _ = await printing
        server.close()
        await runner.stop()
        return printed

    assert json.loads(asyncio.run(story()))["problem"] == ""


def test_an_archive_holds_the_service_and_nothing_of_its_tools(tmp_path: Path) -> None:
    written(tmp_path, "print()")
    for name in ("__pycache__/x.pyc", ".git/config", ".venv/lib.py", "static/page.html"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("x")
    packed = folder.archive(tmp_path)
    assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == ["main.py", "static/page.html"]
    assert packed == folder.archive(tmp_path)


def test_a_folder_that_cannot_be_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"has no main\.py"):
        folder.check(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        folder.check(tmp_path / "nowhere")
    monkeypatch.setattr(folder, "MAX_MIB", 0)
    with pytest.raises(UsageError, match="larger than 0 MiB"):
        folder.archive(written(tmp_path, "print()"))


def test_a_file_that_vanishes_while_packing_is_a_reason_to_pack_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "print()")
    (tmp_path / "a.py").write_text("kept")
    victim = tmp_path / "b.py"
    victim.write_text("about to be renamed")
    read = Path.read_bytes

    def reads(file: Path) -> bytes:
        if file.name == "a.py":
            victim.unlink(missing_ok=True)
        return read(file)

    monkeypatch.setattr(Path, "read_bytes", reads)
    assert zipfile.ZipFile(io.BytesIO(folder.archive(tmp_path))).namelist() == ["a.py", "main.py"]


def test_files_that_vanish_each_time_end_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanished(file: Path) -> bytes:
        raise FileNotFoundError(2, "No such file or directory", str(file))

    monkeypatch.setattr(Path, "read_bytes", vanished)
    with pytest.raises(UsageError, match=r"main\.py vanished while it was read, 5 times"):
        folder.archive(written(tmp_path, "print()"))


def test_a_folder_that_grows_too_large_does_not_end_the_watch(
    lab: Lab, apis: dict[str, FakeApi], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "MAX_MIB", 0)
    written(tmp_path, "one")
    over, told = Event(), list[Put]()

    def tell(put: Put) -> None:
        told.append(put)
        over.set()

    def save() -> None:
        while not over.wait(0.05):
            written(tmp_path, "two")

    saving = Thread(target=save)
    saving.start()
    try:
        DevPod(lab=lab, service="my-service", folder=tmp_path).follow(over, tell, last=LAST)
    finally:
        over.set()
        saving.join()
    assert told[0].pod == "pod-1"
    assert "is larger than 0 MiB" in told[0].problem
    assert "still runs the earlier version" in told[0].words
    assert apis["west"].objects == {}


def test_a_save_before_the_folder_is_watched_is_copied_and_no_change_is_not(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`lab dev pod` copies the folder, waits for the pod, and then begins to watch: a save between is not lost."""
    over, told = Event(), list[Put]()
    dev = DevPod(lab=lab, service="my-service", folder=written(tmp_path, "two"))

    def saves(_folder: Path, _over: Event) -> Iterator[bool]:
        yield True  # the watch begins
        written(tmp_path, "three")
        yield True
        yield True  # touched, with the same content

    def put(self: DevPod) -> Put:
        return replace(LAST, digest=sha256(folder.archive(self.folder)).hexdigest())

    monkeypatch.setattr(folder, "saves", saves)
    monkeypatch.setattr(DevPod, "put", put)
    monkeypatch.setattr("lab.dev.parts.running", lambda *_: ["pod-1"])
    monkeypatch.setattr("lab.dev.parts.local", lambda _: SimpleNamespace(get=lambda _: {"kind": "Deployment"}))
    dev.follow(over, told.append, last=LAST)
    assert len(told) == 2


def test_a_save_is_noticed_and_quiet_is_not(tmp_path: Path) -> None:
    over = Event()
    seen = folder.saves(written(tmp_path, "one"), over, idle_s=0.2)
    assert next(seen) is True, "what changed before the watch is unknown"
    assert next(seen) is False
    written(tmp_path, "two")
    assert any(next(seen) for _ in range(50)), "the change was not noticed"
    over.set()
    assert list(seen) == []
