"""The Kubernetes API."""

from __future__ import annotations

from lab.kube.client import Kube
from lab.kube.connections import connect
from lab.kube.errors import KubeError, NotNow
from lab.kube.transport import Answer, Transport

__all__ = ["Answer", "Kube", "KubeError", "NotNow", "Transport", "connect"]
