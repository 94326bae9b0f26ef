"""Direct exports and federated services: on a lab whose network becomes flat while it is up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import RunningLab
from tests.e2e.test_answers import kubectl


@pytest.fixture(scope="module")
def flat(lab: RunningLab) -> Iterator[RunningLab]:
    """The lab with routes between all pods; without them again at the end."""
    if lab.stack != "linkerd":
        pytest.skip("the stack has neither direct exports nor federated services")
    before = lab.file.read_text()
    lab.file.write_text(f"{before}\n[network]\nflat = true\n")
    try:
        lab.run("up")
        lab.wait_healthy()
        yield lab
    finally:
        lab.file.write_text(before)
        lab.run("up")
    lab.wait_healthy()
    assert "this lab's network is not flat" in lab.run("export", "podinfo", "--direct", exit_code=2)


def test_a_direct_export_is_named_and_deleted(flat: RunningLab) -> None:
    assert "podinfo-direct-east in west" in flat.run("export", "podinfo", "--direct")
    flat.run("split", "podinfo", "podinfo-direct-east=100")
    assert [change["kind"] for change in flat.status()["changes"]] == ["split", "export"]
    totals = flat.api("/api/answers", upstream="podinfo", count=20)["totals"]
    assert totals["by_cluster"] == {"east": 20}
    flat.run("unsplit", "podinfo")
    flat.run("unexport", "podinfo", "--direct")
    assert flat.status()["changes"] == []
    assert "podinfo-direct" not in kubectl(flat, "east", "-n", "test", "get", "services", "-o", "name")


def test_reset_deletes_all_modes(flat: RunningLab) -> None:
    flat.run("export", "podinfo", "--direct")
    flat.run("federate", "podinfo")
    flat.run("split", "podinfo", "podinfo-direct-east=50", "podinfo-federated=50")
    flat.run("reset")
    assert flat.status()["changes"] == []
    assert "podinfo-direct" not in kubectl(flat, "east", "-n", "test", "get", "services", "-o", "name")


@pytest.mark.parametrize("sabotage", [False, True], ids=["passes", "can fail"])
def test_the_scenario(flat: RunningLab, sabotage: bool) -> None:
    report = flat.json("run", "modes", *(["--sabotage"] if sabotage else []), exit_code=None)
    (run,) = report["scenarios"]
    if sabotage:
        assert run["sabotage"]["caught"] is True, run["sabotage"]["verdict"]
    else:
        assert run["outcome"] == "passed", run["reason"]
    assert flat.status()["changes"] == []
