"""The certificate issuer of each cluster, signed by the lab's trust anchor."""

from __future__ import annotations

from lab.base import pki
from lab.base.names import Cluster
from lab.lab import Lab


def issuer_of(lab: Lab, cluster: Cluster) -> pki.Issued:
    """Return a cluster's issuer; create it if it does not exist yet."""
    trust_domain = lab.spec.clusters[cluster.name].trust_domain
    return pki.issuer(
        lab.paths.pki, lab_name=lab.spec.name, cluster=f"issuer-{cluster.name}", trust_domain=trust_domain
    )
