"""The adapter against a real engine, with objects of its own that it takes away again."""

from __future__ import annotations

import tarfile
import uuid
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from lab.base.errors import CommandError, HostError
from lab.tools.docker import Docker, EngineDownError

LABEL = "eastwest.lab/test"


@pytest.fixture(scope="module")
def label(engine: Docker) -> Iterator[dict[str, str | None]]:
    """A label of this run; whatever carries it is gone afterwards."""
    mine: dict[str, str | None] = {LABEL: uuid.uuid4().hex[:8]}
    yield mine
    for container in engine.containers(mine):
        engine.remove_container(container.id)
    for network in engine.networks(mine):
        engine.remove_network(network.id)
    for image in engine.images(mine):
        for tag in image.tags:
            engine.remove_image(tag)


@pytest.fixture(scope="module")
def image(engine: Docker, label: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image that holds nothing: containers run the machine's own programs from read-only mounts."""
    context = tmp_path_factory.mktemp("context")
    (context / "hello").write_text("hello")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY hello /hello\n")
    tag = f"eastwest-lab-test/empty:{label[LABEL]}"
    lines: list[str] = []
    built = engine.build(context, tags=[tag], labels=label, on_line=lines.append)
    found = engine.image(tag)
    assert found is not None
    assert found.id.removeprefix("sha256:").startswith(built)
    assert any("COPY hello" in line for line in lines), "progress comes line by line"
    return tag


@pytest.fixture(scope="module")
def network(engine: Docker, label: dict[str, str]) -> str:
    name = f"eastwest-lab-test-{label[LABEL]}"
    taken = {subnet for network in engine.networks() for subnet in network.subnets}
    free = next(n for n in IPv4Network("10.223.0.0/16").subnets(new_prefix=28) if n not in taken)
    made = engine.create_network(name, subnet=free, labels=label)
    assert made.subnets == (free,)
    return name


@pytest.fixture
def container(engine: Docker, image: str, network: str, label: dict[str, str]) -> str:
    mounts = {Path(folder): folder for folder in ("/usr", "/bin", "/lib", "/lib64") if Path(folder).exists()}
    name = f"eastwest-lab-test-{uuid.uuid4().hex[:8]}"
    engine.run_container(image, ["sleep", "300"], name=name, labels=label, network=network, read_only_mounts=mounts)
    return name


def test_an_engine_says_what_it_is(engine: Docker) -> None:
    found = engine.info()
    assert found.version[0].isdigit()
    assert found.memory_bytes > 2**30
    assert found.default_runtime


def test_the_endpoint_is_a_url(engine: Docker) -> None:
    assert "://" in engine.endpoint()


def test_no_engine_is_an_error_of_its_own() -> None:
    away = Docker(host="unix:///nowhere/docker.sock")
    for ask in (away.info, away.containers, lambda: away.execute("a", ["b"], check=False), lambda: away.image("a")):
        with pytest.raises(EngineDownError, match="no container engine answers"):
            ask()


def test_what_is_not_there_is_none_and_removing_it_is_no_error(engine: Docker) -> None:
    assert engine.container("no-such-container") is None
    assert engine.network("no-such-network") is None
    assert engine.image("no-such/image:tag") is None
    assert engine.remove_network("no-such-network") is False
    assert engine.remove_image("no-such/image:tag") is False
    assert engine.remove_container("no-such-container") is False


def test_a_container_keeps_an_address_of_choice_over_stop_and_start(
    engine: Docker, container: str, network: str
) -> None:
    found = engine.network(network)
    assert found is not None
    wanted: IPv4Address = list(found.subnets[0].hosts())[7]
    engine.disconnect(network, container)
    engine.connect(network, container, ip=wanted)
    engine.stop(container, grace_s=0)
    stopped = engine.container(container)
    assert stopped is not None
    assert not stopped.running
    assert list(stopped.networks) == [network], "a stopped container is still the network's"
    engine.start(container)
    again = engine.container(container)
    assert again is not None
    assert again.running
    assert again.networks == {network: wanted}
    listed = engine.network(network)
    assert listed is not None
    assert listed.containers[container] == wanted


def test_containers_are_found_by_label(engine: Docker, container: str, label: dict[str, str | None]) -> None:
    assert container in {found.name for found in engine.containers(label)}
    assert container in {found.name for found in engine.containers({LABEL: None})}
    assert engine.containers({LABEL: "another"}) == []


def test_exec_hands_over_input_output_and_status(engine: Docker, container: str) -> None:
    assert engine.execute(container, ["cat"], input="over\n").stdout == "over\n"
    assert engine.execute(container, ["false"], check=False).returncode == 1
    with pytest.raises(CommandError, match="exited with 3"):
        engine.execute(container, ["sh", "-c", "exit 3"])


def test_the_restart_policy_can_be_set(engine: Docker, container: str) -> None:
    engine.set_restart_policy(container, "unless-stopped")
    found = engine.container(container)
    assert found is not None
    assert found.restart_policy == "unless-stopped"


def test_a_running_container_is_removed_once(engine: Docker, container: str) -> None:
    assert engine.remove_container(container) is True
    assert engine.container(container) is None


def test_images_are_saved_and_loaded_with_their_tags(engine: Docker, image: str, tmp_path: Path) -> None:
    second = f"{image}-again"
    engine.tag(image, second)
    engine.save([second], tmp_path / "image.tar")
    assert engine.remove_image(second) is True
    assert engine.load(tmp_path / "image.tar") == (second,)
    found = engine.image(second)
    assert found is not None
    assert set(found.tags) == {image, second}


def test_a_root_file_system_becomes_an_image(engine: Docker, tmp_path: Path, label: dict[str, str]) -> None:
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    tag = f"eastwest-lab-test/rootfs:{label[LABEL]}"
    made = engine.import_rootfs(tmp_path / "empty.tar", tag)
    found = engine.image(tag)
    assert found is not None
    assert found.id == made
    assert engine.remove_image(tag) is True


def test_a_taken_subnet_is_explained(engine: Docker, network: str, label: dict[str, str]) -> None:
    found = engine.network(network)
    assert found is not None
    with pytest.raises(HostError, match="overlaps") as caught:
        engine.create_network(f"{network}-2", subnet=found.subnets[0], labels=label)
    assert "lab.toml" in str(caught.value)


def test_a_failed_build_carries_the_builders_words(engine: Docker, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY missing /\n")
    with pytest.raises(CommandError, match="missing"):
        engine.build(tmp_path, tags=["eastwest-lab-test/broken:1"])
