"""The files of `lab render`: complete, in order, without keys, always the same; and the folder that they are in."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab import config
from lab.base import pki
from lab.base.errors import UsageError
from lab.base.names import Cluster
from lab.kube import manifests
from lab.kube.objects import Obj, ref
from lab.lab import Lab
from lab.lifecycle.render import folder as rendered_folder
from lab.lifecycle.render.files import RenderedFile, files
from lab.lifecycle.render.readme import readme
from lab.mesh.issuers import anchor_command, issuer_command, issuer_of
from lab.stacks import STACKS
from lab.stacks.istio.export import objects_in
from lab.stacks.linkerd import certificates, multicluster
from tests.unit.rendering_kit import ChartFiles, fake_programs, obj

BUILT_IN = re.compile(r"v1|apps/v1|policy/v1|.*\.k8s\.io/v1")
SECRETS = re.compile(r"PRIVATE KEY|BEGIN CERTIFICATE|LS0tLS1CRUdJTi|caBundle:|eyJ[\w-]{8,}|trust-root-sha256|checksum/")


@pytest.fixture
def programs(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The lab, with programs that render small charts."""
    fake_programs(monkeypatch)
    return replace(lab, artifacts=ChartFiles(tmp_path / "artifacts"))  # type: ignore[arg-type]


def contents(lab: Lab, stack: str) -> dict[str, str]:
    rendered = files(lab, STACKS[stack])
    found = {file.path: file.content for of in rendered.clusters.values() for file in of}
    return {"README.md": readme(lab, STACKS[stack], rendered), **found}


def documents(file: RenderedFile) -> list[Obj]:
    """Return a file's objects; of a script, the placeholders in its comments."""
    text = file.content
    if file.path.endswith(".sh"):
        head = text.partition("PLACEHOLDERS")[2].partition("\n\n")[0].partition("\n")[2]
        text = "\n".join(line.removeprefix("# ") for line in head.splitlines())
    return manifests.parse(text, source=file.path)


@pytest.mark.parametrize("stack", STACKS)
def test_no_key_certificate_or_token_is_in_any_file(programs: Lab, stack: str) -> None:
    for cluster in programs.clusters.values():
        issuer_of(programs, cluster)  # the lab's own keys exist
    own = [file.read_text() for file in programs.paths.pki.iterdir()]
    for path, content in contents(programs, stack).items():
        assert not SECRETS.findall(content), path
        assert not [line for text in own for line in text.splitlines() if len(line) > 20 and line in content]


@pytest.mark.parametrize("stack", STACKS)
def test_every_secret_with_content_is_a_placeholder_that_a_command_creates(programs: Lab, stack: str) -> None:
    placeholders = 0
    for file in (file for of in files(programs, STACKS[stack]).clusters.values() for file in of):
        if file.path.endswith(".yaml"):
            secrets = [obj for obj in documents(file) if obj["kind"] == "Secret"]
            assert [obj for obj in secrets if "data" in obj or "stringData" in obj] == []
            continue
        commands = file.content.partition("\n\n")[2]
        for document in documents(file):
            placeholders += 1
            assert document["apiVersion"] == "v1"
            assert set((document.get("stringData") or document["data"]).values()) == {"PLACEHOLDER"}
            generators = ("multicluster link-gen", "istioctl create-remote-secret")
            assert document["metadata"]["name"] in commands or any(words in commands for words in generators)
    assert placeholders >= 2


@pytest.mark.parametrize("stack", STACKS)
def test_every_document_is_an_object_after_its_namespace_and_its_crd(programs: Lab, stack: str) -> None:
    for of in files(programs, STACKS[stack]).clusters.values():
        assert [file.path for file in of] == sorted(file.path for file in of)
        namespaces, kinds, names = {"kube-system"}, set[tuple[str, str]](), set[object]()
        for file in (file for file in of if file.path.endswith(".yaml")):
            objects = documents(file)
            assert objects, file.path
            for one in objects:
                assert one["apiVersion"]
                assert one["kind"]
                assert ref(one) not in names, f"{ref(one)} twice"
                names.add(ref(one))
                if one["kind"] == "Namespace":
                    namespaces.add(one["metadata"]["name"])
                assert one["metadata"].get("namespace", "kube-system") in namespaces, ref(one)
                group, is_own = one["apiVersion"].partition("/")[0], not BUILT_IN.fullmatch(one["apiVersion"])
                if is_own or group == "gateway.networking.k8s.io":
                    assert (group, one["kind"]) in kinds, f"{file.path}: {ref(one)} before its CRD"
            # kubectl reads the kinds of a file before it applies the first object.
            crds = [obj["spec"] for obj in objects if obj["kind"] == "CustomResourceDefinition"]
            kinds |= {(spec["group"], spec["names"]["kind"]) for spec in crds}


@pytest.mark.parametrize("stack", STACKS)
def test_two_renderings_are_the_same_bytes_whether_the_lab_has_keys_or_not(programs: Lab, stack: str) -> None:
    first = contents(programs, stack)
    assert not programs.paths.state.exists(), "rendering creates no keys of the lab"
    for cluster in programs.clusters.values():
        issuer_of(programs, cluster)
    assert contents(programs, stack) == first


@pytest.mark.parametrize("stack", STACKS)
def test_the_scripts_are_posix_shell_and_the_readme_lists_every_file(programs: Lab, stack: str) -> None:
    found = contents(programs, stack)
    for path, content in found.items():
        assert path == "README.md" or f"| `{path}` |" in found["README.md"]
        if path.endswith(".sh"):
            subprocess.run(["sh", "-n"], input=content, text=True, check=True, timeout=20)
    (loop,) = re.findall(r"```sh\n(process\(\).*?)```", found["README.md"], re.DOTALL)
    subprocess.run(["sh", "-n"], input=loop, text=True, check=True, timeout=20)


def test_the_objects_are_those_that_the_components_apply(programs: Lab) -> None:
    stack, west = STACKS["istio"], programs.clusters["west"]
    wanted = {ref(obj) for obj in stack.components(programs)["frontend"].component.rendering(programs, west).objects}
    found = [obj for file in files(programs, stack).clusters["west"] for obj in documents(file)]
    assert wanted <= {ref(obj) for obj in found}
    assert not [obj for obj in found if "eastwest.lab/lab" in obj["metadata"].get("labels", {})]


def test_exports_of_istio_are_the_objects_of_lab_export(programs: Lab) -> None:
    rendered = files(programs, STACKS["istio"])
    for cluster, of in rendered.clusters.items():
        found = {ref(obj): obj for file in of for obj in documents(file)}
        service = next(obj for of_ref, obj in found.items() if (of_ref.kind, of_ref.name) == ("Service", "podinfo"))
        ports = STACKS["istio"].exported(programs, service, "east", cluster)
        assert {ref(obj) for obj in ports} <= set(found)
        assert [ref(obj) for obj in objects_in(cluster, "podinfo", "east", (), clusters=["east", "west"])] == [
            ref(obj) for obj in ports
        ]


def test_exports_of_linkerd_are_labels_of_the_services(programs: Lab) -> None:
    labelled: dict[str, int] = {}
    for cluster, of in files(programs, STACKS["linkerd"]).clusters.items():
        objects = [obj for file in of for obj in documents(file)]
        label = multicluster.EXPORTED_LABEL
        labelled[cluster] = len([obj for obj in objects if (obj["metadata"].get("labels") or {}).get(label) == "true"])
    assert labelled == {"east": 1, "west": 0}


def test_an_export_of_a_service_that_is_not_the_labs_is_named_in_the_readme(programs: Lab) -> None:
    lab = replace(programs, spec=config.parse('name = "dev"\n[exports]\nweb = ["east"]'))
    assert any("export of web from east" in words for words in files(lab, STACKS["istio"]).left_out)


def test_the_commands_create_certificates_that_fit_the_lab(lab: Lab, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    east = lab.clusters["east"]
    for command in (anchor_command(lab), issuer_command(lab, east)):
        subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, timeout=60, capture_output=True)
    for name in ("anchor", "issuer-east"):  # as the lab names its own files
        for suffix in ("crt", "key"):
            lab.paths.pki.mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / f"{name}.{suffix}", lab.paths.pki)
    before = (tmp_path / "issuer-east.crt").read_bytes()
    assert issuer_of(lab, east).certificate == before, "the lab accepts the issuer, and does not replace it"
    assert pki.describe(before).trust_domain == "east.example"


FILES = {"README.md": "a\n", "west/01-a.yaml": "kind: A\n", "east/01-a.yaml": "kind: A\n"}


@pytest.mark.parametrize(("umask", "files", "folders"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_files_and_folders_have_the_modes_of_the_umask(tmp_path: Path, umask: int, files: int, folders: int) -> None:
    target = tmp_path / "new" / "lab"
    before = os.umask(umask)
    try:
        written = rendered_folder.write(target, FILES)
    finally:
        os.umask(before)
    assert {file.relative_to(target).as_posix(): file.read_text() for file in written} == FILES
    assert {stat.S_IMODE(file.stat().st_mode) for file in written} == {files}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (target, target / "east", target / "west")} == {folders}
    assert sorted(path.name for path in target.iterdir()) == ["README.md", "east", "west"]


def test_a_full_folder_a_file_and_a_symlink_are_refused(tmp_path: Path) -> None:
    full, empty, file, link = (tmp_path / name for name in ("full", "empty", "file", "link"))
    for folder in (full, empty):
        folder.mkdir()
    (full / ".hidden").touch()
    file.touch()
    link.symlink_to(empty)
    rendered_folder.check_writable(empty)
    for refused in (full, file, link):
        with pytest.raises(UsageError):
            rendered_folder.check_writable(refused)
    for refused in (file, link, tmp_path / "missing"):
        with pytest.raises(UsageError):
            rendered_folder.check_comparable(refused)


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("during", ["pathlib.Path.write_text", "pathlib.Path.rename"])
def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, exists: bool, during: str
) -> None:
    target, calls = tmp_path / "a" / "lab", []
    if exists:
        target.mkdir(parents=True)
    original: Callable[..., object] = Path.rename if during.endswith("rename") else Path.write_text

    def interrupted(*arguments: object, **options: object) -> object:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(during, interrupted)
    with pytest.raises(KeyboardInterrupt):
        rendered_folder.write(target, FILES)
    assert (list(target.iterdir()) == []) if exists else not (tmp_path / "a").exists()


def test_what_somebody_else_writes_meanwhile_stays(tmp_path: Path) -> None:
    (tmp_path / "west").mkdir()
    (tmp_path / "west" / "mine").touch()
    with pytest.raises(UsageError):
        rendered_folder.write(tmp_path, FILES)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["west", "west/mine"]


def test_differences_are_unified_and_keys_in_the_folder_do_not_count(tmp_path: Path) -> None:
    rendered_folder.write(tmp_path / "lab", FILES)
    (tmp_path / "lab" / "anchor.key").touch()
    assert rendered_folder.differences(tmp_path / "lab", FILES) == {}
    (tmp_path / "lab" / "west" / "02-mine.yaml").touch()
    (tmp_path / "lab" / "README.md").write_text("b")
    (tmp_path / "lab" / "east" / "01-a.yaml").unlink()
    found = rendered_folder.differences(tmp_path / "lab", FILES)
    assert set(found) == {"west/02-mine.yaml", "README.md", "east/01-a.yaml"}
    assert found["README.md"].splitlines()[2:] == ["@@ -1 +1 @@", "-b", "\\ No newline at end of file", "+a"]
    assert "+kind: A" in found["east/01-a.yaml"]


@pytest.mark.parametrize("stack", STACKS)
def test_every_component_says_how_to_render_it_without_a_cluster(programs: Lab, stack: str) -> None:
    """`programs` has no API servers: a component that asks one fails here."""

    def parts(cluster: Cluster) -> int:
        of = STACKS[stack]
        components = [part.component for part in of.components(programs).values()]
        links = [
            part.component for part in of.link_components(programs, "west", "east") if part.cluster == cluster.name
        ]
        return len([one.rendering(programs, cluster) for one in (*components, *links)])

    assert parts(programs.clusters["west"]) >= 9


def test_an_extension_api_trusts_the_certificate_that_a_command_creates(lab: Lab) -> None:
    service = {"name": "tap", "namespace": "linkerd-viz"}
    api = obj("apiregistration.k8s.io/v1", "APIService", "tap", spec={"service": service, "caBundle": "Q0E="})
    data = {"tls.crt": "Q0E=", "tls.key": "S0VZ"}
    objects = [api, obj("v1", "Secret", "tap-k8s-tls", "linkerd-viz", data=data)]
    west = lab.clusters["west"]
    assert "caBundle" not in certificates.without(api)["spec"]
    create, secret = certificates.create_commands(objects, west)
    assert "DNS:tap.linkerd-viz.svc" in create
    assert "--namespace=linkerd-viz create secret tls tap-k8s-tls" in secret
    insert = certificates.insert_commands(objects, west)[-1]
    assert "patch apiservice tap" in insert
    assert "/spec/caBundle" in insert


def test_an_anchor_that_is_cut_from_a_text_of_yaml_leaves_the_other_keys_as_they_are() -> None:
    values = {"identityTrustAnchorsPEM": "-----BEGIN CERTIFICATE-----\nQ0E=\n-----END CERTIFICATE-----\n"}
    text = manifests.dump_document({**values, "identityTrustDomain": "west.example"})
    config = obj("v1", "ConfigMap", "linkerd-config", "linkerd", data={"values": text})
    cut = manifests.load_document(certificates.without(config)["data"]["values"])
    assert cut == {"identityTrustAnchorsPEM": "", "identityTrustDomain": "west.example"}
