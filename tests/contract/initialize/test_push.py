"""The folder for Flux in a real registry, by the real crane: one layer, a .tar.gz that has base/ and clusters/."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.initialize import apply
from lab.initialize.choices import of
from lab.initialize.options.delivery import REGISTRY_PORT, REPOSITORY
from lab.initialize.sources import StoreSources
from tests.contract.initialize.conftest import obtained

_KUBECTL = """\
#!/bin/sh
# Runs what follows `--`, as the pod of the registry does: without a home, and with the program at its path there.
while [ "$1" != -- ]; do shift; done
shift 2
for word; do shift; set -- "$@" "$(printf %s "$word" | sed "s/localhost:{inside}/localhost:{port}/")"; done
exec env -i {crane} "$@"
"""

_PROGRAM = "crane-program"
"""The artifact with the program that the registry's image has."""


@pytest.fixture(scope="module")
def crane(real: StoreSources) -> str:
    if reasons := obtained(real, {_PROGRAM}):
        pytest.skip(reasons[_PROGRAM])
    entry = real.store.entry(_PROGRAM)
    assert entry is not None
    return str(entry.path / "bin" / "crane")


@pytest.fixture
def registry(crane: str) -> Iterator[int]:
    """A registry as the cluster's, on a free port."""
    command = [crane, "registry", "serve", "--address=127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            yield int(next(line for line in server.stderr if "serving on port" in line).rsplit(" ", 1)[1])
        finally:
            server.terminate()


def test_flux_can_read_the_folder(registry: int, crane: str, tmp_path: Path) -> None:
    for name in ("base/flux/1-crds", "clusters/east/1-crds"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "kustomization.yaml").write_text("resources: []\n")
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(_KUBECTL.format(crane=crane, port=registry, inside=REGISTRY_PORT))
    kubectl.chmod(0o755)
    (step,) = apply.push_step(of({"delivery": "flux", "clusters": "single"}, source="a test"))
    environment = {"PATH": f"{kubectl.parent}:/usr/bin:/bin", "CONTEXT_EAST": "east"}
    subprocess.run(["sh", "-euc", "\n".join(step.commands)], cwd=tmp_path, env=environment, check=True)

    def get(rest: str) -> bytes:
        request = urllib.request.Request(f"http://localhost:{registry}/v2/{REPOSITORY}/{rest}")
        request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json")
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - this test's own registry
            content: bytes = answer.read()
            return content

    manifest = json.loads(get("manifests/latest"))
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    with tarfile.open(fileobj=io.BytesIO(get(f"blobs/{layer['digest']}")), mode="r:gz") as archive:
        files = {name for name in archive.getnames() if name.endswith(".yaml")}
    assert files == {f"{name}/kustomization.yaml" for name in ("base/flux/1-crds", "clusters/east/1-crds")}
