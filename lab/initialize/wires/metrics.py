"""Ingress, mesh and applications → Prometheus, or the collector where there is no Prometheus.

The connection itself is annotations of pods and the discovery in `lab.initialize.scraping`: these wires check it. All
queries ask for the present value: Prometheus ends the series of a pod that it does not scrape any more after two
scrapes, and so does the collector (at the latest after its `metric_expiration`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.base.names import NAMESPACE as APPS
from lab.initialize import ingresses
from lab.initialize.collector import COLLECTOR
from lab.initialize.ingresses import INGRESSES, OBSERVABILITY
from lab.initialize.model import ClusterChoice, WireCheck, Wiring
from lab.initialize.wires import questions

_COLLECTORS = frozenset({"prometheus", COLLECTOR})


def _measured(choice: ClusterChoice, query: str, shown: str, *, proves: str) -> WireCheck:
    """Return the check that a metric arrives: a query to Prometheus, else the text that the collector shows.

    A request at the ingress comes first: podinfo and most ingresses count nothing before, and KEDA may have to start
    podinfo.
    """
    before = questions.podinfo_request(choice)
    if choice.has("prometheus"):
        return WireCheck(
            proves=proves,
            ask=questions.prometheus(query),
            expects=questions.HAS_RESULT,
            words=questions.ABOVE_ZERO,
            before=before,
            within_s=120,
        )
    ask = questions.service(OBSERVABILITY, COLLECTOR, 8889, "/metrics")
    return WireCheck(proves=proves, ask=ask, expects=shown, before=before, within_s=120)


def _ingress(choice: ClusterChoice) -> Iterator[WireCheck]:
    id_, ingress = ingresses.of(choice)
    place = f'namespace="{ingress.namespace}"'
    yield _measured(
        choice,
        # With `job`: Linkerd's proxy beside Emissary is another target in its namespace.
        f"sum({ingress.counter}{{{place}}})" if id_ != "emissary" else f'count(up{{job="pods",{place}}} == 1)',
        questions.shown(ingress.counter, "namespace", ingress.namespace),
        proves="the ingress's count of requests arrives",
    )


def _mesh(choice: ClusterChoice) -> Iterator[WireCheck]:
    if choice.has("istio"):
        shown = questions.shown("pilot_xds", "namespace", "istio-system")
        yield _measured(choice, "sum(pilot_xds)", shown, proves="istiod's metrics arrive")
    else:
        query = 'count(up{job="linkerd-proxies"} == 1)'
        shown = questions.shown("process_start_time_seconds", "job", "linkerd-proxies")
        yield _measured(choice, query, shown, proves="the metrics of Linkerd's proxies arrive")


def _apps(choice: ClusterChoice) -> Iterator[WireCheck]:
    query = f'sum(http_requests_total{{namespace="{APPS}",pod=~"podinfo-.+"}})'
    shown = questions.shown("http_requests_total", "namespace", APPS)
    yield _measured(choice, query, shown, proves="podinfo's count of requests arrives")


def _wire(name: str, end: frozenset[str], what: str, checks: Callable[[ClusterChoice], Iterator[WireCheck]]) -> Wiring:
    says = f"Prometheus, or else the collector, finds {what} by annotations of pods and collects their metrics."
    return Wiring(id=f"metrics-{name}", says=says, ends=(end, _COLLECTORS), checks=checks)


WIRES = (
    _wire("ingress", frozenset(INGRESSES), "the ingress's proxies", _ingress),
    _wire("mesh", frozenset({"istio", "linkerd"}), "the mesh", _mesh),
    _wire("apps", frozenset({"podinfo"}), "podinfo", _apps),
)
