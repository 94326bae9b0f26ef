"""Serverless: scaling to zero and back."""

from __future__ import annotations

from collections.abc import Iterator

from lab.initialize import edits
from lab.initialize.images import PUBLIC
from lab.initialize.model import Category, ClusterChoice, Option, StagedObjects, Upkeep

_KNATIVE_VERSION = "1.23.0"
"""The release of the Go module's 0.50.0: upstream counts both up together since 0.27 became 1.0."""
_KNATIVE = f"https://github.com/knative/serving/releases/download/knative-v{_KNATIVE_VERSION}"


def _keda(choice: ClusterChoice) -> Iterator[StagedObjects]:
    artifact = "keda-manifests"
    replaced = {
        "ghcr.io/kedacore/keda:latest": PUBLIC["keda-operator"],
        "ghcr.io/kedacore/keda-metrics-apiserver:latest": PUBLIC["keda-metrics-apiserver"],
        "ghcr.io/kedacore/keda-admission-webhooks:latest": PUBLIC["keda-admission-webhooks"],
        "Always": "IfNotPresent",
    }
    objects = edits.texts(choice.sources.objects(artifact), replaced, of="KEDA")
    yield from edits.staged(objects, crds=choice.sources.crds(artifact))


SERVERLESS = Category(
    id="serverless",
    title="Serverless",
    question="What scales to zero?",
    many=True,
    options=(
        Option(
            id="keda",
            title="KEDA",
            says="Scales workloads by events and metrics, also to zero.",
            version="2.21.0",
            license="Apache-2.0",
            manifests=("keda-manifests",),
            parts=_keda,
            notes=(
                "While podinfo is scaled to zero, requests get 503 until its first pod is ready, usually some 10 s.",
            ),
        ),
        Option(
            id="knative",
            title="Knative Serving",
            says="Runs request-driven services that scale to zero.",
            version=_KNATIVE_VERSION,
            license="Apache-2.0",
            reference=(
                "None of its ingress controllers is in a Go module that the module proxy gives.",
                f"kubectl apply --filename={_KNATIVE}/serving-crds.yaml",
                f"kubectl apply --filename={_KNATIVE}/serving-core.yaml",
            ),
        ),
        Option(
            id="openfaas",
            title="OpenFaaS",
            says="Functions in containers.",
            upkeep=Upkeep.CLOSED,
            why="Its Community Edition is not open source any more.",
            instead=("keda", "knative"),
        ),
    ),
)
