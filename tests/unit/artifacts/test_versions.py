"""[versions] in lab.toml: other upstream images, by digest."""

import pytest

from lab.artifacts.catalog import default
from lab.base.errors import UsageError

IMAGE = f"registry.example/podinfo:6.9.3@sha256:{'0' * 64}"


def test_another_version_takes_the_place_of_the_labs_own() -> None:
    podinfo = default().with_images({"podinfo": IMAGE})["podinfo"]
    assert podinfo.version == "6.9.3"
    assert podinfo.upstream is not None
    assert podinfo.upstream.image == IMAGE
    assert podinfo.recipe is None  # the lab's recipe would build another version


@pytest.mark.parametrize("name", ["podinfoo", "kubectl"])
def test_a_name_that_is_no_image_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(UsageError, match=r"no image with that name.*podinfo"):
        default().with_images({name: IMAGE})
