"""Upstream's own build of an artifact: an image, a Helm chart, or a file of a release. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.artifacts.platforms import PLATFORMS, Platform

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_DEFAULT_REGISTRY = "docker.io"
ANY = "any"
"""Key of the digest of a file that is the same on all platforms."""


@dataclass(frozen=True, kw_only=True)
class Download:
    """One file of a release.

    Args:
        url: its address.
        as_file: its path in the store's entry.
        sha256: its digest, if the catalogue has it.
        checksum_url: address of the checksum file that upstream publishes beside it, if there is one.
        member: the file to take, if the download is a tar archive.
    """

    url: str
    as_file: str
    sha256: str | None = None
    checksum_url: str | None = None
    member: str | None = None


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """The names of upstream's build: exactly one of `image`, `chart` and `url`.

    `url` and `member` may contain {version}, {system} (linux, darwin), {machine} (amd64, arm64) and {platform}
    (linux-amd64, or the name that `platforms` gives it).
    """

    image: str | None = None
    """The reference with its tag, and with a digest if it is known; nodes use the same name."""
    chart: str | None = None
    """Name of a Helm chart."""
    registry: str | None = None
    """Registry host and path of a chart that is an OCI artifact, without the chart's name."""
    url: str | None = None
    version: str | None = None
    """Upstream's version, if it differs from the recipe's."""
    group: str | None = None
    """Name of the artifacts that must come from the same source, because they work only together."""
    as_file: str | None = None
    member: str | None = None
    checksum: str | None = None
    """What a file's URL ends with in addition, for its checksum file."""
    sha256: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Digests of files by platform, or under `any`."""
    platforms: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Upstream's names of platforms, where they are not linux-amd64 and so on."""
    says: tuple[str, ...] = ()
    """The arguments with which a program prints its version and nothing else; the lab then also uses one of PATH."""

    def __post_init__(self) -> None:
        if sum(what is not None for what in (self.image, self.chart, self.url)) != 1:
            raise ValueError("upstream needs exactly one of `image`, `chart` and `url`")
        if (self.url is None) is not (self.as_file is None):
            raise ValueError("`as_file` is for a `url`, and each `url` needs it")
        of_url = (self.member, self.checksum, self.sha256, self.platforms, self.says)
        if self.url is None and any(of_url):
            raise ValueError("`member`, `checksum`, `sha256`, `platforms` and `says` are for a `url` only")
        if self.registry is not None and self.chart is None:
            raise ValueError("`registry` is for a `chart` only")
        if self.image is not None and "@" in self.image and not _DIGEST.fullmatch(self.image.partition("@")[2]):
            raise ValueError(f"{self.image} has no digest of the form sha256:<64 hexadecimal digits>")
        known = {ANY, *map(str, PLATFORMS)}
        if unknown := {*self.sha256, *self.platforms} - known:
            raise ValueError(f"unknown platform {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        if wrong := [name for name, digest in self.sha256.items() if not _SHA256.fullmatch(digest)]:
            raise ValueError(f"the sha256 of {', '.join(wrong)} does not have 64 hexadecimal digits")

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Upstream:
        """Return the build that a table of the catalogue names.

        Raises:
            TypeError: the table has an unknown key.
            ValueError: the table names no build, or more than one.
        """
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
        }
        return cls(**given)

    @property
    def reference(self) -> str | None:
        """The image's reference without its digest."""
        return self.image.partition("@")[0] if self.image else None

    @property
    def program(self) -> str | None:
        """Name of the program that may be on PATH; None if the lab does not use PATH's."""
        return self.as_file.rpartition("/")[2] if self.as_file and self.says else None

    def name(self, version: str, platform: Platform) -> str:
        """Return the build's name: an image's or chart's reference with its tag, or a file's URL."""
        if self.reference:
            return self.reference
        if self.chart:
            return f"{self.registry}/{self.chart}:{version}" if self.registry else self.chart
        return self.download(version, platform).url

    def pinned(self, platform: Platform) -> str | None:
        """Return the digest that the catalogue or lab.toml requires, as `sha256:…`; None if there is none."""
        if self.image:
            return self.image.partition("@")[2] or None
        sha256 = self.sha256.get(str(platform)) or self.sha256.get(ANY)
        return f"sha256:{sha256}" if sha256 else None

    def download(self, version: str, platform: Platform) -> Download:
        """Return the release's file for a platform. A pure function of its arguments."""
        assert self.url is not None and self.as_file is not None  # noqa: S101, PT018 - only for releases
        words = {
            "version": version,
            "system": platform.system,
            "machine": platform.machine,
            "platform": self.platforms.get(str(platform), str(platform)),
        }
        url = self.url.format(**words)
        return Download(
            url=url,
            as_file=self.as_file,
            sha256=(self.pinned(platform) or "").removeprefix("sha256:") or None,
            checksum_url=f"{url}{self.checksum}" if self.checksum else None,
            member=self.member.format(**words) if self.member else None,
        )


def split(image: str) -> tuple[str, str]:
    """Split an image reference into registry host and path, as Docker does."""
    first, _, rest = image.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return _DEFAULT_REGISTRY, image if rest else f"library/{image}"
