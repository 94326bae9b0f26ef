"""The base class of the ingress and the east-west gateway: a Gateway run by Istio at an address of its cluster."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from lab.base.names import Cluster
from lab.components import load_balancer
from lab.components.base import ManifestComponent
from lab.components.rendering import Rendering
from lab.components.rendering import load_balancer as addressed
from lab.kube import connect
from lab.kube.objects import Obj, Ref
from lab.lab import Lab

CLASS = "istio"


class GatewayComponent(ManifestComponent):
    """A Gateway, for which Istio creates a Deployment and a Service of the name `<gateway>-istio`."""

    @property
    @abstractmethod
    def gateway(self) -> Ref:
        """Reference of the Gateway."""

    @property
    def service(self) -> Ref:
        """Reference of the Service that Istio creates for it."""
        return Ref(
            api_version="v1", kind="Service", name=f"{self.gateway.name}-{CLASS}", namespace=self.gateway.namespace
        )

    @property
    def deployment(self) -> Ref:
        """Reference of the Deployment that Istio creates for it."""
        return Ref(api_version="apps/v1", kind="Deployment", name=self.service.name, namespace=self.gateway.namespace)

    def after_apply(self, lab: Lab, cluster: Cluster) -> None:
        """Give the gateway's Service its address."""
        del lab
        load_balancer.ensure(connect(cluster), self.service)

    def settled(self, lab: Lab, cluster: Cluster) -> bool:
        """Return whether the Service still has its address."""
        del lab
        return not load_balancer.problem(connect(cluster), self.service)

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return the objects, and commands that give the gateway's Service an address."""
        return replace(super().rendering(lab, cluster), after=addressed(cluster, self.service))

    def waits_for(self, objects: Sequence[Obj]) -> list[Ref]:
        """Wait for the Deployment too: a Gateway is Programmed before its proxy is ready."""
        return [self.deployment, *super().waits_for(objects)]
