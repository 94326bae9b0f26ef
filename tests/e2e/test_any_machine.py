"""The lab for an ordinary user of another machine: from a bundle without any network, and from registries."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from lab import stacks
from lab.artifacts.catalog import default
from lab.base.names import STACKS
from tests.contract.artifacts.conftest import registry_program
from tests.e2e.internet import project_for_builds_of_this_machine, publish
from tests.e2e.machines import OrdinaryUser, another_machine, build_wheel, folder_for_a_machine, save_bundle


@pytest.fixture
def folder() -> Iterator[Path]:
    with folder_for_a_machine() as made:
        yield made


def use(user: OrdinaryUser, stack: str) -> None:
    """Use the lab from its first start to its end."""
    began = time.monotonic()
    user.lab("up")
    print(f"`lab up`, {stack}: {time.monotonic() - began:.0f} s")
    assert "everything is alive" in user.lab("status")
    assert json.loads(user.lab("status", "--json"))["stack"] == stack
    assert " 0 failed, 0 errored" in user.lab("run")
    print(f"disk: {user.machine.used_bytes() / 1e9:.1f} GB")
    user.lab("down")
    assert user.machine.docker("ps", "--all", "--quiet") == ""


def reference_of(name: str) -> str:
    """Return upstream's name of an image."""
    upstream = default()[name].upstream
    assert upstream is not None
    return upstream.reference or ""


def artifacts_of(user: OrdinaryUser) -> list[dict[str, Any]]:
    """Return what `lab artifacts list` shows."""
    return cast("list[dict[str, Any]]", json.loads(user.lab("artifacts", "list", "--json")))


def there(user: OrdinaryUser) -> set[str]:
    """Return the artifacts that are there."""
    return {str(row["name"]) for row in artifacts_of(user) if row["there"]}


def test_from_a_bundle_without_any_network(request: pytest.FixtureRequest, folder: Path) -> None:
    chosen = request.config.getoption("--stack")
    stack = "istio" if chosen == "auto" else chosen
    bundle = save_bundle(folder, stack)
    with another_machine(folder / "machine") as machine:
        user = OrdinaryUser.of(machine, build_wheel(folder))
        assert "next: lab up" in user.lab("bundle", "load", bundle)
        use(user, stack)
        last = machine.last_packet()
        first, *left = machine.packets()
    assert (first, left.pop()) == ("recording", last)
    assert Counter(left) == Counter()


PROXIES = {"linkerd": ("linkerd-proxy", "Linkerd's proxy image"), "istio": ("istio-proxy", "Istio's proxy image")}
"""For each stack, an image that an ordinary user cannot build, and its title."""


@pytest.mark.parametrize("stack", STACKS)
def test_from_registries(request: pytest.FixtureRequest, folder: Path, stack: str) -> None:
    if request.config.getoption("--stack") not in {"auto", stack}:
        pytest.skip("another stack was chosen")
    internet = publish(folder / "internet", stack=stack, registry_program=registry_program(folder))
    with another_machine(folder / "machine", etc=internet.etc) as machine, internet.serving(machine):
        wheel = build_wheel(folder, project=project_for_builds_of_this_machine(folder))
        user = OrdinaryUser.of(machine, wheel, env=internet.user_env)
        print(f"published: {internet.size_bytes / 2**20:.0f} MiB")
        proxy, title = PROXIES[stack]
        with internet.without(reference_of(proxy)):
            refused = user.lab("up", "--stack", stack, exit_code=2)
        assert "1 artifact is missing" in refused
        assert title in refused
        assert machine.docker("ps", "--all", "--quiet") == ""
        needed = stacks.STACKS[stack].node_image
        assert {"kind", "kubectl", "podinfo", "frontend"} <= there(user), "the others were pulled and built"
        assert needed not in there(user)
        use(user, stack)
        assert needed in there(user)
        pulled = {row["name"] for row in artifacts_of(user) if row["state"] == "inside the node image"}
        assert {proxy, "podinfo"} <= pulled
        images = machine.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        assert reference_of("podinfo") not in images, "the node image has it inside"
        rows = [row for row in artifacts_of(user) if row["there"]]
        built = {row["name"] for row in rows if row["source"] == "built here"}
        assert built == {"frontend", "frontend-packages", stacks.STACKS[stack].node_image}
        assert {row["source"] for row in rows if row["name"] not in built} == {"upstream"}
        (lock,) = user.folder.rglob("lab.lock")
        assert f'"{reference_of(proxy)}" = "sha256:' in lock.read_text(encoding="utf-8")
