"""Facts that are in two places: versions and images in options and catalogue, flags of the lab's own programs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import lab.artifacts.from_source
from lab.artifacts.catalog import default
from lab.initialize.choices import of
from lab.initialize.images import PUBLIC
from lab.initialize.model import Sources
from lab.initialize.options import OPTIONS
from lab.initialize.options.authentication import PROVIDER
from lab.initialize.tree import cluster_choices

CATALOG = {artifact.name: artifact for artifact in default()}
_OTHER_NAMES = {
    "istio": "istioctl",
    "istio-gateway": "istioctl",
    "linkerd-viz": "linkerd",
    "emissary": "emissary",
    "flux": "",  # the distribution's version; its controllers have others
    "jaeger": "",  # the catalogue has no Jaeger: nodes pull upstream's image
    "prometheus": "prometheus-server",
}
"""Where the catalogue's name of an option differs from the option's, and from `…-manifests`."""


def entry_of(option: str) -> str:
    names = [_OTHER_NAMES.get(option, option), f"{option}-manifests"]
    return next((name for name in names if name in CATALOG), "")


@pytest.mark.parametrize("id_", [one.id for one in OPTIONS.values() if one.version and not one.reference])
def test_an_option_has_the_version_of_the_catalogue(id_: str) -> None:
    name = entry_of(id_)
    if not name:
        assert _OTHER_NAMES[id_] == "", f"the catalogue has neither {id_} nor {id_}-manifests"
        return
    artifact = CATALOG[name]
    assert OPTIONS[id_].version == artifact.version_from(upstream=artifact.upstream is not None)


def test_the_public_images_are_those_of_the_catalogue() -> None:
    of_catalog = {a.name: a.upstream.image for a in CATALOG.values() if a.upstream and a.upstream.image}
    assert {name: PUBLIC[name] for name in PUBLIC if name in of_catalog} == {
        name: of_catalog[name] for name in PUBLIC if name in of_catalog
    }
    assert PUBLIC["jaeger"].endswith(f":{OPTIONS['jaeger'].version}")


class NoSources:
    """These options ask for no YAML."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def arguments(option: str) -> list[str]:
    choices = of({"authentication": f"oauth2-proxy,{PROVIDER}"}, source="a test")
    no_sources: Sources = NoSources()  # type: ignore[assignment]
    objects = [
        obj
        for part in OPTIONS[option].parts(cluster_choices(choices, no_sources)["east"])
        for obj in part.objects
        if obj["kind"] == "Deployment"
    ]
    (container,) = objects[0]["spec"]["template"]["spec"]["containers"]
    found: list[str] = container["args"]
    return found


def test_the_providers_flags_are_those_of_its_program() -> None:
    source = Path(lab.artifacts.from_source.__file__).parent / "recipes" / PROVIDER / "main.go"
    text = source.read_text()
    flags = {*re.findall(r'flag\.StringVar\(&\S+, "([\w-]+)"', text)}
    assert flags
    given = [argument.partition("=")[0].removeprefix("--") for argument in arguments(PROVIDER)]
    assert {*given} == flags


def test_oauth2_proxy_reaches_the_provider_inside_and_browsers_outside() -> None:
    given = dict(argument.removeprefix("--").partition("=")[::2] for argument in arguments("oauth2-proxy"))
    inside = f"http://{PROVIDER}.auth.svc.cluster.local:8080"
    assert given["skip-oidc-discovery"] == "true"
    assert {given[name] for name in ("redeem-url", "oidc-jwks-url", "profile-url")} == {
        f"{inside}/{path}" for path in ("oauth/token", "keys", "userinfo")
    }
    assert given["login-url"] == f"{given['oidc-issuer-url']}/authorize"
    provider = dict(argument.removeprefix("--").partition("=")[::2] for argument in arguments(PROVIDER))
    assert provider["issuer"] == given["oidc-issuer-url"]
    assert provider["redirect-uris"] == given["redirect-url"]
