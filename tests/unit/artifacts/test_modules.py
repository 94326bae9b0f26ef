"""YAML from Go modules: what the recipes write, with a go command that answers as Go does; no network."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.artifacts.catalog import parse
from lab.artifacts.from_source.builders.module import GoModuleChart, GoModuleFiles
from lab.artifacts.recipe import BuildContext
from lab.base.errors import ArtifactError, DigestError
from lab.base.process import Completed
from lab.kube import manifests
from lab.tools.docker import Docker
from lab.tools.go import Go

CRD = "kind: CustomResourceDefinition\napiVersion: apiextensions.k8s.io/v1\nmetadata:\n  name: things.example.test\n"
POD = '# why\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata:\n  file: "one\\ntwo\\n"\n'
MODULE = "example.test/Some/module"


HASH = "h1:Ypth0eLE8/zw2KhAZnGOqb6NGzgdbgUUzqwNLSLaems="


@dataclass
class FakeGo:
    """Answers `go version` and `go mod download` (`go help mod download`); other programs go to `other`."""

    zip: Path
    error: str = ""
    other: Callable[..., Completed] | None = None

    def pack(self, files: Mapping[str, str]) -> None:
        """Write the module's zip file."""
        with zipfile.ZipFile(self.zip, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, text in files.items():
                packed.writestr(f"{MODULE}@v1.2.0/{name}", text)

    def run(self, argv: list[object], **options: Any) -> Completed:
        words = [str(word) for word in argv]
        if words[1:] == ["version"]:
            return self.ended(words, "go version go1.26.6 linux/amd64")
        if words[1:] == ["mod", "download", "-json", f"{MODULE}@v1.2.0"]:
            assert options["cwd"].is_dir()
            assert options["env"]["GOMODCACHE"] == str(options["cwd"])
            answer = {"Error": self.error} if self.error else {"Zip": str(self.zip), "Sum": HASH}
            return self.ended(words, json.dumps({"Path": MODULE, "Version": "v1.2.0", **answer}), bool(self.error))
        assert self.other is not None
        return self.other(argv, **options)

    def ended(self, words: list[str], stdout: str, code: int = 0) -> Completed:
        return Completed(argv=tuple(words), returncode=code, stdout=stdout, stderr="", duration_s=0)


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/bin/{name}")
    return FakeGo(zip=tmp_path / "module.zip")


@pytest.fixture
def work(tmp_path: Path, go: FakeGo) -> Callable[..., BuildContext]:
    def make(**more: object) -> BuildContext:
        (tmp_path / "into").mkdir()
        (tmp_path / "scratch").mkdir()
        text = '[thing-manifests]\ntitle = "t"\nkind = "files"\nversion = "1.2.0"\nrecipe = "go"\nestimate_s = 1\n'
        options: dict[str, object] = {
            "artifact": parse(text)["thing-manifests"],
            "into": tmp_path / "into",
            "scratch": tmp_path / "scratch",
            "reference": "",
            "labels": {},
            "go_cache": tmp_path,
            "go_modules": tmp_path,
            "needs": None,
            "docker": Docker(),
            "run": go.run,
            **more,
        }
        return BuildContext(**options)  # type: ignore[arg-type]

    return make


def test_files_become_crds_and_objects(go: FakeGo, work: Callable[..., BuildContext]) -> None:
    go.pack({"c/b.yaml": POD, "c/a.yaml": CRD, "c/kustomization.yaml": "resources: []\n"})
    made = work()
    recipe = GoModuleFiles(module=MODULE, sum=HASH, patterns=("c/*.yaml", "!*/kustomization.yaml"))
    recipe.build(made)
    assert {file.name for file in made.into.iterdir()} == {"crds.yaml", "objects.yaml"}
    (obj,) = manifests.load(made.into / "objects.yaml")
    assert obj["data"]["file"] == "one\ntwo\n"
    assert (made.into / "objects.yaml").read_text().startswith("---\napiVersion: v1\nkind: ConfigMap\n")
    assert "file: |\n    one\n    two\n" in (made.into / "objects.yaml").read_text()


def test_one_file_and_copies(go: FakeGo, work: Callable[..., BuildContext]) -> None:
    go.pack({"c/b.yaml": POD, "c/a.yaml": CRD, "d/e.json": "{}"})
    made = work()
    GoModuleFiles(module=MODULE, sum=HASH, patterns=("c/*.yaml",), as_file="all.yaml").build(made)
    assert [obj["kind"] for obj in manifests.load(made.into / "all.yaml")] == ["CustomResourceDefinition", "ConfigMap"]
    GoModuleFiles(module=MODULE, sum=HASH, patterns=("d/*",), copied=True).build(made)
    assert (made.into / "e.json").read_text() == "{}"


def test_a_patch_of_upstream_is_applied(go: FakeGo, work: Callable[..., BuildContext]) -> None:
    patch = "- {op: add, path: /spec/names/-, value: b}\n- {op: remove, path: /spec/old}\n"
    patch += "- {op: add, path: /spec/new, value: 1}\n"
    go.pack({"a.yaml": f"{CRD}spec:\n  names: [a]\n  old: 1\n", "p.yaml": patch})
    made = work()
    recipe = GoModuleFiles(module=MODULE, sum=HASH, patterns=("a.yaml",), patches={"p.yaml": "things.example.test"})
    recipe.build(made)
    (crd,) = manifests.load(made.into / "crds.yaml")
    assert crd["spec"] == {"names": ["a", "b"], "new": 1}


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ("- {op: remove, path: /spec/gone}\n", "/spec/gone does not exist"),
        ("- {op: move, path: /spec/names}\n", "cannot apply the operation move"),
    ],
)
def test_a_patch_that_does_not_fit_is_an_error(
    go: FakeGo, work: Callable[..., BuildContext], patch: str, words: str
) -> None:
    go.pack({"a.yaml": f"{CRD}spec:\n  names: [a]\n", "p.yaml": patch})
    recipe = GoModuleFiles(module=MODULE, sum=HASH, patterns=("a.yaml",), patches={"p.yaml": "things.example.test"})
    with pytest.raises(ArtifactError, match=words):
        recipe.build(work())


def test_a_pattern_without_a_file_is_an_error(go: FakeGo, work: Callable[..., BuildContext]) -> None:
    go.pack({"a.yaml": CRD})
    with pytest.raises(ArtifactError, match=r"has no file config/\*"):
        GoModuleFiles(module=MODULE, sum=HASH, patterns=("config/*",)).build(work())


def test_another_content_is_refused(go: FakeGo, work: Callable[..., BuildContext]) -> None:
    go.pack({"a.yaml": CRD})
    with pytest.raises(DigestError, match="not h1:other= as the catalogue says"):
        GoModuleFiles(module=MODULE, sum="h1:other=", patterns=("a.yaml",)).build(work())


def test_an_unavailable_module_is_named_with_gos_reason(go: FakeGo, work: Callable[..., BuildContext]) -> None:
    go.error = "module lookup disabled"
    with pytest.raises(ArtifactError, match=f"{MODULE} v1.2.0 is unavailable: module lookup disabled") as caught:
        GoModuleFiles(module=MODULE, sum=HASH, patterns=("a.yaml",)).build(work())
    assert "go env GOPROXY" in (caught.value.next or "")


@pytest.mark.skipif(shutil.which("go") is None, reason="go is not on PATH")
def test_the_real_go_takes_a_module_from_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = tmp_path / "proxy/example.test/m/@v"
    versions.mkdir(parents=True)
    (versions / "v1.0.0.info").write_text('{"Version": "v1.0.0"}')
    (versions / "v1.0.0.mod").write_text("module example.test/m\n")
    with zipfile.ZipFile(versions / "v1.0.0.zip", "w") as packed:
        packed.writestr("example.test/m@v1.0.0/go.mod", "module example.test/m\n")
        packed.writestr("example.test/m@v1.0.0/a/b.yaml", "a: 1\n")
    monkeypatch.setenv("GOPROXY", f"file://{tmp_path / 'proxy'}")
    client = Go(program=Path(str(shutil.which("go"))), cache=tmp_path / "cache", modules=tmp_path)
    file, hash_ = client.download("example.test/m", "v1.0.0")
    # Computed by `golang.org/x/mod/sumdb/dirhash.HashZip`, version 0.43, of a zip file with these two files.
    assert hash_ == HASH
    assert zipfile.ZipFile(file).read("example.test/m@v1.0.0/a/b.yaml") == b"a: 1\n"
    with pytest.raises(ArtifactError, match=r"example.test/m v1.0.1 is unavailable: .*v1\.0\.1"):
        client.download("example.test/m", "v1.0.1")


def test_a_chart_is_rendered_with_its_version(go: FakeGo, work: Callable[..., BuildContext]) -> None:
    chart = {
        "charts/x/Chart.yaml": "apiVersion: v2\nname: x\nversion: v0.0.0\n",
        "charts/x/values.tmpl.yaml": "image: ${Image}\n",
        "charts/x/templates/a.yaml": "{{ .Values.image }}",
        "crds/a.yaml": CRD,
    }
    go.pack(chart)
    seen: dict[str, str] = {}

    def run(argv: list[object], **options: object) -> Completed:
        words = [str(word) for word in argv]
        folder = Path(words[3])
        seen["words"] = " ".join(words[1:3])
        seen["chart"] = (folder / "Chart.yaml").read_text()
        seen["defaults"] = (folder / "values.yaml").read_text()
        seen["values"] = Path(next(w for w in words if "--values" in w).partition("=")[2]).read_text()
        return Completed(argv=tuple(words), returncode=0, stdout=POD, stderr="", duration_s=0)

    class Shelf:
        def file(self, name: str, rel: str) -> Path:
            return Path("/opt") / name / rel

    go.other = run
    made = work(needs=Shelf())
    recipe = GoModuleChart(
        module=MODULE,
        sum=HASH,
        chart="charts/x",
        namespace="spot",
        values={"crds.enabled": False, "crds.keep": 1},
        crds=("crds/*.yaml",),
        template="values.tmpl.yaml",
        variables={"Image": "example.test/x:1"},
    )
    recipe.build(made)
    assert seen["words"] == "template thing"
    assert "version: v1.2.0" in seen["chart"]
    assert seen["defaults"] == "image: example.test/x:1\n"
    assert manifests.load_document(seen["values"]) == {"crds": {"enabled": False, "keep": 1}}
    assert {file.name for file in made.into.iterdir()} == {"crds.yaml", "objects.yaml"}
    assert recipe.needs() == ("helm",)
