"""Record a live stage from its start to its end."""

from __future__ import annotations

import http.client
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from lab import __version__
from lab.lab import Lab
from lab.report.folder import RunFolder
from lab.stage.live import LiveStage
from lab.stage.recording.manifest import Manifest
from lab.stage.recording.page import PageReader, page_facts
from lab.stage.recording.recorder import Recorder

_log = logging.getLogger(__name__)
_AGAIN_S = 5.0


@contextmanager
def recorded(stage: LiveStage, lab: Lab, *, runs: Path, say: Callable[[str], None]) -> Iterator[Recorder | None]:
    """Record a stage while the block runs, into a new folder below `runs`; the stage is opened inside the block.

    Yields None, and says why, if the folder or its files cannot be created: a presentation goes before its recording.
    """
    recorder = _recorder(stage, runs, say)
    if recorder is None:
        yield None
        return
    upstreams = parse_qs(urlsplit(stage.facts.page_url).query).get("upstream", [])
    base = lab.ingress_url(lab.west.name)
    reader = PageReader(base=base, upstreams=upstreams, take=recorder.page)
    over = threading.Event()
    stage.consoles.shown, stage.consoles.resized = recorder.console, recorder.console_size
    leave = recorder.follow(stage.broker, stage.state(), stage.panels())
    reader.start()
    describe = partial(_describe, recorder, base, over)
    threading.Thread(target=copy_context().run, args=(describe,), name="page-facts", daemon=True).start()
    try:
        yield recorder
    finally:
        over.set()
        leave()
        reader.close()
        recorder.close()


def _recorder(stage: LiveStage, runs: Path, say: Callable[[str], None]) -> Recorder | None:
    facts = stage.facts
    folder = None
    try:
        folder = RunFolder.new(runs)
        recorder = Recorder(
            folder=folder.path,
            manifest=Manifest(
                id=folder.id,
                lab_version=__version__,
                began_at=0.0,
                lab=facts.lab,
                stack=facts.stack,
                title=facts.stack_title,
                page_url=facts.page_url,
            ),
            note=stage.note,
        )
        recorder.start()
    except OSError as error:
        if folder is not None:
            shutil.rmtree(folder.path, ignore_errors=True)
        say(f"nothing is recorded: {(error.strerror or str(error)).lower()} ({error.filename or runs})")
        return None
    return recorder


def _describe(recorder: Recorder, base: str, over: threading.Event) -> None:
    """Note what the page's frontend is, as soon as it answers."""
    while not over.is_set():
        try:
            found = page_facts(base)
        except (OSError, http.client.HTTPException, ValueError, TypeError) as error:
            _log.debug("the page's frontend does not answer yet: %s", error)
            over.wait(_AGAIN_S)
        else:
            recorder.describe(frontend=found.frontend, upstreams=found.upstreams, ingress=found.ingress)
            return
