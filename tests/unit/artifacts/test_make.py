"""A build is published whole or not at all: interrupted, disk full, or two at once."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable

import pytest
from filelock import FileLock

from lab.artifacts.make import make
from lab.artifacts.recipe import BuildContext
from lab.artifacts.store import ArtifactStore
from lab.base import events
from lab.base.errors import ArtifactError, CommandError
from lab.base.step import CHANGED, UNCHANGED

Hooks = list[Callable[[BuildContext], None]]


def left_over(store: ArtifactStore) -> list[str]:
    return [path.name for path in (store.root / "work").iterdir()]


def test_a_full_disk_is_named_and_leaves_nothing(store: ArtifactStore, during_build: Hooks) -> None:
    def no_room(work: BuildContext) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(work.into))

    during_build.append(no_room)
    with pytest.raises(ArtifactError, match=r"the disk is full: \d+ MiB are free") as raised:
        make(store, "tool")
    assert raised.value.where == "tool"
    assert "lab artifacts clean" in (raised.value.next or "")
    assert store.entry("tool") is None
    assert left_over(store) == []


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_tool_s_full_disk_is_the_same_error(store: ArtifactStore, during_build: Hooks, stream: str) -> None:
    def no_room(work: BuildContext) -> None:
        raise CommandError(["go", "build"], returncode=1, **{stream: "write x.a: No space left on device"})

    during_build.append(no_room)
    with pytest.raises(ArtifactError, match="the disk is full"):
        make(store, "tool")


def test_a_failed_tool_keeps_its_words_and_names_the_next_command(store: ArtifactStore, during_build: Hooks) -> None:
    def fails(work: BuildContext) -> None:
        raise CommandError(["go", "build"], returncode=1, stderr="x.go:1: syntax error")

    during_build.append(fails)
    with pytest.raises(ArtifactError, match="syntax error") as raised:
        make(store, "tool")
    assert raised.value.next == "lab artifacts build tool"


def test_what_is_built_has_the_same_modes_under_every_umask(store: ArtifactStore, during_build: Hooks) -> None:
    def modes(work: BuildContext) -> None:
        (work.into / "run").write_text("#!/bin/sh\n")
        (work.into / "run").chmod(0o700)
        (work.into / "secret").write_text("")
        (work.into / "secret").chmod(0o600)

    during_build.append(modes)
    before = os.umask(0o077)
    try:
        make(store, "tool")
    finally:
        assert os.umask(before) == 0o077
    entry = store.folder("tool")
    found = {p.relative_to(entry).as_posix(): stat.S_IMODE(p.stat().st_mode) for p in (entry, *entry.rglob("*"))}
    assert found == {
        ".": 0o755,
        "bin": 0o755,
        "bin/tool": 0o644,
        "manifest.json": 0o644,
        "run": 0o755,
        "secret": 0o644,
    }


def test_an_interrupted_build_leaves_no_entry_and_the_next_one_works(store: ArtifactStore, during_build: Hooks) -> None:
    def interrupt(work: BuildContext) -> None:
        raise KeyboardInterrupt

    during_build.append(interrupt)
    with pytest.raises(KeyboardInterrupt):
        make(store, "tool")
    assert store.entry("tool") is None
    during_build.clear()
    assert make(store, "tool") is CHANGED
    assert left_over(store) == []


def test_what_a_killed_build_left_is_removed_by_the_next(store: ArtifactStore) -> None:
    killed = store.root / "work" / "tool@killed"
    (killed / "entry").mkdir(parents=True)
    other = store.root / "work" / "part@running"
    other.mkdir()
    make(store, "tool")
    assert left_over(store) == [other.name]


def test_go_s_caches_outlive_the_build(store: ArtifactStore, during_build: Hooks) -> None:
    seen: list[BuildContext] = []
    during_build.append(seen.append)
    make(store, "tool")
    assert seen[0].go_cache == store.paths.go / "build"
    assert seen[0].go_cache.is_dir()
    assert seen[0].go_modules.is_dir()


def test_a_build_that_makes_nothing_is_an_error(store: ArtifactStore, during_build: Hooks) -> None:
    during_build.append(lambda work: (work.into / "bin/tool").unlink())
    with pytest.raises(ArtifactError, match="made no files"):
        make(store, "tool")


def test_of_two_builders_one_waits_and_builds_nothing(
    store: ArtifactStore, make_store: Callable[..., ArtifactStore], built: list[str]
) -> None:
    said: list[str] = []
    waiting = threading.Event()

    def report(text: str, _: float | None) -> None:
        said.append(text)
        if "another process" in text:
            waiting.set()

    (store.root / "locks").mkdir(parents=True)
    results = []

    def second() -> None:
        with events.reporting(report):
            results.append(make(make_store(), "tool"))

    lock = FileLock(store.root / "locks" / "tool.lock")
    lock.acquire()
    thread = threading.Thread(target=second)
    thread.start()
    assert waiting.wait(10)
    lock.release()
    thread.join(10)
    assert results == [CHANGED]
    assert make(store, "tool") is UNCHANGED
    assert built == ["tool"]
