"""An API server in memory: enough of Kubernetes for the lab's own requests."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lab.base.names import Cluster
from lab.kube import Answer, Kube
from lab.kube.objects import ref
from lab.kube.writes import Verb

KINDS = {
    "v1": ["Namespace", "ConfigMap", "Secret", "Service", "ServiceAccount", "Pod", "Node", "Event"],
    "apps/v1": ["Deployment", "ReplicaSet"],
    "discovery.k8s.io/v1": ["EndpointSlice"],
    "coordination.k8s.io/v1": ["Lease"],
    "apiextensions.k8s.io/v1": ["CustomResourceDefinition"],
    "networking.istio.io/v1": ["VirtualService", "DestinationRule", "ServiceEntry"],
    "networking.istio.io/v1alpha3": ["EnvoyFilter"],
    "security.istio.io/v1": ["AuthorizationPolicy", "PeerAuthentication"],
    "gateway.networking.k8s.io/v1": ["Gateway", "GatewayClass", "HTTPRoute"],
    "policy.linkerd.io/v1beta3": ["HTTPRoute", "Server"],
    "policy.linkerd.io/v1alpha1": ["AuthorizationPolicy", "MeshTLSAuthentication", "NetworkAuthentication"],
    "multicluster.linkerd.io/v1alpha3": ["Link"],
    "split.smi-spec.io/v1alpha2": ["TrafficSplit"],
    "linkerd.io/v1alpha2": ["ServiceProfile"],
    "getambassador.io/v3alpha1": ["Mapping"],
    "telemetry.istio.io/v1": ["Telemetry"],
    "keda.sh/v1alpha1": ["ScaledObject"],
    "kustomize.toolkit.fluxcd.io/v1": ["Kustomization"],
    "source.toolkit.fluxcd.io/v1": ["OCIRepository"],
}
CLUSTER_WIDE = {"Namespace", "Node", "CustomResourceDefinition", "GatewayClass"}


@dataclass
class FakeApi:
    """Keeps what is applied, except of a dry run. `answers` come first, one for each request, whatever is asked.

    An object with a `deletionTimestamp` takes changes `ending` times; then it is gone, and the next one creates it.
    """

    objects: dict[str, Any] = field(default_factory=dict)
    answers: list[Answer | Exception] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    version: int = 0
    ending: int = 2

    def __call__(
        self, method: str, path: str, *, body: str | None, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        self.asked.append((method, path))
        url = urlsplit(path)
        if found := re.fullmatch(r"/apis?/((?:[^/]+/)?v\w+)", url.path):
            return self._discovery(found[1])
        if self.answers:
            return _given(self.answers.pop(0))
        if method != "GET" and _is_dry_run(url.query, body if method == "DELETE" else None):
            return FakeApi(objects=copy.deepcopy(self.objects), version=self.version)._dry(
                method, url.path, body, headers
            )
        return self._answer(method, url.path, parse_qs(url.query), json.loads(body or "{}"), headers)

    def _dry(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        existed = path in self.objects
        answer = self._answer(method, path, {}, json.loads(body or "{}"), headers)
        obj = json.loads(answer.body)
        if not existed and answer.status == 200:
            obj["metadata"].pop("resourceVersion", None)  # the storage never gave it one
        return Answer(answer.status, json.dumps(obj).encode())

    def _answer(
        self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any], headers: Mapping[str, str]
    ) -> Answer:
        if method == "PATCH" and "apply-patch" in headers["Content-Type"]:
            return self._apply(path, body)
        if method == "PATCH":
            return self._merge(path.removesuffix("/status"), body)
        if path in self.objects:
            return _json(self.objects.pop(path) if method == "DELETE" else self.objects[path])
        return self._list(path, query) if _is_list(path) else _absent()

    def _discovery(self, version: str) -> Answer:
        if version not in KINDS:
            return _absent()
        return _json(
            {
                "resources": [
                    {"kind": k, "name": _plural(k), "namespaced": k not in CLUSTER_WIDE} for k in KINDS[version]
                ]
            }
        )

    def _apply(self, path: str, obj: dict[str, Any]) -> Answer:
        if "deletionTimestamp" in self.objects.get(path, {"metadata": {}})["metadata"]:
            self.ending -= 1
            if self.ending >= 0:
                return _json(self.objects[path])
            del self.objects[path]
        old = self.objects.get(path)
        bare = {k: v for k, v in (old or {}).items() if k != "status"}
        wanted = {**obj, "metadata": {**obj["metadata"], **_counters(old)}}
        if bare != wanted:
            self.version += 1
            metadata = {
                **obj["metadata"],
                "uid": old["metadata"]["uid"] if old else f"uid-{self.version}",
                "resourceVersion": str(self.version),
                "generation": _counters(old).get("generation", 0) + 1,
            }
            self.objects[path] = {
                **obj,
                "metadata": metadata,
                **({"status": old["status"]} if old and "status" in old else {}),
            }
        return _json(self.objects[path])

    def _merge(self, path: str, change: dict[str, Any]) -> Answer:
        if path not in self.objects:
            return _absent()
        self.version += 1
        self.objects[path] = _merged(self.objects[path], change)
        self.objects[path]["metadata"]["resourceVersion"] = str(self.version)
        return _json(self.objects[path])

    def _list(self, path: str, query: dict[str, list[str]]) -> Answer:
        plural = path.rpartition("/")[2]
        prefix = path if "/namespaces/" in path else path.removesuffix(plural)
        wanted = dict(pair.split("=") for pair in query.get("labelSelector", [""])[0].split(",") if pair)
        items = [
            obj
            for place, obj in self.objects.items()
            if place.startswith(prefix)
            and place.split("/")[-2] == plural
            and wanted.items() <= (obj["metadata"].get("labels") or {}).items()
        ]
        return _json({"items": items})


def kube(api: FakeApi, name: str = "west") -> Kube:
    """Return the API of a cluster that is not there."""
    return Kube(cluster(name), api)


def put(api: Kube, obj: dict[str, Any]) -> None:
    """Create or replace an object as somebody else does: its labels are as given."""
    api.write(Verb.APPLY, ref(obj), body=obj)


def cluster(name: str = "west") -> Cluster:
    from pathlib import Path

    return Cluster(name=name, context=name, kubeconfig=Path("none"), node=f"lab-{name}-control-plane")


def _given(answer: Answer | Exception) -> Answer:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _plural(kind: str) -> str:
    return kind.lower() + ("es" if kind.endswith("s") else "s") if not kind.endswith("y") else kind.lower()[:-1] + "ies"


def _counters(old: dict[str, Any] | None) -> dict[str, Any]:
    metadata = (old or {}).get("metadata", {})
    return {k: metadata[k] for k in ("uid", "resourceVersion", "generation") if k in metadata}


def _merged(old: Any, change: Any) -> Any:
    if not isinstance(change, dict) or not isinstance(old, dict):
        return change
    merged = {**old, **{k: _merged(old.get(k), v) for k, v in change.items()}}
    return {k: v for k, v in merged.items() if v is not None}


def _is_dry_run(query: str, options: str | None) -> bool:
    """Return whether a write is not kept. A delete's options are in its body, and the server ignores its query then."""
    return "All" in (json.loads(options).get("dryRun", []) if options else parse_qs(query).get("dryRun", []))


def _is_list(path: str) -> bool:
    return path.rpartition("/")[2] in {_plural(kind) for kinds in KINDS.values() for kind in kinds}


def _json(value: Any) -> Answer:
    return Answer(200, json.dumps(value).encode())


def _absent() -> Answer:
    return Answer(404, b'{"message": "not found", "reason": "NotFound"}')
