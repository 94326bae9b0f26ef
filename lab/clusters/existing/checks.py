"""The checks of an existing cluster: each yields findings, and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.base.concurrency import each
from lab.base.hosts import is_loopback
from lab.base.names import LAB_LABEL, architecture
from lab.clusters.existing.mark import MARK
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.kube import Kube, KubeError
from lab.kube.objects import Obj, labels_of, ref
from lab.lab import Lab

_OLDEST = (1, 29)
"""The first version whose sidecar containers need no setting (Kubernetes, KEP-753); both meshes use them."""
_FREE_CPUS, _FREE_MIB = 0.6, 900
"""What the pods of the larger stack request, with a reserve for a rollout."""
_NAMED = 4
_VERBS = ("get", "list", "watch", "create", "patch", "delete")
_RESOURCES = (
    ("", "namespaces"),
    ("", "nodes"),
    ("", "configmaps"),
    ("", "secrets"),
    ("", "services"),
    ("", "serviceaccounts"),
    ("", "pods"),
    ("", "events"),
    ("apps", "deployments"),
    ("discovery.k8s.io", "endpointslices"),
    ("policy", "poddisruptionbudgets"),
    ("rbac.authorization.k8s.io", "roles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
)
_ONLY_READ = frozenset({"nodes", "events", "endpointslices"})
_MORE = (
    ("", "pods/exec", "create"),
    ("", "pods/proxy", "get"),
    ("rbac.authorization.k8s.io", "clusterroles", "escalate"),
    ("rbac.authorization.k8s.io", "clusterroles", "bind"),
    ("*", "*", "list"),
)
"""Beside these: a stack grants its controllers rights, which the user must have or may grant (escalate, bind), and
`lab down` lists every kind."""
_CLOUDS = {
    "aws": "AWS",
    "azure": "Azure",
    "gce": "Google Cloud",
    "digitalocean": "DigitalOcean",
    "openstack": "OpenStack",
}
"""Clouds whose controllers give addresses to Services, by the beginning of a node's provider ID."""
_INJECTORS = ("istio-sidecar-injector", "linkerd-proxy-injector")
"""Beginnings of the names of the meshes' webhooks."""


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What a stack installs beside the applications: its namespaces, and the API groups of its CRDs."""

    namespaces: Sequence[str]
    groups: Sequence[str]


@dataclass(frozen=True)
class Asked:
    """What a check asks: a cluster's API, as the user. `server` is the URL of its API server for other clusters."""

    lab: Lab
    kube: Kube
    server: str
    footprint: Footprint


def _identity(asked: Asked) -> Iterator[Finding]:
    try:
        review = asked.kube.review("authentication.k8s.io/v1", "SelfSubjectReview", {})
        name = str((review.get("status") or {}).get("userInfo", {}).get("username", "")) or "unknown"
    except KubeError as error:
        if error.status not in {403, 404}:
            raise
        name = "unknown"
    yield ok("identity", name, "the lab acts as this user")


def _server(asked: Asked) -> Iterator[Finding]:
    why = "other clusters of the lab watch its Services there"
    host = asked.server.removeprefix("https://")
    own = asked.kube.cluster.name
    others = [name for name in asked.lab.clusters if name != own and asked.lab.spec.reaches(name, own)]
    if is_loopback(host) and others:
        yield fail(
            "API server",
            f"{host} is an address of this machine only",
            why,
            fix=f'set server = "https://ADDRESS:PORT" under [clusters.{own}] in lab.toml, an '
            "address that the other clusters reach; or reachable = false, if there is none",
        )
    else:
        yield ok("API server", host, why)


def _version(asked: Asked) -> Iterator[Finding]:
    found = asked.kube.version()
    parts = found.removeprefix("v").split(".")
    numbers = tuple(int(part) for part in parts[:2] if part.isdigit())
    wanted = ".".join(map(str, _OLDEST))
    if numbers < _OLDEST:
        yield fail(
            "version",
            f"Kubernetes {found}",
            "the mesh needs sidecar containers",
            fix=f"upgrade it to {wanted} or later",
        )
    else:
        yield ok("version", f"Kubernetes {found}", f"{wanted} or later is needed")


def _permissions(asked: Asked) -> Iterator[Finding]:
    why = "the lab installs a mesh, with its CRDs, webhooks and rights, and removes it again"
    if _allowed(asked.kube, "*", "*", "*"):
        yield ok("permissions", "everything is allowed", why)
        return
    wanted = [
        (group, resource, verb)
        for group, resource in _RESOURCES
        for verb in (_VERBS[:3] if resource in _ONLY_READ else _VERBS)
    ]
    wanted += [*_MORE, *((group, "*", verb) for group in asked.footprint.groups for verb in _VERBS)]
    answers = each(lambda one: _allowed(asked.kube, *one), wanted)
    missing = [f"{verb} {resource}" for (_, resource, verb), yes in zip(wanted, answers, strict=True) if not yes]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        yield fail(
            "permissions",
            f"{len(missing)} of {len(wanted)} are missing: {', '.join(missing[:_NAMED])}{more}",
            why,
            fix="let this user be cluster-admin, as for the installation of any mesh; or use another context",
        )
    else:
        yield ok("permissions", f"all {len(wanted)} that the lab needs", why)


def _allowed(kube: Kube, group: str, resource: str, verb: str) -> bool:
    name, _, part = resource.partition("/")
    attributes = {"group": group, "resource": name, "verb": verb, **({"subresource": part} if part else {})}
    review = kube.review("authorization.k8s.io/v1", "SelfSubjectAccessReview", {"resourceAttributes": attributes})
    return bool((review.get("status") or {}).get("allowed"))


def _in_the_way(asked: Asked) -> Iterator[Finding]:
    """Yield what others have installed under the names that the lab needs."""
    kube, wanted = asked.kube, {MARK.name, *asked.footprint.namespaces}
    found = [obj for obj in _foreign(kube, "v1", "Namespace") if obj["metadata"]["name"] in wanted]
    another = next((obj for obj in found if ref(obj) == MARK), None)
    if another is not None:
        lab = labels_of(another).get(LAB_LABEL, "?")
        yield fail(
            "lab",
            f"the lab {lab} of another state folder uses it",
            "a cluster belongs to one lab",
            fix="`lab down` for that lab, by the user who started it; or use another cluster",
        )
    elif found:
        names = ", ".join(obj["metadata"]["name"] for obj in found)
        yield fail(
            "namespaces",
            f"{names}: not the lab's",
            "the lab needs these names for namespaces of its own",
            fix=f"use another cluster; or, if nobody needs them, `kubectl --context={kube.cluster.context} delete "
            f"namespace {names.replace(',', '')}`",
        )
    else:
        yield ok("namespaces", f"{', '.join(sorted(wanted))}: free", "the lab creates these")
    yield from _meshes(asked)


def _meshes(asked: Asked) -> Iterator[Finding]:
    kube, api = asked.kube, "admissionregistration.k8s.io/v1"
    why = "two meshes, or two installations of one, would change each other's pods"
    webhooks = [
        obj["metadata"]["name"]
        for obj in _foreign(kube, api, "MutatingWebhookConfiguration")
        if obj["metadata"]["name"].startswith(_INJECTORS)
    ]
    crds = [
        obj["metadata"]["name"]
        for obj in _foreign(kube, "apiextensions.k8s.io/v1", "CustomResourceDefinition")
        if obj["metadata"]["name"].partition(".")[2] in asked.footprint.groups
    ]
    if webhooks or crds:
        more = f" and {len(crds) - _NAMED} more" if len(crds) > _NAMED else ""
        observed = ", ".join([*webhooks, *crds[:_NAMED]])
        yield fail(
            "mesh",
            f"{observed}{more}: not the lab's",
            why,
            fix="use a cluster without a mesh, or remove that one, CRDs included",
        )
    else:
        yield ok("mesh", "none", why)


def _foreign(kube: Kube, api_version: str, kind: str) -> list[Obj]:
    """Return the objects of a kind: none is the lab's, as it has not adopted the cluster."""
    return kube.find(api_version, kind, metadata_only=True)


def _load_balancers(asked: Asked) -> Iterator[Finding]:
    why = "gateways and ingress need addresses that other clusters and this machine reach"
    nodes = asked.kube.find("v1", "Node")
    provider = next((str(one["spec"].get("providerID", "")).partition(":")[0] for one in nodes), "")
    services = [obj for obj in asked.kube.find("v1", "Service") if obj["spec"].get("type") == "LoadBalancer"]
    with_address = [obj for obj in services if (obj.get("status") or {}).get("loadBalancer", {}).get("ingress")]
    if with_address:
        one = with_address[0]
        yield ok("load balancers", f"there are some, such as that of {ref(one)}", why)
    elif provider in _CLOUDS:
        yield ok("load balancers", f"by {_CLOUDS[provider]}", why)
    else:
        without = f"; {ref(services[0])} has no address" if services else ""
        yield warn(
            "load balancers",
            f"unknown: no Service of the cluster has an address{without}",
            why,
            fix="install a controller for them, such as MetalLB, if the cluster has none; the lab waits 5 minutes",
        )


def _nodes(asked: Asked) -> Iterator[Finding]:
    nodes = asked.kube.find("v1", "Node")
    names = {str((one.get("status") or {}).get("nodeInfo", {}).get("architecture", "")) for one in nodes}
    own = architecture()
    why = f"images that this machine builds are for {own}"
    if own not in names:
        yield fail(
            "architecture", f"{', '.join(sorted(names)) or 'no node'}", why, fix=f"use a cluster with {own} nodes"
        )
    elif len(names) > 1:
        yield warn("architecture", f"nodes of {', '.join(sorted(names))}", why, fix=f"let only {own} nodes take pods")
    else:
        yield ok("architecture", own, why)
    cpus, mib = _free(asked.kube, nodes)
    observed = f"{cpus:.1f} CPUs and {mib} MiB of {len(nodes)} nodes are not requested"
    if cpus < _FREE_CPUS or mib < _FREE_MIB:
        needed = f"the lab's pods request about {_FREE_CPUS} CPUs and {_FREE_MIB} MiB"
        yield warn("capacity", observed, needed, fix="add a node, or remove workloads; else pods stay Pending")
    else:
        yield ok("capacity", observed, "pods that fit nowhere stay Pending")


def _free(kube: Kube, nodes: Sequence[Obj]) -> tuple[float, int]:
    """Return the CPUs and the MiB of memory that no pod has requested."""
    usable = [one for one in nodes if not one["spec"].get("unschedulable")]
    total = [_amounts((one.get("status") or {}).get("allocatable") or {}) for one in usable]
    names = {one["metadata"]["name"] for one in usable}
    pods = [
        pod
        for pod in kube.find("v1", "Pod")
        if pod["spec"].get("nodeName") in names and pod["status"].get("phase") not in {"Succeeded", "Failed"}
    ]
    taken = [
        _amounts((container.get("resources") or {}).get("requests") or {})
        for pod in pods
        for container in pod["spec"]["containers"]
    ]
    cpus = sum(one[0] for one in total) - sum(one[0] for one in taken)
    size = sum(one[1] for one in total) - sum(one[1] for one in taken)
    return cpus, int(size / 2**20)


_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "m": 1e-3}
"""Suffixes of quantities (Kubernetes API, "Quantity")."""


def quantity(text: str) -> float:
    """Return a quantity of Kubernetes as a number; 0 for one that cannot be read."""
    unit = next((unit for unit in _UNITS if text.endswith(unit)), "")
    try:
        return float(text.removesuffix(unit)) * _UNITS.get(unit, 1)
    except ValueError:
        return 0.0


def _amounts(resources: Mapping[str, str]) -> tuple[float, float]:
    return quantity(str(resources.get("cpu", "0"))), quantity(str(resources.get("memory", "0")))


def _storage(asked: Asked) -> Iterator[Finding]:
    classes = [obj["metadata"]["name"] for obj in asked.kube.find("storage.k8s.io/v1", "StorageClass")]
    yield ok("storage", f"classes: {', '.join(classes) or 'none'}", "the lab itself stores nothing in volumes")


CHECKS = (_identity, _server, _version, _permissions, _in_the_way, _load_balancers, _nodes, _storage)
