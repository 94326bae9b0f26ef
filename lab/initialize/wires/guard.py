"""Ingress → authentication → dashboards: oauth2-proxy stands in front of them, or the ingress verifies tokens."""

from __future__ import annotations

from collections.abc import Iterator

from lab.initialize import dashboards, ingresses
from lab.initialize.dashboards import PROTECTED
from lab.initialize.ingresses import AUTH, INGRESSES, OBSERVABILITY, Route
from lab.initialize.model import ApplyStage, ClusterChoice, StagedObjects, WireCheck, Wiring
from lab.initialize.options.authentication import ISSUER, PROVIDER, PROXY
from lab.initialize.wires import questions
from lab.kube.objects import Obj

_LOGIN = ("/authorize", "/login/", "/end_session")
"""Paths of the small OpenID provider that browsers need."""
_NO_CREDENTIALS = "the server has asked for the client to provide credentials"
"""What kubectl says of a 401 from behind the API server; of one by the API server itself it says `(Unauthorized)`.

Source: `NewGenericServerResponse` in apimachinery's pkg/api/errors/errors.go.
"""
_ISTIOS_POLICY = "RBAC: access denied"
"""The body of Envoy's answer 403; kubectl prints it."""


def _by_proxy(choice: ClusterChoice) -> Iterator[StagedObjects]:
    paths = ["/oauth2/", *(one.path for one in dashboards.chosen(choice))]
    routes = [Route(path=path, service=PROXY, port=4180) for path in paths]
    if choice.has(PROVIDER):
        routes += [Route(path=path, service=PROVIDER, port=8080) for path in _LOGIN]
    yield StagedObjects(stage=ApplyStage.WIRING, objects=ingresses.routes(choice, "authentication", AUTH, routes))


def _checks(choice: ClusterChoice) -> Iterator[WireCheck]:
    _, ingress = ingresses.of(choice)
    yield WireCheck(
        proves="oauth2-proxy answers through the ingress",
        ask=questions.at_ingress(ingress, "/oauth2/sign_in"),
        # Not any page: without the route, another application may answer. The API server changes addresses in pages.
        expects='action="[^"]*/oauth2/start"',
        words="the page with the button that begins the login (`/oauth2/start`)",
    )
    for one in dashboards.chosen(choice):
        yield from _refused(choice, one, by=_NO_CREDENTIALS)


def _refused(choice: ClusterChoice, one: dashboards.Dashboard, *, by: str) -> Iterator[WireCheck]:
    """Yield the checks that a dashboard answers, and that authentication refuses a request without a session or token.

    `by` is the refuser's answer, so that another failure, such as a missing route, does not pass.
    """
    _, ingress = ingresses.of(choice)
    yield WireCheck(
        proves=f"{one.title} itself answers",
        ask=questions.dashboard(one),
        expects=one.answer,
    )
    yield WireCheck(
        proves=f"the ingress refuses a request to {one.title} without a session or token",
        ask=questions.at_ingress(ingress, one.healthy),
        expects=by,
        refused=True,
    )


def _by_token(choice: ClusterChoice) -> Iterator[StagedObjects]:
    routes = [Route(path=one.path, service=one.service, port=one.port) for one in dashboards.chosen(choice)]
    yield StagedObjects(stage=ApplyStage.WIRING, objects=ingresses.routes(choice, "dashboards", OBSERVABILITY, routes))
    make = _istio_tokens if choice.has("istio-gateway") else _envoy_tokens
    yield StagedObjects(stage=ApplyStage.WIRING, objects=make(choice))


def _istio_tokens(choice: ClusterChoice) -> list[Obj]:
    """Return the verification of tokens at the Gateway, and the refusal of requests to dashboards without one."""
    ingress = INGRESSES["istio-gateway"]
    target = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": ingress.gateway}]
    metadata = {"name": "dashboards", "namespace": ingress.namespace}
    paths = [f"{one.path}*" for one in dashboards.chosen(choice)]
    return [
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "RequestAuthentication",
            "metadata": metadata,
            "spec": {"targetRefs": target, "jwtRules": [{"issuer": ISSUER, "jwksUri": f"{ISSUER}/keys"}]},
        },
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": metadata,
            "spec": {
                "targetRefs": target,
                "action": "DENY",
                "rules": [
                    {
                        "from": [{"source": {"notRequestPrincipals": ["*"]}}],
                        "to": [{"operation": {"paths": paths}}],
                    }
                ],
            },
        },
    ]


def _envoy_tokens(choice: ClusterChoice) -> list[Obj]:
    del choice
    provider = {"name": "issuer", "issuer": ISSUER, "remoteJWKS": {"uri": f"{ISSUER}/keys"}}
    return [
        {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "SecurityPolicy",
            "metadata": {"name": "dashboards", "namespace": OBSERVABILITY},
            "spec": {
                "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "dashboards"}],
                "jwt": {"providers": [provider]},
            },
        }
    ]


def _token_checks(choice: ClusterChoice) -> Iterator[WireCheck]:
    for one in dashboards.chosen(choice):
        yield from _refused(choice, one, by=_ISTIOS_POLICY if choice.has("istio-gateway") else _NO_CREDENTIALS)


BY_PROXY = Wiring(
    id="guard",
    says="The ingress sends requests for dashboards to oauth2-proxy, which lets only users with a session through.",
    ends=(frozenset(INGRESSES), frozenset({PROXY})),
    parts=_by_proxy,
    checks=_checks,
)
BY_TOKEN = Wiring(
    id="tokens",
    says="The ingress verifies a JWT before a request reaches a dashboard.",
    ends=(frozenset({"istio-gateway", "envoy-gateway"}), frozenset({"jwt"}), PROTECTED),
    parts=_by_token,
    checks=_token_checks,
)
