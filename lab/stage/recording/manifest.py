"""The folder of a recording, and `stage.json`, which says what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lab.base.errors import LabError, UsageError
from lab.base.files import write_atomic
from lab.base.names import Json
from lab.report.folder import STAGE

SCHEMA = "eastwest.lab/stage/v1"
"""Its version is increased with every change that a reader of a recording would notice."""
EVENTS = "events.jsonl"
PAGE = "page.jsonl"
CONSOLES = "consoles"
CAST = ".cast"


class RecordingError(LabError):
    """A recording cannot be replayed."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a recording is.

    `began_at` is Unix time, `duration_s` what was recorded until the manifest was written last: until the stage
    ends, that is the beginning, and the files have more. `complete` is False until then, and stays so if the
    recording stopped earlier, as on a full disk. `notes` say what is missing. `ingress`: the page's stream came
    through a proxy that names itself. `steps` counts the steps by result.
    """

    id: str
    lab_version: str
    began_at: float
    lab: str
    stack: str
    title: str
    page_url: str
    upstreams: tuple[Json, ...] = ()
    frontend: Mapping[str, Json] | None = None
    ingress: bool = False
    complete: bool = False
    duration_s: float = 0.0
    steps: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the stage has ended in order, also if its recording stopped earlier."""
        return self.steps is not None

    def write(self, folder: Path) -> None:
        """Write it, readable by its owner only."""
        document = {"schema": SCHEMA, **asdict(self)}
        write_atomic(folder / STAGE, json.dumps(document, indent=1, ensure_ascii=False))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read it.

        Raises:
            UsageError: the folder has no recording.
            RecordingError: it is damaged, or of another version of the lab.
        """
        file = folder / STAGE
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
            schema = document.get("schema")
        except (FileNotFoundError, NotADirectoryError) as error:
            what = f"not the folder of a stage's recording: it has no {STAGE}"
            raise UsageError(what, where=str(folder), next="lab report") from error
        except (OSError, ValueError, AttributeError) as error:
            raise RecordingError(f"cannot be read: {error}", where=str(file), next="lab report") from error
        if schema != SCHEMA:
            what = f"the recording has schema {schema!r}; this version of the lab replays {SCHEMA!r}"
            raise RecordingError(what, where=str(file), next="the version of the lab that recorded it")
        known = {one.name for one in fields(cls)}
        try:
            made = cls(**{name: value for name, value in document.items() if name in known})
            return _checked(made)
        except (TypeError, ValueError) as error:
            raise RecordingError(f"is damaged: {error}", where=str(file), next="lab report") from error


def _checked(made: Manifest) -> Manifest:
    """Return the manifest if what a replay computes with has the right form."""
    if not all(isinstance(value, int | float) for value in (made.began_at, made.duration_s)):
        raise ValueError("a time is not a number")
    if not all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in made.upstreams):
        raise ValueError("an upstream has no name")
    return made
