"""The manifest of a bundle: what it is for, where each artifact comes from, and the digest of each member.

A content key depends on the source of an artifact and of all its parts. So a bundle has these decisions, of the machine
that saved it; with them, the lab searches no source on the machine that loads it.

A bundle comes from elsewhere, so every field has a type, a form and a limit, and every path is checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from lab.artifacts import platforms
from lab.artifacts.catalog import Artifact
from lab.artifacts.decisions import BUILD, Decision
from lab.artifacts.entry import MANIFEST as ENTRY_MANIFEST
from lab.artifacts.keys import KEY_LENGTH
from lab.artifacts.resolver import PACKAGES, WORDS, Match
from lab.base.errors import ArtifactError
from lab.base.names import ARCHITECTURES
from lab.tools.docker import Docker

SCHEMA = 1
NAME = "manifest.json"
DIGEST_NAME = "manifest.sha256"
IMAGES = "images.tar.gz"
MAX_BYTES = 4 << 20
"""Most bytes of a manifest."""
_MAX_SIZE = 64 << 30
_MAX_FILES = 10_000
_PART = 255
"""Most bytes of a part of a path, on every file system that the lab runs on."""


def _path(path: str) -> str:
    """Check that a path stays inside its folder, on every system."""
    parts = path.split("/")
    wrong = any(part in {"", ".", ".."} or len(part.encode()) > _PART for part in parts)
    if wrong or len(path) > 1000 or not path.isprintable() or any(letter in path for letter in "\\:"):
        raise ValueError("is not a path of an artifact's file")
    if path == ENTRY_MANIFEST:
        raise ValueError("is a name of the store's own")
    return path


Text = Annotated[str, Field(max_length=1000)]
ArtifactName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Size = Annotated[int, Field(ge=0, le=_MAX_SIZE)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, Field(pattern=f"^[0-9a-f]{{{KEY_LENGTH}}}$")]
Source = Annotated[str, Field(pattern=f"^({'|'.join(WORDS)})$")]
Reference = Annotated[str, Field(pattern=r"^[a-z0-9][A-Za-z0-9._:/-]{0,250}$")]


class Strict(BaseModel):
    """A record of a file that somebody else may have written: types are exact, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class BundlePlatform(Strict):
    """The system and processor that the programs are for, and the processor of the engine that has the images."""

    system: Text
    machine: Text
    engine: Text

    @classmethod
    def here(cls, docker: Docker) -> BundlePlatform:
        """Return this machine's platform.

        Raises:
            HostError: the lab has no programs for this machine, or no engine answers.
        """
        here, engine = platforms.here(), docker.info().architecture
        return cls(system=here.system, machine=here.machine, engine=ARCHITECTURES.get(engine.lower(), engine))

    def __str__(self) -> str:
        return f"{self.system}/{self.machine} with an engine for {self.engine}"


class BundledFile(Strict):
    """A file of an artifact; digest and size are those of its content, before compression."""

    path: Annotated[str, AfterValidator(_path)]
    size: Size
    sha256: Sha256


class BundledArtifact(Strict):
    """An artifact: its entry in the store, without the folder and the engine's id of the image."""

    name: ArtifactName
    key: Key
    version: Text
    source: Source
    built_at: float
    duration_s: float
    files: Annotated[list[BundledFile], Field(max_length=_MAX_FILES)]
    image: Reference | None
    image_id: Text | None
    """The id in the engine that saved it; another kind of image store has other ids."""
    baked: list[Reference]
    notes: Mapping[str, Text]

    @property
    def size_bytes(self) -> int:
        """Size of its files."""
        return sum(file.size for file in self.files)

    def member(self, file: BundledFile) -> str:
        """Return the name of the member with a file's content; a tar header has room for 100 bytes."""
        name = f"{self.name}/{file.path}.gz"
        if len(name.encode()) <= 100:
            return name
        return f"{self.name}/{hashlib.sha256(file.path.encode()).hexdigest()[:32]}.gz"


class BundledMatch(Strict):
    """Upstream's build that was taken, as `resolver.Match`."""

    name: Text
    identity: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")]
    trust: Text


class BundledDecision(Strict):
    """Where an artifact comes from, or a part of one; `match` is None for what is built from packages."""

    version: Text
    source: Source
    match: BundledMatch | None

    @classmethod
    def of(cls, artifact: Artifact, decision: Decision, *, identity: str) -> BundledDecision:
        """Return the record of a decision; `identity` is the digest of what was taken, empty if it is not known."""
        match = decision.match and BundledMatch(
            name=portable(decision.match.name),
            identity=identity or decision.match.identity,
            trust=portable(decision.match.trust),
        )
        version = artifact.version_from(upstream=match is not None)
        return cls.model_validate({"version": version, "source": decision.source, "match": match})

    def decision(self) -> Decision:
        """Return the decision."""
        if self.match is None:
            return BUILD
        return Decision(source=self.source, match=Match(source=self.source, **self.match.model_dump()))


class BundledImages(Strict):
    """The engine's archive of all images, before compression."""

    size: Size
    sha256: Sha256


class BundleManifest(Strict):
    """The content of a bundle. `stacks` maps each stack to the artifacts that it needs."""

    format: int = Field(alias="schema")
    lab: Text
    platform: BundlePlatform
    stacks: Mapping[ArtifactName, list[ArtifactName]]
    decisions: Mapping[ArtifactName, BundledDecision]
    """Of the artifacts, and of all parts that they were made of."""
    artifacts: Annotated[list[BundledArtifact], Field(min_length=1, max_length=500)]
    images: BundledImages | None

    @property
    def size_bytes(self) -> int:
        """Size of all members before compression."""
        return sum(a.size_bytes for a in self.artifacts) + (self.images.size if self.images else 0)

    def references(self) -> Iterator[tuple[BundledArtifact, str]]:
        """Yield the artifacts that are images, with their references."""
        for artifact in self.artifacts:
            if artifact.image is not None:
                yield artifact, artifact.image

    def members(self) -> list[str]:
        """Return the names of the members behind the manifest, in the order of the file."""
        files = [artifact.member(file) for artifact in self.artifacts for file in artifact.files]
        return [*files, *([IMAGES] if self.images else [])]

    def write(self) -> bytes:
        """Return the manifest as JSON."""
        return f"{json.dumps(self.model_dump(mode='json', by_alias=True), indent=1, sort_keys=True)}\n".encode()


def portable(text: str) -> str:
    """Return a text without this machine's folders: to another machine they say nothing, and may name the user."""
    return PurePosixPath(text).name if text.startswith("/") else text


def digest_line(text: bytes) -> bytes:
    """Return the content of the member that has the manifest's sha256."""
    return f"{hashlib.sha256(text).hexdigest()}\n".encode()


def parse(text: bytes, *, where: str) -> BundleManifest:
    """Read a manifest.

    Args:
        text: its JSON.
        where: the bundle, for errors.

    Raises:
        ArtifactError: it is not a manifest, it is one of another schema, or a field of it is refused.
    """
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtifactError("it is not a bundle: its manifest is not JSON", where=where, next=_AGAIN) from error
    schema = document.get("schema") if isinstance(document, Mapping) else None
    if type(schema) is not int or schema < 1:
        raise ArtifactError("it is not a bundle: its manifest has no schema", where=where, next=_AGAIN)
    if schema != SCHEMA:
        by = f"lab {document.get('lab')}"[:40]
        raise ArtifactError(
            f"the bundle has schema {schema}, written by {by}; this lab reads schema {SCHEMA}",
            where=where,
            next="install the version of the lab that saved it, or save it again with this one",
        )
    try:
        manifest = BundleManifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(f"the manifest is refused: {field}: {first['msg']}", where=where, next=_AGAIN) from error
    if problem := next(_problems(manifest), None):
        raise ArtifactError(f"the manifest is refused: {problem}", where=where, next=_AGAIN)
    return manifest


_AGAIN = "copy the file again, and compare its sha256 with what `lab bundle save` printed"


def _problems(manifest: BundleManifest) -> Iterator[str]:
    """Yield what contradicts itself in a manifest, or could write one file over another."""
    names = [artifact.name for artifact in manifest.artifacts]
    if len(set(names)) != len(names):
        yield "an artifact is listed twice"
    if unknown := {name for needed in manifest.stacks.values() for name in needed} - set(names):
        yield f"it does not have {', '.join(sorted(unknown))}, which one of its stacks needs"
    for artifact in manifest.artifacts:
        # macOS has no two files whose names differ in case only.
        paths = {file.path.casefold() for file in artifact.files}
        if len(paths) != len(artifact.files):
            yield f"{artifact.name} has a file twice"
        if paths & {str(parent) for path in paths for parent in PurePosixPath(path).parents}:
            yield f"{artifact.name} has a file that is also a folder"
        if not artifact.files and artifact.image is None:
            yield f"{artifact.name} has neither files nor an image"
    for name, decision in manifest.decisions.items():
        if (decision.match is None) is not (decision.source == PACKAGES):
            yield f"the decision of {name} contradicts itself"
    if any(manifest.references()) is not (manifest.images is not None):
        yield "it has an archive of images without images, or the reverse"
