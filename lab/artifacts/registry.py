"""Ask container registries for digests and charts (OCI distribution specification)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import oras.logger
import requests
from oras.provider import Registry
from requests.adapters import HTTPAdapter

from lab.artifacts import web
from lab.artifacts.upstream import split
from lab.artifacts.web import CONNECT_S, PORTAL, TIMEOUT_S, WebError
from lab.base.errors import DigestError
from lab.base.hosts import is_loopback

_HUB, _HUB_API = "docker.io", "registry-1.docker.io"
_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
"""Media type of a packed chart (Helm documentation, "Use OCI-based registries")."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ABSENT = {404, 410}
_DENIED = {401, 403}
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""What oras raises for credentials that it cannot read."""
_ANSWER_S = 10
"""A registry behind a slow line answers late; a host that does not exist is given up after CONNECT_S."""
# oras' own repetition sleeps up to two minutes, which Ctrl-C does not end; `web.patiently` repeats instead.
_send: Callable[..., requests.Response] = Registry.do_request.__wrapped__


def answers(host: str) -> bool:
    """Return whether a host answers as a registry: `GET /v2/` with 200 or 401, and not with a web page."""
    api = _HUB_API if host == _HUB else host
    scheme = "http" if is_loopback(api) else "https"  # as the engine does
    try:
        answer = requests.get(f"{scheme}://{api}/v2/", timeout=(CONNECT_S, _ANSWER_S))
    except requests.RequestException:
        return False
    # A busy registry answers: the search for an artifact is patient.
    return answer.status_code in {200, 401, 429, 503} and not (answer.ok and web.is_page(answer.headers))


def digest(reference: str) -> str:
    """Return the digest of the manifest that a reference names, by its tag or digest.

    Raises:
        WebError: the registry does not have it, or does not answer as a registry.
    """
    # HEAD: Docker Hub counts each GET of a manifest against a limit of pulls.
    answer = _ask(reference, "manifests", _version(reference), method="HEAD")
    told = answer.headers.get("Docker-Content-Digest", "")
    if _DIGEST.fullmatch(told):
        return told
    content = _ask(reference, "manifests", _version(reference)).content
    try:
        is_manifest = isinstance(json.loads(content), dict)
    except ValueError:
        is_manifest = False
    if not is_manifest:
        raise WebError(f"{reference}: the registry's answer is not a manifest")
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def chart(reference: str, identity: str) -> bytes:
    """Return a packed chart: its manifest and its layer, each verified with its digest.

    Raises:
        WebError: the registry does not have it, or does not answer as a registry.
        DigestError: its content does not have the digest.
    """
    manifest = _exactly(reference, "manifests", identity)
    try:
        layers = [part["digest"] for part in json.loads(manifest)["layers"] if part["mediaType"] == _CHART_LAYER]
    except (ValueError, KeyError, TypeError):
        layers = []
    if not layers:
        raise WebError(f"{reference} is not a Helm chart")
    return _exactly(reference, "blobs", str(layers[0]))


def _exactly(reference: str, kind: str, wanted: str) -> bytes:
    content = _ask(reference, kind, wanted).content
    if wanted != f"sha256:{hashlib.sha256(content).hexdigest()}":
        raise DigestError(
            f"the content of {reference} does not have the digest {wanted}; it was deleted",
            next="run the command again; if it fails again, do not trust that registry: set another `mirror`",
        )
    return content


def _version(reference: str) -> str:
    """Return the digest of a reference, else its tag."""
    name, _, by_digest = reference.partition("@")
    return by_digest or name.rpartition(":")[2]


def _ask(reference: str, kind: str, what: str, *, method: str = "GET") -> requests.Response:
    """Ask for a manifest or blob, anonymously or with the engine's credentials."""
    oras.logger.setup_logger(quiet=True)
    host, _ = split(reference)
    registry = Registry(hostname=host, insecure=is_loopback(host))
    for scheme in ("http://", "https://"):
        registry.session.mount(scheme, _Bounded())
    container = registry.get_container(reference)
    url = f"{registry.prefix}://{_HUB_API if host == _HUB else host}/v2/{container.api_prefix}/{kind}/{what}"
    headers = {"Accept": ", ".join(_MANIFESTS)} if kind == "manifests" else {}
    # Images of upstream need no login: the search continues where a file or program of credentials does not work here,
    # such as Docker Desktop's program for Windows inside WSL.
    with suppress(*_UNREADABLE):
        registry.auth.load_configs(container)

    def send() -> requests.Response:
        try:
            return _send(registry, url, method, headers=dict(headers))
        except requests.RequestException:
            raise
        except ValueError as error:  # oras says so after a refusal without a login
            raise _refused(host, reference, requests.codes.unauthorized) from error

    answer = web.patiently(send, what=host)
    if answer.status_code != requests.codes.ok:
        raise _refused(host, reference, answer.status_code)
    if web.is_page(answer.headers):
        raise WebError(f"{host} {PORTAL}")
    return answer


def _refused(host: str, reference: str, status: int) -> WebError:
    if status in _ABSENT:
        return WebError(f"{host} has no {reference} (HTTP {status})", absent=True)
    if status in _DENIED:  # some registries say so of what they do not have
        return WebError(f"{host} refuses {reference}: it does not exist, or needs `docker login {host}`")
    return WebError(f"{host} does not return {reference} (HTTP {status})")


class _Bounded(HTTPAdapter):
    """Set a timeout for every request; the library itself has none."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a request with the timeout."""
        return super().send(request, **{**options, "timeout": TIMEOUT_S})
