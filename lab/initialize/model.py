"""The words of the initializer as types: category, option, stage, part, check, wire. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Protocol

from lab.base.errors import ArtifactError
from lab.components.rendering import Rendering
from lab.kube.objects import Obj


class Upkeep(Enum):
    """Whether upstream maintains an option."""

    ALIVE = "alive"
    SLOW = "alive, slow"
    RETIRED = "retired"
    CLOSED = "not open source any more"


class ApplyStage(Enum):
    """The order of apply; each is a folder of a cluster."""

    CRDS = "1-crds"
    NAMESPACES = "2-namespaces"
    OPERATORS = "3-operators"
    OBJECTS = "4-objects"
    WIRING = "5-wiring"


@dataclass(frozen=True, kw_only=True)
class StagedObjects:
    """Objects of an option or wire that are applied in one stage.

    `text` is YAML that is copied as it is, such as upstream's CRDs, which are too large to parse for each rendering.
    """

    stage: ApplyStage
    objects: Sequence[Obj] = ()
    text: str = ""
    owner: str = ""
    """Name of its folder, for what several options share; by default the option's or wire's id."""


class Sources(Protocol):
    """Where rendering takes upstream's YAML from."""

    def crds(self, artifact: str) -> str:
        """Return the CRDs of a manifests artifact as YAML; empty if it has none."""

    def objects(self, artifact: str) -> Sequence[Obj]:
        """Return its other objects. Do not change them."""

    def component(self, stack: str, name: str, cluster: str) -> Rendering:
        """Return a component of one of the lab's stacks, as `lab render` writes it."""

    def links(self, stack: str, source: str) -> Sequence[Rendering]:
        """Return what a cluster has of the links to and from the other clusters."""

    def image(self, artifact: str) -> str:
        """Return upstream's reference of an image of the catalogue, or the lab's for one that only the lab builds."""

    def unavailable(self, artifact: str) -> ArtifactError | None:
        """Return why no source has an artifact that this machine does not have; None if it is or can be here."""

    def values(self, chart: str, cluster: str) -> Mapping[str, Any]:
        """Return the settings with which the lab renders a chart of upstream's: `linkerd`, `multicluster`, …."""

    def issuer_command(self, cluster: str) -> str:
        """Return the command that creates a cluster's issuer beside the trust anchor: issuer-NAME.crt and .key."""

    @property
    def public_images(self) -> Sequence[str]:
        """Upstream's references of all images of the catalogue."""

    @property
    def anchor_command(self) -> str:
        """The command that creates a trust anchor in the working directory: anchor.crt and anchor.key."""


@dataclass(frozen=True, kw_only=True)
class ClusterChoice:
    """What an option's functions get: the choices and one cluster."""

    chosen: frozenset[str]
    """Ids of all chosen options."""
    cluster: str
    """The cluster's name: `east` or `west`; a single cluster is `east`."""
    clusters: tuple[str, ...]
    sources: Sources
    source: str = ""
    """The repository that Argo CD or Flux reads the folder from, if a person named one."""
    stages: frozenset[ApplyStage] = frozenset(ApplyStage)
    """For the objects of wires: the stages that have objects of options, of earlier wires, or of wiring."""
    referenced: frozenset[str] = frozenset()
    """Ids of chosen options whose YAML is unavailable: the folder has commands that install them instead."""

    def has(self, *ids: str) -> bool:
        """Return whether one of these options is chosen."""
        return not self.chosen.isdisjoint(ids)


@dataclass(frozen=True, kw_only=True)
class WireCheck:
    """Show that a wire works: commands that act, one that asks, and the expected answer.

    Each is the rest of a kubectl command, whose beginning (`kubectl --context=…`) differs by cluster.
    """

    proves: str
    ask: tuple[str, ...]
    expects: str
    """Regular expression that the output of `ask` matches."""
    refused: bool = False
    """Whether `ask` must fail, and its error must match instead."""
    words: str = ""
    """The expected answer for people, if the expression does not say it."""
    before: tuple[tuple[str, ...], ...] = ()
    same: bool = False
    """Whether the output of `ask` must also be the same in all clusters."""
    within_s: float = 60
    """Seconds until the answer must be right; `ask` is repeated."""

    @property
    def expected(self) -> str:
        """The expected answer for people."""
        answer = self.words or f"`{self.expects}`"
        return f"{answer}, and the same in all clusters" if self.same else answer


class SecretPhase(Enum):
    """When commands of create-secrets.sh run."""

    KEYS = "keys"
    """After the namespaces exist."""
    TRUST = "trust"
    """After the operators exist: their webhooks' certificates are inserted."""
    LINKS = "links"
    """After all clusters run: each gets credentials for the others."""


@dataclass(frozen=True, kw_only=True)
class Secret:
    """Commands of create-secrets.sh: POSIX shell with `$CONTEXT`, never with a secret in an argument."""

    title: str
    commands: tuple[str, ...]
    exists: str = ""
    """The rest of a kubectl command that succeeds if the commands ran before: then they are left out."""
    phase: SecretPhase = SecretPhase.KEYS


@dataclass(frozen=True, kw_only=True)
class Url:
    """A page to open: its path at the ingress and what it shows."""

    path: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Value:
    """A value that a person replaces: the text to search for in the folder, and what to write there."""

    text: str
    meaning: str


Parts = Callable[[ClusterChoice], Iterable[StagedObjects]]


def _nothing(choice: ClusterChoice) -> Iterable[StagedObjects]:
    del choice
    return ()


@dataclass(frozen=True, kw_only=True)
class UpstreamInstall:
    """How upstream's own program installs an option, for a folder without its YAML.

    Args:
        program: the program.
        commands: returns the commands for a cluster, before the stage of operators; `$KEYS` has the trust anchor.
        kept: returns the option's objects that need no YAML of upstream's: the folder has them all the same.
    """

    program: str
    commands: Callable[[ClusterChoice], Iterable[str]] = field(repr=False)
    kept: Parts = field(default=_nothing, repr=False)


@dataclass(frozen=True, kw_only=True)
class Option:
    """One thing that can be chosen.

    Args:
        id: its name in flags, files and URLs.
        title: upstream's name.
        says: one sentence.
        version: upstream's version; empty for a choice that is not software.
        license: SPDX id.
        upkeep: whether upstream maintains it.
        why: for a retired option, the reason.
        instead: for a retired option, its successors.
        reference: for an option whose YAML is unavailable here: the commands that install it, and the reason first.
        manifests: the artifacts that its parts read.
        upstream: the commands that install it where an artifact is unavailable; without them, `lab initialize` fails.
        parts: returns its objects in a cluster.
        images: images that are not in the objects' containers, such as those in arguments.
        secrets: returns its commands for create-secrets.sh.
        urls: pages to open.
        values: values to replace.
        notes: sentences for the README.
    """

    id: str
    title: str
    says: str
    version: str = ""
    license: str = ""
    upkeep: Upkeep = Upkeep.ALIVE
    why: str = ""
    instead: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    upstream: UpstreamInstall | None = None
    parts: Parts = field(default=_nothing, repr=False)
    images: tuple[str, ...] = ()
    secrets: Callable[[ClusterChoice], Iterable[Secret]] = field(default=lambda _: (), repr=False)
    urls: tuple[Url, ...] = ()
    values: tuple[Value, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def selectable(self) -> bool:
        """Whether it can be chosen; a retired option only answers with its successor."""
        return self.upkeep in {Upkeep.ALIVE, Upkeep.SLOW}

    def advice(self, successors: Iterable[str] = ()) -> str:
        """Return why a retired option cannot be chosen, and its successors: by their ids, or by other names.

        The sentence has no full stop, as it may continue.
        """
        return f"{self.why} Use {' or '.join(successors or self.instead)}"

    @property
    def facts(self) -> Mapping[str, str]:
        """What lists and pages show of it."""
        names = ("id", "title", "says", "version", "license", "why")
        return {name: str(getattr(self, name)) for name in names}

    def as_reference(self, artifact: str) -> Option:
        """Return the option for a folder without its YAML, because `artifact` is unavailable."""
        if self.upstream is None:
            return self
        return replace(
            self,
            reference=(f"Its YAML (the artifact {artifact}) was unavailable to the machine that wrote this folder.",),
            # Those that `kept` reads: YAML of Go modules, which each machine can have.
            manifests=tuple(name for name in self.manifests if name.endswith("-manifests")),
            parts=self.upstream.kept,
            secrets=lambda _: (),
        )


@dataclass(frozen=True, kw_only=True)
class Category:
    """A question and its options. `default` is empty for a category of several choices."""

    id: str
    title: str
    question: str
    options: tuple[Option, ...]
    default: str = ""
    many: bool = False

    def option(self, name: str) -> Option | None:
        """Return an option by its id."""
        return next((option for option in self.options if option.id == name), None)


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """A connection of chosen options. It exists if each of its one to four `ends` has a chosen option.

    Args:
        id: its name.
        says: one sentence: from what, to what, for what.
        ends: for each end, the ids of which one must be chosen.
        parts: returns its objects in a cluster.
        checks: returns its checks in a cluster.
        secrets: as of an option.
    """

    id: str
    says: str
    ends: tuple[frozenset[str], ...]
    parts: Parts = field(default=_nothing, repr=False)
    checks: Callable[[ClusterChoice], Iterable[WireCheck]] = field(default=lambda _: (), repr=False)
    secrets: Callable[[ClusterChoice], Iterable[Secret]] = field(default=lambda _: (), repr=False)

    def exists(self, chosen: frozenset[str]) -> bool:
        """Return whether each end has a chosen option."""
        return all(not chosen.isdisjoint(end) for end in self.ends)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """An impossible combination: `applies` says so for a set of ids; the reason, and choices that are possible.

    An alternative maps categories to the ids that replace the choice there.
    """

    id: str
    applies: Callable[[frozenset[str]], bool] = field(repr=False)
    reason: str
    alternatives: tuple[Mapping[str, tuple[str, ...]], Mapping[str, tuple[str, ...]]]
