"""Programs that render small charts, each time with new keys, so that the files of `lab render` need no artifacts."""

from __future__ import annotations

import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from lab.base import pki
from lab.kube import manifests
from lab.kube.objects import Obj
from lab.tools.helm import Helm
from lab.tools.istioctl import Istioctl
from lab.tools.linkerd import LinkerdCli
from tests.unit.conftest import Artifacts


def obj(api_version: str, kind: str, name: str, namespace: str = "", **fields: Any) -> Obj:
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **place}, **fields}


def crd(group: str, kind: str) -> Obj:
    spec = {"group": group, "names": {"kind": kind}}
    return obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{kind.lower()}s.{group}", spec=spec)


def crds(*groups_and_kinds: str) -> list[Obj]:
    return [crd(*one.split("/")) for one in groups_and_kinds]


def as_yaml(objects: list[Obj]) -> str:
    return "---\n".join(map(manifests.dump, objects))


def deployment(name: str, namespace: str, **annotations: str) -> Obj:
    template = {"metadata": {"annotations": {"kept": "yes", **annotations}}, "spec": {"containers": []}}
    return obj("apps/v1", "Deployment", name, namespace, spec={"replicas": 1, "template": template})


class ChartFiles(Artifacts):
    """Artifacts with the files of charts and CRDs, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, name: str, rel: str) -> Path:
        file = self.folder / name / rel
        file.parent.mkdir(parents=True, exist_ok=True)
        definitions = crds("gateway.networking.k8s.io/Gateway", "gateway.networking.k8s.io/HTTPRoute")
        file.write_text(as_yaml(definitions) if name == "gateway-api" else "")
        return file


def istio(_: Istioctl, __: Path) -> str:
    webhook = {"name": "x", "clientConfig": {"service": {"name": "istiod", "namespace": "istio-system"}}}
    return as_yaml(
        [
            obj("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "istio", webhooks=[webhook]),
            deployment("istiod", "istio-system"),
            obj("v1", "ServiceAccount", "istiod", "istio-system"),
            *crds(
                "security.istio.io/PeerAuthentication",
                "networking.istio.io/DestinationRule",
                "networking.istio.io/EnvoyFilter",
                "networking.istio.io/VirtualService",
            ),
        ]
    )


def linkerd(_: LinkerdCli, *, anchor: Path, issuer: Path, issuer_key: Path, values: Path) -> str:
    del values
    with tempfile.TemporaryDirectory() as folder:
        own = pki.anchor(Path(folder), lab_name="webhook")
    certificate = b64encode(own.certificate).decode()
    service = {"name": "linkerd-proxy-injector", "namespace": "linkerd"}
    webhook = {"name": "x", "clientConfig": {"service": service, "caBundle": certificate}}
    pem, digest = anchor.read_text(), {"linkerd.io/trust-root-sha256": certificate[60:80]}
    secrets = {
        "linkerd-proxy-injector-k8s-tls": {"tls.crt": own.certificate, "tls.key": own.key},
        "linkerd-identity-issuer": {"crt.pem": issuer.read_bytes(), "key.pem": issuer_key.read_bytes()},
        "linkerd-config-overrides": {"linkerd-config-overrides": issuer_key.read_bytes()},
    }
    values_text = manifests.dump({"identityTrustAnchorsPEM": pem, "identityTrustDomain": "x"})
    return as_yaml(
        [
            obj("v1", "Namespace", "linkerd"),
            *(
                obj("v1", "Secret", name, "linkerd", data={k: b64encode(v).decode() for k, v in data.items()})
                for name, data in secrets.items()
            ),
            obj("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "injector", webhooks=[webhook]),
            obj("v1", "ConfigMap", "linkerd-config", "linkerd", data={"values": values_text}),
            obj("v1", "ConfigMap", "linkerd-identity-trust-roots", "linkerd", data={"ca-bundle.crt": pem}),
            deployment("linkerd-identity", "linkerd", **digest),
            deployment("linkerd-destination", "linkerd", **{**digest, "checksum/config": certificate[80:99]}),
        ]
    )


def multicluster(_: LinkerdCli, __: Path) -> str:
    token = obj("v1", "Secret", "remote-token", "linkerd-multicluster", type="kubernetes.io/service-account-token")
    gateway = deployment("linkerd-gateway", "linkerd-multicluster")
    gateway["spec"]["template"]["spec"]["containers"] = [{"name": "pause"}]
    return as_yaml(
        [
            gateway,
            token,
            obj("v1", "Namespace", "linkerd-multicluster"),
            *crds("multicluster.linkerd.io/Link"),
        ]
    )


def helm(_: Helm, chart: Path, *, release: str, namespace: str, values: Path) -> str:
    del chart, values
    if release == "emissary-crds":
        return as_yaml(crds(*(f"getambassador.io/{kind}" for kind in ("Host", "Listener", "Mapping"))))
    return as_yaml([deployment(release, namespace), obj("v1", "Service", release, namespace, spec={})])


def linkerd_crds(_: LinkerdCli) -> str:
    return as_yaml(crds("policy.linkerd.io/Server", "policy.linkerd.io/MeshTLSAuthentication"))


def fake_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let upstream's programs render small charts."""
    monkeypatch.setattr(Istioctl, "manifest", istio)
    monkeypatch.setattr(LinkerdCli, "crds", linkerd_crds)
    monkeypatch.setattr(LinkerdCli, "control_plane", linkerd)
    monkeypatch.setattr(LinkerdCli, "multicluster", multicluster)
    monkeypatch.setattr(Helm, "template", helm)
