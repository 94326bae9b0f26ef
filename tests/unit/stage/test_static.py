"""The files of the stage's screens: vendored libraries as published, no markup from data, nothing from elsewhere."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from lab.stage.app import STATIC

VENDOR = STATIC / "vendor"
SUMS = VENDOR / "SHA256SUMS"
OWN = sorted(file for file in STATIC.rglob("*") if file.is_file() and not file.is_relative_to(VENDOR))
SCRIPTS = [file for file in OWN if file.suffix == ".js"]
PAGES = [file for file in OWN if file.suffix == ".html"]
MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|srcdoc|DOMParser")
IMPORT = re.compile(r"""(?:from|import) ["']([^"']+)["']""")
REFERENCE = re.compile(r"""(?:src|href)="(/static/[^"]+)\"""")


def name(file: Path) -> str:
    return file.relative_to(STATIC).as_posix()


def test_vendored_files_are_as_published() -> None:
    """The sums were taken from the packages that npm had verified."""
    wanted = dict(reversed(line.split(maxsplit=1)) for line in SUMS.read_text(encoding="ascii").splitlines())
    files = [file for file in VENDOR.rglob("*") if file.is_file() and file != SUMS]
    found = {file.relative_to(VENDOR).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    assert found == wanted


def test_every_vendored_library_has_its_licence_and_its_version() -> None:
    folders = [folder for folder in VENDOR.iterdir() if folder.is_dir()]
    assert {folder.name for folder in folders} == {"xterm-6.0.0", "addon-fit-0.11.0"}
    assert all("Permission is hereby granted" in (folder / "LICENSE").read_text() for folder in folders)


@pytest.mark.parametrize("file", SCRIPTS, ids=name)
def test_scripts_make_no_markup_from_text(file: Path) -> None:
    assert MARKUP.findall(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", SCRIPTS, ids=name)
def test_scripts_import_files_that_exist(file: Path) -> None:
    imports = IMPORT.findall(file.read_text(encoding="utf-8"))
    assert [target for target in imports if not (file.parent / target).resolve().is_file()] == []


@pytest.mark.parametrize("file", SCRIPTS, ids=name)
def test_no_script_is_longer_than_400_lines(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


def test_every_script_is_used() -> None:
    """Those that a page loads, and what they import."""
    entries = {STATIC / ref.removeprefix("/static/") for page in PAGES for ref in REFERENCE.findall(page.read_text())}
    used, waiting = set(), [file for file in entries if file.suffix == ".js"]
    while waiting:
        file = waiting.pop()
        if file not in used and file.is_relative_to(STATIC / "js"):
            used.add(file)
            targets = IMPORT.findall(file.read_text(encoding="utf-8"))
            waiting += [(file.parent / target).resolve() for target in targets]
    assert used == set(SCRIPTS)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_need_no_inline_script_and_nothing_from_elsewhere(page: Path) -> None:
    """The policy of `lab.stage.security` allows neither."""
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []
    assert re.findall(r"\son[a-z]+=|style=|https?://", text) == []
    assert [ref for ref in REFERENCE.findall(text) if not (STATIC / ref.removeprefix("/static/")).is_file()] == []


@pytest.mark.parametrize("file", OWN, ids=name)
def test_own_files_load_nothing_from_the_internet(file: Path) -> None:
    text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}/", text) == []
