"""Commands that install an option by upstream's own program, for a folder whose YAML of it was unavailable.

The settings are those of the YAML. A second run of the commands changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lab.initialize.model import ClusterChoice
from lab.initialize.options.components import INSTALLED, linkerd_exists, variable
from lab.kube import manifests

_EMISSARY, _CHARTS = "emissary", "oci://ghcr.io/emissary-ingress"
_WAIT = "wait --for=condition=Available --timeout=300s deployment --all"


def _kubectl(choice: ClusterChoice, rest: str) -> str:
    return f'kubectl --context="${variable(choice.cluster)}" {rest}'


def _applied(
    choice: ClusterChoice, command: str, settings: Mapping[str, Any] | None = None, namespace: str = ""
) -> str:
    """Return a command that renders YAML, with a chart's settings, and applies it."""
    place = f"--namespace={namespace} " if namespace else ""
    apply = _kubectl(choice, f"{place}apply --server-side --filename=-")
    if settings is None:
        return f"{command} | {apply}"
    return f"{command} --values=- <<'END' | {apply}\n{manifests.dump_document(dict(settings))}END"


def _settings(choice: ClusterChoice, chart: str) -> Mapping[str, Any]:
    return choice.sources.values(chart, choice.cluster)


def linkerd(choice: ClusterChoice) -> Iterator[str]:
    """Yield the commands for Linkerd, with the issuer that create-secrets.sh made under the one trust anchor."""
    issuer = f"$KEYS/issuer-{choice.cluster}"
    install = (
        'linkerd install --ignore-cluster --identity-trust-anchors-file="$KEYS/anchor.crt"'
        f' --identity-issuer-certificate-file="{issuer}.crt" --identity-issuer-key-file="{issuer}.key"'
    )
    # Each run would give the webhooks other certificates.
    yield f"if ! {_kubectl(choice, linkerd_exists())} >/dev/null 2>&1; then"
    yield _applied(choice, "linkerd install --crds --ignore-cluster --set=installGatewayAPI=false")
    yield _applied(choice, install, _settings(choice, "linkerd"))
    yield _kubectl(choice, f"--namespace=linkerd create configmap {INSTALLED}")
    yield "fi"
    yield _kubectl(choice, f"--namespace=linkerd {_WAIT}")
    if len(choice.clusters) > 1:
        settings = _settings(choice, "multicluster")
        yield _applied(choice, "linkerd multicluster install --ignore-cluster", settings)


def linkerd_viz(choice: ClusterChoice) -> Iterator[str]:
    """Yield the commands for Linkerd's dashboard."""
    place = "--namespace=linkerd-viz"
    yield f"if ! {_kubectl(choice, f'{place} get configmap {INSTALLED}')} >/dev/null 2>&1; then"
    yield _applied(choice, "linkerd viz install --ignore-cluster", _settings(choice, "linkerd-viz"))
    yield _kubectl(choice, f"{place} create configmap {INSTALLED}")
    yield "fi"


def emissary(choice: ClusterChoice, version: str, annotations: dict[str, str]) -> Iterator[str]:
    """Yield the commands for Emissary; its Listener is in the folder, and its pods are ready only with one."""
    template = f"helm template --include-crds --no-hooks --version={version} --namespace={_EMISSARY}"
    yield _applied(choice, f"{template} emissary-crds {_CHARTS}/emissary-crds-chart", namespace=_EMISSARY)
    yield _kubectl(choice, "wait --for=condition=Established --timeout=300s customresourcedefinition --all")
    settings = {**_settings(choice, "emissary-chart"), "podAnnotations": annotations}
    yield _applied(choice, f"{template} emissary-ingress {_CHARTS}/emissary-ingress", settings, namespace=_EMISSARY)
