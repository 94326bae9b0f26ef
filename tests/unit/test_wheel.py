"""The wheel, installed without a checkout: it holds the applications and the scenarios inside the lab's package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

from lab.base.paths import PROJECT
from lab.scenario import manifests

pytest.importorskip("hatchling", reason="the project's build backend, in the extra `test`, builds the wheel")


_NOT_IN_THE_WHEEL = {
    "apps/frontend/README.md",
    "apps/frontend/requirements.in",
    "apps/podinfo/README.md",
    "apps/shared/README.md",
    "lab/artifacts/README.md",
    "scenarios/conftest.py",
    "scenarios/test_scenarios.py",
}
_CACHES = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def build(folder: Path, environment: Mapping[str, str] | None = None) -> Path:
    """Build the wheel and unpack it as an installer does."""
    words = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist")]
    known = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    subprocess.run(words, cwd=PROJECT, env={**known, **(environment or {})}, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        for member in files.infolist():
            path = Path(files.extract(member, folder / "site"))
            path.chmod(path.stat().st_mode | (member.external_attr >> 16) & 0o111)
    return folder / "site"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content, as an installer unpacks it."""
    return build(tmp_path_factory.mktemp("wheel"))


def run(installed: Path, *words: str, status: int = 0) -> str:
    """Run Python on the installed package, far from the checkout."""
    environment = {
        "PYTHONPATH": str(installed),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": "",
        "HOME": str(installed),
        "LAB_STATE_DIR": str(installed.parent / "state"),
        "LAB_CACHE_DIR": str(installed.parent / "cache"),
        "DOCKER_HOST": f"unix://{installed.parent / 'no-engine.sock'}",
    }
    argv = [sys.executable, *words]
    done = subprocess.run(argv, cwd=installed.parent, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr if status else done.stdout


def metadata(installed: Path) -> Message:
    (file,) = installed.glob("*.dist-info/METADATA")
    return message_from_string(file.read_text(encoding="utf-8"))


def project_files() -> Iterator[str]:
    for folder in ("lab", "apps", "scenarios"):
        for file in (PROJECT / folder).rglob("*"):
            if file.is_file() and not _CACHES.intersection(file.parts):
                yield file.relative_to(PROJECT).as_posix()


def place(name: str) -> str:
    """Return the path in the wheel of a file of the checkout."""
    return name if name.startswith("lab/") else f"lab/_{name}"


def test_only_the_labs_own_package_is_installed(installed: Path) -> None:
    assert {p.name for p in installed.iterdir() if not p.name.endswith(".dist-info")} == {"lab"}
    assert not list(installed.rglob("test_*.py"))


def test_every_file_that_the_lab_needs_is_in_the_wheel_and_no_other(installed: Path) -> None:
    wanted = set(map(place, project_files()))
    left_out = set(map(place, _NOT_IN_THE_WHEEL))
    found = {file.relative_to(installed).as_posix() for file in (installed / "lab").rglob("*") if file.is_file()}
    assert left_out <= wanted
    assert found == wanted - left_out


def test_programs_of_images_stay_executable(installed: Path) -> None:
    recipes = "lab/artifacts/from_source/recipes"
    programs = {
        file.relative_to(PROJECT)
        for file in (PROJECT / recipes).rglob("*")
        if file.is_file() and file.stat().st_mode & 0o100
    }
    assert Path(recipes, "node/files/usr/local/bin/entrypoint") in programs
    assert all((installed / program).stat().st_mode & 0o100 for program in programs)


def test_the_metadata_names_the_licence_and_every_supported_python(installed: Path) -> None:
    found = metadata(installed)
    vendored = sorted((PROJECT / "lab/stage/static/vendor").glob("*/LICENSE"))
    files = ["LICENSE", *(file.relative_to(PROJECT).as_posix() for file in vendored)]
    assert (found["License-Expression"], found.get_all("License-File")) == ("Apache-2.0 AND MIT", files)
    (licences,) = installed.glob("*.dist-info/licenses")
    assert [(licences / name).read_bytes() for name in files] == [(PROJECT / name).read_bytes() for name in files]
    versions = {f"Programming Language :: Python :: 3.{minor}" for minor in range(11, 15)}
    assert versions == {name for name in found.get_all("Classifier", []) if "Python :: 3." in name}


def test_a_release_links_to_the_repository_that_built_it(tmp_path: Path) -> None:
    found = metadata(build(tmp_path, {"GITHUB_REPOSITORY": "someone/lab", "GITHUB_REF_NAME": "v9.9.9"}))
    source = "https://github.com/someone/lab"
    assert f"Source, {source}" in found.get_all("Project-URL", [])
    assert f"]({source}/blob/v9.9.9/docs/architecture.md)" in found.get_payload()
    assert "](docs/" not in found.get_payload()


def test_a_package_that_is_built_elsewhere_names_no_repository(installed: Path) -> None:
    found = metadata(installed)
    assert found.get_all("Project-URL") is None
    assert "](docs/architecture.md)" in found.get_payload()


def test_commands_run_without_a_checkout(installed: Path) -> None:
    assert run(installed, "-m", "lab", "version").startswith("lab ")
    steps = json.loads(run(installed, "-m", "lab", "up", "--plan", "--stack", "istio", "--json"))
    assert "west/podinfo" in {step["name"] for step in steps}
    listed = json.loads(run(installed, "-m", "lab", "run", "--list", "--json"))
    assert "isolation" in {scenario["name"] for scenario in listed}
    assert "Usage: lab walk" in run(installed, "-m", "lab", "walk", "--help")
    assert "kubectl" in run(installed, "-m", "lab", "artifacts", "list")
    assert "engine" in run(installed, "-m", "lab", "doctor", status=3)


def test_commands_write_nothing_into_the_installation(installed: Path) -> None:
    def content() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (installed / "lab").rglob("*")}

    before = content()
    run(installed, "-m", "lab", "up", "--plan", "--stack", "istio")
    run(installed, "-m", "lab", "render", "out", status=3)
    assert content() == before


def test_a_damaged_installation_is_installed_again_and_not_restored_by_git(installed: Path) -> None:
    program = "from lab.base.paths import APPS, restored; print(restored(APPS))"
    assert run(installed, "-c", program).startswith("install eastwest-lab again")


def test_applications_and_scenarios_are_the_installed_ones(installed: Path) -> None:
    program = (
        "from lab.base.paths import APPS\n"
        "from lab.artifacts import folders\n"
        "from lab.scenario.registry import folder, registry\n"
        "from lab.scenario.rendering import documented\n"
        "registry(documented('istio', folder()))\n"
        "import sys\n"
        "print(APPS, folders.find('apps/frontend'), sys.modules['lab._scenarios.isolation'].__file__, sep='\\n')\n"
    )
    for line in run(installed, "-c", program).splitlines():
        assert Path(line).is_relative_to(installed)
    for name in ("podinfo", "frontend", "shared"):
        assert (installed / "lab" / "_apps" / name / "manifests").is_dir()


def test_the_wheel_has_every_manifest_and_their_digests(installed: Path) -> None:
    scenarios = installed / "lab" / "_scenarios"
    assert (scenarios / manifests.DIGESTS).is_file()
    expected = [file.relative_to(PROJECT / "scenarios") for file in manifests.files(PROJECT / "scenarios")]
    assert [file.relative_to(scenarios) for file in manifests.files(scenarios)] == expected
    command = "pytest tests/unit/scenarios/test_manifests.py --write-golden"
    assert manifests.digests(scenarios) == (scenarios / manifests.DIGESTS).read_text(encoding="utf-8"), command


def test_an_installed_lab_shows_the_paths_of_its_own_manifests(installed: Path) -> None:
    listed = (
        "from lab.scenario.registry import folder, registry\n"
        "from lab.scenario.rendering import documented\n"
        "steps = registry(documented('istio', folder())).scenarios['request_routing'].steps\n"
        "print(steps[0].lines[0])\n"
    )
    line = run(installed, "-c", listed).strip()
    assert (installed / line.rpartition(" ")[2]).is_file(), line


def test_pages_of_the_repository_are_not_written_into_an_installation(installed: Path) -> None:
    with pytest.raises(AssertionError, match="in the project's repository"):
        run(installed, "-m", "lab.report.walkthrough")
