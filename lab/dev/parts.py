"""What `lab dev` puts into the laptop's cluster for a service: its name, and who answers for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.base import wait
from lab.base.errors import ClusterError, UsageError
from lab.base.names import NAMESPACE, SCENARIO_LABEL, Cluster
from lab.base.wait import NotYet
from lab.dev.inpod import agent
from lab.kube import Kube, connect, manifests
from lab.kube.objects import Obj, Ref, digest, in_namespace, ref
from lab.kube.owned import NotOwnedError, Owned, owner_words
from lab.lab import Lab

CONTAINER = "dev"
PYTHON = "/usr/bin/python3.11"
"""As apps/frontend/Dockerfile says; the image has no other name for it."""
OWNER = "dev"
"""The value of SCENARIO_LABEL on all that `lab dev` creates; `lab reset` deletes it."""
_HERE = Path(__file__).parent
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,40}[a-z0-9])?")  # RFC 1035, with room for "-dev-code"
_POD_S = 90.0


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A pod of `lab dev`. `module` of `lab.dev.inpod` is its main process, `code` the files that this needs."""

    name: str
    account: str
    module: str
    code: tuple[str, ...]
    health_port: int

    def objects(self, lab: Lab, cluster: Cluster) -> list[Obj]:
        """Return its Deployment and the code for it."""
        code = {name: (_HERE / "inpod" / name).read_text(encoding="utf-8") for name in self.code}
        labels = {SCENARIO_LABEL: OWNER, "app.kubernetes.io/name": self.name}
        config: Obj = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{self.name}-code", "labels": labels},
            "data": code,
        }
        rendered = manifests.render(
            _HERE / "manifests" / "workload.yaml",
            name=self.name,
            account=self.account,
            labels=labels,
            image=lab.artifacts.image("frontend"),
            python=PYTHON,
            module=f"lab.dev.inpod.{self.module}",
            code=self.code,
            digest=digest([config])[:16],
            cluster=cluster.name,
            health=self.health_port,
        )
        return [in_namespace(obj, NAMESPACE) for obj in (config, *rendered)]

    @property
    def deployment(self) -> Ref:
        """Its Deployment."""
        return Ref(api_version="apps/v1", kind="Deployment", name=self.name, namespace=NAMESPACE)


def runner_of(service: str) -> Workload:
    """Return the pod that runs a folder."""
    return Workload(name=service, account=service, module="runner", code=("runner.py",), health_port=8080)


def agent_of(service: str) -> Workload:
    """Return the pod that stands in for a process. It has the service's own identity."""
    return Workload(
        name=stand_in(service),
        account=service,
        module="agent",
        code=("agent.py", "mux.py"),
        health_port=agent.HEALTH_PORT,
    )


def stand_in(service: str) -> str:
    """Return the name of the Service behind which the process is."""
    return f"{service}-dev"


def service_objects(name: str) -> list[Obj]:
    """Return a Service and the account of its pods."""
    rendered = manifests.render(_HERE / "manifests" / "service.yaml", name=name, labels={SCENARIO_LABEL: OWNER})
    return [in_namespace(obj, NAMESPACE) for obj in rendered]


def checked_name(service: str) -> str:
    """Return a service's name.

    Raises:
        UsageError: no Service can have it.
    """
    if not _NAME.fullmatch(service):
        raise UsageError(f"{service!r} is not a name for a Service", next="use a-z, 0-9 and -, as in my-service")
    return service


def owned(lab: Lab) -> Owned:
    """Return what `lab dev` has created in the laptop's cluster."""
    return lab.made_by_scenario(local(lab), OWNER)


def wanted(lab: Lab, workload: Workload, service: str, *, ours_only: bool) -> list[Obj]:
    """Return what has to be applied for a workload to answer for a service: nothing is changed yet.

    Args:
        lab: whose laptop's cluster.
        workload: the pod.
        service: the Service's name.
        ours_only: the Service must be one that `lab dev` created; else one of another owner is left as it is.

    Raises:
        NotOwnedError: another owner created an object of one of the names.
    """
    objects, names = owned(lab), service_objects(service)
    theirs = set() if ours_only else set(map(ref, objects.foreign(map(ref, names))))
    own = [obj for obj in names if ref(obj) not in theirs]
    if workload.name != service:
        own.append(service_objects(workload.name)[-1])  # without an account: the pod has the service's own
    own += workload.objects(lab, objects.kube.cluster)
    objects.check(own)
    return own


def remove(lab: Lab, workload: Workload, service: str) -> bool:
    """Delete a pod, and with the last one the Service and its account: what `lab dev` created, and nothing else.

    Returns:
        Whether there was anything.
    """
    objects, kube = owned(lab), local(lab)
    others = {runner_of(service).deployment, agent_of(service).deployment} - {workload.deployment}
    last = not any(kube.get(other) for other in others)
    code = Ref(api_version="v1", kind="ConfigMap", name=f"{workload.name}-code", namespace=NAMESPACE)
    gone = [workload.deployment, code]
    gone += [ref(obj) for obj in service_objects(workload.name)] if workload.name != service else []
    gone += [ref(obj) for obj in service_objects(service)] if last else []
    return any([objects.delete(wanted) for wanted in gone])  # noqa: C419 - all of them, not the first only


def remove_all(lab: Lab, service: str) -> None:
    """Delete what `lab dev` created for a service, as pod and as process.

    Raises:
        NotOwnedError: it created nothing for it, and the Deployment of that name has another owner.
    """
    gone = [remove(lab, workload, service) for workload in (agent_of(service), runner_of(service))]
    objects = owned(lab)
    if not any(gone) and (theirs := objects.foreign([runner_of(service).deployment])):
        raise NotOwnedError(
            f"`lab dev` did not create {ref(theirs[0])}, which {owner_words(theirs[0])}; it was not deleted",
            where=objects.kube.cluster.name,
            next="name the service under development with --service",
        )


def pod_of(kube: Kube, workload: Workload) -> str:
    """Return the name of a workload's pod whose container runs.

    Raises:
        ClusterError: the workload itself is gone.
        WaitTimeout: no pod runs.
    """

    def look() -> str | NotYet:
        if kube.get(workload.deployment) is None:
            raise ClusterError(
                f"{workload.deployment} does not exist any longer", where=kube.cluster.name, next="run `lab dev` again"
            )
        found = running(kube, workload)
        return found[0] if found else NotYet("no pod runs yet")

    return wait.until(f"{kube.cluster.name}: a pod of {workload.name}", look, timeout_s=_POD_S, interval_s=0.25)


def running(kube: Kube, workload: Workload) -> Sequence[str]:
    """Return the pods of a workload whose own container runs, and that are not about to end."""
    labels = {"app.kubernetes.io/name": workload.name}
    return [
        pod["metadata"]["name"]
        for pod in kube.find("v1", "Pod", namespace=NAMESPACE, labels=labels)
        if "deletionTimestamp" not in pod["metadata"] and _runs(pod)
    ]


def _runs(pod: Obj) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return any(s["name"] == CONTAINER and "running" in (s.get("state") or {}) for s in statuses)


def local(lab: Lab) -> Kube:
    """Return the API of the laptop's cluster."""
    return connect(lab.west)
