"""The objects of a profile's extras, with the lab's names for images and addresses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from lab.base.names import NAMESPACE
from lab.components.cache import cached_objects
from lab.initialize import images, render
from lab.initialize.choices import Choices
from lab.initialize.edits import each_text
from lab.initialize.ingresses import GATEWAY_API, INGRESSES, TRACING
from lab.initialize.model import ApplyStage, ClusterChoice
from lab.initialize.sources import LabSources
from lab.initialize.tree import Piece, StageOwner, cluster_choices, parts, pieces, wires
from lab.initialize.urls import public_url
from lab.kube import manifests
from lab.kube.objects import Obj, Ref, ref
from lab.lab import Lab
from lab.stacks import STACKS

OWN_INGRESS: Mapping[str, str] = {"istio": "istio-gateway", "linkerd": "emissary"}
"""The option that is each stack's own ingress."""
_GATEWAY_API = "gateway-api"
"""The owner of the Gateway API's CRDs, which every stack installs."""


_ROUTE = Ref(api_version=GATEWAY_API, kind="HTTPRoute", name="frontend", namespace=NAMESPACE)


def mesh_of(choices: Choices) -> str:
    """Return the id of the mesh, which is the name of a stack."""
    return choices.selected["mesh"][0]


def ingress_of(choices: Choices) -> str:
    """Return the id of the ingress: the stack's own where a profile has none, as the lab's frontend needs one."""
    own = OWN_INGRESS[mesh_of(choices)]
    return next((id_ for id_ in choices.selected["ingress"] if id_ in INGRESSES), own)


def of_the_lab(choices: Choices) -> frozenset[str]:
    """Return the ids of the options whose objects are the stack's own components."""
    mesh = mesh_of(choices)
    return frozenset({mesh, OWN_INGRESS[mesh], "linkerd-viz", "podinfo", "frontend"})


class Extras:
    """What a profile adds to a lab, and what it changes in the objects of the stack's components.

    Args:
        lab: the lab; without its profile, its components are rendered as they are.
        choices: the profile's choices.
    """

    def __init__(self, lab: Lab, choices: Choices) -> None:
        self._lab = replace(lab, extension=None)
        self._choices = choices
        self._sources = LabSources(self._lab)
        self._edits = {mesh_of(choices): mesh_of(choices), "podinfo": "podinfo", "ingress": ingress_of(choices)}

    @property
    def manifests(self) -> tuple[str, ...]:
        """The artifacts with upstream's YAML, without those that the stack needs anyway."""
        own = STACKS[mesh_of(self._choices)].artifacts(self._lab)
        return tuple(name for name in render.artifacts(self._choices) if name not in own)

    @property
    def missing(self) -> list[str]:
        """Those of them that this machine does not have."""
        return self._sources.missing(self.manifests)

    @cache  # noqa: B019 - as long as these extras
    def owners(self) -> tuple[StageOwner, ...]:
        """Return the stage and owner of each extra, in the order of the stages.

        Raises:
            ArtifactError: the YAML of an option is missing.
        """
        found = dict.fromkeys(key for cluster in self._choices.clusters for key in self._pieces(cluster))
        return tuple(sorted(found, key=lambda key: [*ApplyStage].index(key[0])))

    def objects(self, key: StageOwner, cluster: str) -> list[Obj]:
        """Return the objects of one of them in a cluster, with the lab's images and the addresses of its ingresses."""
        piece = self._pieces(cluster).get(key, Piece())
        return [*self._crds(key[1], piece.text), *self._named(list(piece.objects.values()), cluster)]

    def _crds(self, owner: str, text: str) -> list[Obj]:
        """Return upstream's CRDs, which have no images and no addresses, and take seconds to parse."""
        if not text:
            return []
        return cached_objects(self._lab, f"profile-{owner}", text, lambda: manifests.parse(text, source=owner))

    @cache  # noqa: B019
    def images(self) -> tuple[str, ...]:
        """Return the artifacts that are images of the extras; a node pulls those that no source of the lab has."""
        return tuple(name for name in self._public() if self._is_artifact(name))

    def edited(self, component: str, cluster: str, objects: Sequence[Obj]) -> Sequence[Obj]:
        """Return the objects of one of the stack's components as the profile has them.

        What the profile does not have stays: the lab's route to its frontend, and Secrets. Where Emissary sends spans
        is added: it must be there when Emissary starts.
        """
        option = self._edits.get(component)
        if option is None or option not in self._choices.ids:
            return objects
        changed = self._of_option(option, cluster)
        added = [obj for obj in changed.values() if obj["kind"] == TRACING] if component == "ingress" else []
        return [*(changed.get(ref(obj), obj) for obj in objects), *added]

    @cache  # noqa: B019
    def _of_option(self, option: str, cluster: str) -> Mapping[Ref, Obj]:
        """Return the objects of an option and of the wires, such as the route to the frontend."""
        choice = self._choice(cluster)
        chosen = next(one for one in self._choices.options if one.id == option)
        found = [*chosen.parts(choice), *(part for wire in wires(self._choices) for part in wire.parts(choice))]
        return {ref(obj): obj for part in found for obj in part.objects}

    @cache  # noqa: B019
    def _pieces(self, cluster: str) -> Mapping[StageOwner, Piece]:
        found = pieces(parts(self._choices, self._choice(cluster), without=of_the_lab(self._choices)))
        own = self._own_objects(cluster)
        for piece in found.values():
            piece.objects = {of: obj for of, obj in piece.objects.items() if of not in own}
        return {key: piece for key, piece in found.items() if key[1] != _GATEWAY_API and (piece.objects or piece.text)}

    def _own_objects(self, cluster: str) -> frozenset[Ref]:
        """Return the namespaces of the stack, and its route to the frontend, which options and wires have, too."""
        component = STACKS[mesh_of(self._choices)].components(self._lab)["namespaces"].component
        found = {ref(obj) for obj in component.rendering(self._lab, self._lab.clusters[cluster]).objects}
        is_own = ingress_of(self._choices) == OWN_INGRESS[mesh_of(self._choices)]
        return frozenset({*found, *([_ROUTE] if is_own else [])})

    def _choice(self, cluster: str) -> ClusterChoice:
        return cluster_choices(self._choices, self._sources, clusters=[cluster])[cluster]

    # Names

    @cache  # noqa: B019
    def _public(self) -> tuple[str, ...]:
        """Return the names of the images that the extras have, in containers or in settings."""
        found = [list(p.objects.values()) for c in self._choices.clusters for p in self._pieces(c).values()]
        known = {reference: name for name, reference in images.PUBLIC.items()}
        return tuple(known[reference] for reference in images.named_in(json.dumps(found), known))

    def _is_artifact(self, name: str) -> bool:
        store = self._lab.artifacts
        return name in store.catalog and store.unobtainable([name]) is None

    def _named(self, objects: list[Obj], cluster: str) -> list[Obj]:
        table = {re.compile(pattern): new for pattern, new in self._replaced(objects, cluster)}

        def renamed(text: str) -> str:
            for pattern, new in table.items():
                text = pattern.sub(new.replace("\\", r"\\"), text)
            return text

        return [each_text(obj, renamed) for obj in objects] if table else objects

    def _replaced(self, objects: list[Obj], cluster: str) -> Iterator[tuple[str, str]]:
        """Yield what is replaced: the addresses of ingresses by this lab's, and public images by the lab's."""
        port = self._lab.spec.clusters[cluster].ingress_port
        text = json.dumps(objects)
        if (url := public_url(cluster)) in text:
            yield rf"{re.escape(url)}(?!\d)", f"http://localhost:{port}"
        registry, named = self._choices.registry, dict(images.PUBLIC)
        others = {*images.container_images(objects)} - {*named.values()} if registry else set()
        for public in (*named.values(), *sorted(others)):
            if public not in text:
                continue
            name = next((name for name, reference in named.items() if reference == public), "")
            if name and self._is_artifact(name):
                wanted = self._lab.artifacts.reference(name)
            else:
                wanted = images.mirrored(public, registry) if registry else public
            if wanted != public:
                yield rf"(?<![\w./-]){re.escape(public)}(?![\w/@-])", wanted
