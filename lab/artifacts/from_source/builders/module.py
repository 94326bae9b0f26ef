"""Take YAML from Go modules: files, or a chart that helm renders. `sum`, the hash in go.sum, pins the module.

The go command downloads them from the user's own module proxies.

The result is normalised once, so that others can copy it: comments are dropped, and every document is written in the
same style.

| file | content |
| --- | --- |
| crds.yaml | CustomResourceDefinitions |
| objects.yaml | all other objects |
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from string import Template
from typing import Any, ClassVar, Self

from lab.artifacts.from_source.builders.go import program
from lab.artifacts.recipe import BuildContext, BuildResult
from lab.base import events
from lab.base.errors import ArtifactError, DigestError
from lab.kube import manifests
from lab.kube.objects import Obj
from lab.tools.go import Go
from lab.tools.helm import Helm

CRDS, OBJECTS = "crds.yaml", "objects.yaml"
_MOST_BYTES = 64 << 20
"""The largest size of the files of one artifact; a module's own limit is 500 MB."""


@dataclass(frozen=True, kw_only=True)
class GoModuleFiles:
    """Take YAML files of a Go module.

    Args:
        module: the module's path.
        sum: its hash, as in go.sum.
        patterns: glob patterns of the files; `*` also matches `/`. A pattern that begins with `!` leaves files out.
        release: the module's version, if it is not `v` and the artifact's version.
        as_file: write all documents into this one file instead of crds.yaml and objects.yaml.
        copied: copy the files as they are, by their names.
        patches: JSON patches in the module, each with the name of the object that it changes.
    """

    revision: ClassVar[int] = 2
    module: str
    sum: str
    patterns: tuple[str, ...]
    release: str = ""
    as_file: str = ""
    copied: bool = False
    patches: Mapping[str, str] = field(default_factory=dict, hash=False)

    def needs(self) -> Iterable[str]:
        """Return nothing: go downloads the module, and `sum` verifies it."""
        return ()

    def inputs(self) -> Iterable[Path]:
        """Return nothing."""
        return ()

    def build(self, work: BuildContext) -> BuildResult:
        """Download the module, and write the files' documents in the order of the files' names."""
        with _module(work, self.module, self.release, self.sum) as packed:
            files = packed.matching(self.patterns)
            if self.copied:
                for name, content in files.items():
                    (work.into / PurePosixPath(name).name).write_bytes(content)
                return BuildResult()
            objects = [obj for name, text in files.items() for obj in manifests.parse(text.decode(), source=name)]
            for file, target in self.patches.items():
                operations = manifests.load_document(packed.read(file).decode(), source=file)
                _patch(_named(objects, target), operations, source=file)
        _write(work.into, objects, as_file=self.as_file)
        return BuildResult()


@dataclass(frozen=True, kw_only=True)
class GoModuleChart:
    """Render a chart of a Go module with helm.

    Args:
        module, sum, release: as in `GoModuleFiles`.
        chart: the chart's folder in the module.
        namespace: the namespace of the release, whose name is the artifact's without `-manifests`.
        values: values of the chart, by their dotted names.
        template: the chart's file of default values with `${NAME}` in it, which upstream's release tool fills in.
        variables: these names' values.
        crds: glob patterns of CRD files in the module, beside those of the chart.
    """

    revision: ClassVar[int] = 1
    module: str
    sum: str
    chart: str
    namespace: str
    release: str = ""
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    crds: tuple[str, ...] = ()
    template: str = ""
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)

    def needs(self) -> Iterable[str]:
        """Return helm."""
        return ("helm",)

    def inputs(self) -> Iterable[Path]:
        """Return nothing."""
        return ()

    def build(self, work: BuildContext) -> BuildResult:
        """Download the module, and write the chart's objects."""
        with _module(work, self.module, self.release, self.sum) as packed:
            folder = work.scratch / "chart"
            for name, content in packed.below(f"{self.chart}/"):
                file = folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            files = packed.matching(self.crds) if self.crds else {}
        # Upstream's release tool writes the version into the chart's file; labels and default images follow from it.
        about = folder / "Chart.yaml"
        chart = manifests.load_document(about.read_text(encoding="utf-8"), source=str(about))
        version = f"v{work.artifact.version}"
        about.write_text(manifests.dump({**chart, "version": version, "appVersion": version}), encoding="utf-8")
        if self.template:
            defaults = Template((folder / self.template).read_text(encoding="utf-8")).substitute(self.variables)
            (folder / "values.yaml").write_text(defaults, encoding="utf-8")
        values = work.scratch / "values.yaml"
        values.write_text(manifests.dump(_nested(self.values)), encoding="utf-8")
        rendered = Helm(work.needs.file("helm", "bin/helm"), run=work.run).template(
            folder,
            release=work.artifact.name.removesuffix("-manifests"),
            namespace=self.namespace,
            values=values,
        )
        objects = [obj for name, text in files.items() for obj in manifests.parse(text.decode(), source=name)]
        _write(work.into, [*objects, *manifests.parse(rendered, source=self.chart)])
        return BuildResult()


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *parents, last = name.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return nested


class _Packed:
    """A module's zip file; names in it are relative to the module."""

    def __init__(self, file: zipfile.ZipFile, prefix: str) -> None:
        self._file = file
        self._prefix = prefix
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def names(self) -> list[str]:
        return sorted(
            entry.filename.removeprefix(self._prefix) for entry in self._file.infolist() if not entry.is_dir()
        )

    def read(self, name: str) -> bytes:
        entry = self._file.getinfo(f"{self._prefix}{name}")
        self._bytes += entry.file_size
        if self._bytes > _MOST_BYTES:
            raise ArtifactError(f"the files of {self._prefix.rstrip('/')} have more than {_MOST_BYTES >> 20} MiB")
        return self._file.read(entry)

    def matching(self, patterns: Sequence[str]) -> dict[str, bytes]:
        """Return the files that match, in the order of their names; each pattern matches at least one file.

        Raises:
            ArtifactError: a pattern matches no file.
        """
        names = self.names()
        chosen: set[str] = set()
        for pattern in patterns:
            found = {name for name in names if fnmatchcase(name, pattern.removeprefix("!"))}
            if not found:
                raise ArtifactError(f"{self._prefix.rstrip('/')} has no file {pattern.removeprefix('!')}")
            chosen = chosen - found if pattern.startswith("!") else chosen | found
        return {name: self.read(name) for name in sorted(chosen)}

    def below(self, folder: str) -> Iterator[tuple[str, bytes]]:
        for name in self.names():
            path = PurePosixPath(name)
            if name.startswith(folder) and ".." not in path.parts:
                yield name.removeprefix(folder), self.read(name)


def _module(work: BuildContext, module: str, release: str, sum_: str) -> _Packed:
    version = release or f"v{work.artifact.version}"
    events.progress(f"downloading {module} {version}")
    # A folder of its own: in Go's cache, a module with another hash would stay.
    modules = work.scratch / "modules"
    modules.mkdir(exist_ok=True)
    client = Go(program=program(work), cache=work.go_cache, modules=modules, run=work.run)
    file, hash_ = client.download(module, version)
    if hash_ != sum_:
        raise DigestError(
            f"the Go module {module}@{version} has the hash {hash_}, not {sum_} as the catalogue says",
            next="do not use this module proxy: it gives other files than those that were checked; set GOPROXY",
        )
    return _Packed(zipfile.ZipFile(file), f"{module}@{version}/")


def _named(objects: Sequence[Obj], name: str) -> Obj:
    found = [obj for obj in objects if obj["metadata"]["name"] == name]
    if len(found) != 1:
        raise ArtifactError(f"the module has {len(found)} objects with the name {name}, not one")
    return found[0]


def _patch(target: Any, operations: Sequence[Mapping[str, Any]], *, source: str) -> None:
    """Apply a JSON patch (RFC 6902) that adds and removes; no module here has other operations."""
    for operation in operations:
        *parents, last = str(operation["path"]).removeprefix("/").split("/")
        try:
            place = target
            for part in parents:
                place = place[int(part) if isinstance(place, list) else part]
            if operation["op"] == "remove":
                del place[int(last) if isinstance(place, list) else last]
            elif operation["op"] == "add" and isinstance(place, list) and last == "-":
                place.append(operation["value"])
            elif operation["op"] == "add" and isinstance(place, dict):
                place[last] = operation["value"]
            else:
                raise ArtifactError(f"{source}: cannot apply the operation {operation['op']}")
        except (KeyError, IndexError, ValueError) as error:
            raise ArtifactError(f"{source}: {operation['path']} does not exist: {error}") from error


def _write(folder: Path, objects: Sequence[Obj], *, as_file: str = "") -> None:
    if as_file:
        (folder / as_file).write_text(manifests.dump_all(objects), encoding="utf-8")
        return
    crds = [obj for obj in objects if obj["kind"] == "CustomResourceDefinition"]
    others = [obj for obj in objects if obj["kind"] != "CustomResourceDefinition"]
    for name, part in ((CRDS, crds), (OBJECTS, others)):
        if part:
            (folder / name).write_text(manifests.dump_all(part), encoding="utf-8")
