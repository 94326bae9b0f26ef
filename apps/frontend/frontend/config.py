"""The frontend's settings, read from the environment once, at start."""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from frontend.errors import ConfigError
from frontend.numbers import Limits

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1123, as Kubernetes checks Service names
TIMEOUT_S = Limits(low=0.05, high=60)
# Where Kubernetes puts a service account's token, the API's certificate authority, and the namespace.
CREDENTIALS = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A service that the frontend may call: a name for people and the address behind it."""

    name: str
    url: str


@dataclass(frozen=True, kw_only=True)
class ApiServer:
    """The cluster's Kubernetes API, and the folder with this pod's credentials for it; None for one without them."""

    url: str
    namespace: str
    credentials: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set; `from_env` is the only way that the process makes one."""

    cluster: str
    pod: str
    upstreams: tuple[Upstream, ...]
    default_upstream: str
    host: str = "127.0.0.1"
    port: int = 8080
    connect_timeout_s: float = 2.0  # more than 1 s, after which TCP repeats a lost SYN (RFC 6298)
    request_timeout_s: float = 3.0
    batch_timeout_s: float = 20.0
    stream_budget_per_s: float = 120.0  # one request takes 2 to 4 ms of CPU
    stage_port: int = 7465
    api_server: ApiServer | None = None
    log_level: str = "info"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read and check the environment.

        Raises:
            ConfigError: with every problem that was found, not only the first one.
        """
        reader = _Reader(env)
        upstreams = reader.upstreams("UPSTREAMS")
        settings = cls(
            cluster=reader.label("CLUSTER_NAME"),
            pod=env.get("POD_NAME", "").strip() or socket.gethostname(),
            upstreams=upstreams,
            default_upstream=reader.default_upstream("DEFAULT_UPSTREAM", upstreams),
            host=env.get("HOST", "").strip() or cls.host,
            port=int(reader.number("PORT", cls.port, Limits(low=1, high=65535, whole=True))),
            connect_timeout_s=reader.number("CONNECT_TIMEOUT_S", cls.connect_timeout_s, TIMEOUT_S),
            request_timeout_s=reader.number("REQUEST_TIMEOUT_S", cls.request_timeout_s, TIMEOUT_S),
            batch_timeout_s=reader.number("BATCH_TIMEOUT_S", cls.batch_timeout_s, Limits(low=1, high=300)),
            stream_budget_per_s=reader.number("STREAM_BUDGET_PER_S", cls.stream_budget_per_s, Limits(low=1, high=1000)),
            stage_port=int(reader.number("STAGE_PORT", cls.stage_port, Limits(low=1, high=65535, whole=True))),
            api_server=reader.api_server(),
            log_level=reader.choice("LOG_LEVEL", cls.log_level, LOG_LEVELS),
        )
        if reader.problems:
            raise ConfigError(reader.problems)
        return settings

    def upstream(self, name: str) -> Upstream | None:
        """The upstream of that name, or None."""
        return next((upstream for upstream in self.upstreams if upstream.name == name), None)


@dataclass
class _Reader:
    """Reads variables, collects problems, and goes on with a stand-in value after each of them."""

    env: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def label(self, key: str) -> str:
        value = self.env.get(key, "").strip()
        if not value:
            self.problems.append(f"{key} is not set; give the cluster's name, for example {key}=west")
        elif not DNS_LABEL.fullmatch(value):
            self.problems.append(f"{key}={value!r} is not a DNS label; use a-z, 0-9 and -, for example {key}=west")
        return value

    def number(self, key: str, default: float, limits: Limits) -> float:
        text = self.env.get(key, "").strip()
        if not text:
            return default
        value = limits.read(text)
        if value is None:
            self.problems.append(f"{key}={text!r} is not {limits}; the default is {default:g}")
            return default
        return value

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.env.get(key, "").strip() or default
        if value not in choices:
            self.problems.append(f"{key}={value!r} is not one of {', '.join(choices)}")
        return value

    def upstreams(self, key: str) -> tuple[Upstream, ...]:
        found: dict[str, Upstream] = {}
        for entry in filter(None, (part.strip() for part in self.env.get(key, "").split(","))):
            name, _, url = (part.strip() for part in entry.partition("="))
            if not DNS_LABEL.fullmatch(name):
                self.problems.append(
                    f"{key}: {entry!r} has no name; write name=url, for example podinfo=http://podinfo:9898"
                )
            elif name in found:
                self.problems.append(f"{key}: {name!r} is there twice; give each upstream its own name")
            elif complaint := _url_complaint(url):
                self.problems.append(f"{key}: {name}: {url!r} {complaint}; for example http://podinfo:9898")
            else:
                found[name] = Upstream(name=name, url=url.rstrip("/"))
        if not found and not self.problems:
            self.problems.append(
                f"{key} is not set; name what may be called, for example {key}=podinfo=http://podinfo:9898"
            )
        return tuple(found.values())

    def default_upstream(self, key: str, upstreams: tuple[Upstream, ...]) -> str:
        names = [upstream.name for upstream in upstreams]
        value = self.env.get(key, "").strip() or next(iter(names), "")
        if names and value not in names:
            self.problems.append(f"{key}={value!r} is not in UPSTREAMS; known: {', '.join(names)}")
        return value

    def api_server(self) -> ApiServer | None:
        """The API of Kubernetes' own variables, or KUBERNETES_API_URL: a `kubectl proxy`, which needs no token."""
        namespace = self.env.get("NAMESPACE", "").strip()
        if url := self.env.get("KUBERNETES_API_URL", "").strip():
            if complaint := _url_complaint(url):
                self.problems.append(f"KUBERNETES_API_URL={url!r} {complaint}; for example http://127.0.0.1:8001")
            return ApiServer(url=url.rstrip("/"), namespace=namespace or "default")
        host, port = self.env.get("KUBERNETES_SERVICE_HOST", ""), self.env.get("KUBERNETES_SERVICE_PORT", "443")
        if not host:
            return None
        address = f"[{host}]" if ":" in host else host
        return ApiServer(url=f"https://{address}:{port}", namespace=namespace, credentials=CREDENTIALS)


def _url_complaint(url: str) -> str | None:
    """What keeps `url` from being the address of an upstream, or None."""
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port != 0  # reading .port raises on "http://podinfo:x"
    except ValueError:
        return "is not a URL"
    if parts.scheme != "http":
        # The mesh encrypts on the wire: TLS of the frontend's own would hide the request from its routes.
        return "does not start with http://"
    if not parts.hostname or not port_is_valid:
        return "names no host"
    if parts.username is not None or parts.query or parts.fragment or parts.path not in {"", "/"}:
        return "has more than a host and a port"
    return None
