"""A lab in memory whose kubectl and docker commands take effect, so that faults can be done, seen and undone."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lab import config
from lab.base.errors import ClusterError, HostError
from lab.base.names import Cluster
from lab.clusters import Node, NodeStatus
from lab.clusters.provider import WireState
from lab.kube import NotNow, manifests
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.mesh import Mesh
from lab.scenario.context import Context
from lab.stacks import STACKS
from lab.stage.faults.menu import FaultMenu
from tests.unit.fake_api import FakeApi, kube, put
from tests.unit.scenarios.kit import executor_of

DEPLOYMENTS = {
    "linkerd": {
        "east": (
            ("test", "podinfo"),
            ("emissary", "emissary-ingress"),
            ("linkerd-multicluster", "linkerd-gateway"),
        ),
        "west": (("test", "podinfo"), ("emissary", "emissary-ingress")),
    },
    "istio": dict.fromkeys(
        ("east", "west"),
        (("test", "podinfo"), ("istio-ingress", "ingress-istio"), ("istio-system", "eastwest-istio")),
    ),
}


class World:
    """The clusters, their nodes and the network between them."""

    def __init__(self, lab: Lab, stack: str, apis: dict[str, FakeApi]) -> None:
        self.lab = replace(lab, spec=config.parse(f'name = "dev"\nstack = "{stack}"'))
        self.mesh: Mesh = STACKS[stack].mesh(self.lab)
        self.apis = apis
        self.nodes = dict.fromkeys(self.lab.clusters, NodeStatus.RUNNING)
        self.cuts: set[tuple[str, str]] = set()
        self.typed: list[str] = []
        self.fails: str = ""
        """A command that begins so fails."""
        self.engine, self.cannot_cut = True, ""
        self.started: list[str] = []
        for cluster, deployments in DEPLOYMENTS[stack].items():
            for namespace, name in deployments:
                put(kube(apis[cluster], cluster), deployment(name, namespace))

    def menu(self) -> FaultMenu:
        """A menu as it is after a start of the stage, which has read the lab once."""
        made = FaultMenu(self.lab, self.mesh, do=self.do, shown=str)
        made._read()
        return made

    def do(self, actions: Any) -> None:
        """Execute actions as the stage does, with the executor of the scenarios."""
        context = Context(lab=self.lab, mesh=self.mesh)
        executor_of(context, self._run).do("faults", actions)

    def _run(self, argv: Any, **options: Any) -> Any:
        words = tuple(map(str, argv))
        self.typed.append(" ".join(words))
        if self.fails and self.typed[-1].startswith(self.fails):
            raise HostError("the command failed")
        if words[0] == "docker":
            self._docker(words[1:])
        else:
            self._kubectl(words)
        return SimpleNamespace(argv=words, returncode=0, stdout="", stderr="", duration_s=0.0)

    def _docker(self, words: tuple[str, ...]) -> None:
        verb, node = words[0], words[-1] if words[0] != "exec" else words[1]
        name = next(one for one, cluster in self.lab.clusters.items() if cluster.node == node)
        if verb in {"stop", "start"}:
            self.nodes[name] = NodeStatus.STOPPED if verb == "stop" else NodeStatus.RUNNING
            return
        target = next(one for one, cluster in self.lab.clusters.items() if cluster.node in words[-1])
        adds_rule = "iptables" in words[-1] and "--insert" in words[-1]
        if adds_rule:
            self.cuts.add((name, target))
        else:
            self.cuts.discard((name, target))

    def _kubectl(self, words: tuple[str, ...]) -> None:
        options = dict(word.removeprefix("--").partition("=")[::2] for word in words if word.startswith("--"))
        api = self.apis[options["context"]]
        plain = [word for word in words[1:] if not word.startswith("-")]
        if plain[0] == "scale":
            found = self._deployment(api, options["namespace"], plain[2])
            found["spec"]["replicas"] = int(options["replicas"])
        elif plain[0] == "set":
            found = self._deployment(api, options["namespace"], plain[3])
            (container,) = found["spec"]["template"]["spec"]["containers"]
            variables = {one["name"]: one["value"] for one in container["env"]}
            for change in plain[4:]:
                if change.endswith("-"):
                    variables.pop(change[:-1], None)
                else:
                    variables.update([change.split("=")])
            container["env"] = [{"name": name, "value": value} for name, value in variables.items()]
        elif plain[0] == "apply":
            for obj in manifests.load(Path(plain[-1])):
                put(kube(api, options["context"]), obj)
        elif plain[0] == "delete" and "-f" in words:
            for obj in manifests.load(Path(plain[-1])):
                api.objects.pop(self._path(obj), None)

    @staticmethod
    def _path(obj: Obj) -> str:
        metadata, kind = obj["metadata"], obj["kind"].lower() + "s"
        return f"/apis/{obj['apiVersion']}/namespaces/{metadata['namespace']}/{kind}/{metadata['name']}"

    @staticmethod
    def _deployment(api: FakeApi, namespace: str, name: str) -> Obj:
        found: Obj = api.objects[f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
        return found

    # The provider

    def look(self, lab: Lab) -> dict[str, Node]:
        if not self.engine:
            raise HostError("the container engine does not answer")
        for name, status in self.nodes.items():  # a stopped node's API server does not answer
            self.apis[name].answers = [NotNow("no", where=name)] * 99 if status is not NodeStatus.RUNNING else []
        return {name: Node(name=name, status=status) for name, status in self.nodes.items()}

    @property
    def wire(self) -> Any:
        if self.cannot_cut:
            raise ClusterError(self.cannot_cut)
        return SimpleNamespace(state=lambda lab, names: WireState(cuts=tuple(self.cuts)))

    @property
    def power(self) -> Any:
        def start(cluster: Cluster, *, timeout_s: float) -> bool:
            self.started.append(cluster.name)
            return False

        return SimpleNamespace(start=start)


def deployment(name: str, namespace: str) -> Obj:
    container = {"name": name, "env": [{"name": "PODINFO_UI_COLOR", "value": "#fff"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}},
    }


def words(line: str) -> str:
    """A command as its program gets it."""
    return " ".join(shlex.split(line))
