"""Recordings that are made by the real recorder, with a clock that the test moves."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.base.names import Json
from lab.stage.recording.manifest import Manifest
from lab.stage.recording.recorder import Recorder

STEPS = ("service_discovery/export", "service_discovery/scale", "request_routing/split")


def step(number: int, current: int, *, runs: bool = False) -> Json:
    """One step as `lab.stage.state` tells it."""
    name = STEPS[number]
    scenario = name.partition("/")[0]
    done = number < current
    result = {"claim": f"Claim {number}", "expected": "yes", "observed": "yes", "outcome": "passed", "reason": ""}
    of_scenario = [one for one in STEPS if one.startswith(f"{scenario}/")]
    return {
        "id": name,
        "scenario": scenario,
        "number": of_scenario.index(name) + 1,
        "count": len(of_scenario),
        "title": f"Step {number}",
        "narration": f"What happens in step {number}.",
        "script": "kubectl get svc",
        "undo_script": "",
        "verb": "",
        "claims": [f"Claim {number}"],
        "hint": "",
        "reason": "",
        "rehearsed_s": None,
        "seconds": 2.0 if done else 0.0,
        "at": 0.0,
        "state": "running" if runs and number == current else "done" if done else "idle",
        "checks": "green" if done else "unknown",
        "results": [{**result, "command": "kubectl get svc"}] if done else [],
    }


def scenario(name: str, title: str, act: str) -> Json:
    words = {"name": name, "title": title, "claim": "A claim.", "act": act, "saw": "What was seen.", "skipped": None}
    return {**words, "try_next": ["Something else."], "topology": {"clusters": [], "nodes": [], "edges": []}}


def state(current: int = 0, *, runs: bool = False, **changes: Any) -> Json:
    """The state of a stage at a step; those before it are done and green."""
    colors = {"east": "#0072b2", "west": "#e69f00"}
    work = {"wish": "go", "since": 3.0, "step": STEPS[current], "waiting": ""} if runs else None
    return {
        "schema": "stage/state/v1",
        "mode": "live",
        "turn": current,
        "lab": {"name": "eastwest", "stack": "istio", "title": "Istio on both sides"},
        "clusters": [
            {"name": name, "role": name, "color": color, "stands_in_for": "GKE", "console": name, "reachable": True}
            for name, color in colors.items()
        ],
        "consoles": [
            {"name": name, "cluster": name, "title": name, "alive": True, "busy": False} for name in ("east", "west")
        ],
        "page": {"url": "http://localhost:8080/?view=stage&upstream=podinfo&upstream=podinfo-east"},
        "acts": [
            {"number": 1, "title": "Service Discovery", "scenarios": ["service_discovery"]},
            {"number": 2, "title": "Cross-cluster Access", "scenarios": []},
            {"number": 3, "title": "Request Routing", "scenarios": ["request_routing"]},
            {"number": 4, "title": "Profit", "scenarios": []},
        ],
        "scenarios": [
            scenario("service_discovery", "Service discovery", "Service Discovery"),
            scenario("request_routing", "Request routing", "Request Routing"),
        ],
        "steps": [step(number, current, runs=runs) for number in range(len(STEPS))],
        "current": STEPS[current] if current < len(STEPS) else None,
        "closing": None,
        "running": work,
        "disabled": {"go": None, "interrupt": "nothing runs"},
        "notes": [],
        "marks": [],
        "faults": [
            {
                "id": "kill-podinfo-east",
                "title": "Kill podinfo in East",
                "effect": "East answers nothing.",
                "undo_title": "Start podinfo again",
                "active": False,
                "disabled": None,
            }
        ],
        "clock": {"started": 1000.0, "elapsed_s": 0.0, "rehearsed_s": None},
        "audience": {"url": "http://10.0.0.2:7466/", "qr_svg": "<svg/>", "phones": 0, "requests": 0},
        **copy.deepcopy(changes),
    }


def panel(cluster: str, *pods: str, at: float = 0.0) -> Json:
    pod = {"app": "podinfo", "ready": "2/2", "phase": "Running", "restarts": 0, "age_s": 60, "node_ready": True}
    lists: Json = {name: [] for name in ("services", "gateways", "links", "policies", "events")}
    shown = [{"name": name, **pod, "change": None} for name in pods]
    return {"cluster": cluster, "at": at, "reachable": True, "problem": None, "pods": shown, **lists}


def answer(n: int, cluster: str | None = "east") -> Json:
    error = None if cluster else {"kind": "timeout", "detail": "no whole answer within 3 s", "refused": False}
    sent = f"2026-11-27T09:{n // 60 % 60:02}:{n % 60:02}.000Z"
    fields = {"n": n, "sent_at": sent, "cluster": cluster, "pod": cluster and f"podinfo-{cluster}-1"}
    return {**fields, "version": "6.9.2", "color": None, "latency_ms": 4.0, "error": error, "attempts": None}


@dataclass
class Tick:
    """A clock that the test moves."""

    s: float = 0.0

    def __call__(self) -> float:
        return self.s


@dataclass
class Recording:
    """A recorder in a folder, and the notes that it made."""

    folder: Path
    clock: Tick = field(default_factory=Tick)
    notes: list[str] = field(default_factory=list)
    limit: int = 8 << 20
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.recorder = Recorder(
            folder=self.folder,
            manifest=manifest(self.folder.name),
            note=self.notes.append,
            limit=self.limit,
            every_s=0.01,
            clock=self.clock,
        )
        self.recorder.start()

    def at(self, s: float) -> Recorder:
        """Move the clock, and return the recorder."""
        self.clock.s = s
        return self.recorder


def manifest(run: str = "20261127-090000-abcd") -> Manifest:
    return Manifest(
        id=run,
        lab_version="0.1.0",
        began_at=0.0,
        lab="eastwest",
        stack="istio",
        title="Istio on both sides",
        page_url="http://localhost:8080/?view=stage&upstream=podinfo&upstream=podinfo-east",
    )


def presentation(folder: Path, *, ends: bool = True, upstreams: Sequence[str] = ("podinfo",)) -> Path:
    """Record 20 s: two steps, typing in both consoles, a page with a break, panels, a mark. Return the folder."""
    made = Recording(folder)
    recorder = made.recorder
    recorder.describe(
        frontend={"schema": "frontend/info/v1", "app": "frontend", "cluster": "west", "pod": "frontend-1"},
        upstreams=tuple({"name": one, "url": f"http://{one}:9898", "default": one == "podinfo"} for one in upstreams),
        ingress=True,
    )
    for second in range(20):
        made.at(float(second))
        _STAGE.get(second, lambda _: None)(recorder)
        for name in upstreams:
            _page(recorder, second, name)
    made.at(20.0)
    recorder.close()
    if not ends:  # as after kill -9
        recorder.manifest.write(folder)
    return folder


def _begin(recorder: Recorder) -> None:
    recorder.event("state", state(0))
    recorder.event("panel", panel("east", "podinfo-1"))
    recorder.console_size("east", 80, 24)
    recorder.console("east", b"\x1b[32meast$\x1b[0m ")
    recorder.console("west", b"west$ ")


def _type(recorder: Recorder) -> None:
    recorder.event("state", state(0, runs=True))
    recorder.event("output", {"step": STEPS[0], "kind": "typed", "text": "kubectl get svc", "console": "east"})
    recorder.console("east", b"kubectl get svc\r\n")


def _print(recorder: Recorder) -> None:
    recorder.console("east", "NAME   TYPE — ✓\r\npodinfo ClusterIP\r\neast$ ".encode())
    recorder.event("state", state(1, marks=[{"at": 5.0, "text": "export", "kind": "step", "intended": True}]))
    recorder.event("mark", {"at": 5.0, "text": "export", "kind": "step", "intended": True})
    recorder.event("panel", panel("east", "podinfo-1", "podinfo-2", at=5.0))


def _resize(recorder: Recorder) -> None:
    recorder.console_size("east", 100, 30)
    recorder.console("west", b"kubectl scale\r\nscaled\r\nwest$ ")


def _tell(recorder: Recorder) -> None:
    recorder.event("state", state(2))
    recorder.event("note", {"at": 15.0, "text": "a note"})
    recorder.event("lost", {"cluster": "east", "problem": "east does not answer"})
    recorder.event("mark", {"at": 15.0, "text": "look here", "kind": "note", "intended": False})
    beside = {"name": "west-2", "cluster": "west", "title": "west, another terminal", "alive": True}
    recorder.event("console", {**beside, "busy": True})
    recorder.console("west-2", b"west$ tail -f\r\n")
    recorder.event("console", {"name": "east", "busy": True})


def _close(recorder: Recorder) -> None:
    recorder.event("console", {"name": "west-2", "closed": True})


_STAGE: dict[int, Callable[[Recorder], None]] = {0: _begin, 3: _type, 5: _print, 8: _resize, 15: _tell, 17: _close}
"""What happens on the stage, by second."""


def _page(recorder: Recorder, second: int, name: str) -> None:
    """Record a second of a stream; that of podinfo breaks after 11 s, and both begin anew at 14 s."""
    if second in {0, 14}:
        recorder.page(name, "link", {"link": "live", "words": "live"})
        hello = {"schema": "frontend/stream/v2", "frontend": {"cluster": "west", "pod": "frontend-1"}, "marks": []}
        hello |= {"upstream": {"name": name}, "rate_per_s": 4, "began_at": recorder.manifest.began_at, "slot_s": 1.0}
        recorder.page(name, "hello", hello)
    if second == 0:
        recorder.page(name, "identity", {"identity": {"mtls": True, "client": {"id": "frontend"}}})
        recorder.page(name, "split", {"state": "none", "weights": [], "problem": None})
    elif second not in {12, 13}:
        recorder.page(name, "answer", answer(second, "east" if second % 2 else "west"))
        counted = {"now_s": float(second), "slots": [], "phases": [], "gaps": [], "under_way": 0}
        recorder.page(name, "timeline", counted)
    if second == 11 and name == "podinfo":
        recorder.page(name, "link", {"link": "lost", "words": "connection refused: nothing listens there"})
