"""`lab stage` up to its server; `tests/unit/stage/test_command.py` runs it as a process."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Any

import pytest

from lab.stage.opener import open_browser, start_file
from tests.unit.cli.conftest import Command

URL = "http://127.0.0.1:7465/#token=abc"


def test_without_a_lab_the_next_command_is_named(lab: Command) -> None:
    ended = lab("stage")
    assert (ended.code, "next:  lab up" in ended.err) == (3, True)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--port", "70000"], "--port"),
        (["--port", "x"], "--port"),
        (["99"], "unknown scenario or act '99'"),
    ],
)
def test_a_wrong_command_line_is_refused(lab: Command, up: Path, words: list[str], text: str) -> None:
    ended = lab("stage", *words)
    assert (ended.code, text in ended.err) == (2, True)


def test_the_file_that_opens_the_browser_is_for_its_user_only_and_short_lived(tmp_path: Path) -> None:
    file = tmp_path / "stage.html"
    with start_file(file, f'{URL}"><script>') as delete:
        text = file.read_text()
        assert file.stat().st_mode & 0o777 == 0o600
        assert f"url={URL}&quot;&gt;&lt;script&gt;" in text
        delete()
        assert not file.exists()
        delete()
    with pytest.raises(OSError, match="x"), start_file(file, URL):
        raise OSError("x")
    assert not file.exists()


class Opened(webbrowser.BaseBrowser):
    def __init__(self) -> None:
        super().__init__("a browser")
        self.urls: list[str] = []

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        self.urls.append(url)
        return True


def test_a_browser_gets_the_file_and_not_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Opened()
    monkeypatch.setattr(webbrowser, "get", lambda *_: browser)
    started: list[Any] = []
    monkeypatch.setattr("threading.Thread.start", lambda thread: started.append(thread) or thread.run())
    assert open_browser(tmp_path / "stage.html")
    assert browser.urls == [(tmp_path / "stage.html").as_uri()]


@pytest.mark.parametrize("kind", [webbrowser.GenericBrowser("w3m"), None])
def test_a_browser_in_the_terminal_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: webbrowser.BaseBrowser | None
) -> None:
    def get(*_: Any) -> webbrowser.BaseBrowser:
        if kind is None:
            raise webbrowser.Error("could not locate runnable browser")
        return kind

    monkeypatch.setattr(webbrowser, "get", get)
    assert not open_browser(tmp_path / "stage.html")
