"""Certificates: their issuer, and the distribution of trusted roots."""

from __future__ import annotations

from collections.abc import Iterator

from lab.initialize import edits
from lab.initialize.model import ApplyStage, Category, ClusterChoice, Option, StagedObjects
from lab.initialize.objects import namespace
from lab.kube.objects import Obj

_NAMESPACE = "cert-manager"
CERT_MANAGER_API = "cert-manager.io/v1"
ROOT, ISSUER = "eastwest-root", "eastwest"


def _cert_manager(choice: ClusterChoice) -> Iterator[StagedObjects]:
    artifact = "cert-manager-manifests"
    yield StagedObjects(stage=ApplyStage.NAMESPACES, objects=[namespace(_NAMESPACE)])
    yield from edits.staged(
        edits.placed(choice.sources.objects(artifact), _NAMESPACE), crds=choice.sources.crds(artifact)
    )
    yield StagedObjects(stage=ApplyStage.OBJECTS, objects=_issuers())


def _trust_manager(choice: ClusterChoice) -> Iterator[StagedObjects]:
    artifact = "trust-manager-manifests"
    objects = edits.placed(choice.sources.objects(artifact), _NAMESPACE)
    # Its pods wait for a certificate of cert-manager's, which issues it in the stage of objects.
    yield from edits.staged(objects, crds=choice.sources.crds(artifact), built_in=ApplyStage.OBJECTS)


def _issuers() -> list[Obj]:
    """Return a root that signs itself, and an issuer under it."""
    return [
        {
            "apiVersion": CERT_MANAGER_API,
            "kind": "ClusterIssuer",
            "metadata": {"name": "self-signed"},
            "spec": {"selfSigned": {}},
        },
        {
            "apiVersion": CERT_MANAGER_API,
            "kind": "Certificate",
            "metadata": {"name": ROOT, "namespace": "cert-manager"},
            "spec": {
                "isCA": True,
                "commonName": ROOT,
                "secretName": ROOT,
                "duration": "87600h",
                "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"},
                "issuerRef": {"name": "self-signed", "kind": "ClusterIssuer", "group": "cert-manager.io"},
            },
        },
        {
            "apiVersion": CERT_MANAGER_API,
            "kind": "ClusterIssuer",
            "metadata": {"name": ISSUER},
            "spec": {"ca": {"secretName": ROOT}},
        },
    ]


CERTIFICATES = Category(
    id="certificates",
    title="Certificates",
    question="Who issues certificates?",
    many=True,
    options=(
        Option(
            id="cert-manager",
            title="cert-manager",
            says="Issues and renews certificates, here from a root of the cluster's own.",
            version="1.21.2",
            license="Apache-2.0",
            manifests=("cert-manager-manifests",),
            parts=_cert_manager,
        ),
        Option(
            id="trust-manager",
            title="trust-manager",
            says="Copies trusted roots into every namespace.",
            version="0.25.0",
            license="Apache-2.0",
            manifests=("trust-manager-manifests",),
            parts=_trust_manager,
        ),
    ),
)
