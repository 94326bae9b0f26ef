"""Ingress → applications."""

from __future__ import annotations

from collections.abc import Iterator

from lab.base.names import NAMESPACE as APPS
from lab.initialize import ingresses
from lab.initialize.ingresses import INGRESSES, Route
from lab.initialize.model import ApplyStage, ClusterChoice, StagedObjects, WireCheck, Wiring
from lab.initialize.wires import questions


def _parts(choice: ClusterChoice) -> Iterator[StagedObjects]:
    podinfo = Route(path="/podinfo/", service="podinfo", port=9898, strip=True)
    # A route of its own for podinfo: some ingresses count requests by route.
    if choice.has("frontend"):
        home = [Route(path="/", service="frontend", port=80)]
        objects = [
            *ingresses.routes(choice, "podinfo", APPS, [podinfo]),
            *ingresses.routes(choice, "frontend", APPS, home),
        ]
    else:
        home = [Route(path="/", service="podinfo", port=9898)]
        objects = ingresses.routes(choice, "podinfo", APPS, [podinfo, *home])
    yield StagedObjects(stage=ApplyStage.WIRING, objects=objects)


def _checks(choice: ClusterChoice) -> Iterator[WireCheck]:
    _, ingress = ingresses.of(choice)
    yield WireCheck(
        proves="the ingress routes /podinfo/ to podinfo, which names its cluster",
        ask=questions.at_ingress(ingress, "/podinfo/"),
        # Istio sends some requests to the other cluster's podinfo.
        expects=r'"message": "cluster=(east|west);',
        within_s=120,  # if KEDA has scaled podinfo to zero
    )
    if choice.has("frontend"):
        yield WireCheck(
            proves="the ingress routes / to the frontend",
            ask=questions.at_ingress(ingress, "/"),
            expects=r"(?i)<!doctype html",
            words="a page in HTML",
        )


WIRE = Wiring(
    id="routing",
    says="The ingress routes /podinfo/ to podinfo, and / to the frontend if it is chosen.",
    ends=(frozenset(INGRESSES), frozenset({"podinfo"})),
    parts=_parts,
    checks=_checks,
)
