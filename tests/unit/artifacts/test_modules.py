"""YAML from Go modules: the proxy protocol, the hash of go.sum, and what the recipes write; no Go, no network."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from lab.artifacts import go_proxy
from lab.artifacts.catalog import parse
from lab.artifacts.from_source.builders.module import GoModuleChart, GoModuleFiles
from lab.artifacts.recipe import BuildContext
from lab.base.errors import ArtifactError, DigestError
from lab.base.process import Completed
from lab.kube import manifests
from lab.tools.docker import Docker
from tests.local_http import served

CRD = "kind: CustomResourceDefinition\napiVersion: apiextensions.k8s.io/v1\nmetadata:\n  name: things.example.test\n"
POD = '# why\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata:\n  file: "one\\ntwo\\n"\n'
MODULE = "example.test/Some/module"


def pack(proxy: Path, files: Mapping[str, str], *, module: str = MODULE, version: str = "v1.2.0") -> str:
    """Write a module into a folder that is laid out as a module proxy; return its hash."""
    escaped = module.replace("S", "!s")
    file = proxy / escaped / "@v" / f"{version}.zip"
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(f"{module}@{version}/{name}", text)
    return go_proxy.hash1(file)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., BuildContext]:
    monkeypatch.setenv("GOPROXY", f"file://{tmp_path / 'proxy'}")

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
            **more,
        }
        return BuildContext(**options)  # type: ignore[arg-type]

    return make


def test_the_hash_is_that_of_go_sum(tmp_path: Path) -> None:
    # Computed by `golang.org/x/mod/sumdb/dirhash.HashZip`, version 0.43, of a zip file with these two files.
    file = tmp_path / "m.zip"
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("example.test/m@v1.0.0/go.mod", "module example.test/m\n")
        packed.writestr("example.test/m@v1.0.0/a/b.yaml", "a: 1\n")
    assert go_proxy.hash1(file) == "h1:Ypth0eLE8/zw2KhAZnGOqb6NGzgdbgUUzqwNLSLaems="


def test_files_become_crds_and_objects(tmp_path: Path, work: Callable[..., BuildContext]) -> None:
    hash_ = pack(tmp_path / "proxy", {"c/b.yaml": POD, "c/a.yaml": CRD, "c/kustomization.yaml": "resources: []\n"})
    made = work()
    recipe = GoModuleFiles(module=MODULE, sum=hash_, patterns=("c/*.yaml", "!*/kustomization.yaml"))
    recipe.build(made)
    assert {file.name for file in made.into.iterdir()} == {"crds.yaml", "objects.yaml"}
    (obj,) = manifests.load(made.into / "objects.yaml")
    assert obj["data"]["file"] == "one\ntwo\n"
    assert (made.into / "objects.yaml").read_text().startswith("---\napiVersion: v1\nkind: ConfigMap\n")
    assert "file: |\n    one\n    two\n" in (made.into / "objects.yaml").read_text()


def test_one_file_and_copies(tmp_path: Path, work: Callable[..., BuildContext]) -> None:
    hash_ = pack(tmp_path / "proxy", {"c/b.yaml": POD, "c/a.yaml": CRD, "d/e.json": "{}"})
    made = work()
    GoModuleFiles(module=MODULE, sum=hash_, patterns=("c/*.yaml",), as_file="all.yaml").build(made)
    assert [obj["kind"] for obj in manifests.load(made.into / "all.yaml")] == ["CustomResourceDefinition", "ConfigMap"]
    GoModuleFiles(module=MODULE, sum=hash_, patterns=("d/*",), copied=True).build(made)
    assert (made.into / "e.json").read_text() == "{}"


def test_a_patch_of_upstream_is_applied(tmp_path: Path, work: Callable[..., BuildContext]) -> None:
    patch = "- {op: add, path: /spec/names/-, value: b}\n- {op: remove, path: /spec/old}\n"
    patch += "- {op: add, path: /spec/new, value: 1}\n"
    hash_ = pack(tmp_path / "proxy", {"a.yaml": f"{CRD}spec:\n  names: [a]\n  old: 1\n", "p.yaml": patch})
    made = work()
    recipe = GoModuleFiles(module=MODULE, sum=hash_, patterns=("a.yaml",), patches={"p.yaml": "things.example.test"})
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
    tmp_path: Path, work: Callable[..., BuildContext], patch: str, words: str
) -> None:
    hash_ = pack(tmp_path / "proxy", {"a.yaml": f"{CRD}spec:\n  names: [a]\n", "p.yaml": patch})
    recipe = GoModuleFiles(module=MODULE, sum=hash_, patterns=("a.yaml",), patches={"p.yaml": "things.example.test"})
    with pytest.raises(ArtifactError, match=words):
        recipe.build(work())


def test_a_pattern_without_a_file_is_an_error(tmp_path: Path, work: Callable[..., BuildContext]) -> None:
    hash_ = pack(tmp_path / "proxy", {"a.yaml": CRD})
    with pytest.raises(ArtifactError, match=r"has no file config/\*"):
        GoModuleFiles(module=MODULE, sum=hash_, patterns=("config/*",)).build(work())


def test_another_content_is_refused_and_deleted(tmp_path: Path) -> None:
    pack(tmp_path / "proxy", {"a.yaml": CRD})
    target = tmp_path / "m.zip"
    environ = {"GOPROXY": f"file://{tmp_path / 'proxy'}"}
    with pytest.raises(DigestError, match="not h1:other= as the catalogue says"):
        go_proxy.fetch(MODULE, "v1.2.0", sum_="h1:other=", target=target, environ=environ)
    assert not target.exists()


def test_the_next_proxy_is_used_as_go_does(tmp_path: Path) -> None:
    hash_ = pack(tmp_path / "second", {"a.yaml": CRD})
    target, second = tmp_path / "m.zip", f"file://{tmp_path / 'second'}"

    class Broken(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(500 if "broken" in self.path else 404)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with served(Broken) as host:
        for setting in (f"http://{host},{second}", f"http://{host}/broken|{second}", f"direct,{second}"):
            go_proxy.fetch(MODULE, "v1.2.0", sum_=hash_, target=target, environ={"GOPROXY": setting})
            assert target.exists()
        # After a comma, only the answer "not found" leads to the next proxy.
        setting = f"http://user:secret@{host}/broken,{second}"
        with pytest.raises(ArtifactError, match="HTTP 500"):
            go_proxy.fetch(MODULE, "v1.2.0", sum_=hash_, target=target, environ={"GOPROXY": setting})


def test_an_unavailable_module_names_each_proxy_without_its_password(tmp_path: Path) -> None:
    environ = {"GOPROXY": f"file://{tmp_path},off"}
    with pytest.raises(ArtifactError, match=r"there is no file .*some/module/@v/v1\.2\.0\.zip; `off`"):
        go_proxy.fetch(MODULE, "v1.2.0", sum_="h1:x", target=tmp_path / "m.zip", environ=environ)
    with served(BaseHTTPRequestHandler) as host:
        environ = {"GOPROXY": f"http://user:secret@{host}"}
        with pytest.raises(ArtifactError) as caught:
            go_proxy.fetch(MODULE, "v1.2.0", sum_="h1:x", target=tmp_path / "m.zip", environ=environ)
    assert "secret" not in str(caught.value)


def test_go_s_own_setting_counts(tmp_path: Path) -> None:
    hash_ = pack(tmp_path / "proxy", {"a.yaml": CRD})
    (tmp_path / "env").write_text(f"GOFLAGS=-x\nGOPROXY=file://{tmp_path / 'proxy'}\n")
    environ = {"GOENV": str(tmp_path / "env")}
    go_proxy.fetch(MODULE, "v1.2.0", sum_=hash_, target=tmp_path / "m.zip", environ=environ)
    assert (tmp_path / "m.zip").exists()


def test_a_chart_is_rendered_with_its_version(tmp_path: Path, work: Callable[..., BuildContext]) -> None:
    chart = {
        "charts/x/Chart.yaml": "apiVersion: v2\nname: x\nversion: v0.0.0\n",
        "charts/x/values.tmpl.yaml": "image: ${Image}\n",
        "charts/x/templates/a.yaml": "{{ .Values.image }}",
        "crds/a.yaml": CRD,
    }
    hash_ = pack(tmp_path / "proxy", chart)
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

    made = work(needs=Shelf(), run=run)
    recipe = GoModuleChart(
        module=MODULE,
        sum=hash_,
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
