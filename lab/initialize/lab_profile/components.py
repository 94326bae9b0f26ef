"""A profile's extras as components of the lab: the objects of an owner in a stage, and the Secrets that they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lab.base.names import Cluster
from lab.components import load_balancer
from lab.components.base import ManifestComponent
from lab.initialize.ingresses import INGRESSES
from lab.initialize.lab_profile import keys
from lab.initialize.lab_profile.extras import Extras
from lab.initialize.model import ApplyStage
from lab.kube import connect
from lab.kube.objects import Obj, Ref
from lab.lab import Lab

PREFIX = "profile-"
"""Beginning of the names of all components of a profile."""
_ORDER = ("crds", "namespaces", "keys", "operators", "objects", "wiring", "folder")
"""The ends of their names, in the order of apply."""


def name_of(stage: ApplyStage, owner: str) -> str:
    """Return the name of the component with what an owner has in a stage, such as profile-keda-operators."""
    return f"{PREFIX}{owner}-{stage.value.partition('-')[2]}"


def rank_of(name: str) -> int:
    """Return the position of a component in the order of apply, by its name."""
    kind = name.rpartition("-")[2]
    return _ORDER.index(kind) if kind in _ORDER else _ORDER.index("operators")


@dataclass(frozen=True, kw_only=True)
class Extra(ManifestComponent):
    """What an option or a wire has in one stage.

    Args:
        stage: the stage.
        owner: the option or the wire.
        extras: returns the extras of a lab.
    """

    stage: ApplyStage
    owner: str
    extras: Callable[[Lab], Extras] = field(repr=False, compare=False)

    ready_timeout_s = 300
    """Nodes pull those images that the lab does not have."""

    @property
    def name(self) -> str:
        """Name of the component."""
        return name_of(self.stage, self.owner)

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the objects."""
        return self.extras(lab).objects((self.stage, self.owner), cluster.name)

    def after_apply(self, lab: Lab, cluster: Cluster) -> None:
        """Give an ingress its node's address: it is programmed only with one."""
        del lab
        if (service := self._balanced) is not None:
            load_balancer.ensure(connect(cluster), service)

    def settled(self, lab: Lab, cluster: Cluster) -> bool:
        """Return whether the ingress still has its node's address."""
        del lab
        service = self._balanced
        return service is None or not load_balancer.problem(connect(cluster), service)

    @property
    def _balanced(self) -> Ref | None:
        """The Service of an ingress whose Gateway is among the objects."""
        ingress = INGRESSES.get(self.owner)
        if ingress is None or self.stage is not ApplyStage.OBJECTS:
            return None
        return Ref(api_version="v1", kind="Service", name=ingress.service, namespace=ingress.namespace)


@dataclass(frozen=True, kw_only=True)
class ProfileSecrets(ManifestComponent):
    """The Secrets of authentication, with the entries that create-secrets.sh makes."""

    chosen: frozenset[str]
    name: str = f"{PREFIX}keys"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the Secrets; make what they contain if it does not exist yet."""
        del cluster
        return keys.secrets(lab.paths, self.chosen)
