"""Images: the public names of those that the options add, IMAGES.txt, and other registries for air-gapped clusters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_TEKTON = "ghcr.io/tektoncd/pipeline"
PUBLIC: Mapping[str, str] = {
    "oauth2-proxy": "quay.io/oauth2-proxy/oauth2-proxy:v7.15.6",
    "oidc-provider": "eastwest-lab/oidc-provider:3.52.0",
    "metrics-server": "registry.k8s.io/metrics-server/metrics-server:v0.9.0",
    "prometheus-server": "docker.io/prom/prometheus:v3.15.1",
    "otel-collector": "docker.io/otel/opentelemetry-collector:0.165.0",
    "jaeger": "docker.io/jaegertracing/jaeger:2.13.0",
    "flux-source-controller": "ghcr.io/fluxcd/source-controller:v1.9.5",
    "flux-kustomize-controller": "ghcr.io/fluxcd/kustomize-controller:v1.9.5",
    "oci-registry": "gcr.io/go-containerregistry/crane:v0.22.1",
    # ko names an image after the last part of its package's path and the path's MD5.
    "tekton-controller": f"{_TEKTON}/controller-10a3e32792f33651396d02b6855a6e36:v1.14.0",
    "tekton-webhook": f"{_TEKTON}/webhook-d4749e605405422fd87700164e31b2d1:v1.14.0",
    "tekton-events": f"{_TEKTON}/events-a9042f7efb0cbade2a868a1ee5ddd52c:v1.14.0",
    "tekton-entrypoint": f"{_TEKTON}/entrypoint-bff0a22da108bc2f16c818c97641a296:v1.14.0",
    "tekton-nop": f"{_TEKTON}/nop-8eac7c133edad5df719dc37b36b62482:v1.14.0",
    "tekton-sidecarlogresults": f"{_TEKTON}/sidecarlogresults-7501c6a20d741631510a448b48ab098f:v1.14.0",
    "tekton-workingdirinit": f"{_TEKTON}/workingdirinit-0c558922ec6a1b739e550e349f2d5fc1:v1.14.0",
    "keda-operator": "ghcr.io/kedacore/keda:2.21.0",
    "keda-metrics-apiserver": "ghcr.io/kedacore/keda-metrics-apiserver:2.21.0",
    "keda-admission-webhooks": "ghcr.io/kedacore/keda-admission-webhooks:2.21.0",
}
"""The images of options, by their names in the catalogue."""
LOCAL = "eastwest-lab/"
"""Prefix of images that only the lab builds."""


def built_by_lab(what: str, artifact: str) -> str:
    """Return the note for an image that no registry has."""
    return (
        f"{what} is the lab's own: `lab artifacts build {artifact}`, then load it into the nodes, or push it to your "
        "registry, under the name in IMAGES.txt."
    )


def named_in(text: str, known: Iterable[str]) -> Iterator[str]:
    """Yield those of the known images that a text names, such as in arguments and settings of controllers."""
    for image in known:
        if image in text and re.search(rf"(?<![\w./-]){re.escape(image)}(?![\w/@-])", text):
            yield image


def moved(text: str, images: Iterable[str], registry: str) -> str:
    """Return YAML in which each of the images comes from another registry, with the same path."""
    for image in sorted(images, key=len, reverse=True):
        text = _replaced(text, image, mirrored(image, registry))
        # Linkerd's settings have name and tag apart.
        name = re.sub(r"(:[\w.-]+)?(@.*)?$", "", image)
        text = _replaced(text, name, mirrored(name, registry))
    return text


def _replaced(text: str, image: str, new: str) -> str:
    return re.sub(rf"(?<![\w./-]){re.escape(image)}(?![\w/@:.-])", new, text) if image in text else text


def mirrored(image: str, registry: str) -> str:
    """Return an image's name in another registry: without its own host."""
    host, _, path = image.partition("/")
    is_host = "." in host or ":" in host or host == "localhost"
    return f"{registry}/{path if is_host and path else image}"


def listing(images: Iterable[str], registry: str) -> str:
    """Return IMAGES.txt: an image a line; with a registry, its name there in the second column."""
    names = sorted({*images})
    if not registry:
        return "".join(f"{name}\n" for name in names)
    return "".join(f"{name} {mirrored(name, registry)}\n" for name in names)


def container_images(obj: Any) -> Iterator[str]:
    """Yield the images of an object's containers."""
    if isinstance(obj, dict):
        for key, value in obj.items():
            if key == "image" and isinstance(value, str):
                yield value
            else:
                yield from container_images(value)
    elif isinstance(obj, list):
        for value in obj:
            yield from container_images(value)
