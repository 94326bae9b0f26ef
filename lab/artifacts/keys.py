"""Content keys: two builds of an artifact with the same key are interchangeable.

A key is a hash of everything that determines the content. For a build from packages: version, recipe with options and
files, the machine's architecture, and the keys of the artifacts that the build needs. For upstream's build: version,
name, platform and digest. Time and place are not part of it.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping

from lab.artifacts import folders
from lab.artifacts.catalog import Artifact, Catalog
from lab.artifacts.decisions import Decisions
from lab.artifacts.pins import Pins
from lab.artifacts.recipe import Recipe
from lab.artifacts.resolver import PACKAGES, upstream_of
from lab.base.files import file_sha256

KEY_LENGTH = 12
"""Hex digits: 48 bits, enough for some thousand entries of one artifact."""


class Keys:
    """The keys of one catalogue's artifacts, each computed once.

    Args:
        catalog: all artifacts.
        recipes: recipes by artifact name.
        decisions: where each artifact comes from.
        pins: the required digests.
    """

    def __init__(self, catalog: Catalog, recipes: Mapping[str, Recipe], *, decisions: Decisions, pins: Pins) -> None:
        self._catalog = catalog
        self._recipes = recipes
        self._decisions = decisions
        self._pins = pins
        self._known: dict[str, str] = {}

    def is_built(self, name: str) -> bool:
        """Say whether the lab makes this artifact with its recipe."""
        return self._decisions[name].source == PACKAGES

    def needs(self, name: str) -> tuple[str, ...]:
        """Return the artifacts that the build of this one needs."""
        return tuple(dict.fromkeys(self._recipes[name].needs())) if self.is_built(name) else ()

    def closure(self, names: Iterable[str]) -> list[str]:
        """Return artifacts and all that their builds need, in the order in which they were found."""
        found: dict[str, None] = {}
        wave = list(dict.fromkeys(names))
        while wave:
            self._decisions.prefetch(wave)
            found.update(dict.fromkeys(wave))
            wave = [need for name in wave for need in self.needs(name) if need not in found]
            wave = list(dict.fromkeys(wave))
        return list(found)

    def __getitem__(self, name: str) -> str:
        if name not in self._known:
            described = json.dumps(self._describe(self._catalog[name]), sort_keys=True).encode()
            self._known[name] = hashlib.sha256(described).hexdigest()[:KEY_LENGTH]
        return self._known[name]

    def _describe(self, artifact: Artifact) -> Mapping[str, object]:
        common = {"name": artifact.name, "version": artifact.version}
        if not self.is_built(artifact.name):
            match = self._decisions[artifact.name].match
            # A file's digest may be known only after its first download; the store compares the entry's with the pin.
            is_file = upstream_of(artifact).url is not None
            identity = match.identity if match and not is_file else ""
            return {**common, "upstream": self._pins.name(artifact), "identity": identity}
        recipe = self._recipes[artifact.name]
        inputs = {
            f"{given.name}/{path.relative_to(given).as_posix()}": file_sha256(path)
            for given in recipe.inputs()
            for path in folders.files(given)
        }
        return {
            **common,
            "machine": platform.machine(),
            "recipe": [artifact.recipe, recipe.revision],
            "options": artifact.options,
            "files": inputs,
            "needs": {need: self[need] for need in self.needs(artifact.name)},
        }
