"""Ingress, mesh and applications → Prometheus, or the collector where there is no Prometheus.

The connection itself is annotations of pods and the discovery in `lab.initialize.scraping`: these wires check it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.initialize import ingresses
from lab.initialize.ingresses import INGRESSES, OBSERVABILITY
from lab.initialize.model import ClusterChoice, WireCheck, Wiring
from lab.initialize.wires import asking

_COLLECTORS = frozenset({"prometheus", "otel-collector"})


def _measured(
    site: ClusterChoice, query: str, metric: str, *, proves: str, before: tuple[tuple[str, ...], ...] = ()
) -> WireCheck:
    """Return the check that a metric arrives: a query to Prometheus, else the text that the collector shows."""
    if site.has("prometheus"):
        return WireCheck(
            proves=proves,
            ask=asking.prometheus(query),
            expects=asking.HAS_RESULT,
            words=asking.ABOVE_ZERO,
            before=before,
            within_s=90,
        )
    shown = asking.service(OBSERVABILITY, "otel-collector", 8889, "/metrics")
    return WireCheck(proves=proves, ask=shown, expects=rf"(?m)^{metric}", before=before, within_s=90)


def _ingress(site: ClusterChoice) -> Iterator[WireCheck]:
    id_, ingress = ingresses.of(site)
    place = f'namespace="{ingress.namespace}"'
    yield _measured(
        site,
        f"sum({ingress.counter}{{{place}}})" if id_ != "emissary" else f"count(up{{{place}}} == 1)",
        ingress.counter,
        proves="the ingress's count of requests arrives",
        before=(asking.at_ingress(ingress, "/podinfo/"),) if site.has("podinfo") else (),
    )


def _mesh(site: ClusterChoice) -> Iterator[WireCheck]:
    if site.has("istio"):
        yield _measured(site, "sum(pilot_xds)", "pilot_xds", proves="istiod's metrics arrive")
    else:
        query = 'count(up{job="linkerd-proxies"} == 1)'
        yield _measured(site, query, "process_start_time_seconds", proves="the metrics of Linkerd's proxies arrive")


def _apps(site: ClusterChoice) -> Iterator[WireCheck]:
    query, metric = 'sum(http_requests_total{namespace="test"})', "http_requests_total"
    yield _measured(site, query, metric, proves="podinfo's count of requests arrives")


def _wire(name: str, end: frozenset[str], what: str, checks: Callable[[ClusterChoice], Iterator[WireCheck]]) -> Wiring:
    says = f"Prometheus, or else the collector, finds {what} by annotations of pods and collects their metrics."
    return Wiring(id=f"metrics-{name}", says=says, ends=(end, _COLLECTORS), checks=checks)


WIRES = (
    _wire("ingress", frozenset(INGRESSES), "the ingress's proxies", _ingress),
    _wire("mesh", frozenset({"istio", "linkerd"}), "the mesh", _mesh),
    _wire("apps", frozenset({"podinfo"}), "podinfo", _apps),
)
