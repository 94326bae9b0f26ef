"""What the dev loop does: shared services, my-service as a pod and as a process, saves, a cut tunnel."""

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

from .seeing import Answers, answers

SERVICE = "my-service"
HEADER = ("x-lab-dev", "me")
LAPTOP = "laptop"
SAMPLE = 40
GIVE_UP_S = 30.0
_FOLDER = APPS / SERVICE
_IMAGES = ("ctr", "--namespace=k8s.io", "images", "ls", "--quiet")

running: list[DevProcess] = []
"""The one that runs: it lives in this program, as the developer's does in theirs."""


def images(context: Context) -> list[str]:
    """Return the names of the images in West's node."""
    return sorted(provider().shell.run(context.west, _IMAGES).stdout.split())


def share(context: Context) -> None:
    """Start the shared services in East and let West know users."""
    context.memo["images"] = images(context)
    shared.start(context.lab, context.mesh, context.east)
    context.say("east: backend, users, large-stuff; west knows users-east")


def unshare(context: Context) -> None:
    """Take the shared services away."""
    shared.stop(context.lab, context.mesh, context.east)


def _copy(context: Context) -> Path:
    """Return this run's own copy of the folder, which it may change."""
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
    """Take the pod and the copy away."""
    _dev_pod(context).stop()
    shutil.rmtree(_copy(context).parent, ignore_errors=True)
    context.memo.pop("folder", None)


def answered(context: Context, *, header: str = "", count: int = SAMPLE, parallel: int = 10) -> Answers:
    """Let West's frontend ask my-service; `header` is the value of the chosen header, none where empty."""
    headers = {HEADER[0]: header} if header else {}
    return answers(context, context.west, SERVICE, count=count, parallel=parallel, headers=headers)


def identity_of_pod(context: Context) -> dict[str, object]:
    """Return what would change if my-service's pod were made anew: UID, images, restarts."""
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
    """Let the next save go unnoticed."""
    context.memo["unwatched"] = True


def watched(context: Context) -> None:
    """Let saves be noticed again."""
    context.memo.pop("unwatched", None)


def save(context: Context) -> None:
    """Save a new version three times while the folder is watched; each time until the frontend gets it."""
    main = _copy(context) / "main.py"
    context.memo["pod_before"] = identity_of_pod(context)
    over, puts = threading.Event(), list[Put]()
    watching = threading.Thread(target=_dev_pod(context).follow, args=(over, puts.append), daemon=True)
    if not context.memo.get("unwatched"):
        watching.start()
        # The watch is there when a save without a change of meaning was noticed.
        wait.until("the folder watched", lambda: _noticed(main, puts), timeout_s=20, interval_s=1)
    seconds: list[float] = []
    try:
        for number in range(1, 4):
            took_s = _saved(context, main, f"{int(time.time())}.{number}")
            seconds.append(took_s)
    except WaitTimeout:  # it never came: the check has to say so, not the step
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
    return bool(puts) or NotYet("no save was noticed")


def _saved(context: Context, main: Path, version: str) -> float:
    """Save a version and return the seconds until West's frontend is answered by it."""
    lines = main.read_text(encoding="utf-8").splitlines()
    changed = [f'VERSION = "{version}"' if line.startswith("VERSION = ") else line for line in lines]
    began = time.monotonic()
    main.write_text("\n".join(changed) + "\n", encoding="utf-8")

    def look() -> bool | NotYet:
        got = answered(context, count=1, parallel=1)
        return version in got.versions or NotYet(f"{got.words}, version {', '.join(got.versions)}")

    wait.until(f"version {version} answers", look, timeout_s=GIVE_UP_S, interval_s=0.05)
    return time.monotonic() - began


def start_process(*, header: tuple[str, str] | None) -> Act:
    """Return an act that starts my-service as a process of this machine: for requests with a header, or all."""

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
        context.say(f"{which} to {SERVICE} go to process {process.child.pid} of this machine")

    return act


def stop_process(context: Context) -> None:
    """End the process and give the pod its requests back."""
    del context
    while running:
        running.pop().__exit__()


def remove_intercept(context: Context) -> None:
    """Take the diversion away, and leave the process."""
    context.mesh.remove_intercept(context.west.name, SERVICE)


def cut_and_wait(context: Context) -> None:
    """Cut the tunnel while requests come, and measure how long they find nobody."""
    running[0].tunnel.cut()
    began = time.monotonic()

    def look() -> bool | NotYet:
        got = answered(context, count=5)
        return got.only(LAPTOP) or NotYet(got.words)

    wait.until("the tunnel is back", look, timeout_s=GIVE_UP_S, interval_s=0.1)
    context.memo["away_s"] = round(time.monotonic() - began, 2)


def copy_all(context: Context) -> None:
    """Copy the shared services to West, which is what must not be needed."""
    shared.start(context.lab, context.mesh, context.west)


def remove_all(context: Context) -> None:
    """Take the copies away."""
    shared.stop(context.lab, context.mesh, context.west)
