"""Impossible combinations, each with its reason and two alternatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.initialize.dashboards import PROTECTED
from lab.initialize.ingresses import INGRESSES
from lab.initialize.model import Rule


def _all(*wanted: str, none_of: tuple[str, ...] = ()) -> Callable[[frozenset[str]], bool]:
    return lambda chosen: chosen.issuperset(wanted) and chosen.isdisjoint(none_of)


def _any(*wanted: str, also: str = "", none_of: tuple[str, ...] = ()) -> Callable[[frozenset[str]], bool]:
    return lambda chosen: not chosen.isdisjoint(wanted) and (not also or also in chosen) and chosen.isdisjoint(none_of)


_OTHER_INGRESSES = tuple(ingress for ingress in INGRESSES if ingress != "istio-gateway")

RULES = (
    Rule(
        id="istio-gateway-needs-istio",
        applies=_all("istio-gateway", none_of=("istio",)),
        reason="Istio's control plane runs this Gateway, and the mesh is not Istio.",
        alternatives=({"mesh": ("istio",)}, {"ingress": ("envoy-gateway",)}),
    ),
    Rule(
        id="istio-has-its-own-ingress",
        applies=_any(*_OTHER_INGRESSES, also="istio"),
        reason="Istio refuses plain text here (mTLS is STRICT), and this ingress sends requests to pods' addresses, "
        "where Istio's sidecar adds no mTLS.",
        alternatives=({"ingress": ("istio-gateway",)}, {"mesh": ("linkerd",)}),
    ),
    Rule(
        id="trust-manager-needs-cert-manager",
        applies=_all("trust-manager", none_of=("cert-manager",)),
        reason="trust-manager's webhook gets its certificate from cert-manager.",
        alternatives=({"certificates": ("cert-manager", "trust-manager")}, {"certificates": ()}),
    ),
    Rule(
        id="one-guard",
        applies=_all("oauth2-proxy", "jwt"),
        reason="A dashboard's path at the ingress goes to oauth2-proxy, or is protected by JWT; not both.",
        alternatives=({"authentication": ("oauth2-proxy",)}, {"authentication": ("jwt",)}),
    ),
    Rule(
        id="jwt-needs-a-verifier",
        applies=_all("jwt", none_of=("istio-gateway", "envoy-gateway")),
        reason="Only the Gateway on Istio and Envoy Gateway verify JWTs themselves.",
        alternatives=(
            {"mesh": ("istio",), "ingress": ("istio-gateway",)},
            {"mesh": ("none",), "ingress": ("envoy-gateway",)},
        ),
    ),
    Rule(
        id="jwt-needs-a-dashboard",
        applies=lambda chosen: "jwt" in chosen and chosen.isdisjoint(PROTECTED),
        reason="There is no dashboard that JWT could protect.",
        alternatives=({"observability": ("prometheus",)}, {"authentication": ()}),
    ),
    Rule(
        id="oauth2-proxy-needs-an-ingress",
        applies=_all("oauth2-proxy", none_of=(*INGRESSES,)),
        reason="Browsers reach oauth2-proxy through an ingress, and there is none.",
        alternatives=(
            {"mesh": ("istio",), "ingress": ("istio-gateway",)},
            {"mesh": ("none",), "ingress": ("contour",)},
        ),
    ),
    Rule(
        id="provider-needs-oauth2-proxy",
        applies=_all("oidc-provider", none_of=("oauth2-proxy",)),
        reason="The small OpenID provider serves oauth2-proxy only.",
        alternatives=({"authentication": ("oauth2-proxy", "oidc-provider")}, {"authentication": ()}),
    ),
    Rule(
        id="viz-needs-linkerd",
        applies=_all("linkerd-viz", none_of=("linkerd",)),
        reason="Linkerd Viz shows Linkerd's proxies, and the mesh is not Linkerd.",
        alternatives=(
            {"mesh": ("linkerd",), "ingress": ("contour",)},
            {"observability": ("prometheus",)},
        ),
    ),
    Rule(
        id="jaeger-needs-the-collector",
        applies=_all("jaeger", none_of=("otel-collector",)),
        reason="Traces reach Jaeger through the OpenTelemetry collector.",
        alternatives=({"observability": ("otel-collector", "jaeger")}, {"observability": ()}),
    ),
    Rule(
        id="keda-needs-podinfo",
        applies=_all("keda", none_of=("podinfo",)),
        reason="There is no application that KEDA could scale.",
        alternatives=({"apps": ("podinfo",)}, {"serverless": ()}),
    ),
    Rule(
        id="keda-needs-prometheus",
        applies=_all("keda", none_of=("prometheus",)),
        reason="KEDA asks Prometheus how many requests the ingress gets.",
        alternatives=({"observability": ("prometheus",)}, {"serverless": ()}),
    ),
    Rule(
        id="keda-needs-an-ingress",
        applies=_all("keda", none_of=(*INGRESSES,)),
        reason="KEDA scales by the requests at the ingress, and there is none.",
        alternatives=(
            {"mesh": ("istio",), "ingress": ("istio-gateway",)},
            {"mesh": ("none",), "ingress": ("envoy-gateway",)},
        ),
    ),
    Rule(
        id="frontend-needs-podinfo",
        applies=_all("frontend", none_of=("podinfo",)),
        reason="The frontend calls podinfo.",
        alternatives=({"apps": ("podinfo", "frontend")}, {"apps": ()}),
    ),
    Rule(
        id="one-reconciler",
        applies=_all("flux", "argocd"),
        reason="Two controllers that apply the same folder undo each other's changes.",
        alternatives=({"delivery": ("flux",)}, {"delivery": ("argocd",)}),
    ),
)


def broken(chosen: frozenset[str]) -> Iterator[Rule]:
    """Yield the rules that the choices break."""
    yield from (rule for rule in RULES if rule.applies(chosen))


def hopeless(chosen: frozenset[str], later: frozenset[str]) -> Iterator[Rule]:
    """Yield the rules that the choices break whatever is chosen later.

    Args:
        chosen: what was chosen.
        later: all options of the questions that are still to be answered.
    """
    yield from (rule for rule in RULES if rule.applies(chosen) and rule.applies(chosen | later))
