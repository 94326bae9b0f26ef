"""The image whose Python runs the lab's small programs beside a node (`innode/`): the frontend's.

The lab's node images and kindest/node do not contain Python, and the lab pulls no further image for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.base.errors import ClusterError
from lab.lab import Lab
from lab.tools.docker import Docker

_NAME = "frontend"


@dataclass(frozen=True, kw_only=True)
class PythonImage:
    """An image of the engine: its reference, its id, and the path of Python in it."""

    reference: str
    id: str
    python: str


def find(docker: Docker, lab: Lab) -> PythonImage:
    """Return the image as the engine has it.

    Raises:
        ClusterError: the engine does not have it.
    """
    reference = lab.artifacts.image(_NAME)
    image = docker.image(reference)
    if image is None:
        words = f"the container engine does not have the image {reference}"
        raise ClusterError(words, next=f"lab artifacts build {_NAME}")
    return PythonImage(reference=reference, id=image.id, python=image.entrypoint[0])
