"""The objects that the stage's live panels show of a stack, and how they read as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lab.base.names import NAMESPACE
from lab.kube.objects import Obj

_BACKUP_SHARE = 0.001
"""A backend with less than this share of the requests gets them only when the others fail."""
_NAME = "app.kubernetes.io/name"
_HERE = f".{NAMESPACE}.svc.cluster.local"


@dataclass(frozen=True, kw_only=True)
class PolicyKind:
    """A kind whose objects decide where requests go, or who may send them.

    `words` says what an object does. The panels show the objects of the applications' namespaces and of `namespaces`.
    """

    api_version: str
    kind: str
    words: Callable[[Obj], str]
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LinkSight:
    """What a Link object says: its target, whether all is well there, and why."""

    target: str
    ok: bool
    words: str


@dataclass(frozen=True, kw_only=True)
class LinkKind:
    """A kind whose objects are the links of a cluster."""

    api_version: str
    kind: str
    read: Callable[[Obj], LinkSight]


@dataclass(frozen=True, kw_only=True)
class PanelKinds:
    """What the panels show of a stack, beside pods, Services and events.

    Args:
        namespaces: namespaces of the gateways and the links.
        policies: kinds of routes and permissions.
        links: the kind of links; None if the mesh publishes the state of its links in no object, so that the panel
            has to read `Mesh.links`.
        mirror_of: returns the cluster whose service a Service stands for, None for any other.
    """

    namespaces: tuple[str, ...]
    policies: Sequence[PolicyKind]
    links: LinkKind | None
    mirror_of: Callable[[Obj], str | None]


def weights(parts: Iterable[tuple[str, float]]) -> str:
    """Return backends and their weights as text: "90 % podinfo, 10 % podinfo-east", or "first podinfo, then …"."""
    known = list(parts)
    total = sum(weight for _, weight in known)
    if len(known) == 1:
        return known[0][0]
    if any(0 < weight < _BACKUP_SHARE * total for _, weight in known):
        in_order = [name for name, weight in sorted(known, key=lambda part: -part[1]) if weight]
        return f"first {', then '.join(in_order)}"
    return ", ".join(f"{100 * weight / total if total else 0:.0f} % {name}" for name, weight in known)


def rules(subject: str, found: Iterable[tuple[str, str]]) -> str:
    """Return a route as text, from the conditions and the targets of its rules: "podinfo: 50 % a, 50 % b"."""
    texts = [f"{condition} → {target}" if condition else target for condition, target in found]
    texts = list(dict.fromkeys(text for text in texts if text))  # a rule for each port says the same
    return f"{subject}: {'; '.join(texts)}" if texts else subject


def http_route(obj: Obj) -> str:
    """Return an HTTPRoute of the Gateway API, or of Linkerd, as text."""
    spec = obj.get("spec", {})
    parents = ", ".join(dict.fromkeys(str(parent["name"]) for parent in spec.get("parentRefs") or []))

    def found() -> Iterable[tuple[str, str]]:
        for rule in spec.get("rules") or []:
            backends = [(str(b["name"]), int(b.get("weight", 1))) for b in rule.get("backendRefs") or []]
            condition = " or ".join(filter(None, map(_match, rule.get("matches") or [])))
            yield (condition, weights(backends)) if backends else ("", condition)

    return rules(parents, found())


def _match(match: Obj) -> str:
    path = str((match.get("path") or {}).get("value", ""))
    headers = [f"{header['name']}={header['value']}" for header in match.get("headers") or []]
    return " ".join(filter(None, [str(match.get("method", "")), path if path != "/" else "", *headers]))


def short(host: str) -> str:
    """Return a service's name without the namespace of the applications."""
    return host.removesuffix(_HERE)


def selected(selector: Obj | None) -> str:
    """Return the workload that labels select, as text."""
    labels = (selector or {}).get("matchLabels") or {}
    names = [labels[_NAME]] if _NAME in labels else dict.fromkeys(map(str, labels.values()))
    return ", ".join(names) or "all pods"


def some(names: Sequence[str], most: int = 2) -> str:
    """Return a list of names as text, at most a few of them."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
