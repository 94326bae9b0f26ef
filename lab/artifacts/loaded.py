"""The source of each artifact, as a loaded bundle decided it: with it the lab searches nowhere and asks no network.

A content key depends on the source. So a bundle carries the decision of the machine that saved it, and loading saves
the decision beside the entries. This is the only link between bundles and the choice of sources: `ArtifactStore` reads
it before `upstream.chosen`, and searches it (`FromBundle`) before this machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab import __version__
from lab.artifacts.catalog import Artifact, Catalog
from lab.artifacts.keys import LOCAL, Keys
from lab.artifacts.recipe import BuildContext, BuildResult
from lab.artifacts.resolver import Match, NotFound, Resolver, Source
from lab.base.files import write_atomic

_FILE = "bundle.json"
Text = Annotated[str, Field(max_length=1000)]


class Strict(BaseModel):
    """A record of a file that somebody else may have written: types are exact, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class TakenFrom(Strict):
    """The build of an artifact that the lab never builds: its name, its digest and its source (`local`, `upstream`)."""

    version: Text
    name: Text
    identity: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    source: Text


class SourceDecision(Strict):
    """Whether upstream's own builds are used, and the builds of the artifacts that the lab never builds."""

    upstream: bool
    taken: Mapping[str, TakenFrom]


class LoadedBundle(Strict):
    """The decision of the last loaded bundle, the stacks that it was complete for, and the lab's version."""

    lab: Text
    stacks: list[Text]
    decision: SourceDecision

    def save(self, root: Path) -> None:
        """Write it into the store."""
        root.mkdir(parents=True, exist_ok=True)
        write_atomic(root / _FILE, f"{self.model_dump_json(indent=1)}\n", mode=0o644)


def read(root: Path) -> LoadedBundle | None:
    """Return the store's loaded bundle; None if there is none, or it was loaded by another version of the lab."""
    try:
        loaded = LoadedBundle.model_validate_json((root / _FILE).read_bytes())
    except (OSError, ValidationError):
        return None
    return loaded if loaded.lab == __version__ else None


def assumed(decision: SourceDecision) -> LoadedBundle:
    """Return a bundle as if it were loaded, to compute keys with its decision."""
    return LoadedBundle(lab=__version__, stacks=[], decision=decision)


def decided(catalog: Catalog, keys: Keys, resolver: Resolver, names: Iterable[str]) -> SourceDecision:
    """Return this machine's decision for some artifacts and for all that they are made of."""
    taken: dict[str, TakenFrom] = {}
    known: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name in known:
            continue
        known.add(name)
        left += keys.needs(name)
        if keys.is_taken(name) and isinstance(match := resolver.find(catalog[name]), Match):
            # A path of this machine says nothing to another one, and may have its user's name.
            shown = Path(match.name).name if match.name.startswith("/") else match.name
            taken[name] = TakenFrom(
                version=catalog[name].version, name=shown, identity=match.identity, source=match.place.source
            )
    uses_upstream = any(keys.from_upstream(artifact.name) for artifact in catalog)
    return SourceDecision(upstream=uses_upstream, taken=dict(sorted(taken.items())))


@dataclass(frozen=True, kw_only=True)
class FromBundle:
    """This machine as a source of builds (`resolver.Source`), after a bundle was loaded: its builds come first."""

    decision: SourceDecision
    here: Source
    there: Source
    source: str = LOCAL

    def look(self, artifact: Artifact) -> Match | NotFound:
        """Return the bundle's build, else search this machine."""
        taken = self.decision.taken.get(artifact.name)
        if taken is None or taken.version != artifact.version:
            return self.here.look(artifact)
        place = self.there if taken.source == self.there.source else self.here
        return Match(name=taken.name, identity=taken.identity, place=place)

    def take(self, match: Match, work: BuildContext) -> BuildResult:
        """Take a build of this machine."""
        return self.here.take(match, work)
