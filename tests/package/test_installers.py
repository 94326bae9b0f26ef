"""`lab` as each installer leaves it: without a checkout, from an empty folder, for a user with an empty home.

`nox -s package` builds the sdist and the wheel into dist/ before; the installers take the dependencies from the index.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
_INSTALL_S, _COMMAND_S = 600, 120


def built(suffix: str) -> Path:
    """Return the only file of its kind in dist/."""
    (file,) = (PROJECT / "dist").glob(f"eastwest_lab-*{suffix}")
    return file


@dataclass(frozen=True, kw_only=True)
class User:
    """A user with an empty home folder, who works in an empty folder."""

    home: Path
    folder: Path

    @property
    def environ(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP", "NO_"))}
        index = {name: os.environ[name] for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX") if name in os.environ}
        own = {
            "HOME": str(self.home),
            "PATH": f"{TOOLS}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            # Neither the test's engine nor its clusters: the same answers on each machine.
            "DOCKER_HOST": f"unix://{self.home / 'no-engine.sock'}",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_PYTHON": sys.executable,
            "PIPX_DEFAULT_PYTHON": sys.executable,
        }
        return {**kept, **index, **own}

    def run(self, argv: Sequence[str | Path], *, timeout_s: float = _COMMAND_S) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            list(map(str, argv)),
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def install(self, *argv: str | Path) -> None:
        done = self.run(argv, timeout_s=_INSTALL_S)
        assert done.returncode == 0, done.stdout + done.stderr


def by_pip(user: User, file: Path) -> list[str | Path]:
    user.install(sys.executable, "-m", "venv", user.home / "venv")
    user.install(user.home / "venv/bin/python", "-m", "pip", "install", "--quiet", file)
    return [user.home / "venv/bin/lab"]


def by_pipx(user: User, file: Path) -> list[str | Path]:
    user.install(TOOLS / "pipx", "install", "--quiet", file)
    return [user.home / ".local/bin/lab"]


def by_uv(user: User, file: Path) -> list[str | Path]:
    user.install(TOOLS / "uv", "tool", "install", "--quiet", file)
    return [user.home / ".local/bin/lab"]


def by_uvx(_: User, file: Path) -> list[str | Path]:
    return [TOOLS / "uvx", "--quiet", "--from", file, "lab"]


@pytest.fixture(
    scope="module",
    params=[(by_pip, ".whl"), (by_pip, ".tar.gz"), (by_pipx, ".whl"), (by_uv, ".whl"), (by_uvx, ".whl")],
    ids=["pip-wheel", "pip-sdist", "pipx", "uv", "uvx"],
)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run `lab` as one installer leaves it; the result is what it printed."""
    installer, suffix = request.param
    root = tmp_path_factory.mktemp("user")
    user = User(home=root / "home", folder=root / "empty")
    user.home.mkdir()
    user.folder.mkdir()
    command = installer(user, built(suffix))

    def run(*words: str, status: int = 0) -> str:
        done = user.run([*command, *words], timeout_s=_INSTALL_S)
        output = done.stdout + done.stderr
        assert done.returncode == status, output
        assert "Traceback" not in output
        assert str(PROJECT) not in output
        return output

    return run


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--help", "Lifecycle:"),
        ("version", "kind"),
        ("up --plan --stack istio", "west/podinfo"),
        ("run --list", "disaster_recovery"),
        ("artifacts list", "kubectl"),
        ("walk --help", "Usage: lab walk"),
        ("report", "lab run"),
        ("--show-completion bash", "lab"),
    ],
)
def test_commands_that_look_only(lab: Callable[..., str], words: str, expected: str) -> None:
    assert expected in lab(*words.split())


def test_the_doctor_names_the_missing_engine_with_its_fix(lab: Callable[..., str]) -> None:
    found = lab("doctor", status=3)
    assert "engine" in found
    assert "fix:" in found
    assert "has no pip" not in found


@pytest.mark.parametrize("words", ["render out", "status", "walk --auto", "run", "check", "logs"])
def test_a_command_that_needs_a_lab_says_what_is_missing(lab: Callable[..., str], words: str) -> None:
    assert "next:" in lab(*words.split(), status=3)
