"""Images of a container engine: list, pull, save, load, build."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.base import pipes
from lab.base.errors import LabError
from lab.tools.docker_client import EngineClient, OnLine, absent_is_fine, label
from lab.tools.docker_records import Image, read_image

_BUILT = re.compile(r"^Successfully built ([0-9a-f]{12,64})$", re.MULTILINE)
_IDLE_S = 600.0
"""How long the engine may save or load without progress: it unpacks an archive of gigabytes without a sign."""
_LOADED = re.compile(r"^Loaded image(?: ID)?: (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Images(EngineClient):
    """The images of an engine."""

    def images(self, labels: Mapping[str, str | None] | None = None) -> list[Image]:
        """Return all images with these labels; None stands for any value."""
        filters = [label(key, value) for key, value in (labels or {}).items()]
        return self._all(lambda client: client.image.list(filters=filters), read_image)

    def image(self, reference: str) -> Image | None:
        """Return an image by its tag, digest or id, None if the engine does not have it."""
        with absent_is_fine(), self._client() as client:
            return read_image(client.image.inspect(reference)._get_inspect_result())
        return None

    def tag(self, reference: str, new: str) -> None:
        """Add a tag to an image."""
        with self._client() as client:
            client.image.tag(reference, new)

    def remove_image(self, reference: str) -> bool:
        """Remove a tag, and with its last tag the image; False if it did not exist."""
        with absent_is_fine(), self._client(timeout_s=120) as client:
            client.image.remove(reference)
            return True
        return False

    def pull(self, reference: str, *, on_line: OnLine | None = None, timeout_s: float = 1800) -> None:
        """Pull an image from its registry."""
        self._do("image", "pull", reference, on_line=on_line, timeout_s=timeout_s)

    def push(self, reference: str, *, on_line: OnLine | None = None, timeout_s: float = 1800) -> None:
        """Push an image to its registry."""
        self._do("image", "push", reference, on_line=on_line, timeout_s=timeout_s)

    def save(self, references: Sequence[str], file: Path, *, timeout_s: float = 600) -> None:
        """Write images with their tags to a tar file."""
        self._do("image", "save", "--output", str(file), *references, timeout_s=timeout_s)

    def load(self, file: Path, *, timeout_s: float = 600) -> tuple[str, ...]:
        """Load images from a tar file, and return their tags, or ids without tags."""
        return tuple(_LOADED.findall(self._do("image", "load", "--input", str(file), timeout_s=timeout_s).stdout))

    def save_stream(self, references: Sequence[str]) -> Generator[bytes, None, None]:
        """Yield the tar archive of images with their tags, as the engine writes it."""
        with self._explained():
            yield from pipes.output_of(self.argv("image", "save", *references), idle_s=_IDLE_S)

    def load_stream(self, chunks: Iterable[bytes]) -> None:
        """Load images from the chunks of a tar archive, which may be compressed with gzip."""
        with self._explained():
            pipes.feed(self.argv("image", "load"), chunks, idle_s=_IDLE_S)

    def import_rootfs(self, tar: Path, tag: str, *, timeout_s: float = 600) -> str:
        """Import a root file system's tar file as an image of one layer, and return its id."""
        return self._do("image", "import", str(tar), tag, timeout_s=timeout_s).stdout.strip()

    def build(
        self,
        context: Path,
        *,
        tags: Sequence[str],
        labels: Mapping[str, str] | None = None,
        arguments: Mapping[str, str] | None = None,
        dockerfile: Path | None = None,
        on_line: OnLine | None = None,
        timeout_s: float = 1800,
    ) -> str:
        """Build an image with the engine's own builder, without a network, and return its id.

        Args:
            context: folder that is sent to the engine.
            tags: names of the image.
            labels: labels of the image, in addition to the Dockerfile's.
            arguments: build arguments.
            dockerfile: another file than the context's Dockerfile.
            on_line: called with each line that the builder prints.
            timeout_s: seconds after which the build is stopped.
        """
        words = [f"--tag={tag}" for tag in tags]
        words += [f"--label={key}={value}" for key, value in (labels or {}).items()]
        words += [f"--build-arg={key}={value}" for key, value in (arguments or {}).items()]
        words += [f"--file={dockerfile}"] if dockerfile else []
        # BuildKit needs a CLI plugin that distributions omit; the lab's Dockerfiles only copy files.
        plain = {"DOCKER_BUILDKIT": "0"}
        # --force-rm: an interrupted build must not leave a container behind.
        done = self._do(
            "image",
            "build",
            "--force-rm",
            "--network=none",
            *words,
            str(context),
            env=plain,
            on_line=on_line,
            timeout_s=timeout_s,
        )
        built = _BUILT.findall(done.stdout)
        if not built:
            raise LabError("the engine's builder did not say which image it built", where=str(context))
        return str(built[-1])

    def commit(self, container: str, reference: str, *, changes: Sequence[str], timeout_s: float = 600) -> None:
        """Create an image from a container's file system; `changes` are Dockerfile instructions."""
        self._do(
            "container",
            "commit",
            *(f"--change={change}" for change in changes),
            container,
            reference,
            timeout_s=timeout_s,
        )
