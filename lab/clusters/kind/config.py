"""Build kind's configuration of a cluster (kind.x-k8s.io/v1alpha4). No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from lab.base.names import LAB_ID_LABEL, LAB_LABEL
from lab.config import ClusterSpec

INGRESS_NODE_PORT = 80
"""The node's port that the published ingress port leads to."""
REGION_LABEL = "topology.kubernetes.io/region"
ZONE_LABEL = "topology.kubernetes.io/zone"


class PortMapping(TypedDict):
    """A port of this machine, mapped to a port of the node."""

    containerPort: int
    hostPort: int
    listenAddress: str
    protocol: str


class NodeConfig(TypedDict):
    """A node."""

    role: str
    image: str
    labels: dict[str, str]
    extraPortMappings: list[PortMapping]
    kubeadmConfigPatches: list[str]


class Networking(TypedDict):
    """The address ranges of a cluster."""

    apiServerAddress: str
    podSubnet: str
    serviceSubnet: str


class KindConfig(TypedDict):
    """A cluster."""

    kind: str
    apiVersion: str
    name: str
    networking: Networking
    nodes: list[NodeConfig]
    containerdConfigPatches: NotRequired[list[str]]


@dataclass(frozen=True, kw_only=True)
class EngineLimits:
    """Limits of the container engine's machine that change a node's configuration."""

    cgroup_v1: bool = False
    may_raise_priority: bool = True
    """Whether nodes have CAP_SYS_RESOURCE."""


# Without CAP_SYS_RESOURCE a process cannot have a lower OOM score than its parent; without this option containerd then
# refuses to start pods (containerd, CRI plugin configuration).
_RESTRICTED_OOM_SCORES = """\
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
"""
# After a restart of a node, the containers of its pods restart several times with a growing delay; by default it grows
# to five minutes (KEP-4603, in the kubelet since 1.35).
_RESTART_SOON = """\
kind: KubeletConfiguration
crashLoopBackOff:
  maxContainerRestartPeriod: 5s
"""
# A key takes a hundredth of the time that one of RSA takes (kubeadm API v1beta4, since Kubernetes 1.31).
_SMALL_KEYS = """\
kind: ClusterConfiguration
encryptionAlgorithm: ECDSA-P256
"""
# Since Kubernetes 1.35 the kubelet does not start on cgroup v1 without this option (KEP-5573).
_CGROUP_V1 = """\
kind: KubeletConfiguration
failCgroupV1: false
"""


def node_labels(lab_name: str, lab_id: str, spec: ClusterSpec) -> dict[str, str]:
    """Return a node's labels: region and zone of the cluster that it stands in for, and the lab that owns it."""
    return {REGION_LABEL: spec.region, ZONE_LABEL: spec.zone, LAB_LABEL: lab_name, LAB_ID_LABEL: lab_id}


def build(
    *, lab_name: str, lab_id: str, kind_name: str, spec: ClusterSpec, image: str, engine: EngineLimits
) -> KindConfig:
    """Return kind's configuration of one cluster with one node."""
    node: NodeConfig = {
        "role": "control-plane",
        "image": image,
        "labels": node_labels(lab_name, lab_id, spec),
        "extraPortMappings": [
            {
                "containerPort": INGRESS_NODE_PORT,
                "hostPort": spec.ingress_port,
                "listenAddress": "127.0.0.1",
                "protocol": "TCP",
            }
        ],
        "kubeadmConfigPatches": [_RESTART_SOON, _SMALL_KEYS, *([_CGROUP_V1] if engine.cgroup_v1 else [])],
    }
    config: KindConfig = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": kind_name,
        "networking": {
            "apiServerAddress": "127.0.0.1",
            "podSubnet": str(spec.pod_cidr),
            "serviceSubnet": str(spec.service_cidr),
        },
        "nodes": [node],
    }
    if not engine.may_raise_priority:
        config["containerdConfigPatches"] = [_RESTRICTED_OOM_SCORES]
    return config
