"""The distance between two clusters, on a real lab: seen in a ping, in a request, in a transfer; and what ends it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from lab.base import wait
from lab.base.wait import NotYet
from tests.e2e.conftest import LAB, NAME, RunningLab, docker

WEST, EAST = (f"{NAME}-{cluster}-control-plane" for cluster in ("west", "east"))
LINE = f"{NAME}-west-to-east-line"
DELAY_MS = 80.0
NEARLY_MS, LITTLE_MS = 0.9 * DELAY_MS, 0.5 * DELAY_MS
_SINK = """
import socket, time
with socket.create_server(("0.0.0.0", 27999)) as server:
    print("listening", flush=True)
    connection, _ = server.accept()
    size = len(connection.recv(1 << 20))
    began = time.monotonic()
    while data := connection.recv(1 << 20):
        size += len(data)
    print(size / (time.monotonic() - began), flush=True)
"""
_SOURCE = """
import socket, sys, time
with socket.create_connection((sys.argv[1], 27999)) as connection:
    end = time.monotonic() + 6
    while time.monotonic() < end:
        connection.sendall(b"x" * 65536)
"""


@pytest.fixture(autouse=True)
def near(lab: RunningLab) -> Iterator[None]:
    """Begin and end without a distance and without a partition."""
    for words in (("network", "--clear"), ("mend",)):
        lab.run(*words)
    yield
    for words in (("network", "--clear"), ("mend",)):
        lab.run(*words)


@pytest.fixture
def linked(lab: RunningLab) -> Iterator[None]:
    """Let lab.toml want a distance."""
    before = lab.file.read_text()
    lab.file.write_text(f'{before}[[links]]\nbetween = ["west", "east"]\ndelay = "{DELAY_MS:g}ms"\n')
    yield
    lab.file.write_text(before)
    lab.run("reset")


def measured(lab: RunningLab) -> Any:
    (row,) = lab.json("network", "west", "east")
    return row["measured"]


def directions(lab: RunningLab) -> dict[str, bool]:
    """Return whether each direction works, by its source."""
    (row,) = lab.json("network", "west", "east")
    return {one["source"]: one["works"] for one in row["directions"]}


def fastest_ms(lab: RunningLab) -> float:
    """Return the latency of the fastest of 20 requests to East: other work on this machine slows down the others."""
    answers = lab.api("/api/answers", upstream="podinfo-east", count=20)["answers"]
    return min(float(row["latency_ms"]) for row in answers if row["error"] is None)


def needs_a_line(change: Any) -> None:
    if change["means"] == "netem":
        pytest.skip("this engine's kernel has netem, so that no program can die")


def address(node: str) -> str:
    networks = json.loads(docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", node))
    return str(networks[NAME]["IPAddress"])


def beside(node: str, program: str, *arguments: str) -> list[str]:
    """Return the words of docker that run a Python program in a node's network namespace."""
    image = next(
        name for name in docker("images", "--format", "{{.Repository}}:{{.Tag}}").split() if "frontend:" in name
    )
    place = ("run", "--rm", "--pull=never", f"--network=container:{node}", "--entrypoint=python3.11")
    return [*place, image, "-c", program, *arguments]


def transfer_bit_s(name: str) -> float:
    """Send for six seconds from West's node to East's, and return the rate at which it arrives."""
    place = beside(EAST, _SINK)
    docker("run", "--detach", f"--name={name}", *place[2:])
    try:
        wait.until(
            "the sink", lambda: "listening" in docker("logs", name) or NotYet("it does not listen"), timeout_s=30
        )
        docker(*beside(WEST, _SOURCE, address(EAST)))
        return 8 * float(
            wait.until("the rate", lambda: _rate(docker("logs", name)), timeout_s=30)  # what is queued still arrives
        )
    finally:
        docker("rm", "--force", name)


def _rate(log: str) -> str | NotYet:
    lines = log.split()
    return lines[1] if len(lines) > 1 else NotYet("the sink still receives")


def test_a_distance_is_seen_in_a_ping_and_in_a_request_and_clear_restores(lab: RunningLab) -> None:
    near_ms = fastest_ms(lab)
    change = lab.json("network", "west", "east", "--delay", f"{DELAY_MS:g}ms")
    assert change["changed"]
    assert {command.split()[0] for command in change["commands"]} == {"docker"}
    before, after = change["before"], change["after"]
    assert after["ping_ms"] - before["ping_ms"] >= NEARLY_MS
    assert after["request_ms"] >= NEARLY_MS
    assert fastest_ms(lab) - near_ms >= NEARLY_MS
    assert directions(lab) == {"west": True, "east": True}
    (seen,) = lab.status()["changes"]
    assert (seen["kind"], "80 ms" in seen["effect"]) == ("distance", True)
    lab.wait_healthy()
    assert not lab.json("network", "west", "east", "--delay", f"{DELAY_MS:g}ms")["changed"]
    (cleared,) = lab.json("network", "west", "east", "--clear")
    assert cleared["after"]["ping_ms"] < LITTLE_MS
    assert fastest_ms(lab) - near_ms < LITTLE_MS
    assert lab.status()["changes"] == []
    assert LINE not in docker("ps", "--all", "--format", "{{.Names}}").split()


def test_setting_changing_and_clearing_a_distance_loses_no_request(lab: RunningLab) -> None:
    changes = (("--delay", "80ms"), ("--delay", "40ms", "--jitter", "10ms"), ("--clear",))
    script = " && ".join(shlex.join([*LAB, "network", "west", "east", *options]) for options in changes)
    lab.run("load", "podinfo-east", "--rate", "10", "--fail-on-loss", "--", "sh", "-c", script)
    assert measured(lab)["ping_ms"] < LITTLE_MS


def test_a_loss_is_seen_in_connections(lab: RunningLab) -> None:
    def connected() -> int:
        script = (
            'for i in $(seq 20); do timeout 0.5 bash -c \'exec 3<>"/dev/tcp/$0/6443"\' "$0" && echo yes; done; true'
        )
        return docker("exec", WEST, "bash", "-c", script, address(EAST)).split().count("yes")

    assert connected() >= 19
    lab.run("network", "west", "east", "--loss", "50%")
    # A quarter of the connections has both of its first packets; more than 15 of 20 have a chance of 1 in a million.
    assert connected() <= 15


def test_a_rate_is_seen_in_a_transfer(lab: RunningLab) -> None:
    rates = {}
    for mbit in (20, 5):
        lab.run("network", "west", "east", "--rate", f"{mbit}mbit")
        rates[mbit] = transfer_bit_s(f"{NAME}-sink")
        assert rates[mbit] < 1.05e6 * mbit
    assert rates[20] / rates[5] == pytest.approx(4, rel=0.25)


def test_a_line_that_is_killed_is_reported_and_packets_pass(lab: RunningLab) -> None:
    needs_a_line(lab.json("network", "west", "east", "--delay", f"{DELAY_MS:g}ms"))
    docker("kill", LINE)
    found = measured(lab)
    assert LITTLE_MS * 0.8 <= found["ping_ms"] < NEARLY_MS, "the other direction still takes its half"
    assert found["request_ms"] is not None
    assert directions(lab) == {"west": False, "east": True}
    (change,) = lab.status()["changes"]
    assert "the delay line from west to east has stopped" in change["effect"]
    lab.run("reset")
    assert lab.status()["changes"] == []
    assert measured(lab)["ping_ms"] < LITTLE_MS


@pytest.mark.usefixtures("linked")
def test_up_restores_the_distance_of_lab_toml_after_a_restart_of_a_node(lab: RunningLab) -> None:
    lab.run("up")
    assert measured(lab)["ping_ms"] >= NEARLY_MS
    lab.wait_healthy()
    assert lab.status()["changes"] == []
    assert lab.json("up")["steps"]["distances"]["status"] == "unchanged"
    docker("restart", WEST)

    def missing() -> object:
        problems = lab.status()["problems"]
        return any("packets from west to east have no distance" in one for one in problems) or NotYet(str(problems))

    wait.until("status names the missing direction", missing, timeout_s=120, interval_s=2)
    assert lab.json("up")["steps"]["distances"]["status"] == "changed"
    assert measured(lab)["ping_ms"] >= NEARLY_MS
    assert directions(lab) == {"west": True, "east": True}


@pytest.mark.usefixtures("linked")
def test_a_killed_line_of_lab_toml_is_a_problem_that_up_fixes(lab: RunningLab) -> None:
    lab.run("up")
    if LINE not in docker("ps", "--format", "{{.Names}}").split():
        pytest.skip("this engine's kernel has netem, so that no program can die")
    docker("kill", LINE)
    found = lab.status()
    assert any("because the delay line there has ended" in problem for problem in found["problems"])
    assert found["next"] == "lab up"
    lab.run("up")
    lab.wait_healthy()
    assert measured(lab)["ping_ms"] >= NEARLY_MS


def test_a_cut_drops_packets_of_a_distance_as_well(lab: RunningLab) -> None:
    lab.run("network", "west", "east", "--delay", f"{DELAY_MS:g}ms")
    lab.run("cut", "west", "east")
    assert measured(lab)["ping_ms"] is None
    lab.run("mend")
    assert measured(lab)["ping_ms"] >= NEARLY_MS


def test_a_partition_is_shown_and_mended(lab: RunningLab) -> None:
    lab.run("partition", "west")
    assert measured(lab)["ping_ms"] is None
    (change,) = lab.status()["changes"]
    assert (change["kind"], "between east | west" in change["effect"]) == ("partition", True)
    lab.run("mend")
    assert lab.status()["changes"] == []
    assert measured(lab)["ping_ms"] < LITTLE_MS
