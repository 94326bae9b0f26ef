"""Content keys: two builds of an artifact with the same key are interchangeable.

A key is a hash of everything that determines the content: version, recipe with options and files, the machine's
architecture, the source, and the keys of the artifacts that the build needs. Time and place are not part of it.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lab.artifacts import folders
from lab.artifacts.catalog import Artifact, Catalog
from lab.artifacts.recipe import Recipe
from lab.base.files import file_sha256

if TYPE_CHECKING:
    from lab.artifacts.resolver import Match, NotFound, Resolver

PACKAGES, UPSTREAM, LOCAL = "packages", "upstream", "local"
"""Sources of an artifact."""
KEY_LENGTH = 12
"""Hex digits: 48 bits, enough for some thousand entries of one artifact."""


class Keys:
    """The keys of one catalogue's artifacts, each computed once.

    Args:
        catalog: all artifacts.
        recipes: recipes by artifact name.
        upstream: whether to use upstream's own builds for artifacts that have one.
        taker: finds the builds of artifacts without a recipe.
    """

    def __init__(
        self,
        catalog: Catalog,
        recipes: Mapping[str, Recipe],
        *,
        upstream: bool,
        taker: Resolver | None = None,
    ) -> None:
        self._catalog = catalog
        self._recipes = recipes
        self._upstream = upstream
        self._taker = taker
        self._known: dict[str, str] = {}

    def from_upstream(self, name: str) -> bool:
        """Say whether this artifact comes from upstream instead of a recipe."""
        upstream = self._catalog[name].upstream
        return self._upstream and upstream is not None and upstream.machine in {None, platform.machine()}

    def is_taken(self, name: str) -> bool:
        """Say whether this artifact is never built: the resolver finds upstream's build locally or in a registry."""
        return self._catalog[name].taken is not None and not self.from_upstream(name)

    def source(self, name: str) -> str:
        """Return where this artifact comes from: `upstream`, `local` or `packages`."""
        if self.from_upstream(name):
            return UPSTREAM
        if not self.is_taken(name):
            return PACKAGES
        place = getattr(self._found(name), "place", None)
        return place.source if place is not None else LOCAL

    def needs(self, name: str) -> tuple[str, ...]:
        """Return the artifacts that the build of this one needs."""
        if self.from_upstream(name) or self.is_taken(name):
            return ()
        return tuple(dict.fromkeys(self._recipes[name].needs()))

    def __getitem__(self, name: str) -> str:
        if name not in self._known:
            described = json.dumps(self._describe(self._catalog[name]), sort_keys=True).encode()
            self._known[name] = hashlib.sha256(described).hexdigest()[:KEY_LENGTH]
        return self._known[name]

    def _found(self, name: str) -> Match | NotFound | None:
        return self._taker.find(self._catalog[name]) if self._taker else None

    def _describe(self, artifact: Artifact) -> Mapping[str, object]:
        common = {"name": artifact.name, "version": artifact.version, "machine": platform.machine()}
        if self.from_upstream(artifact.name):
            return {**common, "upstream": vars(artifact.upstream)}
        if self.is_taken(artifact.name):
            return {**common, "taken": getattr(self._found(artifact.name), "identity", "not there")}
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
