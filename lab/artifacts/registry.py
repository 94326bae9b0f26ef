"""Ask container registries for digests and charts (OCI distribution specification)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import oras.logger
import requests
from oras.auth.token import TokenAuth
from oras.auth.utils import authHeader
from oras.provider import Registry
from requests.adapters import HTTPAdapter

from lab.artifacts import logins, web
from lab.artifacts.logins import Login, UnreadableLoginError
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


def sizes(reference: str, *, architecture: str) -> dict[str, int]:
    """Return the compressed size in bytes of an image's config and of each layer, by digest.

    Asks once for each manifest, as Docker Hub counts these requests against a limit of pulls, and without patience:
    nothing depends on the answer.

    Args:
        reference: the image by its digest, without a tag.
        architecture: the engine's, such as amd64: what an index has for other platforms is not pulled.

    Raises:
        WebError: the registry does not return the manifest.
        DigestError: its content does not have the digest.
    """
    try:
        manifest = json.loads(_exactly(reference, "manifests", _version(reference), patient=False))
        if "manifests" in manifest:
            (child, *_) = (
                one["digest"]
                for one in manifest["manifests"]
                if (one["platform"]["os"], one["platform"]["architecture"]) == ("linux", architecture)
            )
            manifest = json.loads(_exactly(reference, "manifests", child, patient=False))
        return {part["digest"]: int(part["size"]) for part in (manifest["config"], *manifest["layers"])}
    except (ValueError, KeyError, TypeError) as error:
        raise WebError(f"{reference}: its manifest names no sizes for linux/{architecture}") from error


def _exactly(reference: str, kind: str, wanted: str, *, patient: bool = True) -> bytes:
    content = _ask(reference, kind, wanted, patient=patient).content
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


def _ask(reference: str, kind: str, what: str, *, method: str = "GET", patient: bool = True) -> requests.Response:
    """Ask for a manifest or blob, anonymously or with the user's login; unless `patient`, once and not for long."""
    oras.logger.setup_logger(quiet=True)
    host, _ = split(reference)
    registry = Registry(hostname=host, insecure=is_loopback(host))
    # Images of upstream need no login: the search continues where a file or program of credentials does not work here,
    # such as Docker Desktop's program for Windows inside WSL.
    login, why_not = None, ""
    try:
        login = logins.find(host)
    except UnreadableLoginError as error:
        why_not = str(error)
    registry.auth = _Challenges(registry, login)
    for scheme in ("http://", "https://"):
        registry.session.mount(scheme, _Bounded(TIMEOUT_S if patient else (CONNECT_S, _ANSWER_S)))
    container = registry.get_container(reference)
    url = f"{registry.prefix}://{_HUB_API if host == _HUB else host}/v2/{container.api_prefix}/{kind}/{what}"
    headers = {"Accept": ", ".join(_MANIFESTS)} if kind == "manifests" else {}

    def refused(status: int) -> WebError:
        return _refused(host, reference, status, login=login, why_not=why_not)

    def send() -> requests.Response:
        try:
            return _send(registry, url, method, headers=dict(headers))
        except requests.RequestException:
            raise
        except ValueError as error:  # oras says so after a refusal without a login
            raise refused(requests.codes.unauthorized) from error

    answer = web.patiently(send, what=host) if patient else web.patiently(send, what=host, pauses_s=())
    if answer.status_code != requests.codes.ok:
        raise refused(answer.status_code)
    if web.is_page(answer.headers):
        raise WebError(f"{host} {PORTAL}")
    return answer


def _refused(host: str, reference: str, status: int, *, login: Login | None, why_not: str) -> WebError:
    if status in _ABSENT:
        return WebError(f"{host} has no {reference} (HTTP {status})", absent=True)
    if status in _DENIED:  # some registries say so of what they do not have
        needs = f"`docker login {host}`"
        if login is not None:
            needs = f"another login than that of the docker command: {needs}"
        elif why_not:
            needs += f" (the docker command's login cannot be read: {why_not})"
        return WebError(f"{host} refuses {reference}: it does not exist, or needs {needs}")
    return WebError(f"{host} does not return {reference} (HTTP {status})")


class _Challenges(TokenAuth):  # type: ignore[misc] # oras has no types
    """Answers a registry that asks who sends the request, as the engine does; the library knows tokens only.

    A registry asks for the login itself (Basic), or for a token (Bearer) that its token server gives for the login.
    """

    def __init__(self, registry: Registry, login: Login | None) -> None:
        super().__init__()
        self.session, self.prefix, self._tls_verify = registry.session, registry.prefix, registry._tls_verify
        self._login = login
        if login is not None:
            self.set_basic_auth(login.user, login.password)

    def authenticate_request(
        self, original: requests.Response, headers: dict[str, str], **again: bool
    ) -> tuple[dict[str, str], bool]:
        """Return the headers for a second request, and whether it makes sense."""
        if not original.headers.get("Www-Authenticate", "").lower().startswith("basic"):
            told: tuple[dict[str, str], bool] = super().authenticate_request(original, headers, **again)
            return told
        if self._login is None or not self._login.password:
            return headers, False
        return {**headers, "Authorization": f"Basic {self._basic_auth}"}, True

    def request_token(self, h: authHeader) -> str | None:
        """Return a token for the login (Distribution specification, token authentication; OAuth 2.0 for a token)."""
        if self._login is None or not self._login.identity_token:
            by_password: str | None = super().request_token(h)
            return by_password
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self._login.identity_token,
            "client_id": "eastwest-lab",
            "service": h.service or "",
            "scope": h.scope or "",
        }
        answer = self.session.post(h.realm, data=form, verify=self._tls_verify)
        found = answer.json() if answer.ok else {}
        return found.get("access_token") or found.get("token")


class _Bounded(HTTPAdapter):
    """Set a timeout for every request; the library itself has none."""

    def __init__(self, timeout_s: tuple[float, float]) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a request with the timeout."""
        return super().send(request, **{**options, "timeout": self._timeout_s})
