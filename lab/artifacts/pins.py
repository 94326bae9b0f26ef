"""Digests of upstream's builds: those that the catalogue has, and those that `lab.lock` records at the first use.

`lab.lock` is beside lab.toml and can be committed. A digest in it is required from then on, on every machine: for a
registry's tag or a release's file that changes later, the lab refuses the new content.
"""

from __future__ import annotations

import json
import re
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.artifacts.catalog import Artifact
from lab.artifacts.platforms import Platform, here
from lab.base import events, locks
from lab.base.errors import ArtifactError
from lab.base.files import write_atomic

FILE_NAME = "lab.lock"
CATALOG = "the catalogue"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_OTHER_WRITER_S = 60
_HEAD = """\
# Digests of upstream's images, charts and files at their first use. `lab` writes this file, and then requires them.
# Commit it, so that all machines use the same content. To accept new content, delete its line.

[digests]
"""


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A required digest, as `sha256:…`, and where it is written."""

    digest: str
    by: str


@dataclass(kw_only=True)
class Pins:
    """The required digests of one lab.

    Args:
        file: its lab.lock, which may not exist yet.
        guard: the lock file that one process holds while it writes.
        platform: the platform whose programs the lab runs; by default this machine's.
    """

    file: Path
    guard: Path
    platform: Platform | None = None
    _own: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _read: Mapping[str, str] | None = field(default=None, repr=False)

    def name(self, artifact: Artifact) -> str:
        """Return the name of an artifact's upstream build: a reference or a URL."""
        assert artifact.upstream is not None  # noqa: S101 - callers pass only such artifacts
        return artifact.upstream.name(artifact.version_from(upstream=True), self.platform or here())

    def pin(self, artifact: Artifact) -> Pin | None:
        """Return the digest that an artifact's upstream build must have; None before its first use.

        Raises:
            ArtifactError: lab.lock is damaged.
        """
        assert artifact.upstream is not None  # noqa: S101 - callers pass only such artifacts
        if (digest := artifact.upstream.pinned(self.platform or here())) is not None:
            return Pin(digest=digest, by=CATALOG)
        recorded = self._digests().get(self.name(artifact))
        return Pin(digest=recorded, by=str(self.file)) if recorded else None

    def record(self, artifact: Artifact, digest: str) -> None:
        """Record the digest of an artifact's first use in lab.lock.

        A folder that this user may not write to gets no lab.lock; the store's entry still has the digest.
        """
        if self.pin(artifact) is not None:
            return
        name = self.name(artifact)
        with self._own:
            try:
                for folder in (self.file.parent, self.guard.parent):
                    folder.mkdir(parents=True, exist_ok=True)
                with locks.held(self.guard, what=FILE_NAME, wait_s=_OTHER_WRITER_S):
                    digests = {name: digest, **self._load()}  # another command may have recorded one meanwhile
                    write_atomic(self.file, _text(digests), mode=0o644)
            except OSError as error:
                events.progress(f"{self.file} was not written ({error.strerror}); the digest of {name} is {digest}")
                return
            self._read = digests

    def _digests(self) -> Mapping[str, str]:
        if self._read is None:
            self._read = self._load()
        return self._read

    def _load(self) -> Mapping[str, str]:
        try:
            text = self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise self._damaged(f"it cannot be read: {error}") from error
        try:
            digests = tomllib.loads(text).get("digests", {})
        except tomllib.TOMLDecodeError as error:
            raise self._damaged(str(error)) from error
        if not isinstance(digests, dict):
            raise self._damaged("digests is not a table")
        for name, digest in digests.items():
            if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
                raise self._damaged(f"{name} is not sha256:<64 hexadecimal digits>")
        return digests

    def _damaged(self, why: str) -> ArtifactError:
        return ArtifactError(
            f"{FILE_NAME} is damaged: {why}",
            where=str(self.file),
            next=f"restore {self.file} (`git checkout`), or delete it: the lab then trusts what it downloads next",
        )


def _text(digests: Mapping[str, str]) -> str:
    # A JSON string of these names is a TOML string as well.
    return _HEAD + "".join(f"{json.dumps(name)} = {json.dumps(digests[name])}\n" for name in sorted(digests))
