"""What may be in reach: not a container's address, not this machine's folders, not this process's /proc for the engine.

With an engine in a virtual machine, such as Docker Desktop's, only its socket and the published ports are.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from lab.base.paths import PROJECT

MODULES = [*(PROJECT / "lab").rglob("*.py"), *(PROJECT / "scenarios").rglob("*.py")]
CONNECTING = ("socket", "ssl", "http.client", "urllib.request", "requests", "urllib3", "httpx", "aiohttp")
CONNECTS = {
    "lab.clusters.kind.innode.delay_line": "runs in a node's network namespace",
    "lab.clusters.kind.innode.frames": "runs in a node's network namespace",
    "lab.dev.inpod.agent": "runs in a pod",
    "lab.dev.inpod.runner": "runs in a pod",
    "lab.dev.laptop.loopback": "127.0.0.1 and ::1",
    "lab.dev.laptop.process": "a free port on 127.0.0.1",
    "lab.host.doctor.snapshot": "ports of this machine, registries",
    "lab.host.origin": "this machine's host name",
    "lab.host.ownership": "this machine's host name",
    "lab.kube.transport": "the published port of an API server",
    "lab.measure.http": "published ports",
    "lab.measure.load": "published ports, or the URL that the user names",
    "lab.measure.stream_load": "published ports",
    "lab.measure.target": "names of errors only",
    "lab.measure.trouble": "names of errors only",
    "lab.stage.audience.address": "listens on the address that the user names",
    "lab.stage.recording.live_recording": "names of errors only",
    "lab.stage.server": "listens on 127.0.0.1; serves the audience on the socket of `address`",
    "lab.watch.facts": "published ports",
    "lab.watch.feed": "published ports",
    "lab.watch.target": "published ports",
    "scenarios.probe_client": "runs in a pod",
    "scenarios.seeing": "names of errors only",
}
READS_PROC = {
    "lab.clusters.kind.innode.frames": "runs in a node's network namespace",
    "lab.host.doctor.kernel": "only if `docker info` shows that the engine runs on this kernel",
    "lab.host.engine": "whether this machine's own service needs AppArmor's parser",
    "lab.host.engine_facts": "in a container",
    "lab.host.machine": "processes of this machine's own service; whether this is WSL",
    "lab.host.sandbox.bounded_runc": "runs where the engine starts containers",
    "lab.host.sandbox.runtime": "the process of this machine's own service",
    "lab.host.subnets": "the routes of this machine",
    "lab.tools.freezer": "thaws a container of this machine's kernel; does nothing elsewhere",
    "scenarios.isolation.cardholder": "runs in a pod",
    "scenarios.probe_client": "runs in a pod",
}


def dotted(file: Path) -> str:
    return ".".join(file.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Attribute) and node.attr == "open_connection":
            yield "socket"


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield the string constants of a module without its docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {id(n.body[0].value) for n in ast.walk(tree) if isinstance(n, documented) and _has_docstring(n)}  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def _has_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node, clean=False) is not None


def found(matches: object) -> set[str]:
    trees = {dotted(file): ast.parse(file.read_text(encoding="utf-8")) for file in MODULES}
    return {name for name, tree in trees.items() if matches(tree)}  # type: ignore[operator]


def test_only_these_modules_connect_to_anything() -> None:
    """A probe of a node's or a pod's address goes from a pod (`scenarios.probes.send`)."""
    modules = found(lambda tree: any(name in CONNECTING for name in imported(tree)))
    # Artifacts come from registries and release servers.
    assert {name for name in modules if not name.startswith("lab.artifacts.")} == set(CONNECTS)


def test_only_these_modules_read_the_kernels_files() -> None:
    modules = found(lambda tree: any("/proc/" in text or text.startswith("/sys/") for text in texts(tree)))
    assert modules == set(READS_PROC)


def test_nothing_of_this_machine_is_mounted_into_a_container_of_another_engine() -> None:
    assert found(lambda tree: any(t.startswith(("--volume=", "--mount=", "-v=")) for t in texts(tree))) == {
        "lab.tools.docker"
    }
    users = found(lambda tree: any(isinstance(n, ast.keyword) and n.arg == "read_only_mounts" for n in ast.walk(tree)))
    assert users == {"lab.host.sandbox.runtime"}, "only for this machine's own service"
