"""How services and their ports are named in every cluster, whatever the mesh."""

from __future__ import annotations

from dataclasses import dataclass

from lab.base.names import NAMESPACE
from lab.kube.objects import Obj, Ref

# Protocols that Istio routes by VirtualService http rules (Istio documentation, "Protocol Selection").
_HTTP = frozenset({"http", "http2", "grpc", "grpc-web", "kubernetes.io/h2c"})
_OTHER = frozenset({"https", "tls", "tcp", "mongo", "mysql", "redis"})


@dataclass(frozen=True, kw_only=True)
class ServicePort:
    """A Service's port. `protocol` is empty where neither its `appProtocol` nor its name says one."""

    name: str
    number: int
    protocol: str

    @property
    def is_detected(self) -> bool:
        """Whether the mesh has to find out from the bytes what is spoken on it."""
        return not self.protocol

    @property
    def is_http(self) -> bool:
        """Whether the mesh sees requests on it, rather than bytes."""
        return self.protocol in _HTTP


def exported_name(service: str, source: str) -> str:
    """Return the name of an exported service in the other clusters."""
    return f"{service}-{source}"


def host(service: str) -> str:
    """Return a service's full name, the same in every cluster."""
    return f"{service}.{NAMESPACE}.svc.cluster.local"


def ports_of(service: Obj) -> tuple[ServicePort, ...]:
    """Return a Service's TCP ports; a protocol that is not given is told by the port's name, as Istio does."""
    found = [p for p in service["spec"].get("ports", ()) if p.get("protocol", "TCP") == "TCP"]
    return tuple(
        ServicePort(
            name=p.get("name") or f"port-{p['port']}",
            number=p["port"],
            protocol=p.get("appProtocol") or _by_name(p.get("name") or ""),
        )
        for p in found
    )


def _by_name(name: str) -> str:
    first = "grpc-web" if name.startswith("grpc-web") else name.partition("-")[0]
    return first if first in _HTTP | _OTHER else ""


def service_ref(name: str) -> Ref:
    """Return the reference of a Service in the applications' namespace."""
    return Ref(api_version="v1", kind="Service", name=name, namespace=NAMESPACE)
