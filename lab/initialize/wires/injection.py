"""Mesh → applications: the mesh injects its proxy into the applications' namespace, and into nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from lab.base.names import NAMESPACE as APPS
from lab.initialize.model import ApplyStage, ClusterChoice, StagedObjects, WireCheck, Wiring
from lab.initialize.objects import namespace
from lab.initialize.wires import questions

_PODS = '{range .items[*]}{.metadata.namespace}={.spec.initContainers[*].name} {.spec.containers[*].name}{"\\n"}{end}'
_NEW = "jsonpath={.spec.initContainers[*].name} {.spec.containers[*].name}"


def _parts(choice: ClusterChoice) -> Iterator[StagedObjects]:
    if choice.has("istio"):
        marked = namespace(APPS, labels={"istio-injection": "enabled"})
    else:
        marked = namespace(APPS, annotations={"linkerd.io/inject": "enabled"})
    yield StagedObjects(stage=ApplyStage.NAMESPACES, objects=[marked])


def _checks(choice: ClusterChoice) -> Iterator[WireCheck]:
    proxy, own = ("istio-proxy", "istio-") if choice.has("istio") else ("linkerd-proxy", "linkerd")
    # Ingresses and observers that Linkerd's policies require in the mesh.
    also = "" if choice.has("istio") else "|emissary|projectcontour|traefik|envoy-gateway-system|observability"
    outside = f"{APPS}=|{own}{also}"
    ask = ("get", "pods", "--all-namespaces", "--field-selector=status.phase=Running", f"--output=jsonpath={_PODS}")
    yield WireCheck(
        proves="every pod of the applications has the mesh's proxy, and no pod outside of the mesh has one",
        before=_started(choice),
        ask=ask,
        expects=rf"\A(?=(?:.*\n)*{APPS}=.*{proxy})(?!(?:.*\n)*{APPS}=(?!.*{proxy}))(?!(?:.*\n)*(?!{outside})[^=\n]+=.*{proxy})",
        words=f"a line for each pod, with {proxy} in those of {APPS}",
        within_s=120,
    )
    # The pods above may be older than a change. The server only simulates this one.
    yield WireCheck(
        proves="the mesh would inject its proxy into a new pod of the applications",
        ask=(f"--namespace={APPS}", "run", "injection", "--image=injection", "--dry-run=server", f"--output={_NEW}"),
        expects=proxy,
    )


def _started(choice: ClusterChoice) -> tuple[tuple[str, ...], ...]:
    """Return the request that starts podinfo, if KEDA may have scaled it to zero."""
    return questions.podinfo_request(choice) if choice.has("keda") else ()


WIRE = Wiring(
    id="injection",
    says="The mesh injects its proxy into the applications' pods, and into nothing else.",
    ends=(frozenset({"istio", "linkerd"}), frozenset({"podinfo", "frontend"})),
    parts=_parts,
    checks=_checks,
)
