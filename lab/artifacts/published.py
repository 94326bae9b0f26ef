"""Find and download upstream's own builds: from container registries, a mirror, or GitHub releases."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import oras.logger
import requests
from oras.provider import Registry
from requests.adapters import HTTPAdapter

from lab.artifacts import upstream
from lab.artifacts.catalog import Artifact, Catalog, Upstream
from lab.artifacts.keys import UPSTREAM
from lab.artifacts.recipe import BuildContext, BuildResult
from lab.artifacts.resolver import Match, NotFound, names_of, put_chart
from lab.base.concurrency import Threads
from lab.base.errors import ArtifactError
from lab.base.hosts import is_loopback

_TIMEOUT_S = (3, 60)
_CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
"""Media type of a packed chart (Helm documentation, "Use OCI-based registries")."""
_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_GITHUB_API = "https://api.github.com"
_ASSET = re.compile(r"/([^/]+/[^/]+)/releases/download/([^/]+)/([^/]+)$")


class Published:
    """Upstream's registries and releases as a source of builds (`resolver.Source`).

    Args:
        catalog: the catalogue that names the registries.
        mirror: a registry host that replaces all registries.
        asks: whether the lab may use the network.
    """

    source = UPSTREAM

    def __init__(self, *, catalog: Catalog, mirror: str | None, asks: bool) -> None:
        self._mirror = mirror
        self._asks = asks
        names = (_published(artifact) for artifact in catalog if artifact.taken is not None)
        self._hosts = sorted({self._host(name) for name in names if name and "://" not in name})
        self._answering: frozenset[str] | None = None

    def look(self, artifact: Artifact) -> Match | NotFound:
        """Ask the registry or GitHub for an artifact's digest."""
        name = _published(artifact)
        if name is None:
            return NotFound(looked=())
        if not self._asks:
            return NotFound(looked=('registries are not asked, with `source = "packages"` and no `mirror`',))
        try:
            digest = self._digest_of_release(name) if "://" in name else self._digest_of_image(name)
        except _NotThereError as error:
            return NotFound(looked=(str(error),))
        return Match(name=name, identity=digest, place=self)

    def take(self, match: Match, work: BuildContext) -> BuildResult:
        """Pull or download the build by its digest."""
        taken, digest = names_of(work.artifact), match.identity
        if taken.image is not None:
            return upstream.pull(work, f"{taken.image}@{digest}", self._mirror, keep_digest=True)
        if taken.program is not None:
            sha256 = digest.removeprefix("sha256:")
            upstream.download(work, Upstream(url=match.name, sha256=sha256, as_file=f"bin/{taken.program}"))
        else:
            put_chart(self._chart(match, work), work)
        return BuildResult()

    # How

    def _host(self, name: str) -> str:
        return (self._mirror or upstream.split(name)[0]).partition("/")[0]

    def _answers(self, host: str) -> bool:
        """Say whether a registry answers. The first call asks all registries in parallel."""
        if self._answering is None:
            with Threads(max(1, len(self._hosts))) as threads:
                results = threads.map(upstream.answers, self._hosts)
                self._answering = frozenset(h for h, yes in zip(self._hosts, results, strict=True) if yes)
        return host in self._answering

    def _reference(self, name: str) -> str:
        return f"{self._mirror}/{upstream.split(name)[1]}" if self._mirror else name

    def _digest_of_image(self, name: str) -> str:
        host, reference = self._host(name), self._reference(name)
        if not self._answers(host):
            raise _NotThereError(f"{host} does not answer")
        return f"sha256:{hashlib.sha256(self._ask(reference, 'manifests', reference.rpartition(':')[2])).hexdigest()}"

    def _digest_of_release(self, url: str) -> str:
        """Ask for an asset's digest (GitHub REST API, "Get a release by tag name", assets[].digest)."""
        parts = _ASSET.search(url)
        assert parts is not None  # noqa: S101 - the URL is from the catalogue
        repository, tag, name = parts.groups()
        try:
            answer = requests.get(f"{_GITHUB_API}/repos/{repository}/releases/tags/{tag}", timeout=_TIMEOUT_S)
            answer.raise_for_status()
            digests = {asset["name"]: asset.get("digest") for asset in answer.json()["assets"]}
        except (requests.RequestException, ValueError, KeyError) as error:
            raise _NotThereError(f"{url}: {type(error).__name__}") from error
        digest = str(digests.get(name))
        if not digest.startswith("sha256:"):
            raise _NotThereError(f"{url}: the release {tag} has no digest for it")
        return digest

    def _chart(self, match: Match, work: BuildContext) -> Path:
        """Download a packed chart: the manifest and the layer, each by its digest."""
        reference = self._reference(match.name)
        manifest = json.loads(self._exactly(reference, "manifests", match.identity))
        layers: list[Mapping[str, Any]] = manifest.get("layers", [])
        layer = next((part["digest"] for part in layers if part["mediaType"] == _CHART_LAYER), None)
        if layer is None:
            raise ArtifactError(f"{reference} is not a Helm chart")
        packed = work.scratch / "chart.tgz"
        packed.write_bytes(self._exactly(reference, "blobs", str(layer)))
        return packed

    def _exactly(self, reference: str, kind: str, digest: str) -> bytes:
        """Download content by its digest, and verify it."""
        try:
            content = self._ask(reference, kind, digest)
        except _NotThereError as error:
            raise ArtifactError(
                str(error), next="check the network, or put the chart into the folder that LAB_LOCAL_DIR names"
            ) from error
        if digest != f"sha256:{hashlib.sha256(content).hexdigest()}":
            raise ArtifactError(f"the content of {reference} does not have the digest {digest}; it was deleted")
        return content

    def _ask(self, reference: str, kind: str, what: str) -> bytes:
        """Download a manifest or blob from a reference's repository, anonymously or with the engine's credentials."""
        oras.logger.setup_logger(quiet=True)
        host = reference.partition("/")[0]
        registry = Registry(hostname=host, insecure=is_loopback(host))
        api = upstream.api_host(host)
        for scheme in ("http://", "https://"):
            registry.session.mount(scheme, _Bounded())
        container = registry.get_container(reference)
        url = f"{registry.prefix}://{api}/v2/{container.api_prefix}/{kind}/{what}"
        try:
            registry.auth.load_configs(container)
            answer = registry.do_request(url, headers={"Accept": ", ".join(_MANIFESTS)} if kind == "manifests" else {})
        except (requests.RequestException, ValueError) as error:
            raise _NotThereError(f"{reference}: {error}") from error
        if answer.status_code != requests.codes.ok:
            raise _NotThereError(f"{host} has no {reference} (HTTP {answer.status_code})")
        return bytes(answer.content)


class _NotThereError(Exception):
    """The artifact is not published, or the registry does not answer."""


class _Bounded(HTTPAdapter):
    """Set a timeout for every request; the library itself has none."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a request with the timeout."""
        return super().send(request, **{**options, "timeout": _TIMEOUT_S})


def _published(artifact: Artifact) -> str | None:
    """Return the published location of a build: an image's or chart's reference, or a URL."""
    taken = names_of(artifact)
    if taken.chart is not None:
        return f"{taken.registry}/{taken.chart}:{artifact.version}" if taken.registry else None
    return taken.image or (taken.release if platform.machine() == "x86_64" else None)
