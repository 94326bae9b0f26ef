"""What the page shows of choices: it renders them once, and obtains the YAML that is missing on this machine."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import asdict, dataclass, field
from functools import partial

from lab.base.cancel import Cancelled
from lab.base.errors import ArtifactError, LabError
from lab.base.names import Json
from lab.initialize import choices as chosen
from lab.initialize import obtaining
from lab.initialize.alternatives import check
from lab.initialize.choices import Choices
from lab.initialize.preview import preview
from lab.initialize.references import warnings, with_references
from lab.initialize.render import artifacts, render
from lab.initialize.sources import StoreSources

_KEPT = 8
"""Renderings that are kept, of a few MB each: the present one, the one before, those to which a person goes back."""
_log = logging.getLogger(__name__)

Files = Mapping[str, str]


class NotYetError(Exception):
    """The files are not there yet: the YAML of `names` is being obtained."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


@dataclass(kw_only=True)
class Previews:
    """Answers the page's questions. Its methods can be called from any thread.

    Args:
        sources: where upstream's YAML is from.
        missing: returns the artifacts that choices lack.
        obtain: makes one of them.
    """

    sources: StoreSources
    missing: Callable[[Choices, StoreSources], list[str]] = obtaining.missing
    obtain: Callable[[str, StoreSources], None] = obtaining.obtain
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _files: OrderedDict[str, Files] = field(default_factory=OrderedDict)
    _digests: dict[str, list[Json]] = field(default_factory=dict)
    _coming: list[str] = field(default_factory=list)
    _failed: dict[str, LabError] = field(default_factory=dict)

    def show(self, query: str, *, again: bool = False) -> Json:
        """Return the preview of a query; if its files are there, their names, sizes and digests, and what they lack.

        Args:
            query: the query of the page's URL.
            again: try once more to obtain what could not be obtained.

        Raises:
            UsageError: the query is not valid.
        """
        choices = chosen.parse_query(query)
        if again:
            self._failed.clear()
        shown = preview(choices)
        files: list[Json] | None = None
        coming: list[str] = []
        failed: Json = None
        referenced: list[str] = []
        if not shown.problems:
            try:
                files = self._listed(choices)
                referenced += warnings(with_references(choices, self.sources), self.sources)
            except NotYetError as wait:
                coming = wait.names
            except LabError as error:
                failed = {"what": error.what, "next": error.next}
        return {**asdict(shown), "files": files, "coming": coming, "failed": failed, "referenced": referenced}

    def files(self, query: str) -> Files:
        """Return the text of each file by its path.

        Raises:
            UsageError: the query is not valid, or the combination is impossible.
            ArtifactError: YAML cannot be obtained.
            NotYetError: it is being obtained.
        """
        return self._rendered(check(chosen.parse_query(query)))

    def _listed(self, choices: Choices) -> list[Json]:
        files, key = self._rendered(choices), choices.query()
        with self._lock:
            if key not in self._digests:
                self._digests[key] = [_entry(path, text) for path, text in files.items()]
            return self._digests[key]

    def _rendered(self, choices: Choices) -> Files:
        key = choices.query()
        with self._lock:
            if key in self._files:
                self._files.move_to_end(key)
                return self._files[key]
            try:
                files = render(choices, self.sources).files
            except ArtifactError as error:
                if key in self._failed:
                    raise self._failed[key] from error
                raise NotYetError(self._begin(choices, error)) from error
            self._files[key] = files
            while len(self._files) > _KEPT:
                gone, _ = self._files.popitem(last=False)
                self._digests.pop(gone, None)
            return files

    def _begin(self, choices: Choices, error: ArtifactError) -> list[str]:
        """Begin to obtain what is missing, unless that has begun; return the names of what is to come.

        Raises:
            ArtifactError: `error`, if no artifact can fix it.
        """
        if not (names := list(self._coming)):
            self._coming = names = list(artifacts(choices))
            if not names:
                raise error
            # In a thread: to find out what is missing can take as long as a registry that does not answer.
            work = partial(copy_context().run, self._get, choices, error)
            threading.Thread(target=work, name="initializer", daemon=True).start()
        return list(names)

    def _get(self, choices: Choices, error: ArtifactError) -> None:
        key = choices.query()
        try:
            names = self.missing(choices, self.sources)
            if not names:
                self._failed[key] = error
            for at, name in enumerate(names):
                self._coming = names[at:]
                self.obtain(name, self.sources)
        except Cancelled:
            pass
        except LabError as failed:
            self._failed[key] = failed
        except Exception as defect:  # the page says so, and a person can try again
            _log.exception("the YAML of %s could not be obtained", key)
            self._failed[key] = ArtifactError(f"the YAML could not be obtained: {defect}", next="lab artifacts list")
        finally:
            self._coming = []


def _entry(path: str, text: str) -> Json:
    data = text.encode()
    return {"path": path, "size": len(data), "digest": hashlib.sha256(data).hexdigest()[:16]}
