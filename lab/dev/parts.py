"""What `lab dev` puts into the laptop's cluster for a service: its name, and who answers for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.base import wait
from lab.base.errors import ClusterError, UsageError
from lab.base.names import LABEL_PREFIX, NAMESPACE, Cluster
from lab.base.wait import NotYet
from lab.dev.inpod import agent
from lab.kube import Kube, connect, manifests
from lab.kube.objects import Obj, Ref, digest, in_namespace, labels_of, ref
from lab.lab import Lab

CONTAINER = "dev"
PYTHON = "/usr/bin/python3.11"
"""As apps/frontend/Dockerfile says; the image has no other name for it."""
_LABEL = f"{LABEL_PREFIX}/scenario"  # what `lab reset` takes away
_DEV = "dev"
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
        labels = {_LABEL: _DEV, "app.kubernetes.io/name": self.name}
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
    rendered = manifests.render(_HERE / "manifests" / "service.yaml", name=name, labels={_LABEL: _DEV})
    return [in_namespace(obj, NAMESPACE) for obj in rendered]


def checked_name(service: str) -> str:
    """Return a service's name.

    Raises:
        UsageError: no Service can have it.
    """
    if not _NAME.fullmatch(service):
        raise UsageError(f"{service!r} is no name for a Service", next="use a-z, 0-9 and -, as in my-service")
    return service


def ensure_service(kube: Kube, name: str, *, ours_only: bool) -> None:
    """Make the Service be there.

    Raises:
        ClusterError: with `ours_only`, there is one that `lab dev` has not made.
    """
    wanted = service_objects(name)
    found = kube.get(ref(wanted[-1]))
    if found is None or _LABEL in labels_of(found):
        kube.apply_all(wanted)
    elif ours_only:
        raise ClusterError(
            f"there is a Service {name} already that `lab dev` has not made",
            where=kube.cluster.name,
            next="choose another name with --service",
        )


def remove(kube: Kube, workload: Workload, service: str) -> None:
    """Take a pod away, and with the last one the Service's name and account."""
    others = {runner_of(service).deployment, agent_of(service).deployment} - {workload.deployment}
    last = not any(kube.get(other) for other in others)
    kube.delete(workload.deployment)
    kube.delete(Ref(api_version="v1", kind="ConfigMap", name=f"{workload.name}-code", namespace=NAMESPACE))
    if workload.name != service:
        kube.delete(Ref(api_version="v1", kind="Service", name=workload.name, namespace=NAMESPACE))
        kube.delete(Ref(api_version="v1", kind="ServiceAccount", name=workload.name, namespace=NAMESPACE))
    for obj in service_objects(service) if last else ():
        found = kube.get(ref(obj))
        if found is not None and _LABEL in labels_of(found):
            kube.delete(ref(obj))


def pod_of(kube: Kube, workload: Workload) -> str:
    """Return the name of a workload's pod whose container runs.

    Raises:
        ClusterError: the workload itself is gone.
        WaitTimeout: no pod runs.
    """

    def look() -> str | NotYet:
        if kube.get(workload.deployment) is None:
            raise ClusterError(
                f"{workload.deployment} is no longer there", where=kube.cluster.name, next="run `lab dev` again"
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
