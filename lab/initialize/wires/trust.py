"""East ↔ West: one trust anchor, and links. cert-manager → ingress, and trust-manager → all namespaces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lab.base.names import NAMESPACE as APPS
from lab.clusters.kind.network import API_PORT
from lab.initialize import ingresses
from lab.initialize.ingresses import INGRESSES, TLS
from lab.initialize.model import ApplyStage, ClusterChoice, Secret, SecretPhase, StagedObjects, WireCheck, Wiring
from lab.initialize.options.certificates import CERT_MANAGER_API, ISSUER, ROOT
from lab.initialize.options.components import in_shell, key_commands
from lab.initialize.urls import public_url
from lab.initialize.wires import questions

_ADDRESS = re.compile(r"ADDRESS=\$\((kubectl --context=\S+) ")
_WITH_GATEWAY = frozenset(id_ for id_, ingress in INGRESSES.items() if ingress.gateway)
_ANCHORS = {
    "istio": (APPS, "istio-ca-root-cert", r"{.data.root-cert\.pem}"),
    "linkerd": ("linkerd", "linkerd-identity-trust-roots", r"{.data.ca-bundle\.crt}"),
}
"""Where the mesh keeps the certificate of its trust anchor: namespace, ConfigMap, field."""


def _mesh(choice: ClusterChoice) -> str:
    return "istio" if choice.has("istio") else "linkerd"


def _keys(choice: ClusterChoice) -> Iterator[Secret]:
    yield from key_commands(choice, _mesh(choice), "trust" if choice.has("istio") else "linkerd-identity")


def _anchor(choice: ClusterChoice) -> Iterator[WireCheck]:
    yield WireCheck(
        proves="all clusters trust the same anchor" if len(choice.clusters) > 1 else "the mesh has its trust anchor",
        ask=questions.field(_ANCHORS[_mesh(choice)][0], "configmap", *_ANCHORS[_mesh(choice)][1:]),
        expects="BEGIN CERTIFICATE",
        same=True,
    )


def _links(choice: ClusterChoice) -> Iterator[Secret]:
    for link in choice.sources.links(_mesh(choice), choice.cluster):
        secrets = [obj["metadata"] for obj in link.placeholders if obj["kind"] == "Secret"]
        if secrets:
            # One command applies several objects: if it is killed, one of them tells nothing of the others.
            one = secrets[0] if len(secrets) == 1 else None
            yield Secret(
                title=f"{choice.cluster}: the link to the other cluster",
                commands=tuple(_reaching(choice, map(in_shell, link.before))),
                exists=f"--namespace={one['namespace']} get secret {one['name']}" if one else "",
                phase=SecretPhase.LINKS,
            )


def _reaching(choice: ClusterChoice, commands: Iterable[str]) -> Iterator[str]:
    """Yield the commands of a link; beside kind's nodes, with the server of the context instead of a node's address."""
    for command in commands:
        if choice.has("kind"):
            yield command
        elif found := _ADDRESS.match(command):
            view = "config view --minify --raw --output=jsonpath='{.clusters[0].cluster.server}'"
            yield f"SERVER=$({found[1]} {view})"
        else:
            yield command.replace(f"https://$ADDRESS:{API_PORT}", "$SERVER")


def _link_checks(choice: ClusterChoice) -> Iterator[WireCheck]:
    other = next(name for name in choice.clusters if name != choice.cluster)
    if choice.has("istio"):
        yield WireCheck(
            proves=f"istiod has credentials for {other}",
            ask=questions.field("istio-system", "secret", f"istio-remote-secret-{other}", "{.metadata.name}"),
            expects=f"istio-remote-secret-{other}",
        )
        # Wrong credentials are credentials, too.
        yield WireCheck(
            proves=f"istiod has read the services of {other}",
            ask=questions.service("istio-system", "istiod", 15014, "/metrics"),
            expects=rf'istiod_remote_cluster_sync_status\{{[^}}]*cluster="{other}"[^}}]*status="synced"[^}}]*\}} 1\b',
            words=f'`istiod_remote_cluster_sync_status` of {other} with `status="synced"` is 1',
            within_s=120,
        )
    elif choice.cluster == "east":
        yield WireCheck(
            proves="the gateway that the other cluster calls has its proxy",
            ask=questions.service("linkerd-multicluster", "linkerd-gateway", 4191, "/ready"),
            expects="ready",
            within_s=120,
        )
    else:
        yield from _mirrored(choice)


def _mirrored(choice: ClusterChoice) -> Iterator[WireCheck]:
    if choice.has("podinfo"):
        yield WireCheck(
            proves="East's podinfo has a Service in West",
            ask=questions.field(APPS, "service", "podinfo-east", "{.metadata.name}"),
            expects="podinfo-east",
            within_s=120,
        )
    # The Service and its address stay when the gateway does not answer. With KEDA, East's podinfo may have no pods.
    if choice.has("frontend") and choice.has(*INGRESSES) and not choice.has("keda"):
        yield WireCheck(
            proves="requests of West's frontend reach East's podinfo",
            ask=questions.at_ingress(ingresses.of(choice)[1], "/api/answers?upstream=podinfo-east&count=3"),
            expects=r'"by_cluster":\{"east":3\}',
            words='`"by_cluster":{"east":3}`',
            within_s=120,
        )


def _certificates(choice: ClusterChoice) -> Iterator[StagedObjects]:
    _, ingress = ingresses.of(choice)
    host = public_url(choice.cluster).split("//")[1].split(":")[0]
    certificate = {
        "apiVersion": CERT_MANAGER_API,
        "kind": "Certificate",
        "metadata": {"name": TLS, "namespace": ingress.namespace},
        "spec": {
            "secretName": TLS,
            "dnsNames": [host],
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "issuerRef": {"name": ISSUER, "kind": "ClusterIssuer", "group": "cert-manager.io"},
        },
    }
    yield StagedObjects(stage=ApplyStage.WIRING, objects=[certificate])


def _certificate_checks(choice: ClusterChoice) -> Iterator[WireCheck]:
    _, ingress = ingresses.of(choice)
    yield WireCheck(
        proves="cert-manager has issued the ingress's certificate",
        ask=questions.condition(ingress.namespace, "certificate", TLS, "Ready"),
        expects="True",
        within_s=120,
    )
    listener = '{.status.listeners[?(@.name=="https")].conditions[?(@.type=="ResolvedRefs")].status}'
    yield WireCheck(
        proves="the ingress's HTTPS listener has found the certificate",
        ask=questions.field(ingress.namespace, "gateways.gateway.networking.k8s.io", ingress.gateway, listener),
        expects="True",
        within_s=120,
    )


def _bundle(choice: ClusterChoice) -> Iterator[StagedObjects]:
    del choice
    bundle = {
        "apiVersion": "trust.cert-manager.io/v1alpha1",
        "kind": "Bundle",
        "metadata": {"name": ROOT},
        "spec": {
            "sources": [{"secret": {"name": ROOT, "key": "ca.crt"}}],
            "target": {"configMap": {"key": "ca.crt"}},
        },
    }
    yield StagedObjects(stage=ApplyStage.WIRING, objects=[bundle])


def _bundle_checks(choice: ClusterChoice) -> Iterator[WireCheck]:
    del choice
    yield WireCheck(
        proves="trust-manager has copied the root into the namespace `default`",
        ask=questions.field("default", "configmap", ROOT, r"{.data.ca\.crt}"),
        expects="BEGIN CERTIFICATE",
        within_s=120,
    )


WIRES = (
    Wiring(
        id="trust",
        says="The mesh's identities come from one trust anchor, with an issuer for each cluster.",
        ends=(frozenset({"istio", "linkerd"}),),
        secrets=_keys,
        checks=_anchor,
    ),
    Wiring(
        id="links",
        says="Each cluster's mesh knows the services of the other cluster.",
        ends=(frozenset({"istio", "linkerd"}), frozenset({"east-west"})),
        secrets=_links,
        checks=_link_checks,
    ),
    Wiring(
        id="certificates",
        says="cert-manager issues the certificate of the ingress's HTTPS listener.",
        ends=(frozenset({"cert-manager"}), _WITH_GATEWAY),
        parts=_certificates,
        checks=_certificate_checks,
    ),
    Wiring(
        id="roots",
        says="trust-manager copies the certificate of cert-manager's root into every namespace.",
        ends=(frozenset({"cert-manager"}), frozenset({"trust-manager"})),
        parts=_bundle,
        checks=_bundle_checks,
    ),
)
