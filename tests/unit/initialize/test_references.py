"""An option whose YAML no source has: the folder refers to upstream's own program, and has everything else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.base.errors import ArtifactError
from lab.base.paths import Paths
from lab.components.rendering import Rendering
from lab.initialize import folder as profile
from lab.initialize import obtaining, update
from lab.initialize.choices import Choices, of
from lab.initialize.options import OPTIONS
from lab.initialize.render import RenderedFolder, render
from lab.initialize.sources import StoreSources
from lab.initialize.update import UpdateKind
from lab.kube.objects import Obj
from tests.unit.initialize.kit import shell

CRD = "CustomResourceDefinition"
GONE = ("linkerd", "emissary-crds", "emissary-chart")
LINKERD = {"mesh": "linkerd", "ingress": "emissary", "observability": "linkerd-viz", "apps": "podinfo"}
CONTEXTS = ("kind-east", "kind-west")


class Few(StoreSources):
    """An empty store, on a machine that can have everything but some artifacts."""

    gone: Sequence[str] = GONE

    def crds(self, artifact: str) -> str:
        return f"# CRDs of {artifact}\n"

    def objects(self, artifact: str) -> Sequence[Obj]:
        return []

    def unavailable(self, artifact: str) -> ArtifactError | None:
        return ArtifactError(f"{artifact} is unavailable here: /a/folder has none") if artifact in self.gone else None


class Later(Few):
    """A machine that has Emissary's charts."""

    gone = ()

    def component(self, stack: str, name: str, cluster: str) -> Rendering:
        if name == "emissary-crds":
            return Rendering(objects=[{"apiVersion": "v1", "kind": CRD, "metadata": {"name": "one"}}])
        if name != "ingress":
            return super().component(stack, name, cluster)
        template: Obj = {"metadata": {"annotations": {}}, "spec": {"containers": []}}
        metadata = {"name": "emissary-ingress", "namespace": "emissary"}
        deployment: Obj = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"template": template},
        }
        return Rendering(objects=[deployment])


@pytest.fixture
def sources(tmp_path: Path) -> Few:
    return Few(Paths(cache=tmp_path / "cache", state=tmp_path / "state"))


def made(sources: Few, **more: str) -> RenderedFolder:
    return render(of({**LINKERD, **more}, source="a test"), sources)


def test_the_folder_has_everything_else(sources: Few) -> None:
    found = made(sources)
    assert "base/podinfo/4-objects/objects.yaml" in found.files
    assert "CRDs of gateway-api-manifests" in found.files["base/gateway-api/1-crds/crds.yaml"]
    assert "kind: Listener" in found.files["base/emissary/4-objects/objects.yaml"]
    assert "kind: Mapping" in found.files["base/routing/5-wiring/wiring.yaml"]
    assert not [path for path in found.files if path.startswith(("base/linkerd/", "base/linkerd-viz/"))]


def test_the_warnings_and_the_readme_say_what_is_missing(sources: Few) -> None:
    found = made(sources)
    assert [line.partition(":")[0] for line in found.warnings] == [
        f"the folder does not have the YAML of {title}" for title in ("Linkerd", "Emissary-ingress", "Linkerd Viz")
    ]
    assert "linkerd is unavailable here: /a/folder has none" in found.warnings[0]
    text = found.files["README.md"]
    (_, number) = re.findall(r"- (Linkerd edge\S+)\. Its YAML \(the artifact linkerd\) .*\n  Step (\d+) of", text)[0]
    assert f"\n{number}. Linkerd {OPTIONS['linkerd'].version}, which this folder does not have\n" in text
    assert "`linkerd` and `helm`, which the scripts run" in text
    # The folder is the same on each machine that lacks the same.
    assert not [path for path, content in found.files.items() if "/a/folder" in content]


def test_nothing_is_said_where_everything_can_be_had(sources: Few) -> None:
    choices = of({"mesh": "none", "ingress": "none", "apps": "podinfo"}, source="a test")
    found = render(choices, sources)
    assert found.warnings == []
    assert "command -v" not in found.files["apply.sh"]


@dataclass(frozen=True)
class Applied:
    """A folder, and programs that note their calls."""

    folder: Path
    temporary: Path

    def run(self, *without: str) -> tuple[int, str, list[str]]:
        programs = shell(self.temporary, answers='*"get deployment"*) exit 1 ;;')
        (programs.bin / "helm").write_text((programs.bin / "linkerd").read_text().replace("linkerd", "helm"))
        (programs.bin / "helm").chmod(0o755)
        for name in without:
            (programs.bin / name).unlink()
        done = programs.run(self.folder / "apply.sh", *CONTEXTS)
        return done.returncode, done.stderr, programs.calls


@pytest.fixture
def applied(sources: Few, tmp_path: Path) -> Applied:
    profile.write(tmp_path / "out", made(sources).files)
    return Applied(tmp_path / "out", tmp_path)


def test_apply_installs_it_after_the_keys_and_before_the_controllers(applied: Applied) -> None:
    code, errors, calls = applied.run()
    assert code == 0, errors
    text = "\n".join(calls)
    installs = [line for line in calls if line.startswith(("argv: linkerd install", "argv: helm template"))]
    assert len(installs) == 2 * 2 + 2 * 2
    assert all("/issuer-" in line for line in installs if "--identity" in line)
    assert text.index("2-namespaces") < text.index("linkerd install --crds") < text.index("linkerd install --ignore")
    assert text.index("linkerd multicluster install") < text.index("emissary-crds-chart") < text.index("4-objects")


@pytest.mark.parametrize("program", ["linkerd", "helm"])
def test_apply_without_its_program_applies_nothing(applied: Applied, program: str) -> None:
    code, errors, calls = applied.run(program)
    assert (code, calls) == (1, [])
    assert f"command not found: {program}. This folder does not have" in errors


def test_what_is_there_is_not_installed_again(sources: Few, tmp_path: Path) -> None:
    profile.write(tmp_path / "out", made(sources, ingress="none", observability="none").files)
    programs = shell(tmp_path, exists=True)
    assert programs.run(tmp_path / "out" / "apply.sh", *CONTEXTS).returncode == 0
    assert not [line for line in programs.calls if line.startswith("argv: linkerd install")]


@pytest.mark.parametrize("form", ["argocd", "flux"])
def test_other_forms_install_it_before_the_controller_applies_the_folder(
    sources: Few, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.initialize.edits.texts", lambda objects, *_, **__: list(objects))
    script = made(sources, delivery=form, **{"as": form}).files["apply.sh"]
    controller = f"--kustomize=base/{form}/3-operators"
    order = ["command -v linkerd", "1-crds", "create-secrets.sh keys", "linkerd install --crds", controller]
    assert sorted(order, key=script.index) == order


def test_an_update_adds_the_yaml_later(sources: Few, tmp_path: Path) -> None:
    out = tmp_path / "out"
    profile.write(out, made(sources, mesh="none", observability="none").files)
    later = Later(sources.lab.paths)
    planned = update.plan(out, render(profile.choices_of(out), later).files)
    changes = {one.path: one.change for one in planned.changes}
    assert changes["base/emissary/1-crds/crds.yaml"] is UpdateKind.ADD
    assert changes["apply.sh"] is changes["README.md"] is UpdateKind.REPLACE
    planned.apply(out)
    assert "which this folder does not have" not in (out / "README.md").read_text()
    assert "helm template" not in (out / "apply.sh").read_text()


def test_only_what_can_be_referenced_is_left_out_of_the_artifacts(
    sources: Few, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def unobtainable(names: Sequence[str]) -> None:
        asked.extend(names)

    monkeypatch.setattr(sources.store, "unobtainable", unobtainable)
    monkeypatch.setattr(obtaining.plan, "missing", lambda _, names: list(names))
    choices: Choices = of({**LINKERD, "certificates": "cert-manager"}, source="a test")
    assert obtaining.missing(choices, sources) == ["gateway-api-manifests", "cert-manager-manifests"] == asked


def test_every_option_of_a_program_or_chart_that_is_not_built_can_be_referenced(sources: Few) -> None:
    store = sources.store
    for option in OPTIONS.values():
        if any(store.catalog[name].recipe is None for name in option.manifests):
            assert option.upstream is not None, option.id
