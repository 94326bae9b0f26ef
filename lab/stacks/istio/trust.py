"""The cluster's issuer for istiod, under the lab's trust anchor (Istio documentation, "Plug in CA Certificates")."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from lab.base import pki
from lab.base.names import Cluster
from lab.components.base import ManifestComponent
from lab.components.rendering import Rendering, kubectl
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.mesh.issuers import issuer_command, issuer_of

_NAME, _NAMESPACE = "cacerts", "istio-system"


@dataclass(frozen=True, kw_only=True)
class IstioTrust(ManifestComponent):
    """The Secret `cacerts`, with the key by which istiod signs workload certificates."""

    name: str = "trust"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the Secret; create the certificates if they do not exist yet."""
        root = pki.anchor(lab.paths.pki, lab_name=lab.spec.name)
        own = issuer_of(lab, cluster)
        files = {
            "ca-cert.pem": own.certificate,
            "ca-key.pem": own.key,
            "root-cert.pem": root.certificate,
            "cert-chain.pem": own.certificate + root.certificate,
        }
        return [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "Opaque",
                "metadata": {"name": _NAME, "namespace": _NAMESPACE},
                "data": {name: b64encode(content).decode() for name, content in files.items()},
            }
        ]

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return commands that create an issuer and the Secret."""
        issuer = f"issuer-{cluster.name}"
        files = (
            f"ca-cert.pem={issuer}.crt",
            f"ca-key.pem={issuer}.key",
            "root-cert.pem=anchor.crt",
            f"cert-chain.pem={issuer}-chain.crt",
        )
        create = f"{kubectl(cluster, _NAMESPACE)} create secret generic {_NAME}"
        return Rendering(
            objects=self.objects(lab, cluster),
            before=[
                issuer_command(lab, cluster),
                f"cat {issuer}.crt anchor.crt > {issuer}-chain.crt",
                " ".join([create, *(f"--from-file={file}" for file in files)]),
            ],
        )
