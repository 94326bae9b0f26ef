"""Read the context of an existing cluster from the user's kubeconfig, as kubectl does.

The lab copies it into its own kubeconfig under the cluster's name, so that each of its commands names the lab's own
file and context. Paths become absolute. A program that gives credentials stays one: it is called again when these
expire.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.base.errors import ClusterError
from lab.base.paths import expanded
from lab.clusters import kubeconfig
from lab.config import ClusterSpec
from lab.lab import Lab

_FILES = {
    "clusters": ("cluster", ("certificate-authority",)),
    "users": ("user", ("client-certificate", "client-key", "tokenFile")),
}
"""Keys whose values are paths, from the folder of the kubeconfig (client-go, clientcmd/api/v1)."""


@dataclass(frozen=True, kw_only=True)
class UserContext:
    """A context of the user's kubeconfig: its name, and its entries with absolute paths."""

    name: str
    entries: Mapping[str, Mapping[str, Any]]

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str((self.entries["clusters"].get("cluster") or {}).get("server", ""))

    @property
    def program(self) -> str:
        """The program that gives credentials; empty if none does."""
        return str(((self.entries["users"].get("user") or {}).get("exec") or {}).get("command", ""))

    @property
    def missing_program(self) -> str:
        """The program that gives credentials, if this machine does not have it; else empty."""
        return self.program if self.program and shutil.which(self.program) is None else ""

    @property
    def install_hint(self) -> str:
        """What the kubeconfig says about how to install that program."""
        hint = ((self.entries["users"].get("user") or {}).get("exec") or {}).get("installHint") or ""
        return " ".join(str(hint).split())


def find(lab: Lab, cluster: str) -> UserContext:
    """Return the user's context of an existing cluster.

    Raises:
        ClusterError: no kubeconfig has the context, or it is not complete.
        LabError: a kubeconfig cannot be read.
    """
    spec = lab.spec.clusters[cluster]
    files = _files(lab, spec)
    there = [(file, kubeconfig.read(file)) for file in files]
    found = _first(there, "contexts", spec.context or "")
    where = ", ".join(map(str, files))
    if found is None:
        known = [str(entry["name"]) for _, config in there for entry in config["contexts"]]
        raise ClusterError(
            f"the kubeconfig {where} has no context {spec.context!r}; it has: {', '.join(known) or 'none'}",
            where=cluster,
            next="`kubectl config get-contexts` lists them; name one, or another `kubeconfig`, in lab.toml",
        )
    _, context = found
    inner = context.get("context") or {}
    entries = {"contexts": context}
    for kind, key in (("clusters", "cluster"), ("users", "user")):
        part = _first(there, kind, str(inner.get(key, "")))
        if part is None:
            raise ClusterError(
                f"the context {spec.context!r} names the {key} {inner.get(key)!r}, which the kubeconfig {where} "
                "does not have",
                where=cluster,
                next="correct the kubeconfig, or name another context in lab.toml",
            )
        entries[kind] = _absolute(kind, part[1], part[0].parent)
    return UserContext(name=str(spec.context), entries=entries)


def _files(lab: Lab, spec: ClusterSpec) -> list[Path]:
    """Return the kubeconfig of lab.toml, from the folder of lab.toml, else kubectl's."""
    if spec.kubeconfig is None:
        return kubeconfig.user_files()
    named = expanded(spec.kubeconfig)
    return [named if named.is_absolute() else (lab.spec.file or Path.cwd() / "lab.toml").parent / named]


def _first(there: list[tuple[Path, dict[str, Any]]], kind: str, name: str) -> tuple[Path, Mapping[str, Any]] | None:
    """Return the first entry of a kind and name, with its file: of several files, kubectl takes the first's."""
    found = ((file, entry) for file, config in there for entry in config[kind] if entry["name"] == name)
    return next(found, None)


def _absolute(kind: str, entry: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    inner_key, keys = _FILES[kind]
    inner = dict(entry.get(inner_key) or {})
    for key in keys:
        if value := inner.get(key):
            inner[key] = str(folder / str(value))
    program = (inner.get("exec") or {}).get("command")
    if program and os.sep in program:
        inner["exec"] = {**inner["exec"], "command": str(folder / program)}
    return {**entry, inner_key: inner}
