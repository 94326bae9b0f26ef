"""Decide which lab owns a network or a node container.

Two labs on one engine can have the same name: two users, or one user with two state folders. So each lab has a random
id in its state folder. The network has the id as a label. A node has it in its mark file, because kind cannot set
custom labels and Docker cannot change a container's labels later.
"""

from __future__ import annotations

import getpass
import json
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lab.base.names import LAB_ID_LABEL, LAB_LABEL, LABEL_PREFIX, MANAGED_BY
from lab.base.paths import Paths
from lab.tools.docker_records import Container, Network
from lab.tools.kind import CLUSTER_LABEL

MARK = "/etc/eastwest-lab.json"
"""File in a finished node: the lab that owns it, and the settings that it was created with."""
HOME_LABEL = f"{LABEL_PREFIX}/home"
"""Label of the network: the lab's user, machine and state folder, for error messages in other labs."""
_MANAGED_LABEL = "app.kubernetes.io/managed-by"

ReadMark = Callable[[str], Mapping[str, object]]
"""Reads a container's mark file; returns an empty mapping if there is none."""


@dataclass(frozen=True, kw_only=True)
class LabIdentity:
    """The identity of a lab: name, random id and state folder.

    Args:
        name: the lab's name.
        lab_id: the lab's random id; empty before the first `lab up`, or where the state folder was lost.
        paths: the lab's folders.
    """

    name: str
    lab_id: str
    paths: Paths

    @classmethod
    def of(cls, name: str, paths: Paths) -> LabIdentity:
        """Read a lab's identity from its state folder."""
        return cls(name=name, lab_id=paths.read_lab_id(), paths=paths)

    @property
    def home(self) -> str:
        """The user, the machine and the state folder."""
        return home(self.paths)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the lab's network."""
        return {_MANAGED_LABEL: MANAGED_BY, LAB_LABEL: self.name, LAB_ID_LABEL: self.lab_id, HOME_LABEL: self.home}

    def has(self, lab_id: str, owner_home: str) -> bool:
        """Say whether an id is this lab's. A lab that lost its id with its state folder is recognized by its home."""
        return lab_id == self.lab_id if self.lab_id else owner_home == self.home

    def owns_network(self, network: Network) -> bool:
        """Say whether this lab owns a network. A network without an id is the lab's if its state folder has nodes."""
        if network.labels.get(LAB_LABEL) != self.name:
            return False
        if lab_id := network.labels.get(LAB_ID_LABEL):
            return self.has(lab_id, network.labels.get(HOME_LABEL, ""))
        return self._made_nodes()

    def owns_node(self, container: Container, networks: Iterable[Network], mark_of: ReadMark) -> bool:
        """Say whether a container is a node of this lab: created by kind, with the lab's name and the lab's id.

        The node's network decides. If the node has no network (after a killed run) or its network was pruned, its mark
        decides. An unfinished node has no mark: then the lab's kind configuration of that cluster decides.

        Args:
            container: any container.
            networks: the engine's networks that have the lab's name as a label.
            mark_of: reads a container's mark.
        """
        cluster = cluster_of(container.labels, self.name)
        if cluster is None:
            return False
        for network in networks:
            if network.name in container.networks:
                return self.owns_network(network)
        if set(container.networks) - {self.name}:
            return False
        if lab_id := str(mark_of(container.name).get("lab_id", "")):
            return self.has(lab_id, str(mark_of(container.name).get("home", "")))
        return self.paths.kind_config(cluster).exists()

    def _made_nodes(self) -> bool:
        return any(self.paths.kind_config("any").parent.glob("*.yaml"))


def settle(identity: LabIdentity, known: Iterable[str]) -> LabIdentity:
    """Return a lab's identity with an id, and save the id: the lab's own, else one of `known`, else a new one.

    Args:
        identity: the identity from the state folder.
        known: ids of the lab's network and nodes.
    """
    if identity.lab_id:
        return identity
    lab_id = next(iter(known), "") or secrets.token_hex(8)
    identity.paths.write_lab_id(lab_id)
    return LabIdentity(name=identity.name, lab_id=lab_id, paths=identity.paths)


def home(paths: Paths) -> str:
    """Return the user, the machine and the state folder of a lab."""
    return f"{getpass.getuser()}@{socket.gethostname()}:{paths.state.absolute()}"


def whose(owner_home: str) -> str:
    """Return the owner as the end of a sentence: "belongs to the lab of …"."""
    user, _, folder = owner_home.partition(":")
    return f"belongs to the lab of {user} with the state folder {folder}" if folder else "is not this lab's"


def read_mark(text: str | None) -> Mapping[str, object]:
    """Parse a mark file; return an empty mapping if it is missing or invalid."""
    try:
        mark = json.loads(text or "{}")
    except ValueError:
        return {}
    return mark if isinstance(mark, dict) else {}


def cluster_of(labels: Mapping[str, str], lab_name: str) -> str | None:
    """Return the lab's cluster that a kind container belongs to; None for any other container."""
    kind_name, prefix = labels.get(CLUSTER_LABEL, ""), f"{lab_name}-"
    return kind_name.removeprefix(prefix) if kind_name.startswith(prefix) else None
