"""How commands say what they pulled."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lab import config
from lab.base.pulled import Pulled
from lab.base.step import CHANGED, UNCHANGED, Step
from lab.cli import tables
from lab.cli.output import out
from lab.host.prepare import Prepared
from lab.lab import Lab
from lab.lifecycle.artifacts import ArtifactPlan
from lab.lifecycle.runner import RunReport
from tests.unit.cli.conftest import Command

IMAGES = Pulled(images=2, blobs={"sha256:1": 400_000_000, "sha256:2": 200_000_000})
FILES = Pulled(files=1, blobs={"sha256:3": 12_300_000})


def up(capsys: pytest.CaptureFixture[str], *pulled: Pulled | None, as_json: bool = False) -> str:
    results = {f"artifact/{n}": replace(CHANGED, pulled=what) for n, what in enumerate(pulled)}
    report = RunReport(results={**results, "network": UNCHANGED}, duration_s=1)
    tables.up(out(), Lab.of(config.parse("")), report, [], as_json=as_json)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("pulled", "line"),
    [
        ([IMAGES, FILES, None], "pulled 2 images and 1 file, 612 MB"),
        ([IMAGES], "pulled 2 images, 600 MB"),
        ([FILES, replace(FILES, blobs={"sha256:4": 700_000})], "pulled 2 files, 13 MB"),
        (
            [FILES, Pulled(images=1, unknown=1)],
            "pulled 1 image and 1 file, 12 MB; not counted: 1 image of unknown size",
        ),
        ([Pulled(files=1, blobs={"sha256:5": 43_210})], "pulled 1 file, 43 kB"),
        ([Pulled(images=2, unknown=2)], "pulled 2 images; not counted: 2 images of unknown size"),
    ],
)
def test_up_prints_what_was_pulled(capsys: pytest.CaptureFixture[str], pulled: list[Pulled | None], line: str) -> None:
    assert line in up(capsys, *pulled).splitlines()


@pytest.mark.parametrize("nothing", [[], [None]])
def test_up_prints_nothing_of_it_where_nothing_was_pulled(
    capsys: pytest.CaptureFixture[str], nothing: list[Pulled | None]
) -> None:
    assert "pulled" not in up(capsys, *nothing)
    fields = {"images": 0, "files": 0, "size_bytes": 0, "images_of_unknown_size": 0}
    assert json.loads(up(capsys, *nothing, as_json=True))["pulled"] == fields


def test_json_has_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(up(capsys, IMAGES, FILES, Pulled(images=1, unknown=1), as_json=True))["pulled"]
    assert found == {"images": 3, "files": 1, "size_bytes": 612_300_000, "images_of_unknown_size": 1}


def test_artifacts_build_prints_it_too(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Step(name="kubectl", title="pull kubectl", run=lambda: replace(CHANGED, pulled=FILES))
    plan = ArtifactPlan(names=("kubectl",), steps=[step], unavailable=None)

    def ready(*_: Any, **__: Any) -> Prepared:
        return Prepared(findings=[], changed=False)

    monkeypatch.setattr("lab.cli.machine.prepare", ready)
    monkeypatch.setattr("lab.lifecycle.artifacts.plan_of", lambda *_: plan)
    monkeypatch.setattr("lab.lifecycle.artifacts.needs_of", lambda _, names: names)
    assert lab("artifacts", "build", "kubectl").out == "pulled 1 file, 12 MB\n✓ all there: kubectl\n"
