"""The stacks: which components make one, and which mesh speaks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.components import istio
from lab.components.east_west_gateway import EastWestGateway
from lab.components.frontend import Frontend
from lab.components.gateway_api import GatewayApi
from lab.components.ingress import GATEWAY as INGRESS
from lab.components.ingress import Ingress
from lab.components.namespaces import Namespaces
from lab.components.podinfo import Podinfo
from lab.components.trust import IstioTrust
from lab.config import LabSpec
from lab.context import Lab
from lab.errors import UsageError
from lab.mesh import Mesh
from lab.mesh.istio import IstioMesh
from lab.model import NAMESPACE, Component


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which stack the lab is built as, and why, in one line for people."""

    stack: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """A component of a stack, what it does in words, and the components that must be there before."""

    component: Component
    title: str
    after: tuple[str, ...] = ()
    estimate_s: float = 2


def choose(spec: LabSpec) -> Choice:
    """Choose the stack that lab.toml asks for, or with "auto" the one that can be had.

    Raises:
        UsageError: lab.toml insists on a stack that this version does not have.
    """
    if spec.stack == "linkerd":
        raise UsageError("the linkerd stack is not in this version of the lab yet", next="--stack istio, or auto")
    if spec.stack == "istio":
        return Choice(stack="istio", reason="Istio on both sides, as lab.toml or --stack says")
    return Choice(stack="istio", reason="Istio on both sides; the linkerd stack is not in this version yet")


def mesh(lab: Lab) -> Mesh:
    """Return the mesh of the lab's stack."""
    choose(lab.spec)
    return IstioMesh(lab)


def parts(lab: Lab) -> Mapping[str, Part]:
    """Return what goes into each cluster, by the component's name, in an order in which it can be installed."""
    choose(lab.spec)
    # Injection waits for the label; the network's name tells istiod where its own pods are.
    namespaces = Namespaces(
        labels={
            istio.NAMESPACE: {istio.NETWORK_LABEL: istio.network_of("{cluster}")},
            INGRESS.namespace: {},
            NAMESPACE: {"istio-injection": "enabled"},
        }
    )
    return {
        part.component.name: part
        for part in (
            Part(component=namespaces, title="create the namespaces"),
            Part(component=GatewayApi(), title="install the Gateway API's CRDs"),
            Part(component=IstioTrust(), title="hand out an issuer under the trust anchor", after=("namespaces",)),
            Part(component=istio.Istio(), title="install Istio", after=("gateway-api", "trust"), estimate_s=20),
            Part(component=EastWestGateway(), title="open the east-west gateway", after=("istio",), estimate_s=8),
            Part(component=Ingress(), title="open the ingress", after=("istio",), estimate_s=8),
            Part(component=Podinfo(), title="deploy podinfo", after=("istio",), estimate_s=10),
            Part(component=Frontend(), title="deploy the frontend", after=("istio",), estimate_s=10),
        )
    }
