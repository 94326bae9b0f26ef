"""The objects that `lab dev` creates in West for a service: the Service and the workload that answers."""

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
PYTHON = "python3.11"
"""Python in the frontend's image, see apps/frontend/Dockerfile; its folder depends on the image's base."""
OWNER = "dev"
"""The value of SCENARIO_LABEL on all objects of `lab dev`; `lab reset` deletes them."""
_HERE = Path(__file__).parent
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,40}[a-z0-9])?")  # RFC 1035, with room for "-dev-code"
_POD_S = 90.0


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A workload of `lab dev`: `module` of `lab.dev.inpod` is its main process, `code` the files that it needs."""

    name: str
    account: str
    module: str
    code: tuple[str, ...]
    health_port: int

    def objects(self, lab: Lab, cluster: Cluster) -> list[Obj]:
        """Return its Deployment and the ConfigMap with its code."""
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
            image=lab.image("frontend", cluster.name),
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
    """Return the workload that runs a folder."""
    return Workload(name=service, account=service, module="runner", code=("runner.py",), health_port=8080)


def agent_of(service: str) -> Workload:
    """Return the workload that forwards requests to a process; it has the service's own identity."""
    return Workload(
        name=stand_in(service),
        account=service,
        module="agent",
        code=("agent.py", "mux.py"),
        health_port=agent.HEALTH_PORT,
    )


def stand_in(service: str) -> str:
    """Return the name of the Service that forwards to the process."""
    return f"{service}-dev"


def service_objects(name: str) -> list[Obj]:
    """Return a Service and the ServiceAccount of its pods."""
    rendered = manifests.render(_HERE / "manifests" / "service.yaml", name=name, labels={SCENARIO_LABEL: OWNER})
    return [in_namespace(obj, NAMESPACE) for obj in rendered]


def checked_name(service: str) -> str:
    """Return a service's name after a check.

    Raises:
        UsageError: it is not a valid name of a Service.
    """
    if not _NAME.fullmatch(service):
        raise UsageError(f"{service!r} is not a name for a Service", next="use a-z, 0-9 and -, as in my-service")
    return service


def owned(lab: Lab) -> Owned:
    """Return the objects of `lab dev` in West."""
    return lab.made_by_scenario(local(lab), OWNER)


def wanted(lab: Lab, workload: Workload, service: str, *, ours_only: bool) -> list[Obj]:
    """Return the objects to apply so that a workload answers for a service; changes nothing.

    Args:
        lab: the lab.
        workload: the workload.
        service: the Service's name.
        ours_only: refuse a Service of another owner; if False, leave such a Service as it is.

    Raises:
        NotOwnedError: an object of that name exists and belongs to another owner.
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
    """Delete a workload, and after the last one the Service and its ServiceAccount, if `lab dev` created them.

    Returns:
        Whether something was deleted.
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
    """Delete all that `lab dev` created for a service.

    Raises:
        NotOwnedError: `lab dev` created nothing, and the Deployment of that name belongs to another owner.
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
    """Wait for a running pod of a workload and return its name.

    Raises:
        ClusterError: the Deployment does not exist any longer.
        WaitTimeout: no pod runs in time.
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
    """Return the pods of a workload whose container runs and that are not being deleted."""
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
    """Return the API client of West."""
    return connect(lab.west)
