"""Names of services and their ports, the same in every cluster and for every mesh."""

from __future__ import annotations

from dataclasses import dataclass

from lab.base.names import NAMESPACE
from lab.kube.objects import Obj, Ref

# Protocols that Istio routes by VirtualService http rules (Istio documentation, "Protocol Selection").
_HTTP = frozenset({"http", "http2", "grpc", "grpc-web", "kubernetes.io/h2c"})
_OTHER = frozenset({"https", "tls", "tcp", "mongo", "mysql", "redis"})


@dataclass(frozen=True, kw_only=True)
class ServicePort:
    """A Service's port. `protocol` is empty if neither its `appProtocol` nor its name gives one."""

    name: str
    number: int
    protocol: str

    @property
    def is_detected(self) -> bool:
        """Whether the mesh has to detect the protocol from the first bytes."""
        return not self.protocol

    @property
    def is_http(self) -> bool:
        """Whether the mesh routes HTTP requests on it, instead of TCP connections."""
        return self.protocol in _HTTP


def exported_name(service: str, source: str) -> str:
    """Return the name of an exported service in the other clusters."""
    return f"{service}-{source}"


def direct_name(service: str) -> str:
    """Return the name of the Service that the lab creates beside another one for its direct export."""
    return f"{service}-direct"


def host(service: str) -> str:
    """Return a service's full name, the same in every cluster."""
    return f"{service}.{NAMESPACE}.svc.cluster.local"


def ports_of(service: Obj) -> tuple[ServicePort, ...]:
    """Return a Service's TCP ports; without `appProtocol`, the port's name gives the protocol, as in Istio."""
    tcp = [p for p in service["spec"].get("ports", ()) if p.get("protocol", "TCP") == "TCP"]
    return tuple(
        ServicePort(
            name=p.get("name") or f"port-{p['port']}",
            number=p["port"],
            protocol=p.get("appProtocol") or _by_name(p.get("name") or ""),
        )
        for p in tcp
    )


def _by_name(name: str) -> str:
    first = "grpc-web" if name.startswith("grpc-web") else name.partition("-")[0]
    return first if first in _HTTP | _OTHER else ""


def service_ref(name: str) -> Ref:
    """Return the reference of a Service in the applications' namespace."""
    return Ref(api_version="v1", kind="Service", name=name, namespace=NAMESPACE)
