"""A kubeconfig of a user, and a lab of existing clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab import config
from lab.base.paths import Paths
from lab.kube import manifests
from lab.lab import Lab

TOML = """
name = "dev"
[artifacts]
registry = "registry.example/lab"
[clusters.east]
context = "gke_shop_europe"
kubeconfig = "config"
[clusters.west]
context = "laptop"
kubeconfig = "config"
"""


def entry(name: str, server: str, **user: Any) -> dict[str, Any]:
    return {
        "clusters": {"name": f"{name}-cluster", "cluster": {"server": server, "certificate-authority": "pki/ca.crt"}},
        "contexts": {"name": name, "context": {"cluster": f"{name}-cluster", "user": f"{name}-user"}},
        "users": {"name": f"{name}-user", "user": user},
    }


def write(file: Path, *entries: dict[str, Any]) -> None:
    kinds = ("clusters", "contexts", "users")
    document = {kind: [one[kind] for one in entries if kind in one] for kind in kinds}
    file.write_text(manifests.dump({"apiVersion": "v1", "kind": "Config", **document}))


def lab_of(folder: Path, toml: str = TOML) -> Lab:
    """Return a lab whose lab.toml and kubeconfig are in a folder."""
    (folder / "lab.toml").write_text(toml)
    paths = Paths(cache=folder / "cache", state=folder / "state")
    return Lab(spec=config.load(folder / "lab.toml"), paths=paths, artifacts=None)  # type: ignore[arg-type]
