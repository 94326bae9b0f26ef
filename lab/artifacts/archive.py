"""Write container images into one tar file without an engine; the file has each shared layer once.

The format is that of `docker save` (Docker's image specification v1.2); `docker load` and `ctr images import` read it.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.base.files import file_sha256
from lab.base.names import architecture

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """An image: tags, layers (tar files, lowest first), entrypoint and environment."""

    tags: tuple[str, ...]
    layers: tuple[Path, ...]
    entrypoint: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: {"PATH": PATH})


def layer_of(files: Mapping[str, Path], into: Path) -> Path:
    """Write a layer of programs; the same files give the same bytes.

    Args:
        files: maps the path in the image, without the leading slash, to the file.
        into: the tar file to write.
    """
    with tarfile.open(into, "w", format=tarfile.PAX_FORMAT) as tar:
        for parent in sorted({str(p) for name in files for p in Path(name).parents if str(p) != "."}):
            folder = tarfile.TarInfo(parent)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for name, source in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode = source.stat().st_size, 0o755
            with source.open("rb") as content:
                tar.addfile(info, content)
    return into


class ImageArchive:
    """A tar file of images; use it in a `with` block."""

    def __init__(self, file: Path) -> None:
        self._tar = tarfile.open(file, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by the with block
        self._manifest: list[Mapping[str, object]] = []
        self._layers: dict[Path, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._add("manifest.json", json.dumps(self._manifest).encode())
        self._tar.close()

    def add(self, image: ImageSpec) -> None:
        """Add an image, and the layers that the archive does not have yet."""
        digests = [self._layer(layer) for layer in image.layers]
        config = json.dumps(
            {
                "architecture": architecture(),
                "os": "linux",
                "config": {
                    "Env": [f"{key}={value}" for key, value in image.env.items()],
                    **({"Entrypoint": list(image.entrypoint)} if image.entrypoint else {}),
                },
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
            },
            sort_keys=True,
        ).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        self._add(name, config)
        self._manifest.append({"Config": name, "RepoTags": list(image.tags), "Layers": [f"{d}.tar" for d in digests]})

    def _layer(self, layer: Path) -> str:
        if layer not in self._layers:
            digest = file_sha256(layer)
            self._layers[layer] = digest
            if list(self._layers.values()).count(digest) == 1:
                self._tar.add(layer, arcname=f"{digest}.tar")
        return self._layers[layer]

    def _add(self, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        self._tar.addfile(info, io.BytesIO(content))


def write(file: Path, images: Iterable[ImageSpec]) -> Sequence[str]:
    """Write images into a tar file and return their names."""
    tags: list[str] = []
    with ImageArchive(file) as archive:
        for image in images:
            archive.add(image)
            tags += image.tags
    return tags
