"""Whole folders: kustomize builds each stage, and the same choices give the same bytes (digests.txt)."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from lab.base.paths import Paths
from lab.initialize import folder as profile
from lab.initialize.choices import Choices, of
from lab.initialize.render import render
from lab.initialize.sources import NAME, StoreSources
from lab.kube import manifests
from lab.kube.objects import ref
from tests.contract.initialize.test_objects import COMBINATIONS, name_of, objects_of, rendered

DIGESTS = Path(__file__).with_name("digests.txt")
MESHES = {"istio": "istioctl", "istio-gateway": "istioctl", "linkerd": "linkerd", "emissary": "emissary-chart"}
"""Options whose YAML programs and charts render that are not pinned here: their versions are in the digests' file."""


def written(choices: Choices, sources: StoreSources, unavailable: dict[str, str]) -> Mapping[str, str]:
    rendered(choices, sources, unavailable)  # skips what is unavailable
    return render(choices, sources).files


def digest(files: Mapping[str, str]) -> str:
    total = hashlib.sha256()
    for path, text in sorted(files.items()):
        total.update(f"{path}\0{len(text.encode())}\0".encode() + text.encode())
    return total.hexdigest()


def versions(choices: Choices, sources: StoreSources) -> str:
    names = sorted({MESHES[id_] for id_ in choices.ids & {*MESHES}})
    entries = {name: sources.store.entry(name) for name in names}
    return ",".join(f"{name}={entry.version}" for name, entry in entries.items() if entry) or "-"


@pytest.mark.parametrize("choices", COMBINATIONS, ids=name_of)
def test_the_same_choices_give_the_same_bytes(
    choices: Choices, sources: StoreSources, unavailable: dict[str, str]
) -> None:
    files = written(choices, sources, unavailable)
    known = dict(line.split(" ", 1) for line in DIGESTS.read_text().splitlines())
    expected, _, made_with = known.get(choices.query(), "").partition(" ")
    here = versions(choices, sources)
    if made_with and made_with != here:
        pytest.skip(f"the digest is of {made_with}, and this machine has {here}")
    assert digest(files) == expected, "python -m tests.contract.initialize.write_digests, if the change is wanted"


def test_a_second_rendering_in_another_process_is_the_same(sources: StoreSources, unavailable: dict[str, str]) -> None:
    choices = of(
        {"mesh": "none", "ingress": "contour", "apps": "podinfo", "observability": "jaeger,otel-collector"}, source="x"
    )
    here = digest(written(choices, sources, unavailable))
    program = (
        "from lab.base.paths import Paths\n"
        "from lab.initialize.choices import parse_query\n"
        "from lab.initialize.render import render\n"
        "from lab.initialize.sources import StoreSources\n"
        "from tests.contract.initialize.test_folders import digest\n"
        f"print(digest(render(parse_query({choices.query()!r}), StoreSources(Paths.of({NAME!r}))).files))\n"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": "", "LAB_CACHE_DIR": str(Paths.of(NAME).cache), "TZ": f"UTC+{seed}"},
            cwd=Path(__file__).parents[3],
        )
        assert done.stdout.strip() == here


def test_both_writers_of_yaml_give_the_same_text(
    sources: StoreSources, unavailable: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some builds of PyYAML have no libyaml."""

    class Plain(yaml.SafeDumper):
        ignore_aliases = manifests._Dumper.ignore_aliases

    Plain.add_representer(str, manifests._text)
    choices = max(COMBINATIONS, key=lambda one: len(one.ids))
    objects = list(objects_of(rendered(choices, sources, unavailable)))
    assert len(objects) > 100
    text = manifests.dump_all(objects)
    monkeypatch.setattr(manifests, "_Dumper", Plain)
    assert manifests.dump_all(objects) == text
    assert [ref(obj) for obj in manifests.parse(text, source="x")] == [ref(obj) for obj in objects]


@pytest.mark.parametrize("choices", COMBINATIONS[::17], ids=name_of)
def test_kustomize_builds_each_stage(
    choices: Choices, sources: StoreSources, unavailable: dict[str, str], tmp_path: Path
) -> None:
    kustomize = (
        [shutil.which("kustomize"), "build"] if shutil.which("kustomize") else [shutil.which("kubectl"), "kustomize"]
    )
    if kustomize[0] is None:
        pytest.skip("neither kustomize nor kubectl is on PATH")
    made = rendered(choices, sources, unavailable)
    profile.write(tmp_path / "out", written(choices, sources, unavailable))
    for cluster in choices.clusters:
        for stage in made.stages(cluster):
            place = tmp_path / "out" / "clusters" / cluster / stage.value
            done = subprocess.run([*map(str, kustomize), str(place)], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            built = {ref(obj) for obj in manifests.parse(done.stdout, source=str(place))}
            assert {ref(obj) for obj in made.objects[cluster][stage]} <= built


def test_images_are_listed_and_come_from_another_registry(sources: StoreSources, unavailable: dict[str, str]) -> None:
    given = {"delivery": "tekton,flux", "serverless": "keda", "observability": "prometheus", "apps": "podinfo"}
    plain = written(of(given, source="x"), sources, unavailable)
    listed = plain["IMAGES.txt"].splitlines()
    assert listed == sorted({*listed})
    assert "docker.io/istio/proxyv2:1.31.4" in listed
    assert any(name.startswith("cgr.dev/chainguard/busybox@sha256:") for name in listed)
    assert not any("ko://" in text for text in plain.values())
    moved = written(of({**given, "registry": "registry.example:5000/m"}, source="x"), sources, unavailable)
    pairs = [line.split(" ") for line in moved["IMAGES.txt"].splitlines()]
    assert [name for name, _ in pairs] == listed
    assert ["docker.io/istio/proxyv2:1.31.4", "registry.example:5000/m/istio/proxyv2:1.31.4"] in pairs
    yaml_files = {path: text for path, text in moved.items() if path.endswith(".yaml") and "/crds.yaml" not in path}
    left = [(path, name) for path, text in yaml_files.items() for name in listed if f" {name}\n" in text]
    assert left == []


def test_no_remote_base_and_no_secret_is_in_a_folder(sources: StoreSources, unavailable: dict[str, str]) -> None:
    for choices in COMBINATIONS[::4]:
        files = render(choices, sources).files if not {*unavailable} else written(choices, sources, unavailable)
        for path, text in files.items():
            if path.endswith("kustomization.yaml"):
                assert "://" not in text
            assert "/1-crds/" in path or "PRIVATE KEY" not in text
            if path.endswith(".yaml") and "/1-crds/" not in path:
                secrets = (
                    [obj for obj in manifests.parse(text, source=path) if obj["kind"] == "Secret"]
                    if "Secret" in text
                    else []
                )
                assert [obj["metadata"]["name"] for obj in secrets if obj.get("data") or obj.get("stringData")] == []


def test_no_private_key_is_kept_with_the_renderings(
    sources: StoreSources, unavailable: dict[str, str], tmp_path: Path
) -> None:
    """Renderings of this machine's real programs, in a cache of its own."""
    fresh = StoreSources(Paths(cache=tmp_path, state=tmp_path / "state"))
    fresh.store = sources.store
    fresh.lab = replace(fresh.lab, artifacts=sources.store)
    for mesh, ingress, artifact in (("istio", "istio-gateway", "istioctl"), ("linkerd", "none", "linkerd")):
        if artifact not in unavailable:
            viz = "linkerd-viz," if mesh == "linkerd" else ""
            render(of({"mesh": mesh, "ingress": ingress, "observability": f"{viz}prometheus"}, source="x"), fresh)
    kept = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert kept
    for file in kept:
        text = file.read_text()
        decoded = [base64.b64decode(word) for word in re.findall(r'"([A-Za-z0-9+/]{60,}={0,2})"', text)]
        assert b"PRIVATE KEY" not in text.encode() + b"".join(decoded), file


def test_every_wire_of_the_choices_has_a_check(sources: StoreSources, unavailable: dict[str, str]) -> None:
    from lab.initialize.tree import cluster_choices, wires

    without: set[str] = set()
    for choices in COMBINATIONS:
        if any(id_ in MESHES and MESHES[id_] in unavailable for id_ in choices.ids):
            continue
        by_cluster = cluster_choices(choices, sources)
        for wire in wires(choices):
            if not any(list(wire.checks(choice)) for choice in by_cluster.values()):
                without.add(f"{wire.id}: {choices.query()}")
    # A link of Linkerd shows at East's podinfo only, in West.
    assert [one for one in without if not (one.startswith("links: ") and "mesh=linkerd" in one)] == []


FORMS = (
    {"as": "flux", "delivery": "flux"},
    {"as": "flux", "delivery": "flux", "mesh": "linkerd", "ingress": "emissary", "source": "https://git.example/x.git"},
    {"as": "argocd", "delivery": "argocd", "clusters": "single", "platform": "eks"},
    {"as": "helmfile", "mesh": "none", "ingress": "envoy-gateway"},
)
EXTRAS = {"apps": "podinfo", "observability": "prometheus,otel-collector", "serverless": "keda"}


@pytest.mark.parametrize(
    "choices",
    [*COMBINATIONS[::3], *(of({**EXTRAS, **form}, source="x") for form in FORMS)],
    ids=lambda one: f"{one.form}+{name_of(one)}",
)
def test_the_scripts_are_valid_and_name_files_that_exist(
    choices: Choices, sources: StoreSources, unavailable: dict[str, str]
) -> None:
    files = written(choices, sources, unavailable)
    folders = {str(Path(path).parent) for path in files if path.endswith("/kustomization.yaml")}
    script = files["apply.sh"]
    for named in re.findall(r"--kustomize=(\S+)", script):
        assert named in folders
    for named in re.findall(r"--filename=(\S+\.yaml)", script):
        assert named in files
    assert ("sh create-secrets.sh" in script) == ("create-secrets.sh" in files)
    for name in ("apply.sh", "create-secrets.sh"):
        done = subprocess.run(["sh", "-n"], input=files.get(name, ""), text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def test_linkerd_s_settings_name_the_other_registry_too(sources: StoreSources, unavailable: dict[str, str]) -> None:
    given = {"mesh": "linkerd", "ingress": "none", "registry": "registry.example", "apps": "podinfo"}
    files = written(of(given, source="x"), sources, unavailable)
    text = "".join(text for path, text in files.items() if path.endswith(".yaml") and "1-crds" not in path)
    assert "registry.example/linkerd/proxy" in text
    assert "cr.l5d.io/linkerd/proxy" not in text
