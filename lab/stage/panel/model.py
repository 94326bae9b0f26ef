"""One cluster's objects, joined into the rows of its panel. No I/O and no threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest

from lab.base.names import NAMESPACE, Json
from lab.kube.objects import Obj
from lab.kube.watch import Absent, Complete, Key, Present, Sighting, key_of
from lab.mesh.model import GatewayWorkload, Link
from lab.stacks.panel import PanelKinds
from lab.stage.panel import rows
from lab.stage.panel.marks import Marks
from lab.stage.panel.rows import Kept

MOST_ROWS = 200
"""Rows of a list in a panel."""
MOST_EVENTS = 30
_MOST_KEPT = 1000
"""Objects of one kind in all namespaces; a lab has less than a tenth."""

Kind = tuple[str, str]
"""API version and kind."""
_NAMESPACE, _NODE, _POD, _SERVICE, _EVENT = (("v1", k) for k in ("Namespace", "Node", "Pod", "Service", "Event"))
_SLICE = ("discovery.k8s.io/v1", "EndpointSlice")


@dataclass
class _Store:
    """What is kept of the objects of one kind."""

    read: Callable[[Obj], Kept | None]
    kept: dict[Key, Kept] = field(default_factory=dict)
    newest: bool = False
    """When full, forget the oldest; else ignore the rest."""

    def see(self, sighting: Sighting) -> None:
        match sighting:
            case Present(obj):
                self._put(key_of(obj), self._read(obj))
            case Absent(key):
                self.kept.pop(key, None)
            case Complete(keys):
                self.kept = {key: row for key, row in self.kept.items() if key in keys}

    def _read(self, obj: Obj) -> Kept | None:
        try:
            return self.read(obj)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            # An object of a custom kind may have any form; a panel without it is better than no panel.
            return None

    def _put(self, key: Key, row: Kept | None) -> None:
        if row is None:
            self.kept.pop(key, None)
            return
        if key not in self.kept and len(self.kept) >= _MOST_KEPT:
            if not self.newest:
                return
            oldest = min(self.kept, key=lambda one: self.kept[one]["at"] or 0.0)
            del self.kept[oldest]
        self.kept[key] = row


class ClusterModel:
    """The objects of one cluster.

    Args:
        cluster: its name.
        kinds: what the stack shows.
        gateways: the cluster's gateways.
    """

    def __init__(self, cluster: str, kinds: PanelKinds, gateways: Sequence[GatewayWorkload]) -> None:
        self.cluster = cluster
        self.links: Sequence[Link] = ()
        """The links, if no objects of the cluster have their state."""
        self._kinds = kinds
        self._gateways = gateways
        self._stores: dict[Kind, _Store] = {
            _NAMESPACE: _Store(rows.namespace),
            _NODE: _Store(rows.node),
            _POD: _Store(rows.pod),
            _SERVICE: _Store(rows.service(kinds.mirror_of)),
            _SLICE: _Store(rows.endpoint_slice),
            _EVENT: _Store(rows.event, newest=True),
            **{(one.api_version, one.kind): _Store(rows.policy(one)) for one in kinds.policies},
        }
        if kinds.links is not None:
            self._stores[kinds.links.api_version, kinds.links.kind] = _Store(rows.link(kinds.links))
        self._marks = {name: Marks() for name in ("pods", "services", "gateways", "links", "policies")}

    @property
    def watched(self) -> Sequence[Kind]:
        """The kinds to watch."""
        return list(self._stores)

    def see(self, kind: Kind, sighting: Sighting) -> None:
        """Take what happened to an object."""
        self._stores[kind].see(sighting)

    def lists(self, now_s: float, *, quiet: bool) -> dict[str, list[Json]]:
        """Return the lists of the panel, each row with its `change`.

        Args:
            now_s: monotonic time.
            quiet: set no new marks.
        """
        found = {
            "pods": dict(self._pods()),
            "services": dict(self._services()),
            "gateways": dict(self._gateway_rows()),
            "links": dict(self._links()),
            "policies": dict(self._policies()),
        }
        lists = {name: self._marks[name].update(of, now_s, quiet=quiet, most=MOST_ROWS) for name, of in found.items()}
        return {**lists, "events": self._events()}

    def due_s(self) -> float | None:
        """Return when the next mark ends, in monotonic time."""
        return min((due for marks in self._marks.values() if (due := marks.due_s()) is not None), default=None)

    # Rows

    def _shown(self, kind: Kind, *also: str) -> Iterator[tuple[Key, Kept]]:
        """Yield what is kept of a kind in the applications' namespaces, those of scenarios, and `also`."""
        scenarios = {name for _, name in self._stores[_NAMESPACE].kept}
        namespaces = {NAMESPACE, *scenarios, *also}
        for key, row in self._stores[kind].kept.items():
            if key[0] in namespaces:
                yield key, row

    def _pods(self) -> Iterator[tuple[str, Kept]]:
        nodes = {name: row["ready"] for (_, name), row in self._stores[_NODE].kept.items()}
        for key, row in self._shown(_POD, *self._kinds.namespaces):
            shown = {name: value for name, value in row.items() if name != "node"}
            yield _text(key), {**shown, "node_ready": nodes.get(row["node"], True)}

    def _services(self) -> Iterator[tuple[str, Kept]]:
        endpoints = self._endpoints()
        for key, row in self._shown(_SERVICE):  # gateways have rows of their own
            ready, total = endpoints.get(key, (0, 0))
            shown = {name: value for name, value in row.items() if name != "balanced"}
            yield _text(key), {**shown, "ready": f"{ready}/{total}" if total else None}

    def _endpoints(self) -> Mapping[Key, tuple[int, int]]:
        """Return the ready and all endpoints of each Service."""
        counts: dict[Key, tuple[int, int]] = {}
        for row in self._stores[_SLICE].kept.values():
            key = row["namespace"], row["service"]
            ready, total = counts.get(key, (0, 0))
            counts[key] = ready + row["ready"], total + row["total"]
        return counts

    def _gateway_rows(self) -> Iterator[tuple[str, Kept]]:
        endpoints, services = self._endpoints(), self._stores[_SERVICE].kept
        for gateway in self._gateways:
            key = gateway.service.namespace, gateway.service.name
            service = services.get(key)
            ready, _ = endpoints.get(key, (0, 0))
            if service is None:
                words = "its Service does not exist"
            elif not service["balanced"]:
                words = "its Service has no address"
            else:
                words = "" if ready else "none of its pods is ready"
            yield (
                gateway.name,
                {
                    "name": gateway.name,
                    "role": gateway.role,
                    "address": service["address"] if service and service["balanced"] else None,
                    "port": gateway.port,
                    "ready": not words,
                    "words": words,
                },
            )

    def _links(self) -> Iterator[tuple[str, Kept]]:
        kind = self._kinds.links
        if kind is None:
            for link in self.links:
                words = rows.words(link.detail) or "in sync"
                yield link.target, {"to": link.target, "ok": link.alive, "words": words}
            return
        silent = self._silent_mirrors()
        for row in self._stores[kind.api_version, kind.kind].kept.values():
            mirrors = silent.get(row["to"])
            if row["ok"] and mirrors:
                words = f"{row['to']}'s gateway does not answer: {', '.join(mirrors)} without ready endpoints"
                yield row["to"], {**row, "ok": False, "words": rows.words(words)}
            else:
                yield row["to"], row

    def _silent_mirrors(self) -> Mapping[str, list[str]]:
        """Return the mirrors whose endpoints are not ready, by the exporting cluster.

        A service mirror marks them so while it does not reach the gateway.
        """
        endpoints = self._endpoints()
        found: dict[str, list[str]] = {}
        for key, row in self._shown(_SERVICE):
            ready, total = endpoints.get(key, (0, 0))
            if row["mirror_of"] and total and not ready:
                found.setdefault(row["mirror_of"], []).append(row["name"])
        return found

    def _policies(self) -> Iterator[tuple[str, Kept]]:
        for one in self._kinds.policies:
            for key, row in self._shown((one.api_version, one.kind), *one.namespaces):
                # A kind such as HTTPRoute can have objects of one name in two API groups.
                yield f"{one.kind} {_text(key)} {one.api_version}", row

    def _events(self) -> list[Json]:
        found = [row for _, row in self._shown(_EVENT, *self._kinds.namespaces)]
        newest = nlargest(MOST_EVENTS, found, key=lambda row: row["at"] or 0.0)
        return [{name: value for name, value in row.items() if name != "namespace"} for row in newest]


def _text(key: Key) -> str:
    return f"{key[0]}/{key[1]}"
