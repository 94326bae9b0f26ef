"""An engine that saves and loads archives of images, and a bundle that somebody has changed."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.artifacts.bundle import manifest as manifests
from lab.host.machine import Machine
from lab.host.origin import client_of
from lab.tools.docker import Engine, Image

Members = dict[str, bytes]


def tar_of(members: Iterable[tuple[str | tarfile.TarInfo, bytes]]) -> bytes:
    """Return a tar file of these members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@dataclass
class ArchivingDocker:
    """An engine whose images have labels, a content and an id that is the digest of both."""

    known: dict[str, Image] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    loads: int = 0
    processor: str = "x86_64"
    is_here: bool = True

    def info(self) -> Engine:
        nothing: Any = ()
        client = client_of(Machine())
        return Engine(
            version="1",
            operating_system="",
            architecture=self.processor,
            root_dir=Path("/"),
            storage_driver="",
            cgroup_driver="",
            memory_bytes=client.memory_bytes,
            cpus=1,
            default_runtime="",
            security_options=nothing,
            ipv4_forwarding=True,
            warnings=nothing,
            name=client.hostname if self.is_here else "elsewhere",
            kernel=client.kernel,
        )

    def components(self) -> tuple[str, ...]:
        return ("Engine", "containerd")

    def endpoint(self) -> str:
        return "unix:///var/run/docker.sock"

    def build(self, context: Path, *, tags: list[str], labels: Mapping[str, str], **rest: Any) -> str:
        for tag in tags:
            self._add(tag, {"labels": dict(labels), "content": str(rest)})
        return "built"

    def image(self, reference: str) -> Image | None:
        return self.known.get(reference)

    def pull(self, reference: str, **_: object) -> None:
        self._add(reference, {"labels": {}, "content": reference})

    def tag(self, reference: str, new: str) -> None:
        self._add(new, json.loads(self.contents[reference]))

    def remove_image(self, reference: str) -> bool:
        return self.known.pop(reference, None) is not None

    def save_stream(self, references: Iterable[str]) -> Iterator[bytes]:
        archive = archive_of({reference: self.contents[reference] for reference in references})
        for start in range(0, len(archive), 1000):
            yield archive[start : start + 1000]

    def load_stream(self, chunks: Iterable[bytes]) -> None:
        self.loads += 1
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(b"".join(chunks)))) as tar:
            for image in json.loads(read(tar, "manifest.json")):
                for tag in image["RepoTags"]:
                    self._add(tag, json.loads(read(tar, image["Config"])))

    def _add(self, tag: str, config: Mapping[str, Any]) -> None:
        text = json.dumps(config)
        self.contents[tag] = text
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.known[tag] = Image(
            id=f"sha256:{digest}",
            tags=(tag,),
            digests=(),
            labels=config["labels"],
            architecture="amd64",
            size_bytes=len(text),
        )


def archive_of(images: Mapping[str, str], *, tags: Mapping[str, list[str]] | None = None) -> bytes:
    """Return what `docker save` writes for images, given by their configurations."""
    listed = [{"Config": f"{n}.json", "RepoTags": (tags or {}).get(tag, [tag])} for n, tag in enumerate(images)]
    configs = [(f"{number}.json", text.encode()) for number, text in enumerate(images.values())]
    return tar_of([*configs, ("manifest.json", json.dumps(listed).encode())])


def read(tar: tarfile.TarFile, name: str) -> bytes:
    content = tar.extractfile(name)
    assert content is not None
    return content.read()


def members_of(bundle: Path) -> Members:
    """Return the members of a bundle as they are in the file."""
    with tarfile.open(bundle) as tar:
        return {info.name: read(tar, info.name) for info in tar}


def rewritten(
    bundle: Path,
    change: Callable[[dict[str, Any], Members], None],
    *,
    more: Iterable[tuple[str | tarfile.TarInfo, bytes]] = (),
) -> Path:
    """Write a bundle anew with a changed manifest and changed members; its digest of the manifest is right."""
    members = members_of(bundle)
    document = json.loads(members.pop(manifests.NAME))
    del members[manifests.DIGEST_NAME]
    change(document, members)
    text = json.dumps(document).encode()
    head = {manifests.NAME: text, manifests.DIGEST_NAME: manifests.digest_line(text)}
    bundle.write_bytes(tar_of([*head.items(), *members.items(), *more]))
    return bundle
