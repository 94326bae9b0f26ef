"""The page's own work: short tasks, and a memory that does not grow."""

from __future__ import annotations

import json

import pytest

from tests.browser.page.kit import Api, Loop, Podinfo, istio, running

IDENTITIES = {name: istio("west", name) for name in ("east", "west")}
LONGEST_TASK_MS = 50
TASKS = {"RunTask", "ThreadControllerImpl::RunTask"}


def both(loop: Loop) -> dict[str, Podinfo]:
    return {"podinfo": Podinfo(loop, {"west": 1, "east": 1}, identities=IDENTITIES, failures={"status": 0.02})}


@pytest.mark.parametrize("name", ["all", "stage"])
def test_no_task_takes_fifty_milliseconds_of_cpu_at_fifty_requests_per_second(view, chromium, loop: Loop, name: str):
    """CPU time of the page's thread, not time on the wall: other programs of the machine do not count."""
    api = Api(loop, {"podinfo": {"podinfo": 50, "podinfo-east": 50}})
    with running(both(loop), api, REQUEST_TIMEOUT_S="5") as frontend:
        viewer = view(f"{frontend.url}/?view={name}&rate=50", width=1920, height=1080)
        viewer.answers(150)  # what is done once, at the start, is done
        chromium.start_tracing(page=viewer.page, categories=["toplevel", "devtools.timeline"])
        viewer.answers(600)
        trace = json.loads(chromium.stop_tracing())

    threads = _by_thread(trace["traceEvents"])
    # The page's thread is the one that runs its scripts.
    page = max(threads.values(), key=lambda events: sum(one["name"] == "FunctionCall" for one in events))
    tasks = [one["tdur"] / 1000 for one in page if one["name"] in TASKS and "tdur" in one]
    assert len(tasks) > 200, "the trace has the page's tasks"
    assert max(tasks) < LONGEST_TASK_MS


def _by_thread(events: list[dict]) -> dict[tuple[int, int], list[dict]]:
    threads: dict[tuple[int, int], list[dict]] = {}
    for one in events:
        threads.setdefault((one["pid"], one["tid"]), []).append(one)
    return threads


def test_the_memory_is_flat_over_thousands_of_answers(view, loop: Loop):
    api = Api(loop, {"podinfo": {"podinfo": 50, "podinfo-east": 50}})
    with running(both(loop), api, REQUEST_TIMEOUT_S="5", STREAM_BUDGET_PER_S="500") as frontend:
        viewer = view(f"{frontend.url}/?view=all&rate=100")
        session = viewer.page.context.new_cdp_session(viewer.page)
        session.send("Performance.enable")
        used = []
        for count in (2500, 3500, 4500):
            viewer.answers(count)
            session.send("HeapProfiler.collectGarbage")
            metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
            used.append((metrics["JSHeapUsedSize"], metrics["Nodes"]))

    heap, nodes = zip(*used, strict=True)
    # The ring of answers is full after 2,000; slots are few in this time.
    assert heap[2] - heap[0] < 400_000, f"{heap} bytes"
    assert max(nodes) - min(nodes) < 100, f"{nodes} nodes"
