"""Look at an existing cluster before the lab writes anything into it: who, where, what may be done, what is in the way.

Everything is a read, or a review, which the API server does not store. A cluster that the lab has adopted is not looked
at again: its steps check what they change.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.base.concurrency import each
from lab.base.errors import LabError
from lab.base.names import LAB_ID_LABEL, Cluster
from lab.clusters import kubeconfig
from lab.clusters.existing import context
from lab.clusters.existing.checks import CHECKS, Asked, Footprint
from lab.clusters.existing.mark import MARK
from lab.host.doctor.findings import Finding, Verdict, fail
from lab.kube import Kube, KubeError
from lab.kube.objects import Ref, labels_of
from lab.lab import Lab

_KUBE_SYSTEM = Ref(api_version="v1", kind="Namespace", name="kube-system")


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What was found in one cluster; `context` is the user's name of it."""

    cluster: str
    context: str
    server: str = ""
    uid: str = ""
    """The UID of the namespace kube-system: the same cluster under another name has the same."""
    findings: Sequence[Finding] = field(default_factory=tuple)

    @property
    def failures(self) -> list[Finding]:
        """The findings that prevent the lab."""
        return [one for one in self.findings if one.verdict is Verdict.FAIL]


def is_adopted(lab: Lab, kube: Kube) -> bool:
    """Return whether a cluster has the lab's mark.

    Raises:
        KubeError: it does not answer.
    """
    found = kube.get(MARK)
    return found is not None and bool(lab.id) and labels_of(found).get(LAB_ID_LABEL) == lab.id


def look(lab: Lab, cluster: str, footprint: Footprint) -> Preflight | None:
    """Look at one cluster; return None if the lab has adopted it.

    Raises:
        LabError: the user's kubeconfig does not have its context, or cannot be read.
    """
    found = context.find(lab, cluster)
    spec = lab.spec.clusters[cluster]
    if program := found.missing_program:
        hint = f" ({found.install_hint})" if found.install_hint else ""
        missing = fail(
            "credentials",
            f"the kubeconfig gets credentials from the program {program}, which this machine does not have",
            "without credentials, the API server refuses every request",
            fix=f"install {program}{hint}, then run the command again",
        )
        return Preflight(cluster=cluster, context=found.name, server=found.server, findings=[missing])
    with tempfile.TemporaryDirectory() as folder:  # the entries of one context can be in several files
        file = Path(folder) / "kubeconfig"
        kubeconfig.put(file, name=found.name, entries=found.entries)
        kube = Kube(Cluster(name=cluster, context=found.name, kubeconfig=file, node="", existing=True))
    try:
        if is_adopted(lab, kube):
            return None
        uid = str(((kube.get(_KUBE_SYSTEM) or {}).get("metadata") or {}).get("uid", ""))
        findings = [
            finding for check in CHECKS for finding in check(Asked(lab, kube, spec.server or found.server, footprint))
        ]
    except KubeError as error:
        refused = error.status in {401, 403}
        silent = fail(
            "identity" if refused else "API server",
            error.what,
            "the lab needs an answer before it writes anything",
            fix=f"`kubectl --context={found.name} get namespaces` must work: log in again, or check the network",
        )
        return Preflight(cluster=cluster, context=found.name, server=found.server, findings=[silent])
    return Preflight(cluster=cluster, context=found.name, server=found.server, uid=uid, findings=findings)


def twice(found: Iterable[Preflight]) -> Iterator[str]:
    """Yield a sentence for each cluster that lab.toml names twice, under different contexts."""
    seen: dict[str, Preflight] = {}
    for one in found:
        if one.uid and one.uid in seen:
            other = seen[one.uid]
            yield f"{other.context} and {one.context} are the same cluster, for {other.cluster} and {one.cluster}"
        seen.setdefault(one.uid, one)


def every(lab: Lab, footprint: Footprint) -> list[Preflight]:
    """Look at all existing clusters that the lab has not adopted, at once.

    Raises:
        LabError: a kubeconfig cannot be read, or does not have a context.
    """
    found = each(lambda name: look(lab, name, footprint), list(lab.spec.existing))
    return [one for one in found if one is not None]


def refuse(found: Sequence[Preflight]) -> None:
    """Check that nothing prevents the lab.

    Raises:
        LabError: a check failed, or two contexts are one cluster.
    """
    problems = [f"{one.cluster}: {failure.name}: {failure.observed}" for one in found for failure in one.failures]
    if same := list(twice(found)):
        raise LabError(same[0], next="name two different clusters in lab.toml")
    if problems:
        fixes = [str(failure.fix) for one in found for failure in one.failures]
        raise LabError("nothing was changed:\n  " + "\n  ".join(problems), next="; ".join(dict.fromkeys(fixes)))
