"""Thawing, on a folder that looks like cgroup v1's freezer."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.tools.freezer import thaw

ID = "c0ffee" * 10 + "beef"


@pytest.mark.parametrize("name", [f"docker/{ID}", f"system.slice/docker-{ID}.scope"], ids=["cgroupfs", "systemd"])
def test_every_frozen_group_of_the_container_is_thawed_and_no_other(tmp_path: Path, name: str) -> None:
    mine = [tmp_path / name, tmp_path / name / "kubelet", tmp_path / name / "kubelet/pod1"]
    other = tmp_path / "docker/other"
    for group in (*mine, other):
        group.mkdir(parents=True)
        (group / "freezer.state").write_text("FROZEN\n")
    assert thaw(ID, root=tmp_path) is True
    assert [(group / "freezer.state").read_text() for group in mine] == ["THAWED"] * 3
    assert (other / "freezer.state").read_text() == "FROZEN\n"
    assert thaw(ID, root=tmp_path) is False


def test_without_cgroup_v1_there_is_nothing_to_thaw(tmp_path: Path) -> None:
    assert thaw(ID, root=tmp_path / "nowhere") is False
