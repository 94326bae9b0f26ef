"""Content keys: two builds with the same key may stand for each other.

A key covers everything that decides about the content: version, recipe, its options and files, the machine's
architecture, the source, and the keys of what the artifact is made from. It says nothing about when or where.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lab.artifacts import folders
from lab.artifacts.catalog import Artifact, Catalog
from lab.artifacts.recipe import Recipe

if TYPE_CHECKING:
    from lab.artifacts.local import LocalStore

PACKAGES, UPSTREAM, LOCAL = "packages", "upstream", "local"
"""Where an artifact comes from."""
KEY_LENGTH = 12
"""Hex digits: 48 bits, for at most some thousand entries of one artifact."""


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Keys:
    """The keys of one catalogue's artifacts, computed once.

    Args:
        catalog: what there is.
        recipes: each artifact's recipe.
        upstream: whether to take upstream's own build of what has one.
        local: finds what is on this machine already, for artifacts that are only taken.
    """

    def __init__(
        self,
        catalog: Catalog,
        recipes: Mapping[str, Recipe],
        *,
        upstream: bool,
        local: LocalStore | None = None,
    ) -> None:
        self._catalog = catalog
        self._recipes = recipes
        self._upstream = upstream
        self._local = local
        self._known: dict[str, str] = {}

    def from_upstream(self, name: str) -> bool:
        """Say whether this artifact is taken from upstream rather than built."""
        upstream = self._catalog[name].upstream
        return self._upstream and upstream is not None and upstream.machine in {None, platform.machine()}

    def from_local(self, name: str) -> bool:
        """Say whether this artifact is taken from this machine, under upstream's name, or not at all."""
        return self._catalog[name].local is not None and not self.from_upstream(name)

    def source(self, name: str) -> str:
        """Return where this artifact comes from: `upstream`, `local` or `packages`."""
        if self.from_upstream(name):
            return UPSTREAM
        return LOCAL if self.from_local(name) else PACKAGES

    def needs(self, name: str) -> tuple[str, ...]:
        """Return the artifacts that this one is made from."""
        if self.source(name) != PACKAGES:
            return ()
        return tuple(dict.fromkeys(self._recipes[name].needs()))

    def __getitem__(self, name: str) -> str:
        if name not in self._known:
            described = json.dumps(self._describe(self._catalog[name]), sort_keys=True).encode()
            self._known[name] = hashlib.sha256(described).hexdigest()[:KEY_LENGTH]
        return self._known[name]

    def _describe(self, artifact: Artifact) -> Mapping[str, object]:
        common = {"name": artifact.name, "version": artifact.version, "machine": platform.machine()}
        if self.from_upstream(artifact.name):
            return {**common, "upstream": vars(artifact.upstream)}
        if self.from_local(artifact.name):
            found = self._local.find(artifact) if self._local else None
            return {**common, "local": getattr(found, "identity", "not there")}
        recipe = self._recipes[artifact.name]
        inputs = {
            f"{given.name}/{path.relative_to(given).as_posix()}": file_sha256(path)
            for given in recipe.inputs()
            for path in folders.files(given)
        }
        return {
            **common,
            "recipe": [artifact.recipe, recipe.revision],
            "options": artifact.options,
            "files": inputs,
            "needs": {need: self[need] for need in self.needs(artifact.name)},
        }
