"""Run a plan with a live view, and write a log file."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from lab.base.errors import LabError
from lab.base.paths import Paths
from lab.base.step import Step
from lab.cli.progress import logging_to, showing
from lab.lab import Lab
from lab.lifecycle import runner


def run(lab: Lab, steps: Sequence[Step], *, verb: str, quiet: bool = False) -> runner.RunReport:
    """Run the steps of a plan and return the result of each."""
    with _log_file(lab.paths, verb) as note, showing(steps, Console(stderr=True, quiet=quiet)) as show:

        def sink(event: Any) -> None:
            note(event)
            show(event)

        return runner.run(steps, sink=sink, build_jobs=lab.spec.resources.build_jobs)


def last_run(paths: Paths, lines: int) -> str:
    """Return the end of the newest log.

    Raises:
        LabError: there is no log yet.
    """
    runs = sorted(paths.logs.glob("*.log")) if paths.logs.exists() else []
    if not runs:
        raise LabError("there is no log of a run yet", next="lab up")
    text = runs[-1].read_text(encoding="utf-8").splitlines()
    return "\n".join([f"{runs[-1]}, last {min(lines, len(text))} of {len(text)} lines", *text[-lines:]])


@contextmanager
def _log_file(paths: Paths, verb: str) -> Iterator[Callable[[Any], None]]:
    with logged(paths, verb) as log:
        yield logging_to(log)


@contextmanager
def logged(paths: Paths, verb: str, *, others: Sequence[str] = ()) -> Iterator[logging.Logger]:
    """Write what the lab does in the block into a log file, which `lab logs` shows; yield the lab's logger.

    Args:
        paths: the lab's paths.
        verb: the command, for the file's name.
        others: names of libraries' loggers, for their errors; they print nothing meanwhile.
    """
    paths.logs.mkdir(parents=True, exist_ok=True)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{verb}.log"
    with os.fdopen(os.open(paths.logs / name, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as stream:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(asctime)s %(threadName)s %(message)s"))
        log = logging.getLogger("lab")
        log.setLevel(logging.DEBUG)
        loggers = [log, *map(logging.getLogger, others)]
        for logger in loggers:
            logger.addHandler(handler)
        try:
            yield log
        finally:
            for logger in loggers:
                logger.removeHandler(handler)
