"""Build root file systems from Debian packages; debootstrap downloads them and verifies Debian's signatures.

A Debian release has one version of a package, and security updates replace it: a pinned version would be deleted after
some time. So the entry's manifest records the downloaded versions in its notes.
"""

from __future__ import annotations

import fnmatch
import io
import lzma
import os
import posixpath
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, ClassVar

from lab.artifacts.recipe import BuildContext, BuildResult
from lab.base import events
from lab.base.errors import ArtifactError, HostError

SUITE = "bookworm"
"""Its systemd (252) still boots on cgroup v1; 256 and later do not."""
_TIMEOUT_S = 1800
# Debian 12 has merged these into /usr, but packages may still have files under the old names.
_MERGED = ("bin", "sbin", "lib", "lib64")
# Not needed to run. Licences (usr/share/doc/*/copyright) stay.
_SUPERFLUOUS = (
    "usr/share/man/*",
    "usr/share/info/*",
    "usr/share/locale/*",
    "usr/share/lintian/*",
    "usr/share/bash-completion/*",
    "var/cache/apt/*",
    "var/cache/debconf/*",
    "var/lib/apt/lists/*",
    "var/log/*",
)


def _debootstrap(work: BuildContext, root: Path, *words: str) -> None:
    if os.geteuid() != 0:
        raise HostError("debootstrap needs root", next="run the command as root")
    if shutil.which("debootstrap") is None:
        raise HostError("debootstrap is not installed", next="apt-get install debootstrap")
    # In its own mount namespace: debootstrap's mounts below `root` end with it, even if it is killed.
    argv = ["unshare", "--mount", "debootstrap", "--variant=minbase", *words, SUITE, str(root)]
    # The file system is deleted after a crash, so it needs no fsync for each file (dpkg(1), --force-unsafe-io).
    fast = {"DPKG_FORCE": "unsafe-io"}
    say = events.reporter()
    work.run(argv, env=fast, timeout_s=_TIMEOUT_S, on_line=lambda line: say(line.removeprefix("I: ").strip()))


@dataclass(frozen=True, kw_only=True)
class Packages:
    """Download Debian packages and their dependencies into one tar file, `debs.tar`, without installing them."""

    revision: ClassVar[int] = 1
    packages: tuple[str, ...]

    def needs(self) -> Iterable[str]:
        """Return nothing."""
        return ()

    def inputs(self) -> Iterable[Path]:
        """Return nothing."""
        return ()

    def build(self, work: BuildContext) -> BuildResult:
        """Download the packages."""
        target = work.into / "debs.tar"
        include = f"--include={','.join(self.packages)}"
        _debootstrap(work, work.scratch / "root", include, f"--make-tarball={target}")
        with tarfile.open(target) as tar:
            versions = dict(sorted(_name_and_version(name) for name in tar.getnames() if name.endswith(".deb")))
        return BuildResult(notes={"packages": " ".join(f"{name}={version}" for name, version in versions.items())})


@dataclass(frozen=True, kw_only=True)
class Rootfs:
    """Install packages into a root file system, `rootfs.tar`, configured and ready to boot.

    Args:
        source: the artifact with the packages.
        packages: the packages to install besides Debian's minimal system.
    """

    revision: ClassVar[int] = 1
    source: str
    packages: tuple[str, ...]

    def needs(self) -> Iterable[str]:
        """Return the artifact with the packages."""
        return (self.source,)

    def inputs(self) -> Iterable[Path]:
        """Return nothing."""
        return ()

    def build(self, work: BuildContext) -> BuildResult:
        """Install the packages and pack the file system."""
        root = work.scratch / "root"
        debs = work.needs.file(self.source, "debs.tar")
        _debootstrap(work, root, f"--include={','.join(self.packages)}", f"--unpack-tarball={debs}")
        events.progress("packing")
        with tarfile.open(work.into / "rootfs.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(root, arcname=".", filter=_wanted)
        return BuildResult()


def _wanted(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    name = posixpath.normpath(info.name)
    if any(fnmatch.fnmatch(name, pattern) for pattern in _SUPERFLUOUS):
        return None
    return None if name.startswith("usr/share/doc/") and not _is_licence_or_folder(info, name) else info


def _is_licence_or_folder(info: tarfile.TarInfo, name: str) -> bool:
    return info.isdir() or name.endswith("/copyright") or info.issym()


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """Unpack packages into `rootfs.tar` without installing them, for images that need a few libraries.

    Args:
        source: the artifact with the packages.
        packages: the packages to unpack, without their dependencies.
        links: symbolic links (path to target) that the packages' scripts would create.
    """

    revision: ClassVar[int] = 1
    source: str
    packages: tuple[str, ...]
    links: Mapping[str, str] = field(default_factory=dict)

    def needs(self) -> Iterable[str]:
        """Return the artifact with the packages."""
        return (self.source,)

    def inputs(self) -> Iterable[Path]:
        """Return nothing."""
        return ()

    def build(self, work: BuildContext) -> BuildResult:
        """Pack the packages' files."""
        target = work.into / "rootfs.tar"
        with (
            tarfile.open(work.needs.file(self.source, "debs.tar")) as debs,
            tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as out,
        ):
            by_name = {_name_and_version(m.name)[0]: m for m in debs if m.name.endswith(".deb")}
            if missing := set(self.packages) - set(by_name):
                raise ArtifactError(f"{self.source} has no package {', '.join(sorted(missing))}")
            for name in _MERGED:
                _add_link(out, name, f"usr/{name}")
            added: set[str] = set()
            for package in self.packages:
                content = debs.extractfile(by_name[package])
                assert content is not None  # noqa: S101 - a regular file, by its name
                _merge(content.read(), out, added)
            for path, destination in self.links.items():
                _add_link(out, path, destination)
        return BuildResult()


def _merge(deb: bytes, out: tarfile.TarFile, added: set[str]) -> None:
    with tarfile.open(fileobj=_data_of(deb)) as data:
        for member in data:
            name = _usr_merged(posixpath.normpath(member.name))
            if name == "." or name in added or _wanted(member) is None:
                continue
            added.add(name)
            content = data.extractfile(member) if member.isreg() else None
            if member.islnk():
                member.linkname = _usr_merged(posixpath.normpath(member.linkname))
            member.name = name
            out.addfile(member, content)


def _usr_merged(name: str) -> str:
    first = PurePosixPath(name).parts[0] if name != "." else name
    return f"usr/{name}" if first in _MERGED else name


def _add_link(out: tarfile.TarFile, path: str, target: str) -> None:
    link = tarfile.TarInfo(path)
    link.type, link.linkname, link.mode = tarfile.SYMTYPE, target, 0o777
    out.addfile(link)


def _data_of(deb: bytes) -> IO[bytes]:
    """Return the tar archive with a package's files. A .deb is an `ar` archive (deb(5)); Debian 12 packs with xz."""
    for name, content in _ar_members(deb):
        if name == "data.tar.xz":
            return io.BytesIO(lzma.decompress(content))
        if name == "data.tar":
            return io.BytesIO(content)
    raise ArtifactError("unknown format of a Debian package: it has neither data.tar.xz nor data.tar")


def _ar_members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    at = 8  # after "!<arch>\n"
    while at + 60 <= len(archive):
        header = archive[at : at + 60]
        name, size = header[:16].decode().strip().rstrip("/"), int(header[48:58])
        yield name, archive[at + 60 : at + 60 + size]
        at += 60 + size + size % 2


def _name_and_version(path: str) -> tuple[str, str]:
    name, version, _ = PurePosixPath(path).name.split("_", 2)
    return name, version.replace("%3a", ":")
