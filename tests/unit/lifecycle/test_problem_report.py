"""The report that a user attaches to a bug report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import ConfigError, HostError, Problem, UsageError
from lab.base.privacy import Names
from lab.host.doctor import Finding, Verdict
from lab.host.engine_report import EngineReport
from lab.host.machine import Machine
from lab.lab import Lab
from lab.lifecycle import problem_report
from lab.tools.docker_records import Container, Engine, read_engine
from tests.unit.clusters.conftest import container
from tests.unit.host.engines import ENGINES

NAMES = Names(homes=("/home/ada",), users=("ada",), hosts=("engine-1",))
SECRET = "geheim"
FOUND = [
    Finding(name="engine", verdict=Verdict.OK, observed="Docker Engine 29 | fine", why="w"),
    Finding(name="names", verdict=Verdict.FAIL, observed="belongs to ada", why="w", fix="rm -r /home/ada/x"),
]
SECTIONS = ["Versions", "System", "Engine", "Findings", "Artifacts", "lab.toml", "Nodes", "Last errors"]


@dataclass
class FakeDocker:
    """An engine that is what a recording says, or that does not answer."""

    name: str = "docker-desktop-linux"
    down: bool = False
    nodes: list[Container] = field(default_factory=list)

    def info(self) -> Engine:
        if self.down:
            raise HostError("no container engine answers")
        return read_engine(ENGINES[self.name]["info"])

    def components(self) -> tuple[str, ...]:
        return ("Engine",)

    def endpoint(self) -> str:
        return f"ssh://ada:{SECRET}@engine-1"

    def version_text(self) -> str:
        return "Client:\n Version: 29.4.1"

    def containers(self, labels: Mapping[str, str | None]) -> list[Container]:
        if self.down:
            raise HostError("no container engine answers")
        return self.nodes


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(lab: Lab | None = None, *, docker: FakeDocker | None = None, **rest: Any) -> str:
        machine = Machine(root=tmp_path / "machine", environ={"HTTPS_PROXY": f"http://x:{SECRET}@p:1", "CI": "true"})
        given: dict[str, Any] = {"findings": FOUND, "stack": None, "config": None} | rest
        file = problem_report.write(
            tmp_path / "report.md",
            lab=lab,
            engine=EngineReport(docker=docker or FakeDocker(), machine=machine),  # type: ignore[arg-type]
            names=NAMES,
            **given,
        )
        assert file.stat().st_mode & 0o777 == 0o600
        return file.read_text()

    return write


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_it_has_all_parts(write: Any, lab: Lab, tmp_path: Path) -> None:
    toml = tmp_path / "lab.toml"
    toml.write_text('name = "dev"\n')
    node = container("dev-east-control-plane", status="exited")
    text = write(lab, docker=FakeDocker(nodes=[node]), config=toml)
    found = sections(text)
    assert list(found) == SECTIONS
    assert "| lab | " in found["Versions"]
    assert "Version: 29.4.1" in found["Versions"]
    assert "| CI | true |" in found["System"]
    assert "Docker Desktop 29.4.1" in found["Engine"]
    assert "containerd's image store" in found["Engine"]
    assert "| failure | names |" in found["Findings"]
    assert "Docker Engine 29 \\| fine" in found["Findings"], "a table's cell"
    assert '~~~~toml\nname = "dev"\n~~~~' in found["lab.toml"]
    assert "| dev-east-control-plane | exited | 0 |" in found["Nodes"]
    assert "could not be read" not in text.replace(found["Artifacts"], "")


def test_it_has_no_secret_and_no_name(write: Any, lab: Lab, tmp_path: Path) -> None:
    toml = tmp_path / "lab.toml"
    toml.write_text(f"# /home/ada/x, Ada, https://u:{SECRET}@mirror.example\n")
    lab.paths.logs.mkdir(parents=True)
    (lab.paths.logs / "20261126-120000-up.log").write_text(
        f"12:00 east/cluster failed after 3 s\nbearer {SECRET}{SECRET}\nat /home/ada/lab of ada on engine-1\n"
    )
    text = write(lab, config=toml)
    for word in (SECRET, "/home/ada", "engine-1", "ada"):
        assert not re.search(rf"(?<!\w){word}(?!\w)", text, re.IGNORECASE), word
    assert "failed after 3 s" in sections(text)["Last errors"]
    assert "HTTPS_PROXY | set" in text


def test_the_last_errors_are_those_of_the_newest_run(write: Any, lab: Lab) -> None:
    lab.paths.logs.mkdir(parents=True)
    (lab.paths.logs / "20261126-110000-up.log").write_text("old: failed after 1 s\n")
    lines = ["east/podinfo: failed after 2 s", "LabError: timed out", *("more" for _ in range(200))]
    (lab.paths.logs / "20261126-120000-up.log").write_text("\n".join(lines))
    found = sections(write(lab))["Last errors"]
    assert "old" not in found
    assert "east/podinfo: failed after 2 s\nLabError: timed out\n~~~~" in found
    assert found.count("more") == 80


def test_without_an_engine_and_with_a_wrong_lab_toml_there_is_still_a_report(write: Any, tmp_path: Path) -> None:
    toml = tmp_path / "lab.toml"
    toml.write_text("name = 5\n")
    problem = ConfigError("lab.toml", [Problem(key="name", text="must be text", line=1)])
    found = sections(write(None, docker=FakeDocker(down=True), config=toml, problem=problem))
    assert list(found) == SECTIONS
    assert found["Engine"].strip() == "could not be read: no container engine answers"
    assert "must be text" in found["lab.toml"]
    assert "name = 5" in found["lab.toml"]
    assert "not known" in found["Artifacts"]
    assert "failure" in found["Findings"]


def test_an_earlier_report_is_replaced(write: Any) -> None:
    write()
    assert "could not be read" in write(docker=FakeDocker(down=True))


@pytest.mark.parametrize("content", ["", "my notes\n", "# East/West lab: report\n", b"\xff\xfe"])
def test_no_other_file_is_replaced(write: Any, tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "report.md"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = file.read_bytes()
    with pytest.raises(UsageError, match="not a report") as caught:
        write()
    assert file.read_bytes() == before
    assert caught.value.next == f"lab doctor --report {tmp_path / 'report-2.md'}"


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_no_folder_and_no_link_is_replaced(write: Any, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "report.md"
    if kind == "folder":
        file.mkdir()
    else:
        file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="not a report"):
        write()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder") as caught:
        problem_report.check_target(tmp_path / "none" / "report.md")
    assert caught.value.next == f"mkdir -p {tmp_path / 'none'}"
