"""The dashboards that authentication protects: each has a path of its own at the ingress."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.initialize.ingresses import OBSERVABILITY
from lab.initialize.model import ClusterChoice, Option, Url


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A dashboard: its option, its path at the ingress, its Service, and a path that answers if it works."""

    option: str
    path: str
    service: str
    namespace: str
    port: int
    healthy: str
    answer: str
    title: str


DASHBOARDS = (
    Dashboard(
        option="prometheus",
        path="/prometheus/",
        service="prometheus",
        namespace=OBSERVABILITY,
        port=9090,
        healthy="/prometheus/-/healthy",
        answer="Prometheus Server is Healthy",
        title="Prometheus",
    ),
    Dashboard(
        option="jaeger",
        path="/jaeger/",
        service="jaeger",
        namespace=OBSERVABILITY,
        port=16686,
        healthy="/jaeger/",
        answer="(?i)<!doctype html",
        title="Jaeger",
    ),
)
PROTECTED = frozenset(one.option for one in DASHBOARDS)
"""The options that have a dashboard."""
_PROTECTION = frozenset({"oauth2-proxy", "jwt"})
"""The options by which the ingress protects dashboards: it routes to them with one of these only."""


def are_protected(chosen: frozenset[str]) -> bool:
    """Return whether the ingress routes to dashboards: something protects them."""
    return not chosen.isdisjoint(_PROTECTION)


def pages(options: Iterable[Option]) -> Iterator[Url]:
    """Yield the pages of the chosen options that a person can open; without a path where the ingress has no route."""
    options = list(options)
    routed = are_protected(frozenset(option.id for option in options))
    for option in options:
        if routed or option.id not in PROTECTED:
            yield from option.urls


def chosen(choice: ClusterChoice) -> Iterator[Dashboard]:
    """Yield the dashboards of the choices."""
    yield from (dashboard for dashboard in DASHBOARDS if choice.has(dashboard.option))


def upstreams(choice: ClusterChoice) -> Iterator[str]:
    """Yield the URLs of the dashboards for oauth2-proxy, which keeps their paths; a page if there is none."""
    urls = [f"http://{one.service}.{one.namespace}.svc.cluster.local:{one.port}{one.path}" for one in chosen(choice)]
    yield from urls or ["static://202"]
