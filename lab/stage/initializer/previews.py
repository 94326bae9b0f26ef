"""What the page shows of choices: it renders them once, and obtains the YAML that is missing on this machine."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from dataclasses import asdict, dataclass, field

from lab.base.cancel import Cancelled
from lab.base.errors import ArtifactError, LabError
from lab.base.names import Json
from lab.initialize import choices as chosen
from lab.initialize import obtaining
from lab.initialize.choices import Choices
from lab.initialize.preview import preview
from lab.initialize.render import render
from lab.initialize.sources import StoreSources

_KEPT = 8
"""Renderings that are kept, of a few MB each: the present one, the one before, those to which a person goes back."""
_log = logging.getLogger(__name__)

Files = Mapping[str, str]


class NotYetError(Exception):
    """The files are not there yet: their YAML is being obtained."""


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
        """Return the preview of a query, with the files' names, sizes and digests if they are there.

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
        if not shown.problems:
            try:
                files = self._listed(choices)
            except NotYetError:
                coming = list(self._coming)
            except LabError as error:
                failed = {"what": error.what, "next": error.next}
        return {**asdict(shown), "files": files, "coming": coming, "failed": failed}

    def files(self, query: str) -> Files:
        """Return the text of each file by its path.

        Raises:
            UsageError: the query is not valid, or the combination is impossible.
            ArtifactError: YAML cannot be obtained.
            NotYetError: it is being obtained.
        """
        return self._rendered(chosen.parse_query(query).check())

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
                self._begin(choices, error)
                raise NotYetError from error
            self._files[key] = files
            while len(self._files) > _KEPT:
                gone, _ = self._files.popitem(last=False)
                self._digests.pop(gone, None)
            return files

    def _begin(self, choices: Choices, error: ArtifactError) -> None:
        """Begin to obtain what is missing; an error that this cannot fix is raised again."""
        if self._coming:
            return
        names = self.missing(choices, self.sources)
        if not names:
            raise error
        for name in names:
            if name in self._failed:
                raise self._failed[name]
        self._coming = names
        context = copy_context()
        threading.Thread(target=context.run, args=(self._get, list(names)), name="initializer", daemon=True).start()

    def _get(self, names: Iterable[str]) -> None:
        for name in names:
            try:
                self.obtain(name, self.sources)
            except LabError as error:
                self._failed[name] = error
                break
            except Cancelled:
                break
            except Exception as error:  # a defect: the page says so, and a person can try again
                _log.exception("%s could not be obtained", name)
                self._failed[name] = ArtifactError(f"{name}: {error}", next=f"lab artifacts build {name}")
                break
            self._coming = [one for one in self._coming if one != name]
        self._coming = []


def _entry(path: str, text: str) -> Json:
    data = text.encode()
    return {"path": path, "size": len(data), "digest": hashlib.sha256(data).hexdigest()[:16]}
