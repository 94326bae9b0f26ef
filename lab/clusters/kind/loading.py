"""Load images of the engine into a node, by an archive that does not outlive a killed run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from lab.base import events
from lab.base.errors import LabError
from lab.base.names import Cluster
from lab.base.step import UNCHANGED, StepResult, StepStatus
from lab.lab import Lab
from lab.tools.docker import Docker

_CTR = ("ctr", "--namespace", "k8s.io", "images")
_IN_NODE = PurePosixPath("/kind/images.tar")
"""`docker cp` writes nothing that a node sees in its folder for temporary files."""


def ensure(docker: Docker, lab: Lab, cluster: Cluster, images: Sequence[str]) -> StepResult:
    """Load images that the node lacks, and delete the archive of a run that was killed. The caller has the lab's lock.

    Raises:
        CommandError: the engine could not load them.
    """
    node, folder = cluster.node, lab.paths.loading(cluster.name)
    if folder.exists():
        events.progress(f"deleting the archive of images that a killed run left over for {cluster.name}")
        _delete_archive(docker, node, folder)
    loaded = docker.execute(node, [*_CTR, "ls", "--quiet"]).stdout.split()
    missing = [image for image in images if full_name(image) not in loaded]
    if not missing:
        return UNCHANGED
    lab.paths.ensure_state()
    folder.mkdir(exist_ok=True)
    archive = folder / _IN_NODE.name
    try:
        events.progress(f"loading {', '.join(missing)}")
        docker.save(missing, archive)
        docker.copy_into(node, archive, str(_IN_NODE))
        docker.execute(node, [*_CTR, "import", str(_IN_NODE)], timeout_s=300)
    except BaseException:
        with suppress(LabError):  # the next run tries again
            _delete_archive(docker, node, folder)
        raise
    _delete_archive(docker, node, folder)
    return StepResult(status=StepStatus.CHANGED, detail=f"loaded {', '.join(missing)}")


def _delete_archive(docker: Docker, node: str, folder: Path) -> None:
    """Delete the archive here and in the node, and then the folder: it tells a later run that there may be archives."""
    for file in folder.iterdir():
        file.unlink()
    docker.execute(node, ["rm", "-f", str(_IN_NODE)])
    folder.rmdir()


def full_name(image: str) -> str:
    """Return an image's full name, as containerd lists it (distribution reference, normalised)."""
    first, slash, _ = image.partition("/")
    if not slash:
        return f"docker.io/library/{image}"
    return image if "." in first or ":" in first or first == "localhost" else f"docker.io/{image}"
