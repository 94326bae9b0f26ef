"""Authentication: oauth2-proxy or JWT in front of the dashboards, and providers of identities."""

from __future__ import annotations

from collections.abc import Iterator

from lab.initialize.dashboards import upstreams
from lab.initialize.images import PUBLIC, built_by_lab
from lab.initialize.ingresses import AUTH
from lab.initialize.model import ApplyStage, Category, ClusterChoice, Option, Secret, StagedObjects, Url, Value
from lab.initialize.objects import RESTRICTED, account, deployment, namespace, probe, resources, scraped, service
from lab.initialize.urls import public_url

PROXY, PROVIDER = "oauth2-proxy", "oidc-provider"
ISSUER = "https://issuer.example"
"""The issuer in files without a chosen provider: a value to replace."""
_PROXY_PORT, _PROVIDER_PORT, _METRICS_PORT = 4180, 8080, 44180
USERS = "users"


def _secret_env(variable: str, key: str) -> dict[str, object]:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": PROXY, "key": key}}}


def _oauth2_proxy(choice: ClusterChoice) -> Iterator[StagedObjects]:
    base = public_url(choice.cluster)
    arguments = [
        f"--http-address=0.0.0.0:{_PROXY_PORT}",
        f"--metrics-address=0.0.0.0:{_METRICS_PORT}",
        "--provider=oidc",
        "--scope=openid email profile",
        "--email-domain=*",
        "--reverse-proxy=true",
        "--skip-provider-button=false",
        f"--redirect-url={base}/oauth2/callback",
        # The base URL is plain HTTP. With HTTPS in front, remove this line.
        "--cookie-secure=false",
        "--upstream-timeout=30s",
        *(f"--upstream={url}" for url in upstreams(choice)),
    ]
    if choice.has(PROVIDER):
        inside = f"http://{PROVIDER}.{AUTH}.svc.cluster.local:{_PROVIDER_PORT}"
        # Browsers and pods reach the provider under different addresses, so nothing can be discovered.
        arguments += [
            "--skip-oidc-discovery=true",
            f"--oidc-issuer-url={base}",
            f"--login-url={base}/authorize",
            f"--redeem-url={inside}/oauth/token",
            f"--oidc-jwks-url={inside}/keys",
            f"--profile-url={inside}/userinfo",
        ]
    else:
        arguments.append(f"--oidc-issuer-url={ISSUER}")
    container = {
        "image": PUBLIC[PROXY],
        "args": arguments,
        "env": [
            _secret_env("OAUTH2_PROXY_CLIENT_ID", "client-id"),
            _secret_env("OAUTH2_PROXY_CLIENT_SECRET", "client-secret"),
            _secret_env("OAUTH2_PROXY_COOKIE_SECRET", "cookie-secret"),
        ],
        "ports": [
            {"name": "http", "containerPort": _PROXY_PORT},
            {"name": "metrics", "containerPort": _METRICS_PORT},
        ],
        "readinessProbe": probe("/ready", "http"),
        "livenessProbe": probe("/ping", "http"),
        "resources": resources("10m", "32Mi", "128Mi"),
        "securityContext": RESTRICTED,
    }
    yield StagedObjects(stage=ApplyStage.NAMESPACES, objects=[namespace(AUTH)])
    yield StagedObjects(
        stage=ApplyStage.OPERATORS,
        objects=[
            account(PROXY, AUTH),
            service(PROXY, AUTH, [("http", _PROXY_PORT, "http")]),
            deployment(PROXY, AUTH, container, annotations=scraped(_METRICS_PORT)),
        ],
    )


def _proxy_secrets(choice: ClusterChoice) -> Iterator[Secret]:
    client = {"client-id": "$CLIENT_ID", "client-secret": "$CLIENT_SECRET", "cookie-secret": "$COOKIE"}
    cookie, proxy = "COOKIE=$(openssl rand -hex 16)", _create(PROXY, client)
    if not choice.has(PROVIDER):
        title = "oauth2-proxy: its client at your provider (CLIENT_ID, CLIENT_SECRET), and the key of cookies"
        ask = 'ask CLIENT_ID "client id at the provider"; ask CLIENT_SECRET "client secret at the provider"'
        yield Secret(title=title, exists=_exists(PROXY), commands=(ask, cookie, proxy))
        return
    # Each may be missing alone, after a script that was killed: then it gets the client's secret of the other one.
    yield Secret(
        title="oauth2-proxy: the client's secret, and the key of cookies",
        exists=_exists(PROXY),
        commands=(f"CLIENT_ID={PROXY}; {_client_of(PROVIDER)}", cookie, proxy),
    )
    yield Secret(
        title="the OpenID provider: the client's secret, and one user",
        exists=_exists(PROVIDER),
        commands=(
            f"{_client_of(PROXY)}; PASSWORD=$(openssl rand -hex 8)",
            _create(PROVIDER, {"client-secret": "$CLIENT_SECRET", USERS: "demo@example.test:$PASSWORD"}),
            'echo "$CONTEXT: log in as demo@example.test with the password $PASSWORD" >&2',
        ),
    )


def _exists(name: str) -> str:
    return f"--namespace={AUTH} get secret {name}"


def _client_of(other: str) -> str:
    """Return commands that take the client's secret from another Secret, or make it."""
    read = f"{_exists(other)} --ignore-not-found --output=jsonpath='{{.data.client-secret}}'"
    return (
        f'CLIENT_SECRET=$(kubectl --context="$CONTEXT" {read}); '
        'CLIENT_SECRET=$(printf %s "$CLIENT_SECRET" | openssl base64 -d -A); '
        ': "${CLIENT_SECRET:=$(openssl rand -hex 32)}"'
    )


def _create(name: str, entries: dict[str, str]) -> str:
    """Return a command that creates a Secret; the content comes by standard input, so that no process list shows it."""
    lines = "\n".join(f"  {key}: $(printf %s \"{value}\" | base64 | tr -d '\\n')" for key, value in entries.items())
    return (
        'kubectl --context="$CONTEXT" create --filename=- <<END\n'
        f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: {AUTH}\ndata:\n{lines}\nEND"
    )


def _provider(choice: ClusterChoice) -> Iterator[StagedObjects]:
    base = public_url(choice.cluster)
    container = {
        "image": PUBLIC[PROVIDER],
        "args": [
            f"--listen=:{_PROVIDER_PORT}",
            f"--issuer={base}",
            f"--client-id={PROXY}",
            f"--redirect-uris={base}/oauth2/callback",
            "--client-secret-file=/secrets/client-secret",
            f"--users-file=/secrets/{USERS}",
        ],
        "ports": [{"name": "http", "containerPort": _PROVIDER_PORT}],
        "readinessProbe": probe("/ready", "http"),
        "livenessProbe": probe("/healthz", "http"),
        "resources": resources("10m", "16Mi", "64Mi"),
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "secrets", "mountPath": "/secrets", "readOnly": True}],
    }
    volume = {"name": "secrets", "secret": {"secretName": PROVIDER}}
    yield StagedObjects(stage=ApplyStage.NAMESPACES, objects=[namespace(AUTH)])
    yield StagedObjects(
        stage=ApplyStage.OPERATORS,
        objects=[
            account(PROVIDER, AUTH),
            service(PROVIDER, AUTH, [("http", _PROVIDER_PORT, "http")]),
            deployment(PROVIDER, AUTH, container, volumes=[volume]),
        ],
    )


AUTHENTICATION = Category(
    id="authentication",
    title="Authentication",
    question="Who may see the dashboards?",
    many=True,
    options=(
        Option(
            id=PROXY,
            title="oauth2-proxy",
            says="Sends browsers to an OpenID provider, and lets only users with a session reach the dashboards.",
            version="7.15.6",
            license="MIT",
            parts=_oauth2_proxy,
            secrets=_proxy_secrets,
            urls=(Url(path="/oauth2/sign_in", title="sign in"),),
        ),
        Option(
            id=PROVIDER,
            title="a small OpenID provider",
            says="A login page with one user, for labs only: its state is in memory.",
            version="3.52.0",
            license="Apache-2.0",
            parts=_provider,
            notes=(built_by_lab("The provider's image", PROVIDER),),
        ),
        Option(
            id="jwt",
            title="JWT at the edge",
            says="The ingress itself verifies tokens of an issuer; for programs rather than browsers.",
            values=(Value(text=ISSUER, meaning="the issuer of the tokens, whose keys are at /keys"),),
        ),
        Option(
            id="keycloak",
            title="Keycloak",
            says="A complete identity provider with users, groups and federation.",
            version="26.7",
            license="Apache-2.0",
            reference=(
                "Its operator's YAML is in no Go module.",
                "kubectl create namespace keycloak",
                "kubectl --namespace=keycloak create deployment keycloak --port=8080 \\",
                "  --image=quay.io/keycloak/keycloak:26.7 -- /opt/keycloak/bin/kc.sh start-dev",
                "kubectl --namespace=keycloak expose deployment keycloak --port=8080",
            ),
        ),
        Option(
            id="dex",
            title="Dex",
            says="An OpenID provider in front of other identity providers.",
            version="2.46",
            license="Apache-2.0",
            reference=(
                "Its YAML is a chart of its own repository.",
                "helm repo add dex https://charts.dexidp.io",
                "helm install dex dex/dex --namespace dex --create-namespace",
            ),
        ),
    ),
)
