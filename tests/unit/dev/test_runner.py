from __future__ import annotations

import asyncio
import urllib.request
from pathlib import Path
from threading import Event

import pytest

from lab.base.errors import UsageError
from lab.dev.inpod.runner import Runner
from lab.dev.laptop import folder
from tests.unit.dev.conftest import free_port

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
        assert problem.startswith("main.py ended with 1")
        assert "SyntaxError" in problem
        assert await put(MAIN.replace("VERSION", "two")) == ""
        assert await asyncio.to_thread(said, port) == "two"
        await runner.stop()

    (tmp_path / "work").mkdir()
    asyncio.run(story())


def test_an_archive_holds_the_service_and_nothing_of_its_tools(tmp_path: Path) -> None:
    written(tmp_path, "print()")
    for name in ("__pycache__/x.pyc", ".git/config", ".venv/lib.py", "static/page.html"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("x")
    import io
    import zipfile

    packed = folder.archive(tmp_path)
    assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == ["main.py", "static/page.html"]
    assert packed == folder.archive(tmp_path)


def test_a_folder_that_cannot_be_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"has no main\.py"):
        folder.check(tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        folder.check(tmp_path / "nowhere")
    monkeypatch.setattr(folder, "MAX_MIB", 0)
    with pytest.raises(UsageError, match="larger than 0 MiB"):
        folder.archive(written(tmp_path, "print()"))


def test_a_save_is_noticed_and_quiet_is_not(tmp_path: Path) -> None:
    over = Event()
    seen = folder.saves(written(tmp_path, "one"), over, idle_s=0.2)
    assert next(seen) is False  # and from now on it is watched
    written(tmp_path, "two")
    assert True in (next(seen) for _ in range(50))
    over.set()
    assert list(seen) == []
