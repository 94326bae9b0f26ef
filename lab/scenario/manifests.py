"""The manifest files of scenarios: find them, render them for a lab, and notice changes that a user made.

A file is `scenarios/NAME/STACK/FILE`, or `scenarios/NAME/FILE` if it is the same on every stack. For a lab with the
default cluster names, a file without placeholders is applied where it is, so a person can apply it without the lab.
For any other lab, a copy with the lab's names is written into the lab's state folder and applied from there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.base.errors import LabError
from lab.base.files import file_sha256, write_atomic
from lab.base.names import ROLES
from lab.base.paths import restored
from lab.config import joined

DIGESTS = "manifests.sha256"
"""The digest of every manifest as the project ships it, in the format of sha256sum."""
THIRD = joined.NAMES[0]
"""The name, in manifests, of the cluster that a scenario lets join."""
_ROLE = re.compile(rf"(?<!\w)(?<!east-)({'|'.join(ROLES)})(\.example)?(?!\w)(?!-west)|(?<!\w){THIRD}(?!\w)")
"""A role as a whole word, but not in "east-west"; or the role's default trust domain; or the third cluster."""
_IMAGE = "{image}"
"""The placeholder for the image of a probe: the lab builds it, so its tag differs from machine to machine."""


@dataclass(frozen=True, kw_only=True)
class Manifests:
    """The manifest files of one scenario on one stack, for one lab.

    Args:
        folder: the folder with all scenarios.
        scenario: the scenario's name.
        stack: the stack's name.
        names: the lab's cluster by role, and by THIRD.
        domains: its trust domain by role.
        image: returns the image of the probes.
        copies: the folder for rendered copies.
    """

    folder: Path
    scenario: str
    stack: str
    names: Mapping[str, str]
    domains: Mapping[str, str]
    image: Callable[[], str]
    copies: Path

    def source(self, name: str) -> Path:
        """Return a file as the project ships it.

        Raises:
            LabError: it does not exist.
        """
        own = self.folder / self.scenario
        for file in (own / self.stack / name, own / name):
            if file.is_file():
                return file
        raise LabError(f"the manifest {own / self.stack / name} does not exist", next=restored(self.folder))

    def path(self, name: str) -> Path:
        """Return the file that is applied: the file itself, or the copy for this lab.

        Raises:
            LabError: it does not exist.
        """
        source = self.source(name)
        return self.copies / source.relative_to(self.folder) if self._needs_copy(source) else source

    def write(self, name: str) -> str:
        """Write the copy of a file if this lab needs one; return a note if a user changed the file."""
        source, file = self.source(name), self.path(name)
        if file != source:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(file, self.render(_text(source)))
        try:
            digest = shipped(self.folder).get(source.relative_to(self.folder).as_posix())
        except (OSError, ValueError) as error:
            return f"{source.name} may differ from the project's version: {DIGESTS} cannot be read ({error})"
        edited = digest != file_sha256(source)
        return f"{source.name} differs from the project's version: this is your version" if edited else ""

    def write_all(self) -> None:
        """Write the copies of all files that this lab needs, so that a person can apply them by hand."""
        own = self.folder / self.scenario
        for file in sorted([*own.glob("*.yaml"), *(own / self.stack).glob("*.yaml")]):
            self.write(file.name)

    def render(self, text: str) -> str:
        """Return a manifest with this lab's cluster names, and the image of its probes."""
        text = _ROLE.sub(self._name, text)
        return text.replace(_IMAGE, self.image()) if _IMAGE in text else text

    def _needs_copy(self, source: Path) -> bool:
        text = _text(source)
        return _IMAGE in text or any(self._name(match) != match[0] for match in _ROLE.finditer(text))

    def _name(self, match: re.Match[str]) -> str:
        return (self.domains if match[2] else self.names)[match[1] or THIRD]


def _text(source: Path) -> str:
    try:
        return source.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        what = f"the manifest is not UTF-8: {error.reason} at byte {error.start}"
        raise LabError(what, where=str(source), next=f"save it as UTF-8, or: {restored(source)}") from error


def files(folder: Path) -> list[Path]:
    """Return every manifest file of every scenario."""
    return sorted(file for file in folder.glob("*/**/*.yaml") if file.is_file())


def shipped(folder: Path) -> Mapping[str, str]:
    """Return the digest of every manifest as the project ships it, by its path from `folder`."""
    lines = (folder / DIGESTS).read_text(encoding="utf-8").splitlines()
    return {path: digest for digest, _, path in (line.partition("  ") for line in lines)}


def digests(folder: Path) -> str:
    """Return the text of the file with all digests for the manifests as they are now."""
    return "".join(f"{file_sha256(file)}  {file.relative_to(folder).as_posix()}\n" for file in files(folder))
