"""A replay over HTTP: the stage's own protocol, its controls, and the page's streams."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from lab.stage.recording import page_frames, routes
from lab.stage.recording.player import Player
from lab.stage.recording.reader import read
from lab.stage.recording.routes import PAGE, with_first_script
from lab.stage.recording.tape import Tape
from lab.watch.sse import ServerEvent, parse
from tests.unit.stage.kit import Served, served
from tests.unit.stage.recording.kit import STEPS, presentation


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_LOOK_S", 0.01)
    monkeypatch.setattr(routes, "_STILL_S", 0.01)


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    return read(presentation(tmp_path_factory.mktemp("runs") / "run", upstreams=("podinfo", "podinfo-east")))


@dataclass
class Replay:
    """A replay that is served, and a client that is signed in."""

    player: Player
    at: Served
    client: httpx2.Client

    def control(self, **body: Any) -> httpx2.Response:
        return self.client.post("/api/replay", json=body)

    @contextmanager
    def events(self, path: str, **params: str) -> Iterator[Iterator[ServerEvent]]:
        with self.client.stream("GET", path, params=params) as response:
            assert response.status_code == 200, response.read()
            yield parse(response.iter_lines())

    @contextmanager
    def page(self) -> Iterator[Callable[[], tuple[str, Any]]]:
        """Yield a function that returns the next event for the page's script."""
        with self.events(f"{PAGE}/frames") as events:

            def following() -> tuple[str, Any]:
                event = next(events)
                return event.name, json.loads(event.data)

            yield following


@pytest.fixture
def replay(tape: Tape) -> Iterator[Replay]:
    player = Player(tape=tape, page_url="http://127.0.0.1/replay/page/?view=stage")
    with served(player, more=routes.routes(player)) as at, at.client() as client:
        player.start(playing=False)
        try:
            yield Replay(player, at, client)
        finally:
            player.close()


def until_clock(following: Callable[[], tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return the events until the time of the replay, that included."""
    found = []
    while not found or found[-1][0] != "clock":
        found.append(following())
    return found


def test_the_state_and_the_events_are_as_those_of_a_live_stage(replay: Replay) -> None:
    assert replay.client.get("/api/state").json()["current"] == STEPS[0]
    with replay.events("/api/events") as events:
        assert [next(events).name for _ in range(2)] == ["state", "panel"]
        assert replay.control(action="seek", at=4.9).status_code == 202
        assert json.loads(next(events).data)["replay"]["at_s"] == 4.9
        assert next(events).name == "panel"
        replay.control(action="play", speed=16)
        names = [next(events).name for _ in range(4)]
        assert names == ["state", "state", "mark", "panel"]


def test_a_console_shows_the_recording_and_takes_no_keys(replay: Replay) -> None:
    replay.control(action="seek", at=4.0)
    cookie = "; ".join(f"{name}={value}" for name, value in replay.client.cookies.items())
    headers = {"cookie": cookie}
    url = f"ws://{replay.at.host}/ws/console/east"
    with connect(url, origin=f"http://{replay.at.host}", additional_headers=headers, proxy=None) as socket:  # type: ignore[arg-type]
        assert json.loads(socket.recv(timeout=30)) == {"type": "size", "cols": 80, "rows": 24}
        shown = socket.recv(timeout=30)
        assert shown == b"\x1bc\x1b[32meast$\x1b[0m kubectl get svc\r\n"
        socket.send(json.dumps({"type": "input", "data": "rm -rf /\r"}))
        socket.send(json.dumps({"type": "resize", "cols": 100, "rows": 30}))
        replay.control(action="seek", at=6.0)
        assert json.loads(socket.recv(timeout=30))["type"] == "size"
        again = socket.recv(timeout=30)
        assert isinstance(again, bytes)
        assert again.startswith(b"\x1bc")
        assert "podinfo ClusterIP" in again.decode()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "stop"},
        {"action": "seek"},
        {"action": "seek", "at": "5"},
        {"action": "seek", "at": True},
        {"action": "seek", "at": 1e30},
        {"action": "play", "speed": "fast"},
    ],
)
def test_other_controls_are_refused(replay: Replay, body: Any) -> None:
    answer = replay.client.post("/api/replay", json=body)
    assert (answer.status_code, answer.json()["error"]["what"]) == (400, "this is not a control of a replay")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{" + b" " * 70_000 + b"}", 413),
        (b"{", 400),
        (b"\xff", 400),
        (b"[]", 400),
        (b'"play"', 400),
        (b'{"action": "seek", "at": NaN}', 400),
    ],
    ids=["large", "cut", "not text", "a list", "a text", "not a number"],
)
def test_a_body_of_another_form_is_refused(replay: Replay, content: bytes, status: int) -> None:
    answer = replay.client.post("/api/replay", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["error"]["next"]
    assert replay.player.clock.moment.at_s == 0.0


def test_a_body_that_is_not_called_json_is_refused(replay: Replay) -> None:
    assert replay.client.post("/api/replay", content=b'{"action": "play"}').status_code == 415
    assert not replay.player.clock.moment.playing


def test_wishes_are_refused_with_the_reason(replay: Replay) -> None:
    answer = replay.client.post("/api/wish", json={"wish": "go", "at": STEPS[0]})
    assert (answer.status_code, answer.json()["error"]["what"]) == (409, "this is a replay: it only shows what was")


def test_the_page_gets_what_it_would_know_at_that_moment(replay: Replay) -> None:
    replay.control(action="seek", at=8.0)
    with replay.page() as following:
        found = until_clock(following)
    names = [name for name, _ in found]
    both = ["link", "hello", "identity", "split"]
    assert names == [*both, *both, *["answer", "timeline"] * 16, "clock"]
    assert [data["n"] for name, data in found if name == "answer"] == [n for n in range(1, 9) for _ in range(2)]


def test_of_what_is_older_than_the_charts_of_the_page_it_gets_the_last_greeting_and_documents(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_frames, "WINDOW_S", 2.5)
    replay.control(action="seek", at=8.0)
    with replay.page() as following:
        names = [name for name, _ in until_clock(following)]
    both = ["link", "hello", "identity", "split"]
    assert names == [*both, *both, *["answer", "timeline"] * 6, "clock"]


def test_each_frame_tells_when_it_came_and_of_which_stream(replay: Replay) -> None:
    replay.control(action="seek", at=1.0)
    with replay.client.stream("GET", f"{PAGE}/frames") as response:
        lines = response.iter_lines()
        first = [next(lines) for _ in range(4)]
    assert [line.partition(": ")[0] for line in first] == ["at", "upstream", "event", "data"]
    at = float(first[0].removeprefix("at: "))
    assert at == pytest.approx(replay.player.tape.manifest.began_at, abs=60)


def test_events_come_as_their_time_comes(replay: Replay) -> None:
    replay.control(action="seek", at=8.0)
    with replay.page() as following:
        before = until_clock(following)[-1][1]
        replay.control(action="play", speed=4)
        name, after = following()
        assert (name, after["playing"], after["speed"], after["jumps"]) == ("clock", True, 4.0, before["jumps"])
        name, data = following()
        assert (name, data["n"]) == ("answer", 9)
        names = [following()[0] for _ in range(20)]
        assert "link" in names, "the stream broke at 11 s"


def test_a_jump_ends_the_frames_and_tells_it(replay: Replay) -> None:
    replay.control(action="seek", at=5.0)
    with replay.page() as following:
        before = until_clock(following)[-1][1]
        replay.control(action="seek", at=9.0)
        name, after = following()
        assert (name, after["jumps"] > before["jumps"], after["playing"]) == ("clock", True, False)
        with pytest.raises(StopIteration):
            following()


def test_the_page_is_the_frontends_with_the_script_of_the_replay_first(replay: Replay) -> None:
    page = replay.client.get(f"{PAGE}/", params={"view": "stage"})
    text = page.text
    assert page.status_code == 200
    assert text.index("shim.js") < text.index("main.js")
    assert text.index("<head>") < text.index("shim.js") < text.index("<title>")
    assert '"/static/' not in text
    for path in [piece.split('"')[0] for piece in text.split(f'"{PAGE}/static')[1:]]:
        assert replay.client.get(f"{PAGE}/static{path}").status_code == 200
    assert replay.client.get(f"{PAGE}/shim.js").headers["content-type"].startswith("text/javascript")
    clock = json.loads(text.split('data-clock="')[1].split('"')[0].replace("&quot;", '"'))
    assert (clock["playing"], clock["speed"]) == (False, 1.0)
    assert replay.client.get(f"{PAGE}/api/info").json()["cluster"] == "west"
    assert "x-envoy-upstream-service-time" in replay.client.get(f"{PAGE}/api/info").headers
    upstreams = replay.client.get(f"{PAGE}/api/upstreams").json()["upstreams"]
    assert [(one["name"], one["default"]) for one in upstreams] == [("podinfo", True), ("podinfo-east", False)]


def test_only_the_stage_may_frame_the_page_and_nobody_the_stage(replay: Replay) -> None:
    framed = replay.client.get(f"{PAGE}/").headers
    assert "frame-ancestors 'self'" in framed["content-security-policy"]
    assert "script-src 'self';" in framed["content-security-policy"]
    assert framed["x-frame-options"] == "SAMEORIGIN"
    own = replay.client.get("/api/state").headers
    assert "frame-ancestors 'none'" in own["content-security-policy"]
    assert own["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", [f"{PAGE}/", f"{PAGE}/frames", f"{PAGE}/static/js/main.js"])
def test_nothing_of_a_replay_is_given_away_without_the_cookie(replay: Replay, path: str) -> None:
    with replay.at.client(signed_in=False) as stranger:
        assert stranger.get(path).status_code == 401
        assert stranger.post("/api/replay", json={"action": "play"}).status_code == 401
    assert replay.client.get(path.partition("?")[0], headers={"host": "evil.example"}).status_code == 421
    evil = {"origin": "http://evil.example"}
    assert replay.client.post("/api/replay", json={"action": "play"}, headers=evil).status_code == 403
    assert not replay.player.clock.moment.playing


def test_a_replay_serves_a_bounded_number_of_pages(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_MOST_STREAMS", 1)
    with replay.page() as following:
        until_clock(following)
        answer = replay.client.get(f"{PAGE}/frames")
        assert (answer.status_code, "too many pages" in answer.text) == (503, True)


def test_a_recording_without_a_page_still_has_its_upstreams(tmp_path: Path) -> None:
    folder = presentation(tmp_path / "run")
    (folder / "page.jsonl").unlink()
    player = Player(tape=read(folder), page_url="")
    with served(player, more=routes.routes(player)) as at, at.client() as client:
        assert [one["name"] for one in client.get(f"{PAGE}/api/upstreams").json()["upstreams"]] == ["podinfo"]
        with client.stream("GET", f"{PAGE}/frames") as response:
            assert next(parse(response.iter_lines())).name == "clock"


def test_the_script_goes_into_the_head() -> None:
    assert with_first_script("<html><head lang=x><title>", "<script></script>") == (
        "<html><head lang=x><script></script><title>"
    )
