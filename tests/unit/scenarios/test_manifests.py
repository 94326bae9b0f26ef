"""The scenarios' manifest files, and their copies for a lab with other names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.base.errors import LabError
from lab.scenario import manifests
from lab.scenario.actions import Command
from lab.scenario.context import Context
from lab.scenario.executor import Output, Printed
from lab.scenario.registry import names, registry
from tests.unit.scenarios.kit import RENAMED, SCENARIOS, STACKS, FakeRunner, executor_of, target
from tests.unit.scenarios.test_shown import parts_of

FILES = manifests.files(SCENARIOS)
IDS = [file.relative_to(SCENARIOS).as_posix() for file in FILES]
PLACEHOLDER = re.compile(r"\{\w+\}")


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_a_file_is_what_kubectl_accepts_and_says_what_it_does(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# "), "begin the file with a comment that says what it does"
    objects = list(yaml.safe_load_all(text))
    assert objects
    for obj in objects:
        assert obj["apiVersion"]
        assert obj["kind"]
        assert obj["metadata"]["name"]
        labels = obj["metadata"].get("labels", {})
        assert labels.get("app.kubernetes.io/managed-by") == "eastwest-lab", "without this label `lab reset` ignores it"
        kinds = {"eastwest.lab/scenario", "eastwest.lab/component"}
        assert kinds & labels.keys(), f"{obj['metadata']['name']} needs one of the labels {sorted(kinds)}"


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_only_a_probe_needs_the_labs_image(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert set(PLACEHOLDER.findall(text)) <= {"{image}"}
    if "{image}" in text:
        pods = [obj for obj in yaml.safe_load_all(text) if obj["kind"] in {"Pod", "Deployment"}]
        images = [c["image"] for obj in pods for c in obj["spec"].get("template", obj)["spec"]["containers"]]
        assert images == ["{image}"] * text.count("{image}")


def used() -> dict[str, set[str]]:
    """Return the files that the steps name, by stack, as paths from the scenarios' folder."""
    found: dict[str, set[str]] = defaultdict(set)
    for stack in STACKS:
        here = target(stack, Path("/nowhere"))
        for whole in registry(here).scenarios.values():
            files = here.manifests(whole.name)
            for action in (a for step in whole.steps for part in parts_of(step).values() for a in part):
                names = action.manifests if isinstance(action, Command) else ()
                found[stack].update(files.source(name).relative_to(SCENARIOS).as_posix() for name in names)
    return found


def test_every_file_is_used_by_a_step_of_its_stack() -> None:
    by_stack = used()
    for stack, files in by_stack.items():
        unused = {name for name in IDS if f"/{stack}/" in name} - files
        assert unused == set(), f"no step applies these files on {stack}: delete them, or name them in a step"
    unused = {name for name in IDS if name.count("/") == 1} - {name for files in by_stack.values() for name in files}
    assert unused == set(), "no step applies these files: delete them, or name them in a step of a scenario in NAMES"


def test_a_file_in_a_stacks_folder_belongs_to_a_stack_that_exists() -> None:
    folders = {name.split("/")[1] for name in IDS if name.count("/") == 2}
    assert folders == set(STACKS), "the folders of manifests inside scenarios have the names of stacks"
    unknown = {name.split("/")[0] for name in IDS} - set(names())
    assert unknown == set(), "add the scenario to NAMES in scenarios/__init__.py"


def test_a_file_that_is_equal_on_both_stacks_is_kept_once() -> None:
    for name in IDS:
        scenario, _, file = name.partition("/linkerd/")
        other = SCENARIOS / scenario / "istio" / file
        if file and other.exists():
            assert other.read_text() != (SCENARIOS / name).read_text(), f"move {file} into scenarios/{scenario}"


def test_the_digests_are_current(request: pytest.FixtureRequest) -> None:
    file = SCENARIOS / manifests.DIGESTS
    if request.config.getoption("--write-golden"):
        file.write_text(manifests.digests(SCENARIOS), encoding="utf-8")
    command = "pytest tests/unit/scenarios/test_manifests.py --write-golden"
    expected = manifests.digests(SCENARIOS)
    assert file.read_text(encoding="utf-8") == expected, f"a manifest has changed; write its digest: {command}"


# Rendering for a lab


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Scenarios with three manifests: one with names, one without, one probe."""
    own = tmp_path / "scenarios" / "demo"
    (own / "istio").mkdir(parents=True)
    (own / "istio" / "route.yaml").write_text(
        "# West, not west-side.\nhost: podinfo-east\n"
        "gateway: istio-east-west\nto: {cluster: west, domain: east.example}\nleast: northeast\n"
    )
    (own / "plain.yaml").write_text("# nothing of a lab\nkind: Namespace\n")
    (own / "probe.yaml").write_text("image: '{image}'\njson: '{\"a\": {b}}'\n")
    (tmp_path / "scenarios" / manifests.DIGESTS).write_text(manifests.digests(tmp_path / "scenarios"))
    return tmp_path / "scenarios"


def files_of(folder: Path, tmp_path: Path, **options: Any) -> manifests.Manifests:
    return target("istio", tmp_path, scenarios=folder, **options).manifests("demo")


def test_the_default_labs_files_are_applied_where_they_are(folder: Path, tmp_path: Path) -> None:
    files = files_of(folder, tmp_path)
    for name, place in (("route.yaml", "demo/istio/route.yaml"), ("plain.yaml", "demo/plain.yaml")):
        assert files.path(name) == folder / place
        assert files.write(name) == ""
    assert not files.copies.exists()


def test_a_renamed_lab_applies_a_copy_with_its_names_that_only_its_owner_reads(folder: Path, tmp_path: Path) -> None:
    files = files_of(folder, tmp_path, spec=RENAMED)
    copy = files.path("route.yaml")
    assert copy == tmp_path / "state" / "scenarios" / "demo" / "istio" / "route.yaml"
    assert not copy.exists()
    assert files.write("route.yaml") == ""
    assert copy.read_text() == (
        "# West, not laptop-side.\nhost: podinfo-gke\n"
        "gateway: istio-east-west\nto: {cluster: laptop, domain: gke.test}\nleast: northeast\n"
    )
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.parent.stat().st_mode & 0o077 == 0
    assert files.path("plain.yaml") == folder / "demo" / "plain.yaml"


def test_a_probe_gets_the_labs_image_in_a_copy(folder: Path, tmp_path: Path) -> None:
    files = files_of(folder, tmp_path)
    files.write("probe.yaml")
    assert files.path("probe.yaml").is_relative_to(tmp_path / "state")
    assert files.path("probe.yaml").read_text() == "image: 'registry.test/frontend:1'\njson: '{\"a\": {b}}'\n"


def test_the_stacks_own_file_is_preferred(folder: Path, tmp_path: Path) -> None:
    (folder / "demo" / "istio" / "plain.yaml").write_text("# Istio's\n")
    assert files_of(folder, tmp_path).path("plain.yaml") == folder / "demo" / "istio" / "plain.yaml"


def test_a_file_that_is_gone_is_an_error_with_the_command_that_restores_it(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"istio/gone.yaml does not exist. Next: git restore '?/"):
        files_of(folder, tmp_path).path("gone.yaml")


@pytest.mark.parametrize("spec", [None, RENAMED], ids=["default", "renamed"])
def test_an_edited_file_is_used_and_the_lab_says_so(
    folder: Path, tmp_path: Path, context: Context, runner: FakeRunner, spec: Any
) -> None:
    (folder / "demo" / "istio" / "route.yaml").write_text("# mine\nto: west\n")
    here = target("istio", tmp_path, scenarios=folder, spec=spec)
    path = here.manifests("demo").path("route.yaml")
    told: list[Output] = []
    executor = executor_of(context, runner, manifests=here.manifests, tell=told.append)
    executor.do("demo", [Command(f"echo {path}", manifests=("route.yaml",))])

    assert told[0] == Printed(line="route.yaml differs from the project's version: this is your version")
    assert path.read_text() == ("# mine\nto: laptop\n" if spec else "# mine\nto: west\n")


def test_a_new_file_of_a_user_is_noted(folder: Path, tmp_path: Path) -> None:
    (folder / "demo" / "mine.yaml").write_text("# mine\n")
    assert "your version" in files_of(folder, tmp_path).write("mine.yaml")


@pytest.mark.parametrize("digests", [None, b"\xff\xfe"], ids=["missing", "not text"])
def test_without_readable_digests_the_file_is_used_and_the_lab_says_so(
    folder: Path, tmp_path: Path, digests: bytes | None
) -> None:
    (folder / manifests.DIGESTS).unlink()
    if digests is not None:
        (folder / manifests.DIGESTS).write_bytes(digests)
    note = files_of(folder, tmp_path).write("plain.yaml")
    assert note.startswith("plain.yaml may differ from the project's version: manifests.sha256 cannot be read (")


def test_a_file_that_is_not_utf_8_is_an_error_that_names_it(folder: Path, tmp_path: Path) -> None:
    (folder / "demo" / "plain.yaml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(LabError, match=r"plain.yaml: the manifest is not UTF-8: .* Next: save it as UTF-8, or: git"):
        files_of(folder, tmp_path).path("plain.yaml")


def test_windows_line_ends_are_the_users_version_and_become_unix_line_ends_in_a_copy(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "demo" / "istio" / "route.yaml").write_bytes(b"# mine\r\nto: west\r\n")
    files = files_of(folder, tmp_path, spec=RENAMED)
    assert "your version" in files.write("route.yaml")
    assert files.path("route.yaml").read_bytes() == b"# mine\nto: laptop\n"


def objects_of_a_renamed_lab(stack: str, state: Path) -> Iterator[tuple[str, str]]:
    here = target(stack, state, spec=RENAMED)
    for whole in registry(here).scenarios.values():
        files = here.manifests(whole.name)
        for action in (a for step in whole.steps for part in parts_of(step).values() for a in part):
            if not isinstance(action, Command):
                continue
            shown = [word for word in action.text.split() if word.endswith(".yaml")] if action.manifests else []
            for name, word in zip(action.manifests, shown, strict=True):
                files.write(name)
                path = Path(word).expanduser() if word.startswith(("/", "~")) else here.here / word
                assert path == files.path(name), "the path shown is the one that is applied"
                yield name, path.read_text(encoding="utf-8")


CLUSTER = re.compile(r"(?<!\w)(?<!east-)(east|west)(?!\w)(?!-west)|(east|west)\.example")


@pytest.mark.parametrize("stack", STACKS)
def test_no_applied_object_of_a_renamed_lab_names_east_or_west(stack: str, tmp_path: Path) -> None:
    found = list(objects_of_a_renamed_lab(stack, tmp_path))
    assert found
    for name, text in found:
        body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        assert CLUSTER.search(body) is None, f"{name}: {CLUSTER.search(body)}"
        assert list(yaml.safe_load_all(text))
