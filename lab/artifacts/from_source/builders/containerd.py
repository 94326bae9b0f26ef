"""Import images into a node image's containerd, in a container without systemd."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.artifacts.recipe import BuildContext
from lab.base import cancel, events, wait
from lab.base.errors import ArtifactError
from lab.base.wait import NotYet

_ARCHIVE = "/var/lib/lab-images.tar"
_IMPORT_TIMEOUT_S = 600
_CTR = ("ctr", "--namespace=k8s.io", "images")


class Importer:
    """A container of a node image in which containerd runs; use it in a `with` block.

    Args:
        work: the build.
        base: the node image.
    """

    def __init__(self, work: BuildContext, *, base: str) -> None:
        self._docker = work.docker
        self._work = work
        self._base = base
        self._id = ""

    def __enter__(self) -> Self:
        # This process holds the entry's lock, so a container of this name is left over from a killed build. (A label
        # would not do: the image that is committed from this container has it too, and so has every node of it.)
        name = _container_name(self._work)
        self._docker.remove_container(name)
        self._id = self._docker.run_container(
            self._base,
            ["infinity"],
            labels={},
            name=name,
            entrypoint="sleep",
            security_options=["seccomp=unconfined"],
        )
        try:
            self._docker.execute(self._id, ["containerd", "--log-level=warn"], detach=True)
            wait.until("containerd in the node image", self._answers, timeout_s=60, interval_s=0.2)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def load(self, archive: Path, *, tags: Sequence[str]) -> None:
        """Import an archive of images, and delete it; a node unpacks the images at their first use.

        Args:
            archive: the tar file; it is copied, because a remote engine cannot mount this machine's folders.
            tags: the names that containerd must have afterwards.
        """
        events.progress(f"importing {len(tags)} images")
        self._docker.copy_into(self._id, archive, _ARCHIVE, timeout_s=_IMPORT_TIMEOUT_S)
        archive.unlink()  # the same content is on the disk up to five times while the image is made
        # Without --all-platforms: an engine with containerd's image store saves the index of all platforms, but the
        # content of only one.
        self._exec(*_CTR, "import", "--no-unpack", "--digests", _ARCHIVE)
        self._exec("rm", _ARCHIVE)
        imported = set(self._exec(*_CTR, "list", "--quiet").split())
        if missing := [tag for tag in tags if canonical(tag) not in imported]:
            raise ArtifactError(f"containerd did not import {', '.join(missing)}")
        for tag in tags:
            # The kubelet's garbage collection keeps pinned images; no registry has these images to pull again.
            self._exec(*_CTR, "label", canonical(tag), "io.cri-containerd.pinned=pinned")

    def commit(self, reference: str) -> None:
        """Stop containerd and commit the container as an image."""
        self._exec("pkill", "containerd")
        wait.until("containerd has ended", self._ended, timeout_s=30, interval_s=0.1)
        base = self._docker.image(self._base)
        if base is None:
            raise ArtifactError(f"the image {self._base} was removed during the build", next="lab up")
        changes = [f"ENTRYPOINT {json.dumps(base.entrypoint)}", f"CMD {json.dumps(base.command)}"]
        changes += [f"LABEL {key}={value}" for key, value in self._work.labels.items()]
        events.progress("writing the image")
        self._docker.commit(self._id, reference, changes=changes, timeout_s=_IMPORT_TIMEOUT_S)

    def _answers(self) -> bool | NotYet:
        done = self._docker.execute(self._id, ["ctr", "version"], check=False)
        lines = done.stderr.strip().splitlines()
        return True if done.returncode == 0 else NotYet(lines[-1] if lines else "no answer")

    def _ended(self) -> bool | NotYet:
        done = self._docker.execute(self._id, ["pgrep", "--exact", "containerd"], check=False)
        return NotYet("it still runs") if done.returncode == 0 else True

    def _exec(self, *argv: str) -> str:
        return self._docker.execute(self._id, argv, timeout_s=_IMPORT_TIMEOUT_S).stdout

    def _remove(self) -> None:
        with cancel.undoing(cancel.CLEANUP_S):
            self._docker.remove_container(self._id)


def canonical(tag: str) -> str:
    """Return containerd's full name for Docker's short name: `docker.io/a/b:1` for `a/b:1`."""
    first, _, rest = tag.partition("/")
    if not rest:
        return f"docker.io/library/{tag}"
    return tag if "." in first or ":" in first or first == "localhost" else f"docker.io/{tag}"


def _container_name(work: BuildContext) -> str:
    """Return the name of an artifact's build container, unique for each store."""
    store = hashlib.sha256(str(work.into.parent.parent).encode()).hexdigest()[:8]
    return f"eastwest-lab-build-{work.artifact.name}-{store}"
