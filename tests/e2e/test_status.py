"""`lab status` and `lab up` on a lab that somebody has changed; `lab check` on one that nobody has."""

from __future__ import annotations

import time

from lab.base import wait
from lab.base.wait import NotYet
from tests.e2e.conftest import NAME, RunningLab, docker
from tests.e2e.test_answers import kubectl


def test_a_deleted_deployment_is_named_and_up_creates_it(lab: RunningLab) -> None:
    kubectl(lab, "west", "-n", "test", "delete", "deployment", "podinfo")
    found = lab.json("status", exit_code=1)
    assert "west: Deployment test/podinfo is missing" in found["problems"]
    assert found["next"] == "lab up"
    lab.run("up")
    lab.wait_healthy()


def test_a_split_alone_is_shown_and_is_not_a_problem(lab: RunningLab) -> None:
    lab.run("split", "podinfo", "--in", "west", "podinfo=50", "podinfo-east=50")
    try:
        lab.wait_healthy()
        (change,) = lab.status()["changes"]
        assert change["kind"] == "split"
        assert "50 to podinfo-east" in change["effect"]
    finally:
        lab.run("unsplit", "podinfo", "--in", "west")


def test_a_node_that_starts_again_has_its_routes(lab: RunningLab) -> None:
    docker("restart", f"{NAME}-west-control-plane")

    def kept() -> object:
        table = docker("exec", f"{NAME}-west-control-plane", "ip", "route", "show")
        return table.count("unreachable") == 3 or NotYet(table)  # its own pods, the others' pods and Services

    wait.until("the node has its routes", kept, timeout_s=20)
    lab.run("up")
    lab.wait_healthy()


def test_missing_routes_are_named(lab: RunningLab) -> None:
    docker("exec", f"{NAME}-west-control-plane", "ip", "route", "flush", "type", "unreachable")
    assert any("lacks routes" in problem for problem in lab.json("status", exit_code=1)["problems"])
    lab.run("up")
    lab.wait_healthy()


def test_upstreams_own_check_ends_with_a_verdict(lab: RunningLab) -> None:
    began = time.monotonic()
    lab.run("check")
    assert time.monotonic() - began < 60


def test_a_check_before_its_step_has_run_says_what_to_run(lab: RunningLab) -> None:
    assert "lab run request_routing" in lab.run("check", "request_routing/under_load", exit_code=2)
