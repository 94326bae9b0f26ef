"""Recognise a container engine: its product, and whether it runs on this machine, in a virtual machine or elsewhere.

`recognise` is a pure function of what the engine, the docker command and this machine report.

| product | recognised by |
| --- | --- |
| Docker Desktop | operating system or host name of `docker info`; its label `com.docker.desktop.address` |
| OrbStack | operating system or host name |
| Rancher Desktop | host name `lima-rancher-desktop`, its WSL distribution's name, its context or socket |
| Colima, Lima | host name, context or socket |
| Podman | `docker version` (component "Podman Engine"), its socket, its own `docker` command |
| rootless Docker Engine | the security option `rootless` |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from lab.base.hosts import is_loopback
from lab.base.redaction import redact
from lab.tools.docker_errors import is_own
from lab.tools.docker_records import Engine


class Product(Enum):
    """The product that an engine belongs to."""

    ENGINE = "Docker Engine"
    ROOTLESS = "rootless Docker Engine"
    DESKTOP = "Docker Desktop"
    COLIMA = "Colima"
    ORBSTACK = "OrbStack"
    RANCHER = "Rancher Desktop"
    LIMA = "Lima"
    PODMAN = "Podman"


class Site(Enum):
    """Where an engine runs, as seen from this machine."""

    HERE = "on this machine"
    VM = "in a virtual machine on this machine"
    """The product forwards published ports to this machine's 127.0.0.1."""
    REMOTE = "on another computer"
    UNKNOWN = "outside of this machine or container"
    """A local socket or port leads to an engine with another kernel or host name."""


@dataclass(frozen=True, kw_only=True)
class ClientFacts:
    """This machine: system, host name, kernel release and memory."""

    system: str
    hostname: str
    kernel: str
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class EngineOrigin:
    """An engine's product, place and address."""

    product: Product = Product.ENGINE
    site: Site = Site.HERE
    endpoint: str = "unix:///var/run/docker.sock"

    @property
    def is_service_here(self) -> bool:
        """Whether it is this machine's own Docker service: the only engine that the doctor judges by its process."""
        return self.product is Product.ENGINE and self.site is Site.HERE and is_own(self.endpoint)

    @property
    def address(self) -> str:
        """The endpoint without credentials."""
        return redact(self.endpoint)


_IN_VMS = (Product.DESKTOP, Product.COLIMA, Product.ORBSTACK, Product.RANCHER, Product.LIMA)


def recognise(engine: Engine, components: Sequence[str], endpoint: str, client: ClientFacts) -> EngineOrigin:
    """Recognise an engine.

    Args:
        engine: the answer of `docker info`.
        components: the names of the engine's parts (`docker version`).
        endpoint: the address that the docker command uses.
        client: this machine.
    """
    is_same = _is_same_machine(engine, client)
    product = _product(engine, components, endpoint, is_same=is_same)
    return EngineOrigin(product=product, site=_site(product, endpoint, is_same=is_same), endpoint=endpoint)


def _is_same_machine(engine: Engine, client: ClientFacts) -> bool:
    if client.system != "Linux" or not engine.name:
        return False
    ours = (client.hostname, client.kernel, client.memory_bytes)
    return (engine.name, engine.kernel, engine.memory_bytes) == ours


def _product(engine: Engine, components: Sequence[str], endpoint: str, *, is_same: bool) -> Product:
    if engine.is_podman or "Podman Engine" in components or endpoint.endswith("/podman.sock"):
        return Product.PODMAN
    native = Product.ROOTLESS if engine.rootless else Product.ENGINE
    # The lab may run inside of such a virtual machine: there the engine is an ordinary one.
    return native if is_same else _in_vm(engine, endpoint) or native


def _in_vm(engine: Engine, endpoint: str) -> Product | None:
    system, name, context = engine.operating_system, engine.name, engine.context
    signs = {
        Product.DESKTOP: system.startswith("Docker Desktop")
        or name == "docker-desktop"
        or any(label.startswith("com.docker.desktop.") for label in engine.labels),
        Product.ORBSTACK: system == "OrbStack" or name == "orbstack",
        Product.RANCHER: name == "lima-rancher-desktop"
        or system.startswith("Rancher Desktop")
        or context == "rancher-desktop"
        or endpoint.endswith("/.rd/docker.sock"),
        Product.COLIMA: _begins_like(name, "colima") or _begins_like(context, "colima") or "/.colima/" in endpoint,
        Product.LIMA: name.startswith("lima-") or "/.lima/" in endpoint,
    }
    return next((product for product, found in signs.items() if found), None)


def _begins_like(name: str, product: str) -> bool:
    return name == product or name.startswith(f"{product}-")


def is_remote(endpoint: str) -> bool:
    """Return whether an address is that of another computer: tcp:// or ssh:// to a host that is not a loopback."""
    url = urlsplit(endpoint)
    return url.scheme not in {"unix", "npipe", ""} and not is_loopback(url.netloc.rpartition("@")[2])


def _site(product: Product, endpoint: str, *, is_same: bool) -> Site:
    if is_remote(endpoint):
        return Site.REMOTE
    if product in _IN_VMS:
        return Site.VM
    return Site.HERE if is_same else Site.UNKNOWN


def product_at(endpoint: str, context: str = "") -> Product | None:
    """Guess the product behind an endpoint that does not answer, by its socket and context; None if unknown."""
    signs = {
        Product.DESKTOP: "/.docker/desktop/" in endpoint
        or endpoint.endswith("/.docker/run/docker.sock")
        or context.startswith("desktop-")
        or "dockerDesktop" in endpoint,
        Product.ORBSTACK: "/.orbstack/" in endpoint or context == "orbstack",
        Product.RANCHER: endpoint.endswith("/.rd/docker.sock") or context == "rancher-desktop",
        Product.COLIMA: "/.colima/" in endpoint or _begins_like(context, "colima"),
        Product.LIMA: "/.lima/" in endpoint,
        Product.PODMAN: endpoint.endswith("/podman.sock"),
        Product.ROOTLESS: endpoint.startswith("unix:///run/user/"),
    }
    return next((product for product, found in signs.items() if found), None)
