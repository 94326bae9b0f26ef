"""The certificate issuer of each cluster, signed by the lab's trust anchor, and commands that create both by hand."""

from __future__ import annotations

import shlex

from lab.base import pki
from lab.base.names import Cluster
from lab.lab import Lab


def issuer_of(lab: Lab, cluster: Cluster) -> pki.Issued:
    """Return a cluster's issuer; create it if it does not exist yet."""
    trust_domain = lab.spec.clusters[cluster.name].trust_domain
    return pki.issuer(
        lab.paths.pki, lab_name=lab.spec.name, cluster=f"issuer-{cluster.name}", trust_domain=trust_domain
    )


def delete(lab: Lab, cluster: str) -> None:
    """Delete a cluster's issuer, if it exists."""
    for kind in ("key", "crt"):
        (lab.paths.pki / f"issuer-{cluster}.{kind}").unlink(missing_ok=True)


_OPENSSL = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc"
_SIGNS = "-addext keyUsage=critical,digitalSignature,keyCertSign,cRLSign"


def anchor_command(lab: Lab) -> str:
    """Return the command that creates a trust anchor like the lab's: anchor.crt and anchor.key."""
    subject = shlex.quote(f"/O={lab.spec.name}/CN=trust anchor")
    constraints = "-addext basicConstraints=critical,CA:TRUE,pathlen:1"
    files = "-keyout anchor.key -out anchor.crt"
    return f"{_OPENSSL} -days {pki.ANCHOR_LIFETIME.days} -subj {subject} {constraints} {_SIGNS} {files}"


def issuer_command(lab: Lab, cluster: Cluster) -> str:
    """Return the command that creates a cluster's issuer under that anchor: issuer-NAME.crt and issuer-NAME.key."""
    name = f"issuer-{cluster.name}"
    subject = shlex.quote(f"/O={lab.spec.name}/CN=issuer of {cluster.name}")
    constraints = "-addext basicConstraints=critical,CA:TRUE,pathlen:0"
    domain = f"-addext subjectAltName=URI:spiffe://{lab.spec.clusters[cluster.name].trust_domain}"
    signer = "-CA anchor.crt -CAkey anchor.key"
    files = f"-keyout {name}.key -out {name}.crt"
    days = pki.ISSUER_LIFETIME.days
    return f"{_OPENSSL} {signer} -days {days} -subj {subject} {constraints} {_SIGNS} {domain} {files}"


def self_signed_command(host: str, file: str) -> str:
    """Return the command that creates a certificate for a webhook's Service: FILE.crt and FILE.key."""
    days = pki.ISSUER_LIFETIME.days
    return (
        f"{_OPENSSL} -days {days} -subj /CN={host} -addext subjectAltName=DNS:{host} -keyout {file}.key -out {file}.crt"
    )
