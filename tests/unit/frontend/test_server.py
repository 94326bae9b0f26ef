"""The process, on loopback: what a rolled or scaled-down frontend does to those who are connected to it."""

import asyncio
import json
import socket
from dataclasses import replace

import httpx2
import pytest
from frontend.__main__ import main
from frontend.app import create_app
from frontend.config import Settings
from frontend.server import KEEP_ALIVE_S, Server

from .conftest import podinfo


def test_an_unusable_environment_ends_with_exit_code_2_and_every_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("CLUSTER_NAME", raising=False)
    monkeypatch.setenv("UPSTREAMS", "podinfo=http://podinfo")
    monkeypatch.setenv("PORT", "none")

    assert main() == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "frontend: the environment is unusable"
    assert [line.split("=")[0].split()[0] for line in lines[1:]] == ["CLUSTER_NAME", "PORT"]


def test_ending_finishes_requests_under_way_and_tells_streams(settings: Settings):
    async def scenario() -> tuple[httpx2.Response, str]:
        under_way, go_on = asyncio.Event(), asyncio.Event()

        async def handler(request: httpx2.Request) -> httpx2.Response:
            if "x-lab-slow" in request.headers:
                under_way.set()
                await go_on.wait()
            return podinfo("east", "p")

        patient = replace(settings, request_timeout_s=10, log_level="critical")
        server = Server(create_app(patient, transport=httpx2.MockTransport(handler)), patient)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            address = "http://{}:{}".format(*listener.getsockname())
            async with httpx2.AsyncClient(base_url=address, timeout=30, trust_env=False) as client:
                slow = asyncio.create_task(client.get("/api/answers?count=1", headers={"x-lab-slow": "1"}))
                async with client.stream("GET", "/api/stream?rate=50") as stream:
                    lines = stream.aiter_lines()
                    async for line in lines:
                        if line == "event: answer":
                            break
                    await under_way.wait()
                    server.should_exit = True
                    rest = [line async for line in lines]
                go_on.set()
                answered = await slow
            await serving
        return answered, "\n".join(rest)

    answered, rest = asyncio.run(asyncio.wait_for(scenario(), 60))

    assert answered.status_code == 200
    assert answered.json()["totals"]["answered"] == 1
    last = rest.rstrip().splitlines()
    assert last[-2] == "event: end"
    assert json.loads(last[-1].removeprefix("data: ")) == {"reason": "stop"}


def test_the_proxy_closes_idle_connections_first(settings: Settings):
    server = Server(create_app(settings), settings)

    assert server.config.timeout_keep_alive == KEEP_ALIVE_S > 3600, "Envoy's default idle timeout is an hour"
