"""The workflows of GitHub Actions: valid, with pinned actions, and with few permissions."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.base.paths import PROJECT

FOLDER = PROJECT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
_PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))


def steps(workflow: Any) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def test_there_are_two_workflows() -> None:
    assert [file.name for file in WORKFLOWS] == ["ci.yml", "release.yml"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_actionlint_accepts_a_workflow(file: Path) -> None:
    program = shutil.which("actionlint")
    if program is None:
        pytest.skip("actionlint is not installed: go install github.com/rhysd/actionlint/cmd/actionlint@latest")
    done = subprocess.run([program, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_action_is_pinned_by_its_commit(file: Path) -> None:
    used = re.findall(r"uses: (.*)", file.read_text(encoding="utf-8"))
    assert used
    assert [action for action in used if not _PINNED.fullmatch(action)] == []


def test_an_action_has_one_commit_in_all_workflows() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in WORKFLOWS)
    pins: dict[str, set[str]] = {}
    for name, pin in re.findall(r"uses: ([\w/-]+)@(.*)", text):
        pins.setdefault(name, set()).add(pin)
    assert {name: found for name, found in pins.items() if len(found) > 1} == {}


def test_each_job_has_only_the_permissions_that_it_needs() -> None:
    assert read("ci")["permissions"] == {"contents": "read"}
    assert not [name for name, job in read("ci")["jobs"].items() if "permissions" in job]
    release = read("release")
    assert release["permissions"] == {}
    assert {name: job["permissions"] for name, job in release["jobs"].items()} == {
        "build": {"contents": "read"},
        "provenance": {"id-token": "write", "attestations": "write"},
        "pypi": {"id-token": "write"},
        "image": {"contents": "read", "packages": "write", "id-token": "write", "attestations": "write"},
    }


@pytest.mark.parametrize("name", ["ci", "release"])
def test_no_checkout_keeps_a_token_and_no_step_uses_a_secret(name: str) -> None:
    checkouts = [step for step in steps(read(name)) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    assert "secrets." not in (FOLDER / f"{name}.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["ci", "release"])
def test_every_job_ends_and_concurrent_runs_are_limited(name: str) -> None:
    workflow = read(name)
    assert workflow["concurrency"]["group"]
    assert all(job["timeout-minutes"] for job in workflow["jobs"].values())


def test_ci_runs_every_python_that_the_metadata_names() -> None:
    classifiers = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["classifiers"]
    prefix = "Programming Language :: Python :: "
    named = [name.removeprefix(prefix) for name in classifiers if name.startswith(prefix)]
    assert read("ci")["jobs"]["unit"]["strategy"]["matrix"]["python"] == named
    assert f"_PYTHONS = {tuple(named)!r}".replace("'", '"') in (PROJECT / "noxfile.py").read_text()


def test_the_files_of_a_release_are_built_once() -> None:
    jobs = read("release")["jobs"]
    commands = {name: [step.get("run", "") for step in job["steps"]] for name, job in jobs.items()}
    building = [name for name, lines in commands.items() if "nox -s package" in lines]
    assert building == ["build"]
    assert all("build" in job["needs"] for name, job in jobs.items() if name != "build")


def test_the_image_is_for_both_processors_with_provenance_and_sbom() -> None:
    image = read("release")["jobs"]["image"]["steps"]
    (build,) = [step for step in image if step.get("uses", "").startswith("docker/build-push-action@")]
    wanted = {"platforms": "linux/amd64,linux/arm64", "provenance": "mode=max", "sbom": True, "push": True}
    assert {key: build["with"][key] for key in wanted} == wanted


def test_the_owner_is_the_repositorys() -> None:
    text = (FOLDER / "release.yml").read_text(encoding="utf-8")
    assert "OWNER: ${{ github.repository_owner }}" in text
    assert set(re.findall(r"ghcr\.io/[^\s\"]+", text)) == {"ghcr.io/${OWNER,,}/eastwest-lab-frontend"}
