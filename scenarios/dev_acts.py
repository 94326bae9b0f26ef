"""The acts of dev_loop: shared services, my-service as a pod and as a process, saves, a cut tunnel."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from pathlib import Path

from lab.base import events, wait
from lab.base.errors import WaitTimeout
from lab.base.names import NAMESPACE
from lab.base.paths import APPS
from lab.base.wait import NotYet
from lab.clusters import provider
from lab.dev import shared
from lab.dev.laptop.pod import DevPod, Put
from lab.dev.laptop.process import DevProcess
from lab.kube import connect
from lab.scenario.context import Context
from lab.scenario.model import Act

from .seeing import Answers, answers, mirror

SERVICE = "my-service"
HEADER = ("x-lab-dev", "me")
LAPTOP = "laptop"
"""The cluster name in answers of a process on this machine (apps/my-service)."""
SAMPLE = 40
GIVE_UP_S = 30.0
_FOLDER = APPS / SERVICE
_IMAGES = ("ctr", "--namespace=k8s.io", "images", "ls", "--quiet")

running: list[DevProcess] = []
"""The running process of my-service. This program holds it, like a developer's terminal."""


def images(context: Context) -> list[str]:
    """Return the names of the images on West's node."""
    return sorted(provider().shell.run(context.west, _IMAGES).stdout.split())


def share(context: Context) -> None:
    """Start the shared services in East and export `users` to West."""
    context.memo["images"] = images(context)
    shared.start(context.lab, context.mesh, context.east)
    east, west = context.east.name, context.west.name
    context.say(f"{east}: backend, users, large-stuff; {west} has {mirror(context, shared.EXPORTED)}")


def unshare(context: Context) -> None:
    """Delete the shared services in East."""
    shared.stop(context.lab, context.mesh, context.east)


def _copy(context: Context) -> Path:
    """Return this run's own copy of my-service's folder, which the run changes."""
    if "folder" not in context.memo:
        folder = Path(tempfile.mkdtemp(prefix="lab-dev-")) / SERVICE
        shutil.copytree(_FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
        context.memo["folder"] = str(folder)
    return Path(context.memo["folder"])


def _dev_pod(context: Context) -> DevPod:
    return DevPod(lab=context.lab, service=SERVICE, folder=_copy(context))


def start_pod(context: Context) -> None:
    """Start my-service as a pod on West, from this run's copy of its folder."""
    context.say(_dev_pod(context).start().words)


def stop_pod(context: Context) -> None:
    """Delete the pod and the copy of the folder."""
    _dev_pod(context).stop()
    shutil.rmtree(_copy(context).parent, ignore_errors=True)
    context.memo.pop("folder", None)


def answered(context: Context, *, header: str = "", count: int = SAMPLE, parallel: int = 10) -> Answers:
    """Let West's frontend call my-service; `header` is the value of the chosen header, empty for no header."""
    headers = {HEADER[0]: header} if header else {}
    return answers(context, context.west, SERVICE, count=count, parallel=parallel, headers=headers)


def identity_of_pod(context: Context) -> dict[str, object]:
    """Return the UID, images and restarts of my-service's pods: a new pod or container would change them."""
    pods = connect(context.west).find("v1", "Pod", namespace=NAMESPACE, labels={"app.kubernetes.io/name": SERVICE})
    return {
        pod["metadata"]["name"]: {
            "uid": pod["metadata"]["uid"],
            "images": {s["name"]: s["imageID"] for s in pod["status"].get("containerStatuses", ())},
            "restarts": [s["restartCount"] for s in pod["status"].get("containerStatuses", ())],
        }
        for pod in pods
    }


def unwatched(context: Context) -> None:
    """Stop watching the folder, so that saves have no effect."""
    context.memo["unwatched"] = True


def watched(context: Context) -> None:
    """Watch the folder again."""
    context.memo.pop("unwatched", None)


def save(context: Context) -> None:
    """Save a new version three times while `lab dev pod` watches; after each save, wait until the frontend gets it."""
    main = _copy(context) / "main.py"
    context.memo["pod_before"] = identity_of_pod(context)
    over, puts = threading.Event(), list[Put]()
    watching = threading.Thread(target=_dev_pod(context).follow, args=(over, puts.append), daemon=True)
    if not context.memo.get("unwatched"):
        watching.start()
        # A save without a change shows when the watch has started.
        wait.until("the watch of the folder", lambda: _noticed(main, puts), timeout_s=20, interval_s=1)
    seconds: list[float] = []
    try:
        for number in range(1, 4):
            took_s = _saved(context, main, f"{int(time.time())}.{number}")
            seconds.append(took_s)
    except WaitTimeout:  # the check reports this, not the step
        seconds.append(GIVE_UP_S)
    finally:
        over.set()
        if watching.is_alive():
            watching.join()
    context.memo["reloads_s"] = [round(s, 2) for s in seconds]
    context.memo["pod_after"] = identity_of_pod(context)
    context.say("\n".join(put.words for put in puts))


def _noticed(file: Path, puts: list[Put]) -> bool | NotYet:
    file.write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    return bool(puts) or NotYet("the watch noticed no save")


def _saved(context: Context, main: Path, version: str) -> float:
    """Save a version and return the seconds until it answers West's frontend."""
    lines = main.read_text(encoding="utf-8").splitlines()
    changed = [f'VERSION = "{version}"' if line.startswith("VERSION = ") else line for line in lines]
    began = time.monotonic()
    main.write_text("\n".join(changed) + "\n", encoding="utf-8")

    def probe() -> bool | NotYet:
        counts = answered(context, count=1, parallel=1)
        return version in counts.versions or NotYet(f"{counts.words}, version {', '.join(counts.versions)}")

    wait.until(f"an answer of version {version}", probe, timeout_s=GIVE_UP_S, interval_s=0.05)
    return time.monotonic() - began


def start_process(*, header: tuple[str, str] | None) -> Act:
    """Return an act that starts my-service as a process on this machine: for requests with a header, or for all."""

    def act(context: Context) -> None:
        stop_process(context)
        process = DevProcess(
            lab=context.lab,
            mesh=context.mesh,
            service=SERVICE,
            command=("python3", "main.py"),
            cwd=_copy(context),
            header=header,
            say=events.progress,
        )
        process.__enter__()
        running.append(process)
        which = f"requests with {'='.join(header)}" if header else "all requests"
        context.say(f"{which} to {SERVICE} go to process {process.child.pid} on this machine")

    return act


def stop_process(context: Context) -> None:
    """Stop the process and end its intercept, so that the pod gets the requests again."""
    del context
    while running:
        running.pop().__exit__()


def remove_intercept(context: Context) -> None:
    """Delete the intercept, but keep the process."""
    context.mesh.remove_intercept(context.west.name, SERVICE)


def cut_and_wait(context: Context) -> None:
    """Cut the tunnel, and measure the time until the process answers again."""
    running[0].tunnel.cut()
    began = time.monotonic()

    def probe() -> bool | NotYet:
        counts = answered(context, count=5)
        return counts.only(LAPTOP) or NotYet(counts.words)

    wait.until("answers through the tunnel", probe, timeout_s=GIVE_UP_S, interval_s=0.1)
    context.memo["away_s"] = round(time.monotonic() - began, 2)


def copy_all(context: Context) -> None:
    """Copy the shared services to West, which the claim rules out."""
    shared.start(context.lab, context.mesh, context.west)


def remove_all(context: Context) -> None:
    """Delete the copies in West."""
    shared.stop(context.lab, context.mesh, context.west)
