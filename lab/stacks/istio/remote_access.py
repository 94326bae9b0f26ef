"""Links on Istio: the source's istiod watches the target's API server, with the fewest rights that suffice.

The target has a ServiceAccount for each source. The source has the account's token, as a kubeconfig in a Secret that
istiod finds by its label (Istio documentation, "Install Multicluster", remote secrets).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from lab.base import wait
from lab.base.names import Cluster
from lab.base.wait import NotYet
from lab.clusters.addresses import api_server
from lab.components import inventory, rendering
from lab.components.base import ManifestComponent
from lab.components.rendering import Rendering, kubectl
from lab.kube import Kube, connect, manifests
from lab.kube.objects import Obj, Ref, ref
from lab.lab import Lab
from lab.stacks.istio.control_plane import NAMESPACE

_RBAC = "rbac.authorization.k8s.io"
_RULES = (
    # For services, endpoints and zones. istiod also needs Secrets, for the certificates of gateways: without them the
    # link is never reported as synced, and this version crashes with the option that disables it.
    {
        "apiGroups": [""],
        "resources": ["namespaces", "nodes", "pods", "secrets", "services"],
        "verbs": ["list", "watch"],
    },
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    # istiod watches Gateways and WorkloadEntries only if their CRDs exist, so it must be able to list CRDs.
    {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["list", "watch"]},
    # `istioctl analyze` uses the remote secret and waits for every kind of configuration without a time limit.
    {
        "apiGroups": ["gateway.networking.k8s.io"],
        "resources": [
            "backendtlspolicies",
            "gatewayclasses",
            "gateways",
            "grpcroutes",
            "httproutes",
            "listenersets",
            "referencegrants",
            "tcproutes",
            "tlsroutes",
            "udproutes",
        ],
        "verbs": ["list", "watch"],
    },
    {
        "apiGroups": ["networking.istio.io"],
        "resources": [
            "destinationrules",
            "envoyfilters",
            "gateways",
            "proxyconfigs",
            "serviceentries",
            "sidecars",
            "virtualservices",
            "workloadentries",
            "workloadgroups",
        ],
        "verbs": ["list", "watch"],
    },
    {
        "apiGroups": ["security.istio.io"],
        "resources": ["authorizationpolicies", "peerauthentications", "requestauthentications"],
        "verbs": ["list", "watch"],
    },
    {"apiGroups": ["telemetry.istio.io"], "resources": ["telemetries"], "verbs": ["list", "watch"]},
    {
        "apiGroups": ["extensions.istio.io"],
        "resources": ["trafficextensions", "wasmplugins"],
        "verbs": ["list", "watch"],
    },
)
# The target's trust domain is in its mesh configuration: this ConfigMap and no other. `istioctl analyze` gets it.
_MESH_CONFIG = {
    "apiGroups": [""],
    "resources": ["configmaps"],
    "resourceNames": ["istio"],
    "verbs": ["get", "list", "watch"],
}


def account_of(source: str) -> str:
    """Return the name, on a target, of a source cluster's ServiceAccount, roles and token."""
    return f"istiod-of-{source}"


@dataclass(frozen=True, kw_only=True)
class RemoteAccess(ManifestComponent):
    """On the target: the account of `source`'s istiod, its rights and its token."""

    source: str

    @property
    def name(self) -> str:
        """Name of the component."""
        return f"access-of-{self.source}"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the ServiceAccount, its roles and the token's Secret."""
        del lab, cluster
        name = account_of(self.source)
        subjects = [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]

        def named(namespace: str = "") -> dict[str, str]:
            return {"name": name, **({"namespace": namespace} if namespace else {})}

        def binding(kind: str, role: str, namespace: str = "") -> Obj:
            return {
                "apiVersion": f"{_RBAC}/v1",
                "kind": kind,
                "metadata": named(namespace),
                "roleRef": {"apiGroup": _RBAC, "kind": role, "name": name},
                "subjects": subjects,
            }

        token = {**named(NAMESPACE), "annotations": {"kubernetes.io/service-account.name": name}}
        return [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named(NAMESPACE)},
            {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": named(), "rules": list(_RULES)},
            binding("ClusterRoleBinding", "ClusterRole"),
            {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": named(NAMESPACE), "rules": [_MESH_CONFIG]},
            binding("RoleBinding", "Role", NAMESPACE),
            {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token", "metadata": token},
        ]

    def after_apply(self, lab: Lab, cluster: Cluster) -> None:
        """Wait for the token, and apply the Secret again if Kubernetes has deleted it.

        The token controller deletes a token's Secret if its cache does not contain the account yet (Kubernetes,
        pkg/controller/serviceaccount/tokens_controller.go), which happens on a busy machine.
        """
        kube = connect(cluster)
        (secret,) = (obj for obj in self._wanted(lab, cluster) if obj["kind"] == "Secret")

        def token_exists() -> bool | NotYet:
            applied = kube.get(ref(secret))
            if applied is None:
                inventory.owned(lab, kube, self.name).apply(secret)
                return NotYet("applied its Secret again")
            return "token" in (applied.get("data") or {}) or NotYet("its Secret has no token yet")

        what = f"the token of {account_of(self.source)} in {cluster.name}"
        wait.until(what, token_exists, timeout_s=120, interval_s=1)


@dataclass(frozen=True, kw_only=True)
class RemoteSecret(ManifestComponent):
    """On the source: the kubeconfig with which its istiod reaches `target`'s API server."""

    target: str

    @property
    def name(self) -> str:
        """Name of the component."""
        return f"link-to-{self.target}"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the Secret, with the token read from the target."""
        target = connect(lab.clusters[self.target])
        token, authority = _credentials(target, account_of(cluster.name))
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.target,
            "contexts": [{"name": self.target, "context": {"cluster": self.target, "user": self.target}}],
            "clusters": [
                {
                    "name": self.target,
                    "cluster": {"server": api_server(target), "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": self.target, "user": {"token": token}}],
        }
        return [self._secret(b64encode(manifests.dump(kubeconfig).encode()).decode())]

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return the command that creates the Secret; only a running target knows the token and its address."""
        target, account = lab.clusters[self.target], account_of(cluster.name)
        obtain, server = rendering.api_server(target)
        create = (
            f"istioctl create-remote-secret --context={target.context} --name={self.target} --namespace={NAMESPACE}"
            f' --service-account={account} --secret-name={account} --server="{server}"'
        )
        return Rendering(
            objects=[self._secret("PLACEHOLDER")],
            before=[obtain, f"{create} | {kubectl(cluster)} apply --filename=-"],
        )

    def _secret(self, kubeconfig: str) -> Obj:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {
                "name": f"istio-remote-secret-{self.target}",
                "namespace": NAMESPACE,
                "labels": {"istio/multiCluster": "true"},
                "annotations": {"networking.istio.io/cluster": self.target},
            },
            "data": {self.target: kubeconfig},
        }


def _credentials(target: Kube, account: str) -> tuple[str, str]:
    """Return the account's token, and the certificate authority of the target's API server in base64."""
    secret = Ref(api_version="v1", kind="Secret", name=account, namespace=NAMESPACE)

    def token_and_authority() -> tuple[str, str] | NotYet:
        data = (target.get(secret) or {}).get("data") or {}
        if "token" not in data or "ca.crt" not in data:
            return NotYet(f"{secret} has no token yet")
        return b64decode(data["token"]).decode(), str(data["ca.crt"])

    return wait.until(f"the token of {account} in {target.cluster.name}", token_and_authority, timeout_s=60)
