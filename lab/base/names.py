"""The names and labels that the whole lab shares."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANAGED_BY = "eastwest-lab"
"""Value of `app.kubernetes.io/managed-by`, the Docker label's value and the server-side apply field manager."""
LABEL_PREFIX = "eastwest.lab"
"""Prefix of the lab's own label and annotation keys."""
LAB_LABEL = f"{LABEL_PREFIX}/lab"
"""On everything that the lab owns, in Docker and in Kubernetes: the name of the lab."""
LAB_ID_LABEL = f"{LABEL_PREFIX}/lab-id"
"""On everything that the lab owns: the lab's random id, which distinguishes labs of the same name."""
COMPONENT_LABEL = f"{LABEL_PREFIX}/component"
"""On Kubernetes objects that the lab owns: the part of the lab that created them."""
SCENARIO_LABEL = f"{LABEL_PREFIX}/scenario"
"""On objects that a scenario or `lab dev` created; `lab reset` deletes what carries it."""
NAMESPACE = "test"
"""Namespace of the talk's applications."""
OWN_NAMESPACE = "eastwest-lab"
"""Namespace of the lab's records; it marks an existing cluster as the lab's."""
MANAGED_LABEL = "app.kubernetes.io/managed-by"
"""On everything that the lab and its scenarios own in Kubernetes, with the value MANAGED_BY."""


ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
"""Kernels' names of processors, in lower case, and the names that Go and container images use."""


def architecture() -> str:
    """Return this machine's processor as Go and container images name it; the kernel's name where they have none."""
    machine = platform.machine()
    return ARCHITECTURES.get(machine.lower(), machine)


STACKS = ("linkerd", "istio")
"""The stacks, each a folder of `lab/stacks`; "auto" takes the first whose artifacts are available."""
ROLES = ("east", "west")
"""The roles of clusters in lab.toml: the shared cluster, and the laptop's."""
Json = Any
"""A JSON document. (With a recursive type, every reader would need a cast.)"""


def node_name(lab: str, cluster: str) -> str:
    """Return the name of a cluster's node container, as kind creates it."""
    return f"{lab}-{cluster}-control-plane"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster and its context. The lab always names it, and never uses the current context."""

    name: str
    context: str
    kubeconfig: Path
    node: str
    """Name of the node container, which is also its DNS name on the lab's network; empty for an existing cluster."""
    existing: bool = False
    """Whether it exists without the lab, which never touches its nodes."""
    server: str = ""
    """URL of its API server for other clusters, of lab.toml; empty for the kubeconfig's."""
