"""The wheel, installed without a checkout: it holds the applications and the scenarios inside the lab's package."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lab.base.paths import PROJECT
from lab.scenario import manifests

pytest.importorskip("hatchling", reason="the project's build backend, in the extra `test`, builds the wheel")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content, as an installer unpacks it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist")]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, *words: str) -> str:
    """Run Python on the installed package, far from the checkout."""
    environment = {
        "PYTHONPATH": str(installed),
        "PATH": "",
        "HOME": str(installed),
        "LAB_STATE_DIR": str(installed.parent / "state"),
        "LAB_CACHE_DIR": str(installed.parent / "cache"),
    }
    argv = [sys.executable, *words]
    done = subprocess.run(argv, cwd=installed.parent, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_only_the_labs_own_package_is_installed(installed: Path) -> None:
    assert {p.name for p in installed.iterdir() if not p.name.endswith(".dist-info")} == {"lab"}
    assert not list(installed.rglob("test_*.py"))


def test_commands_run_without_a_checkout(installed: Path) -> None:
    assert run(installed, "-m", "lab", "version").startswith("lab ")
    steps = json.loads(run(installed, "-m", "lab", "up", "--plan", "--stack", "istio", "--json"))
    assert "west/podinfo" in {step["name"] for step in steps}
    listed = json.loads(run(installed, "-m", "lab", "run", "--list", "--json"))
    assert "isolation" in {scenario["name"] for scenario in listed}


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
    assert manifests.digests(scenarios) == (scenarios / manifests.DIGESTS).read_text(encoding="utf-8")


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
