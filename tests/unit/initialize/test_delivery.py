"""Delivery: the stages that Flux and Argo CD reconcile, and the folder in the clusters' registries."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.base.paths import Paths
from lab.initialize import apply
from lab.initialize.choices import of
from lab.initialize.model import ApplyStage
from lab.initialize.render import RenderedFolder, render
from lab.initialize.sources import StoreSources
from lab.kube import manifests
from lab.kube.objects import Obj
from tests.unit.initialize.kit import shell

STAGES = [stage.value for stage in ApplyStage]


class Manifests(StoreSources):
    """CRDs, and no other objects, in place of upstream's YAML."""

    def crds(self, artifact: str) -> str:
        return "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: one}\n"

    def objects(self, artifact: str) -> Sequence[Obj]:
        return []


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifests:
    monkeypatch.setattr("lab.initialize.edits.texts", lambda objects, *_, **__: list(objects))
    return Manifests(Paths(cache=tmp_path / "cache", state=tmp_path / "state"))


def rendered(sources: Manifests, form: str, apps: str, as_: str | None = None) -> RenderedFolder:
    given = {"mesh": "none", "ingress": "none", "delivery": form, "apps": apps, "as": as_ or form}
    return render(of(given, source="a test"), sources)


def reconciled(made: RenderedFolder, form: str, cluster: str) -> list[Obj]:
    text = made.files[f"clusters/{cluster}/5-wiring/{form}.yaml"]
    objects = manifests.parse(text, source="a test")
    return [obj for obj in objects if obj["kind"] in {"Kustomization", "Application"}]


@pytest.mark.parametrize("form", ["flux", "argocd"])
@pytest.mark.parametrize("apps", ["none", "podinfo"])
def test_each_reconciled_stage_is_a_folder(sources: Manifests, form: str, apps: str) -> None:
    made = rendered(sources, form, apps)
    for cluster in ("east", "west"):
        folders = [stage for stage in STAGES if f"clusters/{cluster}/{stage}/kustomization.yaml" in made.files]
        assert ("4-objects" in folders) is (apps == "podinfo")
        names = [obj["metadata"]["name"] for obj in reconciled(made, form, cluster)]
        assert names == [f"stage-{stage}" for stage in folders]
    for stage in STAGES:
        assert (f"/stage-{stage}\n" in made.files["apply.sh"]) is (stage in folders)


def test_a_stage_of_flux_waits_for_the_last_one_that_exists(sources: Manifests) -> None:
    stages = reconciled(rendered(sources, "flux", "none"), "flux", "west")
    needs = [[one["name"] for one in obj["spec"].get("dependsOn", [])] for obj in stages]
    names = [obj["metadata"]["name"] for obj in stages]
    assert needs == [[], *([name] for name in names[:-1])]
    assert "stage-4-objects" not in names


def test_a_helmfile_has_the_same_stages(sources: Manifests) -> None:
    text = rendered(sources, "flux", "none", as_="helmfile").files["helmfile.yaml.gotmpl"]
    charts = re.findall(r"chart: \./(\S+)", text)
    assert charts
    assert not [chart for chart in charts if "4-objects" in chart]
    assert re.findall(r"needs: \[default/(east-\S+)\]", text) == [f"east-{s}" for s in STAGES if s < "4"]


def pushed(folder: Path, answers: str) -> tuple[int, bytes]:
    """Run the step that pushes a folder with a kubectl that keeps what it reads."""
    for name in ("base/flux", "clusters/east"):
        (folder / "out" / name).mkdir(parents=True)
        (folder / "out" / name / "kustomization.yaml").write_text("resources: []\n")
    (step,) = apply.push_step(of({"delivery": "flux", "clusters": "single"}, source="a test"))
    script = folder / "push.sh"
    script.write_text("\n".join([f"set -eu; cd {folder / 'out'}", *step.commands, "echo the next step"]))
    made = shell(folder, answers=answers)
    done = made.run(script, CONTEXT_EAST="kind-east")
    assert ("the next step" in done.stdout) is (done.returncode == 0)
    return done.returncode, (folder / "read").read_bytes() if (folder / "read").exists() else b""


def test_the_folder_is_pushed_as_a_plain_archive(tmp_path: Path) -> None:
    code, content = pushed(tmp_path, f'*" exec --stdin deployment/oci-registry -- "*) cat > {tmp_path / "read"} ;;')
    assert code == 0
    # crane compresses it: a second time if it were compressed.
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        assert {"base/flux/kustomization.yaml", "clusters/east/kustomization.yaml"} <= {*archive.getnames()}


def test_a_push_that_fails_ends_the_installation(tmp_path: Path) -> None:
    assert pushed(tmp_path, '*" exec "*) cat >/dev/null; exit 3 ;;')[0] == 3
