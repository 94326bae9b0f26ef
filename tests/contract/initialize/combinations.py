"""Combinations of choices in which each possible pair of choices occurs at least once: few of millions.

The algorithm is greedy and has no chance in it: the same options give the same combinations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from lab.initialize.choices import Choices, default
from lab.initialize.model import Category
from lab.initialize.options import BY_ID, CATEGORIES
from lab.initialize.rules import hopeless

Value = tuple[str, ...]
Pair = tuple[tuple[str, Value], tuple[str, Value]]

_TOGETHER: Mapping[str, Sequence[Value]] = {
    # Options that need another one of their category, and all that can be chosen together.
    "certificates": ((), ("cert-manager",), ("cert-manager", "trust-manager")),
    "authentication": (
        (),
        ("oauth2-proxy",),
        ("oauth2-proxy", "oidc-provider"),
        ("jwt",),
        ("keycloak",),
        ("dex",),
        ("oauth2-proxy", "oidc-provider", "keycloak", "dex"),
    ),
    "observability": (
        (),
        ("metrics-server",),
        ("prometheus",),
        ("prometheus-operator",),
        ("otel-collector",),
        ("otel-collector", "jaeger"),
        ("linkerd-viz",),
        ("grafana",),
        ("metrics-server", "prometheus", "prometheus-operator", "otel-collector", "jaeger", "grafana"),
    ),
    "delivery": ((), ("flux",), ("argocd",), ("tekton",), ("flux", "tekton"), ("argocd", "tekton")),
    "serverless": ((), ("keda",), ("knative",), ("keda", "knative")),
    "apps": ((), ("podinfo",), ("podinfo", "frontend")),
}


def values(category: Category) -> Sequence[Value]:
    """Return the values of a category: each option; for several choices none, each, and all."""
    if category.many:
        return _TOGETHER[category.id]
    return [(option.id,) for option in category.options if option.selectable]


def covering(base: Choices | None = None) -> tuple[list[Choices], list[Pair]]:
    """Return the combinations, and the pairs that rules make impossible."""
    start = base or default()
    names = [category.id for category in CATEGORIES]
    left: dict[Pair, None] = {
        ((a, x), (b, y)): None for a, b in combinations(names, 2) for x in values(BY_ID[a]) for y in values(BY_ID[b])
    }
    found: list[Choices] = []
    impossible: list[Pair] = []
    while left:
        pair = next(iter(left))
        chosen = _complete(dict(pair), names, left, start)
        if chosen is None:
            impossible.append(pair)
            del left[pair]
            continue
        found.append(chosen)
        for covered in _pairs(chosen.selected, names):
            left.pop(covered, None)
    return found, impossible


def _complete(
    fixed: dict[str, Value], names: Sequence[str], left: Mapping[Pair, None], start: Choices
) -> Choices | None:
    """Return a possible combination with these values that has many of the pairs that are left."""
    open_ = [name for name in names if name not in fixed]
    if not open_:
        chosen = start.with_(fixed)
        return None if chosen.broken else chosen
    if _hopeless(fixed, names, start):
        return None
    name = open_[0]

    def gain(value: Value) -> int:
        return sum(1 for pair in _with(fixed, name, value, names) if pair in left)

    for value in sorted(values(BY_ID[name]), key=gain, reverse=True):
        if (chosen := _complete({**fixed, name: value}, names, left, start)) is not None:
            return chosen
    return None


def _hopeless(fixed: Mapping[str, Value], names: Sequence[str], start: Choices) -> bool:
    """Return whether a rule is broken with each value of the open categories."""
    ids = frozenset(id_ for value in fixed.values() for id_ in value)
    everything = frozenset(id_ for name in names if name not in fixed for value in values(BY_ID[name]) for id_ in value)
    return next(hopeless(ids, everything), None) is not None


def _with(fixed: Mapping[str, Value], name: str, value: Value, names: Sequence[str]) -> Iterator[Pair]:
    for other, its in fixed.items():
        first, second = sorted(((other, its), (name, value)), key=lambda one: names.index(one[0]))
        yield first, second


def _pairs(selected: Mapping[str, Value], names: Sequence[str]) -> Iterator[Pair]:
    for a, b in combinations(names, 2):
        yield (a, selected[a]), (b, selected[b])
