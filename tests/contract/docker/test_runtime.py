"""The runtime in front of runc, on a real engine of the test's own: its configuration, its process, its containers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.base import wait
from lab.base.errors import HostError
from lab.host.sandbox.runtime import NAME, Runtime
from lab.tools.docker import Docker, Engine

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("dockerd") is None or shutil.which("runc") is None,
    reason="starting an engine takes root, dockerd and runc",
)
BEFORE = '{"labels": ["kept=yes"]}'


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    """A runtime whose engine listens, writes and keeps its data in a folder of its own, without any network."""
    # Short, since a socket's path may have 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="ew-"))
    (home / "daemon.json").write_text(BEFORE)
    folders = {"--config-file": "daemon.json", "--data-root": "data", "--exec-root": "exec", "--pidfile": "pid"}
    words = [word for flag, name in folders.items() for word in (flag, str(home / name))]
    words += [
        "--host",
        f"unix://{home}/sock",
        "--bridge=none",
        "--iptables=false",
        "--ip-forward=false",
        "--ip-masq=false",
    ]
    with (home / "log").open("w") as log:
        engine = subprocess.Popen(["dockerd", *words], stdout=log, stderr=log, start_new_session=True)
    docker = Docker(host=f"unix://{home}/sock")

    def answers() -> Engine | wait.NotYet:
        assert engine.poll() is None, (home / "log").read_text()[-2000:]
        try:
            return docker.info()
        except HostError as error:
            return wait.NotYet(error.what)

    try:
        wait.until("the engine answers", answers, timeout_s=90)
        yield Runtime(docker=docker, prefix=f"{home}/lib", pid_file=f"{home}/pid", service=f"unix://{home}/sock")
    finally:
        engine.send_signal(signal.SIGTERM)
        engine.wait(60)
        shutil.rmtree(home)


def test_it_comes_works_and_goes(runtime: Runtime) -> None:
    refused = runtime.refusal()
    assert bool(refused) == bool(runtime.lacking()), "as the bounding set says"
    before = runtime.docker.info().default_runtime

    runtime.install()
    assert runtime.docker.info().default_runtime == NAME
    assert runtime.refusal() is None, "run --privileged and exec --privileged both work"
    settings = json.loads(runtime.config.file.read_text())
    assert settings["labels"] == ["kept=yes"]
    runtime.install()
    assert runtime.file.with_name("real").resolve() == Path(shutil.which("runc") or "").resolve()

    assert runtime.uninstall() is True
    assert runtime.docker.info().default_runtime == before
    assert json.loads(runtime.config.file.read_text()) == json.loads(BEFORE)
    assert sorted(path.name for path in runtime.config.file.parent.glob("daemon.json*")) == ["daemon.json"]
    assert not runtime.file.parent.exists()
    assert bool(runtime.refusal()) == bool(refused)


def test_the_attempt_leaves_nothing_behind(runtime: Runtime) -> None:
    runtime.refusal()
    assert runtime.docker.containers() == []
    assert runtime.docker.images() == []
