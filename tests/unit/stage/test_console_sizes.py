"""A browser knows the size of the console that it shows, before the bytes of that size."""

from __future__ import annotations

import json

from websockets.sync.client import connect

from tests.unit.stage.kit import FakeStage, served


def test_the_size_comes_before_the_first_bytes_and_after_each_change() -> None:
    with served(FakeStage()) as here, here.client() as client:
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        headers, origin = {"Cookie": cookie}, f"http://{here.host}"
        uri = f"ws://{here.host}/ws/console/west"
        with connect(uri, additional_headers=headers, origin=origin, proxy=None) as browser:  # type: ignore[arg-type]
            assert json.loads(browser.recv(timeout=30)) == {"type": "size", "cols": 80, "rows": 24}
            assert browser.recv(timeout=30) == b"west$ "
            browser.send(json.dumps({"type": "resize", "cols": 90, "rows": 25}))
            assert json.loads(browser.recv(timeout=30)) == {"type": "size", "cols": 90, "rows": 25}
