"""The JSON endpoints: what reaches the stage, and what comes back."""

from __future__ import annotations

from pathlib import Path

from tests.unit.stage.kit import FakeStage, served


def test_requests_reach_the_stage_and_its_reasons_come_back(tmp_path: Path) -> None:
    with served(FakeStage(), static=tmp_path) as here, here.client() as client:
        for path, body in (
            ("/api/wish", {"wish": "go", "at": "demo/one", "turn": 0}),
            ("/api/wish", {"wish": "skip", "at": None}),
            ("/api/check-until-green", {"at": "demo/one"}),
            ("/api/interrupt", {}),
            ("/api/jump", {"to": "demo/two"}),
            ("/api/jump", {"to": 2}),
            ("/api/faults/kill-podinfo-east", {"action": "undo"}),
            ("/api/mark", {"text": " a question "}),
        ):
            assert client.post(path, json=body).status_code == 202, path
        asked = [tuple(getattr(one, "value", one) for one in what) for what in here.stage.asked]
        assert asked == [
            ("wish", "go", "demo/one", 0),
            ("wish", "skip", None, None),
            ("check-until-green", "demo/one"),
            ("interrupt",),
            ("jump", "demo/two"),
            ("jump", 2),
            ("fault", "kill-podinfo-east", True),
            ("mark", "a question"),
        ]
        here.stage.busy = "a step runs"
        answer = client.post("/api/wish", json={"wish": "go", "at": "demo/one"})
        assert (answer.status_code, answer.json()["error"]["what"]) == (409, "a step runs")
        assert client.get("/api/nope").json()["error"]["next"] == "open / or /presenter"
        assert client.get("/api/wish").status_code == 405
        assert client.get("/healthz").json() == {"ok": True}
