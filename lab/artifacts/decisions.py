"""Decide for each artifact where it comes from: upstream, or a build from packages.

With `source = "auto"`, upstream's build comes first, and a build from packages second, where this machine can build.
Artifacts of one group work only together: one that is unavailable at upstream makes the lab build all of them.
A loaded bundle brings the decisions of the machine that saved it: for its artifacts, the lab searches no source.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab import __version__
from lab.artifacts.catalog import Artifact, Catalog
from lab.artifacts.platforms import platform_of
from lab.artifacts.resolver import LOCAL, PACKAGES, Match, NotFound, Resolver, upstream_of
from lab.base.concurrency import Threads
from lab.base.errors import HostError
from lab.base.files import write_atomic

NOWHERE = "nowhere"
"""Source of an artifact that is unavailable."""
_FRESH_S = 600.0
"""How long a decision holds without new questions: so not every command waits for a silent network."""
_PARALLEL = 16


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Where an artifact comes from. `why`: why not from upstream."""

    source: str
    match: Match | None = None
    why: NotFound | None = None


BUILD = Decision(source=PACKAGES)


def cannot_build(*, root: Path = Path("/")) -> str | None:
    """Return why this machine cannot build from packages; None if it can: root on Debian or Ubuntu, on amd64."""
    system, machine = os.uname().sysname, os.uname().machine
    try:
        is_ours = str(platform_of(system, machine)) == "linux-amd64"
    except HostError:
        is_ours = False
    if not is_ours or not (root / "etc/debian_version").exists():
        return "only Debian and Ubuntu on amd64 can build it from packages"
    return None if os.geteuid() == 0 else "only root can build it from packages"


@dataclass(kw_only=True)
class Memory:
    """The decisions of one lab in a file.

    Args:
        file: the file.
        is_up: whether the lab is up: then its decisions hold, however old they are.
        read_only: whether to read it only, however old it is.
        clock: seconds since the epoch.
    """

    file: Path
    is_up: bool
    read_only: bool = False
    clock: Callable[[], float] = time.time
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def recall(self, artifact: Artifact, key: str, *, from_bundle: bool = False) -> Decision | None:
        """Return the decision for an artifact, if it still holds and was made for the same `key`.

        Args:
            artifact: the artifact.
            key: a digest of what the decision depends on.
            from_bundle: return only a loaded bundle's decision, which holds as long as the version of the lab.
        """
        found = self._read().get(artifact.name)
        try:
            if found is None or found["key"] != key:
                return None
            is_bundles = found.get("bundle") == __version__
            is_fresh = 0 <= self.clock() - float(str(found["at"])) < _FRESH_S
            if not (is_bundles or (not from_bundle and (self.is_up or self.read_only or is_fresh))):
                return None
            match = found.get("match")
            return Decision(source=str(found["source"]), match=Match(**match) if isinstance(match, dict) else None)
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def keep(self, decisions: Mapping[str, tuple[str, Decision]], *, from_bundle: bool = False) -> None:
        """Write decisions, each with its key, by artifact."""
        if self.read_only:
            return
        records = {
            name: {
                "key": key,
                "source": decision.source,
                "match": asdict(decision.match) if decision.match else None,
                "at": self.clock(),
                "bundle": __version__ if from_bundle else None,
            }
            for name, (key, decision) in decisions.items()
        }
        self._write(records)

    def _read(self) -> Mapping[str, Mapping[str, object]]:
        try:
            raw = json.loads(self.file.read_text(encoding="utf-8"))
            return raw if isinstance(raw, dict) else {}
        except (OSError, ValueError):
            return {}

    def _write(self, records: Mapping[str, Mapping[str, object]]) -> None:
        with self._guard:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            content = json.dumps({**self._read(), **records}, indent=1, sort_keys=True)
            write_atomic(self.file, f"{content}\n", mode=0o644)


@dataclass(kw_only=True)
class Decisions:
    """The decisions for one catalogue; each is made once.

    Args:
        catalog: all artifacts.
        setting: `auto`, `upstream` or `packages`, from lab.toml.
        resolver: finds upstream's builds.
        memory: the lab's earlier decisions.
        cannot_build: returns why this machine cannot build from packages, None if it can.
    """

    catalog: Catalog
    setting: str
    resolver: Resolver
    memory: Memory
    cannot_build: Callable[[], str | None]
    _made: dict[str, Decision] = field(default_factory=dict, repr=False)

    def __getitem__(self, name: str) -> Decision:
        if name not in self._made:
            self._made[name] = self._decide(self.catalog[name])
        return self._made[name]

    def prefetch(self, names: Iterable[str]) -> None:
        """Search for several artifacts at once: the questions to registries run in parallel."""
        new = [self.catalog[name] for name in names if name not in self._made]
        asked = [artifact for artifact in new if self._held(artifact) is None]
        searched = {member.name: member for artifact in asked for member in self._group(artifact)}
        if len(searched) > 1:
            with Threads(_PARALLEL, thread_name_prefix="sources") as threads:
                for _ in threads.map(self.resolver.find, searched.values()):
                    pass

    def build_next_time(self, name: str) -> bool:
        """Decide to build an artifact whose upstream build failed; return whether that is possible."""
        artifact = self.catalog[name]
        if artifact.upstream is None or self.memory.is_up or not self._may_build(artifact) or self.cannot_build():
            return False
        self.memory.keep({member.name: (self._key(member), BUILD) for member in self._group(artifact)})
        return True

    def assume(self, given: Mapping[str, Decision]) -> None:
        """Use the decisions of a bundle, as far as lab.toml's `source` and the required digests allow them."""
        for name, decision in given.items():
            if name in self.catalog and self._allows(self.catalog[name], decision):
                self._made[name] = decision

    def keep_from_bundle(self, names: Iterable[str], made: Decisions) -> None:
        """Keep the decisions that others made with a bundle, until another version of the lab replaces this one."""
        new = [name for name in names if self._from_bundle(name) != made[name]]
        records = {name: (self._key(self.catalog[name]), made[name]) for name in new}
        if records:
            self.memory.keep(records, from_bundle=True)

    def is_from_bundle(self, name: str) -> bool:
        """Return whether a loaded bundle made the decision for an artifact."""
        kept = self._from_bundle(name)
        return kept is not None and kept == self._held(self.catalog[name])

    def _from_bundle(self, name: str) -> Decision | None:
        artifact = self.catalog[name]
        return self.memory.recall(artifact, self._key(artifact), from_bundle=True)

    def _decide(self, artifact: Artifact) -> Decision:
        if (held := self._held(artifact)) is not None:
            return held
        decision = self._ask(artifact)
        # This machine is searched each time: what it has may have changed.
        if decision.source not in {NOWHERE, LOCAL}:
            with suppress(OSError):  # a folder that cannot be written only makes the next command ask again
                self.memory.keep({artifact.name: (self._key(artifact), decision)})
        return decision

    def _held(self, artifact: Artifact) -> Decision | None:
        """Return the decision that needs no question: there is one source only, or the lab decided before."""
        if self._is_always_built(artifact):
            return BUILD
        before = self.memory.recall(artifact, self._key(artifact))
        return before if before is not None and self._allows(artifact, before) else None

    def _is_always_built(self, artifact: Artifact) -> bool:
        return artifact.upstream is None or (self.setting == "packages" and artifact.recipe is not None)

    def _allows(self, artifact: Artifact, decision: Decision) -> bool:
        if decision.match is None:
            return self._is_always_built(artifact) or self._may_build(artifact)
        if self._is_always_built(artifact):
            return False
        pin = self.resolver.pins.pin(artifact)
        return pin is None or decision.match.identity in {"", pin.digest}

    def _ask(self, artifact: Artifact) -> Decision:
        results = {member.name: self.resolver.find(member) for member in self._group(artifact)}
        missing = {name: result for name, result in results.items() if isinstance(result, NotFound)}
        own = results[artifact.name]
        if missing and self._may_build(artifact) and self.cannot_build() is None:
            return Decision(source=PACKAGES, why=next(iter(missing.values())))
        if isinstance(own, Match):
            return Decision(source=own.source, match=own)
        looked = own.looked
        if self._may_build(artifact) and (why := self.cannot_build()) is not None:
            looked = (*looked, why)
        elif artifact.recipe is not None:
            looked = (*looked, f'it is not built, with `source = "{self.setting}"`')
        return Decision(source=NOWHERE, why=NotFound(looked=looked, next=own.next))

    def _may_build(self, artifact: Artifact) -> bool:
        return self.setting == "auto" and all(member.recipe is not None for member in self._group(artifact))

    def _group(self, artifact: Artifact) -> list[Artifact]:
        group = upstream_of(artifact).group
        if group is None:
            return [artifact]
        return [other for other in self.catalog if other.upstream is not None and other.upstream.group == group]

    def _key(self, artifact: Artifact) -> str:
        """Return a digest of what a decision depends on besides the network."""
        upstream = asdict(artifact.upstream) if artifact.upstream else None
        text = json.dumps([self.setting, artifact.version, upstream], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
