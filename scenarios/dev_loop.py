"""Act 4, development: my-service on the laptop, as a pod and as a process; everything else stays shared."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import psutil

from lab import events, wait
from lab.dev import parts, shared
from lab.dev.local import DevProcess
from lab.dev.pod import DevPod, Put
from lab.errors import ClusterError, WaitTimeout
from lab.evidence import Evidence, EvidenceKind
from lab.kube import connect
from lab.mesh.model import Caller, Capability
from lab.model import NAMESPACE, Cluster
from lab.objects import Obj, ref
from lab.paths import PROJECT
from lab.scenario import Act, Arrow, Check, Node, Observation, Sabotage, Scenario, ScenarioStep, Topology
from lab.scenario_context import Context
from lab.tools.docker import Docker
from lab.wait import NotYet
from scenarios.probes import frontend_pod, send
from scenarios.seeing import Answers, answers

NAME = "dev_loop"
SERVICE = "my-service"
FOLDER = PROJECT / "apps" / "my-service"
HEADER = ("x-lab-dev", "me")
LAPTOP = "laptop"
RELOADED_WITHIN_S = 5.0
SAMPLE = 40
_GIVE_UP_S = 30.0
_SETTLES_S = 20.0
_KINDS = (
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "PersistentVolume"),
    ("apps/v1", "Deployment"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
)
_IMAGES = ("ctr", "--namespace=k8s.io", "images", "ls", "--quiet")
_MARKER = "large-stuff-[0-9a-f]{32}"
"""As apps/shared/shared.py writes it."""
_DATA_OF_PODS = ("/var/lib/kubelet/pods", "/var/log/pods")

_processes: list[DevProcess] = []
"""The one that runs: it lives in this program, as the developer's does in theirs."""


def _images(context: Context) -> list[str]:
    return sorted(Docker().execute(context.west.node, _IMAGES).stdout.split())


def _share(context: Context) -> None:
    context.memo["images"] = _images(context)
    shared.start(context.lab, context.mesh)
    context.say("east: backend, users, large-stuff; west knows users-east")


def _unshare(context: Context) -> None:
    shared.stop(context.lab, context.mesh)


def _backend(context: Context) -> Obj:
    """Ask backend in East, from East."""
    said = send(context.east, frontend_pod(context.east), "http://backend/", container="frontend")
    found: Obj = json.loads(said.body) if said.allowed else {"error": said.words}
    return found


def _evidence(title: str, text: str, kind: EvidenceKind = EvidenceKind.ANSWERS) -> Evidence:
    return Evidence(kind=kind, title=title, text=text)


def _shared_works(context: Context) -> Observation:
    said = _backend(context)
    large = (said.get("large_stuff") or {}).get("bytes", 0)
    return Observation(
        holds=said.get("users") == 3 and large >= 32_000_000,
        seen=str(said.get("error") or f"backend: {said.get('users')} users, {large / 1e6:.1f} MB of large-stuff"),
        evidence=(_evidence("East's backend, asked from East", str(said)),),
    )


def _copy(context: Context) -> Path:
    """Return this run's own copy of the folder, which it may change."""
    if "folder" not in context.memo:
        folder = Path(tempfile.mkdtemp(prefix="lab-dev-")) / SERVICE
        shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
        context.memo["folder"] = str(folder)
    return Path(context.memo["folder"])


def _dev_pod(context: Context) -> DevPod:
    return DevPod(lab=context.lab, service=SERVICE, folder=_copy(context))


def _start_pod(context: Context) -> None:
    context.say(_dev_pod(context).start().words)


def _stop_pod(context: Context) -> None:
    _dev_pod(context).stop()
    shutil.rmtree(_copy(context).parent, ignore_errors=True)
    context.memo.pop("folder", None)


def _answered(context: Context, *, header: str = "", count: int = SAMPLE, parallel: int = 10) -> Answers:
    headers = {HEADER[0]: header} if header else {}
    return answers(context, context.west, SERVICE, count=count, parallel=parallel, headers=headers)


def _greeted(got: Answers) -> bool:
    """Say whether every answer holds the data that users in East has."""
    return bool(got.messages) and all("Ada, Grace, Radia, users of east" in words for words in got.messages)


def _pod_answers(context: Context) -> Observation:
    got = _answered(context, count=10)
    greeted = _greeted(got)
    return Observation(
        holds=got.only("west") and greeted,
        seen=f"{got.words}; {'with' if greeted else 'without'} users' data from East",
        evidence=(got.evidence,),
    )


def _identity_of_pod(context: Context) -> dict[str, object]:
    pods = connect(context.west).find("v1", "Pod", namespace=NAMESPACE, labels={"app.kubernetes.io/name": SERVICE})
    return {
        pod["metadata"]["name"]: {
            "uid": pod["metadata"]["uid"],
            "images": {s["name"]: s["imageID"] for s in pod["status"].get("containerStatuses", ())},
            "restarts": [s["restartCount"] for s in pod["status"].get("containerStatuses", ())],
        }
        for pod in pods
    }


def _unwatched(context: Context) -> None:
    context.memo["unwatched"] = True


def _watched(context: Context) -> None:
    context.memo.pop("unwatched", None)


def _save(context: Context) -> None:
    """Save a new version three times while the folder is watched; each time until the frontend gets it."""
    main = _copy(context) / "main.py"
    context.memo["pod_before"] = _identity_of_pod(context)
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
        seconds.append(_GIVE_UP_S)
    finally:
        over.set()
        if watching.is_alive():
            watching.join()
    context.memo["reloads_s"] = [round(s, 2) for s in seconds]
    context.memo["pod_after"] = _identity_of_pod(context)
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
        got = _answered(context, count=1, parallel=1)
        return version in got.versions or NotYet(f"{got.words}, version {', '.join(got.versions)}")

    wait.until(f"version {version} answers", look, timeout_s=_GIVE_UP_S, interval_s=0.05)
    return time.monotonic() - began


def _reload_is_quick(context: Context) -> Observation:
    seconds = context.memo["reloads_s"]
    words = ", ".join(f"{s:.2f} s" for s in seconds)
    return Observation(
        holds=len(seconds) == 3 and max(seconds) <= RELOADED_WITHIN_S,
        seen=f"from save to answer: {words}",
        evidence=(_evidence("seconds from a save to the first answer with it", words, EvidenceKind.METRIC),),
    )


def _nothing_was_built(context: Context) -> Observation:
    before, after = context.memo["pod_before"], context.memo["pod_after"]
    return Observation(
        holds=bool(before) and before == after,
        seen=f"{', '.join(before)} before, {', '.join(after)} after; "
        + ("same UID, images and restarts" if before == after else "not the same any more"),
        evidence=(_evidence("the pod before and after", f"{before}\n{after}", EvidenceKind.OBJECT),),
    )


def _start_process(*, header: tuple[str, str] | None) -> Act:
    def act(context: Context) -> None:
        _stop_process(context)
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
        _processes.append(process)
        which = f"requests with {'='.join(header)}" if header else "all requests"
        context.say(f"{which} to {SERVICE} go to process {process.child.pid} of this machine")

    return act


def _stop_process(context: Context) -> None:
    del context
    while _processes:
        _processes.pop().__exit__()


def _undivert(context: Context) -> None:
    context.mesh.undivert(parts.LOCAL, SERVICE)


def _only_chosen(context: Context) -> Observation:
    mine, plain, other = (_answered(context, header=value) for value in (HEADER[1], "", "somebody-else"))
    return Observation(
        holds=mine.only(LAPTOP) and plain.only("west") and other.only("west"),
        seen=f"with {'='.join(HEADER)}: {mine.words}; without: {plain.words}; with another value: {other.words}",
        evidence=(mine.evidence, plain.evidence, other.evidence),
    )


def _process_reaches_users(context: Context) -> Observation:
    got = _answered(context, header=HEADER[1], count=10)
    pid = _processes[0].child.pid
    own = context.mesh.spiffe_id(Caller(cluster="west", namespace=NAMESPACE, service_account=SERVICE))
    identity = "under my-service's identity" if any(own in words for words in got.messages) else ""
    return Observation(
        holds=got.only(LAPTOP) and _greeted(got) and all(pod.endswith(f":{pid}") for pod in got.by_pod),
        seen=f"{got.words}: {', '.join(got.by_pod)}, {'with' if _greeted(got) else 'without'} users' data from East "
        f"{identity}".rstrip(),
        evidence=(got.evidence, _evidence("what my-service knows of users", "\n".join(sorted(got.messages)))),
    )


def _only_loopback(context: Context) -> Observation:
    """Look at every socket that this program and all that it has started listen on."""
    del context
    here = psutil.Process(os.getpid())
    open_at = {
        f"{process.name()} {one.laddr.ip}:{one.laddr.port}": one.laddr.ip
        for process in (here, *here.children(recursive=True))
        for one in process.net_connections("inet")
        if one.status == psutil.CONN_LISTEN
    }
    return Observation(
        holds=len(open_at) >= 2 and set(open_at.values()) == {"127.0.0.1"},
        seen=", ".join(open_at) or "nothing listens",
        evidence=(_evidence("listening sockets of the tunnel and the process", "\n".join(open_at)),),
    )


def _everything_comes(context: Context) -> Observation:
    got = _answered(context, count=100, parallel=25)
    return Observation(holds=got.only(LAPTOP), seen=got.words, evidence=(got.evidence,))


def _cut_and_wait(context: Context) -> None:
    """Cut the tunnel while requests come, and measure how long they find nobody."""
    _processes[0].tunnel.cut()
    began = time.monotonic()

    def look() -> bool | NotYet:
        got = _answered(context, count=5)
        return got.only(LAPTOP) or NotYet(got.words)

    wait.until("the tunnel is back", look, timeout_s=_GIVE_UP_S, interval_s=0.1)
    context.memo["away_s"] = round(time.monotonic() - began, 2)


def _comes_back(context: Context) -> Observation:
    got = _answered(context)
    seen = f"{got.words}, {context.memo['away_s']:.2f} s after the tunnel was cut"
    return Observation(holds=got.only(LAPTOP), seen=seen, evidence=(got.evidence,))


def _given_back(context: Context) -> Observation:
    got = _answered(context)
    left = [str(ref(obj)) for obj in _objects(context.west) if parts.stand_in(SERVICE) in obj["metadata"]["name"]]
    diverts = context.mesh.diverts(["west"])
    return Observation(
        holds=got.only("west") and not left and not diverts,
        seen=f"{got.words}; left over: {', '.join(left) or 'nothing'}, {len(diverts)} diversions",
        evidence=(got.evidence,),
    )


def _objects(cluster: Cluster) -> list[Obj]:
    """Return all that could be a copy of a service, in every namespace; pods that are just ending are none."""
    kube = connect(cluster)
    found = [obj for version, kind in _KINDS for obj in kube.find(version, kind, metadata_only=True)]
    return [obj for obj in found if "deletionTimestamp" not in obj["metadata"]]


def _no_objects(context: Context) -> Observation:
    there, here = (
        [str(ref(obj)) for obj in _objects(cluster) if shared.BIG in obj["metadata"]["name"]]
        for cluster in (context.east, context.west)
    )
    asked = send(context.west, frontend_pod(context.west), f"http://{shared.BIG}/", container="frontend")
    return Observation(
        holds=bool(there) and not here and not asked.allowed,
        seen=f"{len(there)} objects in East, {len(here)} in West; West asks for it: {asked.words}",
        evidence=(
            _evidence("objects in East named so", "\n".join(there), EvidenceKind.OBJECT),
            _evidence("objects in West named so", "\n".join(here) or "none", EvidenceKind.OBJECT),
            asked.evidence,
        ),
    )


def _no_images(context: Context) -> Observation:
    before, now = set(context.memo["images"]), set(_images(context))
    words = "\n".join(sorted(now))
    return Observation(
        holds=bool(before) and now == before,
        seen=f"{len(before)} images in West's node before, {len(now)} now; new: {', '.join(now - before) or 'none'}",
        evidence=(_evidence("images in West's node", words, EvidenceKind.COMMAND),),
    )


def _no_data(context: Context) -> Observation:
    """Look for what stands in every line of the data, on each node's disk: the same search finds it in East."""
    there, here = (_files_with_data(cluster) for cluster in (context.east, context.west))
    return Observation(
        holds=bool(there) and not here,
        seen=f"files that hold its data: {len(there)} in East, {len(here)} in West",
        evidence=(
            _evidence("files with its data in East's node", "\n".join(there) or "none", EvidenceKind.COMMAND),
            _evidence("files with its data in West's node", "\n".join(here) or "none", EvidenceKind.COMMAND),
        ),
    )


def _files_with_data(cluster: Cluster) -> list[str]:
    argv = ["grep", "--recursive", "--files-with-matches", "--text", "--extended-regexp", _MARKER, *_DATA_OF_PODS]
    found = Docker().execute(cluster.node, argv, check=False, timeout_s=60)
    if found.returncode > 1 and "No such file" not in found.stderr:  # 1: nothing found; pods end while it looks
        raise ClusterError(f"its disk could not be searched: {found.stderr.strip()}", where=cluster.name)
    return found.stdout.split()


def _copy_all(context: Context) -> None:
    shared.start(context.lab, context.mesh, cluster="west")


def _remove_all(context: Context) -> None:
    shared.stop(context.lab, context.mesh, cluster="west")


SCENARIO = Scenario(
    name=NAME,
    title="Development",
    act="Profit",
    claim="my-service is developed on the laptop, in seconds, with the shared cluster's users and without a copy of it",
    requires=frozenset({Capability.EXPORT, Capability.DIVERT}),
    topology=Topology(
        nodes=(
            Node(cluster="west", role="local", services=("frontend", SERVICE)),
            Node(cluster="east", role="shared", services=("backend", "users", "large-stuff")),
        ),
        arrows=(
            Arrow(source="west/frontend", target=f"west/{SERVICE}", label="pod, or process"),
            Arrow(source=f"west/{SERVICE}", target="east/users"),
            Arrow(source="east/backend", target="east/users"),
            Arrow(source="east/backend", target="east/large-stuff"),
            Arrow(source=f"west/{SERVICE}", target="east/large-stuff", label="never copied", allowed=False),
        ),
    ),
    steps=(
        ScenarioStep(
            name="shared",
            title="A cluster that everybody shares",
            narration="East has what nobody wants on a laptop: backend, users, large-stuff. Only users is exported.",
            command="lab dev shared",
            act=_share,
            undo=_unshare,
            undo_command="lab dev stop",
            checks=(
                Check(
                    name="shared_works",
                    claim="In East backend puts users and large-stuff together",
                    expected="3 users and more than 32 MB",
                    look=_shared_works,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="pod",
            title="my-service as a pod, from a folder",
            narration="The folder goes into a pod on West through Kubernetes' exec. No image is built: the pod runs "
            "the Python that the node has already.",
            command=f"lab dev pod apps/{SERVICE}",
            act=_start_pod,
            undo=_stop_pod,
            undo_command="Ctrl-C",
            checks=(
                Check(
                    name="pod_reaches_users",
                    claim="West's frontend gets answers of my-service in West, with users' data from East",
                    expected="10 of 10 from West, each with East's users",
                    look=_pod_answers,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="reload",
            title="Save, and look",
            narration="Change a line and save. The folder is watched; what was saved runs in the pod a moment later.",
            act=_save,
            undo=_watched,
            checks=(
                Check(
                    name="reload_is_quick",
                    claim="A saved change answers West's frontend within seconds",
                    expected=f"three saves, each answered with within {RELOADED_WITHIN_S:.0f} s",
                    look=_reload_is_quick,
                ),
                Check(
                    name="nothing_was_built",
                    claim="No image was built and no pod was made for it",
                    expected="the pod's UID, images and restarts are those of before",
                    look=_nothing_was_built,
                ),
            ),
            sabotage=Sabotage(
                title="the folder is not watched",
                act=_unwatched,
                undo=_watched,
                fails="reload_is_quick",
                before_act=True,
            ),
        ),
        ScenarioStep(
            name="header",
            title="my-service as a process, for me alone",
            narration="Now a plain process on this machine. Requests with a header of my choice go to it, all others "
            "go on to the pod: colleagues notice nothing.",
            command=f"lab dev process --header {'='.join(HEADER)} -- python3 apps/{SERVICE}/main.py",
            act=_start_process(header=HEADER),
            undo=_stop_process,
            undo_command="Ctrl-C",
            checks=(
                Check(
                    name="only_chosen_header",
                    claim="Requests with the chosen header, and only those, reach the process",
                    expected=f"{SAMPLE} of {SAMPLE} by the laptop with it; by West without it, and with another value",
                    look=_only_chosen,
                    within_s=_SETTLES_S,
                ),
                Check(
                    name="process_reaches_users",
                    claim="The process reaches users in East by its name in the cluster",
                    expected="10 of 10 by this process, each with East's users",
                    look=_process_reaches_users,
                ),
                Check(
                    name="only_loopback",
                    claim="Tunnel and process listen on this machine's loopback only",
                    expected="every listening socket on 127.0.0.1",
                    look=_only_loopback,
                ),
            ),
            sabotage=Sabotage(
                title="the header's route is removed", act=_undivert, undo=_undivert, fails="only_chosen_header"
            ),
        ),
        ScenarioStep(
            name="everything",
            title="my-service as a process, for everybody",
            narration="Without a header everything goes to the process, many requests at once.",
            command=f"lab dev process -- python3 apps/{SERVICE}/main.py",
            act=_start_process(header=None),
            undo=_stop_process,
            undo_command="Ctrl-C",
            checks=(
                Check(
                    name="everything_comes",
                    claim="The process answers all of West's requests, 25 at once",
                    expected="100 of 100 by the laptop",
                    look=_everything_comes,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="reconnect",
            title="The connection breaks",
            narration="The laptop changes its network: the tunnel's connection is cut, and comes back by itself.",
            act=_cut_and_wait,
            checks=(
                Check(
                    name="comes_back",
                    claim="The process answers again after the tunnel was cut",
                    expected=f"{SAMPLE} of {SAMPLE} by the laptop",
                    look=_comes_back,
                ),
            ),
        ),
        ScenarioStep(
            name="give_back",
            title="Ctrl-C",
            narration="The process ends, and the pod gets its requests back.",
            act=_stop_process,
            checks=(
                Check(
                    name="given_back",
                    claim="The pod answers again, and nothing of the process is left in West",
                    expected=f"{SAMPLE} of {SAMPLE} by West, no object, no diversion",
                    look=_given_back,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="large_stuff",
            title="And large-stuff?",
            narration="It has stayed where it is: no pod, no image and no data of it came to the laptop.",
            checks=(
                Check(
                    name="no_objects",
                    claim="West has no object of large-stuff, and cannot even ask for it",
                    expected="some in East, none in West, no answer",
                    look=_no_objects,
                ),
                Check(
                    name="no_images",
                    claim="West's node has the images of before, and no other",
                    expected="no new image",
                    look=_no_images,
                ),
                Check(
                    name="no_data",
                    claim="No file of West's pods holds large-stuff's data",
                    expected="found in East, not in West",
                    look=_no_data,
                ),
            ),
            sabotage=Sabotage(
                title="the shared services are copied to West", act=_copy_all, undo=_remove_all, fails="no_objects"
            ),
        ),
    ),
    saw="A change is live in a second or so, in a pod or in a process with a debugger, with real users behind it and "
    "nobody else disturbed; the large cluster's stuff stayed in the large cluster.",
    try_next=(
        "Open http://localhost:8080/?upstream=my-service and change the colour in apps/my-service/main.py.",
        "Start it under your debugger: `lab dev process --port 8000` prints the variables that it needs.",
        "Break it: save a syntax error while `lab dev pod` watches.",
    ),
)
