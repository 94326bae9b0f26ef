"""Commands on a running lab: their output, and that they leave a healthy lab unchanged."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import NAME, PORTS, CommandLine, RunningLab, docker


def test_a_second_up_changes_nothing(lab: RunningLab) -> None:
    steps = lab.json("up")["steps"]
    assert {name: s["status"] for name, s in steps.items() if s["status"] != "unchanged"} == {}


def test_plan_prints_the_steps_and_touches_nothing(lab: RunningLab) -> None:
    other = CommandLine(folder=lab.folder / "other", name="never-made", toml="")
    names = [step["name"] for step in other.json("up", "--plan")]
    assert {"east/cluster", "west/cluster"} <= set(names)
    assert not (other.folder / "state").exists()
    assert "never-made" not in docker("network", "ls", "--format", "{{.Name}}").split()


def test_status_names_everything_on_one_screen(lab: RunningLab) -> None:
    text = lab.run("status")
    for word in ("east", "west", "GKE", "Docker Desktop", "podinfo-east", *(f"localhost:{p}" for p in PORTS.values())):
        assert word in text
    assert len(text.splitlines()) <= 50


def test_ports_are_published_on_loopback_only(lab: RunningLab) -> None:
    for cluster in PORTS:
        published = docker("port", f"{NAME}-{cluster}-control-plane").splitlines()
        assert published
        assert all("-> 127.0.0.1:" in line for line in published), published


def test_secrets_are_readable_by_their_owner_only(lab: RunningLab) -> None:
    state = lab.folder / "state" / NAME
    files = [f for f in state.rglob("*") if f.is_file() and (f.suffix in {".key", ".pem"} or f.name == "kubeconfig")]
    assert any("pki" in str(f) for f in files)
    assert {str(f): oct(stat.S_IMODE(f.stat().st_mode)) for f in files if f.stat().st_mode & 0o077} == {}


def test_no_secret_is_in_the_logs(lab: RunningLab) -> None:
    logs = "".join(f.read_text() for f in (lab.folder / "state" / NAME / "logs").glob("*.log"))
    assert logs
    assert "PRIVATE KEY" not in logs
    assert not [word for word in logs.split() if word.startswith("eyJhbGciOi")]


def test_contexts_are_merged_on_request_and_taken_out_again(lab: RunningLab, tmp_path: Path) -> None:
    mine = tmp_path / "config"
    before = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "mine",
        "contexts": [],
        "clusters": [],
        "users": [],
    }
    mine.write_text(yaml.safe_dump(before))
    user = CommandLine(folder=lab.folder, name=lab.name, toml=lab.toml, env={"KUBECONFIG": str(mine)})
    user.run("kubeconfig", "--merge")
    merged = yaml.safe_load(mine.read_text())
    assert len(merged["contexts"]) == len(PORTS)
    assert merged["current-context"] == "mine"
    user.run("kubeconfig", "--unmerge")
    assert yaml.safe_load(mine.read_text()) == before


def test_two_runs_at_once_name_the_first(lab: RunningLab) -> None:
    from lab.base.paths import Paths
    from lab.lifecycle import lock

    state = lab.folder / "state" / NAME
    with lock.held(Paths(cache=state, state=state), "lab up"):
        output = lab.run("up", exit_code=3)
    assert f"`lab up` (process {os.getpid()})" in output


@pytest.mark.parametrize(
    ("toml", "exit_code", "words"),
    [
        ('[clusters.east]\npod_cdir = "10.9.0.0/16"\nregio = "x"', 2, ["pod_cidr", "region", ":3:", ":4:"]),
        ('[clusters.east]\npod_cidr = "10.11.0.0/16"', 2, ["overlaps"]),
        (
            f"[clusters.east]\ningress_port = {PORTS['west']}\n[clusters.west]\ningress_port = 28999",
            3,
            [f"port {PORTS['west']}", "in use"],
        ),
    ],
)
def test_bad_input_says_what_where_and_what_next(lab: RunningLab, toml: str, exit_code: int, words: list[str]) -> None:
    wrong = CommandLine(folder=lab.folder / "wrong", name="wrong", toml=toml)
    output = wrong.run("up", exit_code=exit_code)
    for word in [*words, "next:"]:
        assert word in output
    assert "wrong" not in docker("network", "ls", "--format", "{{.Name}}").split()


def test_logs_show_a_run_and_a_workload_and_collect_everything(lab: RunningLab, tmp_path: Path) -> None:
    assert "east/cluster" in lab.run("logs", "--lines", "1000") or "logs" in lab.run("logs")
    assert lab.run("logs", "frontend", "--cluster", "west").strip()
    lab.run("logs", "--export", str(tmp_path / "all"))
    assert {p.name for p in (tmp_path / "all").iterdir()} >= {"east", "west"}
