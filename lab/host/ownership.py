"""Whose a network or a node container is.

Two labs on one engine can have the same name: two users, or one with two state folders. So a lab has a random id, kept
in its state folder. The network carries it as a label; a node keeps it in its mark file, because kind sets no labels of
ours and an engine cannot change a container's labels later.
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
"""In a finished node: the lab that it belongs to, and the settings that it was made with."""
HOME_LABEL = f"{LABEL_PREFIX}/home"
"""On the network: the user, the machine and the state folder of the lab, for the error that others get."""
_MANAGED_LABEL = "app.kubernetes.io/managed-by"

ReadMark = Callable[[str], Mapping[str, object]]
"""Returns what a container's mark says, nothing where it has none."""


@dataclass(frozen=True, kw_only=True)
class LabIdentity:
    """Which lab this is.

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
        """Return a lab's identity as its state folder has it."""
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
        """Say whether an id is this lab's. A lab that lost its id with its state folder is known by its home."""
        return lab_id == self.lab_id if self.lab_id else owner_home == self.home

    def owns_network(self, network: Network) -> bool:
        """Say whether a network is the lab's. One from before labs had an id is, where the state folder made nodes."""
        if network.labels.get(LAB_LABEL) != self.name:
            return False
        if lab_id := network.labels.get(LAB_ID_LABEL):
            return self.has(lab_id, network.labels.get(HOME_LABEL, ""))
        return self._made_nodes()

    def owns_node(self, container: Container, networks: Iterable[Network], mark_of: ReadMark) -> bool:
        """Say whether a container is a node of the lab: kind's, of the lab's name, and of the lab's id.

        The network that it is on decides. A node on none (a killed run took it off) or on one that is gone (pruned)
        is known by its mark, and one that was never finished by the configuration that the lab kept of it.

        Args:
            container: kind's or not.
            networks: the networks of the engine that carry the lab's name as a label.
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
    """Return a lab's identity with an id: its own, or the one that what it owns already has, or a new one; keeps it.

    Args:
        identity: as the state folder has it.
        known: ids of the network and the nodes that are the lab's.
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
    """Return whose a thing is, as the end of a sentence: "belongs to …"."""
    who, _, folder = owner_home.partition(":")
    return f"belongs to the lab of {who} with the state folder {folder}" if folder else "is not this lab's"


def read_mark(text: str | None) -> Mapping[str, object]:
    """Return what a mark file says; nothing where there is none, or it cannot be read."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def cluster_of(labels: Mapping[str, str], lab_name: str) -> str | None:
    """Return the cluster of a lab that kind made a container for, None for any other container."""
    of_kind, prefix = labels.get(CLUSTER_LABEL, ""), f"{lab_name}-"
    return of_kind.removeprefix(prefix) if of_kind.startswith(prefix) else None
