"""Engines are recognised by what they report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.host import advice
from lab.host.products import ClientFacts, Product, Site, product_at
from tests.unit.host.engines import ENGINES, HERE, MAC, engine_of, origin_of

RECOGNISED = {
    "docker-20.10": (Product.ENGINE, Site.HERE),
    "docker-29": (Product.ENGINE, Site.HERE),
    "docker-desktop-linux": (Product.DESKTOP, Site.VM),
    "docker-desktop-mac": (Product.DESKTOP, Site.VM),
    "docker-desktop-mac-default-socket": (Product.DESKTOP, Site.VM),
    "docker-desktop-wsl": (Product.DESKTOP, Site.VM),
    "colima": (Product.COLIMA, Site.VM),
    "colima-profile": (Product.COLIMA, Site.VM),
    "orbstack": (Product.ORBSTACK, Site.VM),
    "rancher-desktop-mac": (Product.RANCHER, Site.VM),
    "rancher-desktop-wsl": (Product.RANCHER, Site.VM),
    "lima": (Product.LIMA, Site.VM),
    "rootless": (Product.ROOTLESS, Site.HERE),
    "podman-socket": (Product.PODMAN, Site.HERE),
    "podman-as-docker-sock": (Product.PODMAN, Site.UNKNOWN),
    "podman-command": (Product.PODMAN, Site.UNKNOWN),
    "remote-ssh": (Product.ENGINE, Site.REMOTE),
    "remote-tcp-of-a-twin": (Product.ENGINE, Site.REMOTE),
    "dind-service": (Product.ENGINE, Site.REMOTE),
    "forwarded-socket": (Product.ENGINE, Site.UNKNOWN),
    "from-a-container": (Product.ENGINE, Site.UNKNOWN),
    "tcp-on-loopback": (Product.ENGINE, Site.HERE),
}


def test_every_recorded_engine_is_in_the_table() -> None:
    assert set(RECOGNISED) == set(ENGINES)
    assert all(engine["source"] for engine in ENGINES.values())


@pytest.mark.parametrize("name", ENGINES)
def test_product_and_place(name: str) -> None:
    origin = origin_of(name)
    assert (origin.product, origin.site) == RECOGNISED[name]


@pytest.mark.parametrize("name", ["docker-20.10", "docker-29"])
def test_only_this_machines_own_service_may_be_judged_by_its_process(name: str) -> None:
    assert origin_of(name).is_service_here


@pytest.mark.parametrize("name", sorted(set(ENGINES) - {"docker-20.10", "docker-29"}))
def test_no_other_engine_is_this_machines_service(name: str) -> None:
    assert not origin_of(name).is_service_here


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_on_a_mac_no_engine_is_on_this_machine(name: str) -> None:
    assert origin_of(name, MAC).site is not Site.HERE


def test_inside_of_colimas_machine_its_engine_is_an_ordinary_one() -> None:
    engine = engine_of("colima")
    inside = ClientFacts(system="Linux", hostname=engine.name, kernel=engine.kernel, memory_bytes=engine.memory_bytes)
    origin = origin_of("colima", inside)
    assert (origin.product, origin.site) == (Product.ENGINE, Site.HERE)


@pytest.mark.parametrize("change", [{"hostname": "x"}, {"kernel": "x"}, {"memory_bytes": 1}])
def test_an_engine_that_differs_in_one_thing_is_not_on_this_machine(change: dict[str, object]) -> None:
    assert origin_of("docker-29", replace(HERE, **change)).site is Site.UNKNOWN  # type: ignore[arg-type]


def test_a_password_in_the_endpoint_is_not_shown() -> None:
    origin = replace(origin_of("remote-ssh"), endpoint="ssh://ada:geheim@build.example")
    assert "geheim" not in origin.address
    assert "build.example" in origin.address


@pytest.mark.parametrize(
    ("endpoint", "context", "product"),
    [
        ("unix:///home/ada/.docker/desktop/docker.sock", "", Product.DESKTOP),
        ("unix:///Users/ada/.docker/run/docker.sock", "", Product.DESKTOP),
        ("npipe:////./pipe/dockerDesktopLinuxEngine", "", Product.DESKTOP),
        ("", "desktop-linux", Product.DESKTOP),
        ("unix:///Users/ada/.colima/work/docker.sock", "", Product.COLIMA),
        ("", "colima-work", Product.COLIMA),
        ("unix:///Users/ada/.orbstack/run/docker.sock", "", Product.ORBSTACK),
        ("unix:///Users/ada/.rd/docker.sock", "", Product.RANCHER),
        ("unix:///Users/ada/.lima/docker/sock/docker.sock", "", Product.LIMA),
        ("unix:///run/user/1000/docker.sock", "", Product.ROOTLESS),
        ("unix:///run/user/1000/podman/podman.sock", "", Product.PODMAN),
        ("unix:///var/run/docker.sock", "default", None),
        ("tcp://10.0.0.9:2375", "", None),
    ],
)
def test_an_engine_that_does_not_answer_is_guessed_by_its_socket(
    endpoint: str, context: str, product: Product | None
) -> None:
    assert product_at(endpoint, context) is product
    assert product is None or advice.start(product)


@pytest.mark.parametrize(
    ("name", "store"),
    [("docker-20.10", False), ("docker-29", True), ("docker-desktop-mac", False), ("colima", True)],
)
def test_the_image_store(name: str, store: bool) -> None:
    assert engine_of(name).containerd_store is store
