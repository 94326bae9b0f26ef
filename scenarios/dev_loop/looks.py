"""The checks of dev_loop: answering clusters, users' data, reload times, and the absence of large-stuff in West."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import psutil

from lab.base.errors import ClusterError
from lab.base.names import NAMESPACE, Cluster, Json
from lab.clusters import provider
from lab.dev import parts, shared
from lab.kube import connect
from lab.kube.objects import Obj, ref
from lab.mesh.capabilities import Capability
from lab.mesh.model import Caller
from lab.mesh.names import host
from lab.scenario.context import Context, StepNotRunError
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.observation import Look, Observation

from .. import refusals
from ..probes import frontend_pod, send
from ..refusals import Judgement, judge
from ..seeing import Answers, answers

SERVICE = "my-service"
HEADER = ("x-lab-dev", "me")
LAPTOP = "laptop"
"""The cluster name in answers of a process on this machine (apps/my-service)."""
SAMPLE = 40
RELOAD_KEY, AWAY_KEY = "reloads_s", "away_s"
"""Keys of measured seconds in the context's memo."""
_IMAGES = ("ctr", "--namespace=k8s.io", "images", "ls", "--quiet")
RELOADED_WITHIN_S = 5.0
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
_MARKER = "large-stuff-[0-9a-f]{32}"
"""As apps/shared/shared.py writes it."""
_DATA_OF_PODS = ("/var/lib/kubelet/pods", "/var/log/pods")


def images(context: Context) -> Json:
    """Return the names of the images on West's node; none if the lab cannot look into nodes."""
    if Capability.NODES not in context.capabilities:
        return []
    return sorted(provider().shell.run(context.west, _IMAGES).stdout.split())


def pod(context: Context) -> Json:
    """Return the UID, images and restarts of my-service's pods: a new pod or container would change them."""
    pods = connect(context.west).find("v1", "Pod", namespace=NAMESPACE, labels={"app.kubernetes.io/name": SERVICE})
    return {
        found["metadata"]["name"]: {
            "uid": found["metadata"]["uid"],
            "images": {s["name"]: s["imageID"] for s in found["status"].get("containerStatuses", ())},
            "restarts": [s["restartCount"] for s in found["status"].get("containerStatuses", ())],
        }
        for found in pods
    }


def answered(context: Context, *, header: str = "", count: int = SAMPLE, parallel: int = 10) -> Answers:
    """Let West's frontend call my-service; `header` is the value of the chosen header, empty for no header."""
    headers = {HEADER[0]: header} if header else {}
    return answers(context, context.west, SERVICE, count=count, parallel=parallel, headers=headers)


def version(number: str) -> Look:
    """Return a look that holds if a version of my-service answers West's frontend."""

    def look(context: Context) -> Observation:
        counts = answered(context, count=1, parallel=1)
        seen = f"{counts.words}, version {', '.join(counts.versions)}"
        return Observation(holds=number in counts.versions, seen=seen, evidence=(counts.evidence,))

    return look


def laptop_answers(context: Context) -> Observation:
    """Check that the process answers requests with the chosen header."""
    counts = answered(context, header=HEADER[1], count=5)
    return Observation(holds=counts.only(LAPTOP), seen=counts.words, evidence=(counts.evidence,))


def _process(context: Context) -> psutil.Process | None:
    """Return the process of this lab's my-service that `lab dev process` started on this machine, in any terminal."""
    main = context.lab.paths.work / SERVICE / "main.py"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            # The step types the path as a person does: relative to the working directory, if it is below that.
            if any(Path(process.cwd(), word) == main for word in process.cmdline()[-1:]):
                parent = process.parent()
                if parent is not None and "process" in parent.cmdline():
                    return process
    return None


def _listening(process: psutil.Process) -> list[tuple[str, str, int]]:
    """Return program, address and port of each socket on which a process listens; none if it has ended meanwhile."""
    try:
        ends = [one.laddr for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]
        return [(process.name(), end.ip, end.port) for end in ends]
    except psutil.NoSuchProcess:
        return []


def _backend(context: Context) -> Obj:
    """Call backend in East, from East."""
    response = send(context.east, frontend_pod(context.east), "http://backend/", container="frontend")
    document: Obj = json.loads(response.body) if response.allowed else {"error": response.words}
    return document


def _evidence(title: str, text: str, kind: EvidenceKind = EvidenceKind.ANSWERS) -> Evidence:
    return Evidence(kind=kind, title=title, text=text)


def shared_works(context: Context) -> Observation:
    """Check that backend reaches users and large-stuff."""
    document = _backend(context)
    large = (document.get("large_stuff") or {}).get("bytes", 0)
    return Observation(
        holds=document.get("users") == 3 and large >= 32_000_000,
        seen=str(
            document.get("error") or f"backend: {document.get('users')} users, {large / 1e6:.1f} MB of large-stuff"
        ),
        evidence=(_evidence("the answer of East's backend, called from East", str(document)),),
    )


def _greeted(context: Context, counts: Answers) -> bool:
    """Return whether every answer contains the data of East's users."""
    data = f"Ada, Grace, Radia, users of {context.east.name}"
    return bool(counts.messages) and all(data in message for message in counts.messages)


def pod_answers(context: Context) -> Observation:
    """Check that the pod in West answers West's frontend, with data of East's users."""
    counts = answered(context, count=10)
    greeted = _greeted(context, counts)
    return Observation(
        holds=counts.only(context.west.name) and greeted,
        seen=f"{counts.words}; {'with' if greeted else 'without'} users' data from East",
        evidence=(counts.evidence,),
    )


def reload_is_quick(context: Context) -> Observation:
    """Check the seconds from each save to the first answer."""
    seconds = context.recall(RELOAD_KEY)
    words = ", ".join(f"{s:.2f} s" for s in seconds)
    return Observation(
        holds=len(seconds) == 3 and max(seconds) <= RELOADED_WITHIN_S,
        seen=f"from save to answer: {words}",
        evidence=(_evidence("seconds from a save to the first answer with it", words, EvidenceKind.METRIC),),
    )


def nothing_was_built(context: Context) -> Observation:
    """Check that the pod is still the same."""
    before, after = context.recall("pod"), pod(context)
    return Observation(
        holds=bool(before) and before == after,
        seen=f"{', '.join(before)} before, {', '.join(after)} after; "
        + ("same UID, images and restarts" if before == after else "they differ"),
        evidence=(_evidence("the pod before and after", f"{before}\n{after}", EvidenceKind.OBJECT),),
    )


def only_chosen(context: Context) -> Observation:
    """Check which cluster answers requests with the header, without it, and with another value."""
    mine, plain, other = (answered(context, header=value) for value in (HEADER[1], "", "somebody-else"))
    return Observation(
        holds=mine.only(LAPTOP) and plain.only(context.west.name) and other.only(context.west.name),
        seen=f"with {'='.join(HEADER)}: {mine.words}; without: {plain.words}; with another value: {other.words}",
        evidence=(mine.evidence, plain.evidence, other.evidence),
    )


def process_reaches_users(context: Context) -> Observation:
    """Check that the process gets data of East's users."""
    counts = answered(context, header=HEADER[1], count=10)
    process = _process(context)
    pid = process.pid if process else 0
    own = context.mesh.identity_of(Caller(cluster=context.west.name, namespace=NAMESPACE, service_account=SERVICE))
    identity = "under my-service's identity" if any(own in message for message in counts.messages) else ""
    greeted = _greeted(context, counts)
    return Observation(
        holds=counts.only(LAPTOP) and greeted and all(pod.endswith(f":{pid}") for pod in counts.by_pod),
        seen=f"{counts.words}: {', '.join(counts.by_pod)}, {'with' if greeted else 'without'} users' data from East "
        f"{identity}".rstrip(),
        evidence=(
            counts.evidence,
            _evidence("my-service's messages with data of users", "\n".join(sorted(counts.messages))),
        ),
    )


def only_loopback(context: Context) -> Observation:
    """Check that `lab dev process` and its child processes listen on 127.0.0.1 only."""
    child = _process(context)
    here = child.parent() if child else None
    if here is None:
        raise StepNotRunError("process")
    open_at = {
        f"{program} {ip}:{port}": ip
        for process in (here, *here.children(recursive=True))
        for program, ip, port in _listening(process)
    }
    return Observation(
        holds=len(open_at) >= 2 and set(open_at.values()) == {"127.0.0.1"},
        seen=", ".join(open_at) or "nothing listens",
        evidence=(_evidence("listening sockets of the tunnel and the process", "\n".join(open_at)),),
    )


def everything_comes(context: Context) -> Observation:
    """Check that the process answers requests without a header."""
    counts = answered(context, count=100, parallel=25)
    return Observation(holds=counts.only(LAPTOP), seen=counts.words, evidence=(counts.evidence,))


def comes_back(context: Context) -> Observation:
    """Check that the process answers after the tunnel was cut."""
    away_s = context.recall(AWAY_KEY)[-1]
    counts = answered(context)
    seen = f"{counts.words}, {away_s:.2f} s after the tunnel was cut"
    return Observation(holds=counts.only(LAPTOP), seen=seen, evidence=(counts.evidence,))


def given_back(context: Context) -> Observation:
    """Check that the pod answers after the process has ended, and that no object of it is left."""
    counts = answered(context)
    left = [str(ref(obj)) for obj in _objects(context.west) if parts.stand_in(SERVICE) in obj["metadata"]["name"]]
    intercepts = context.mesh.intercepts([context.west.name])
    return Observation(
        holds=counts.only(context.west.name) and not left and not intercepts,
        seen=f"{counts.words}; left over: {', '.join(left) or 'nothing'}, {len(intercepts)} intercepts",
        evidence=(counts.evidence,),
    )


_BIG_ANSWER = rf'"service": *"{shared.BIG}"'
"""A part of large-stuff's own answer (apps/shared)."""


def _objects(cluster: Cluster) -> list[Obj]:
    """Return all objects that could belong to a copy of a service, in every namespace, without terminating ones."""
    kube = connect(cluster)
    found = [obj for version, kind in _KINDS for obj in kube.find(version, kind, metadata_only=True)]
    return [obj for obj in found if "deletionTimestamp" not in obj["metadata"]]


def no_objects(context: Context) -> Observation:
    """Check that objects named like large-stuff exist in East and not in West."""
    in_east, in_west = (
        [str(ref(obj)) for obj in _objects(cluster) if shared.BIG in obj["metadata"]["name"]]
        for cluster in (context.east, context.west)
    )
    response = send(context.west, frontend_pod(context.west), f"http://{host(shared.BIG)}/", container="frontend")
    verdict, words = judge(response, [refusals.no_name()], service=_BIG_ANSWER)
    return Observation(
        holds=bool(in_east) and not in_west and verdict is Judgement.REFUSED,
        seen=f"{len(in_east)} objects in East, {len(in_west)} in West; a request from West: {words}",
        unclear=words if verdict is Judgement.UNCLEAR else "",
        evidence=(
            _evidence("objects of large-stuff in East", "\n".join(in_east), EvidenceKind.OBJECT),
            _evidence("objects of large-stuff in West", "\n".join(in_west) or "none", EvidenceKind.OBJECT),
            response.evidence,
        ),
    )


def no_images(context: Context) -> Observation:
    """Check that West's node has no new image."""
    before, now = set(context.recall("images")), set(images(context))
    words = "\n".join(sorted(now))
    return Observation(
        holds=bool(before) and now == before,
        seen=f"{len(before)} images on West's node before, {len(now)} now; new: {', '.join(now - before) or 'none'}",
        evidence=(_evidence("images on West's node", words, EvidenceKind.COMMAND),),
    )


def no_data(context: Context) -> Observation:
    """Search each node's disk for large-stuff's data: the search finds it in East, and not in West."""
    in_east, in_west = (_files_with_data(cluster) for cluster in (context.east, context.west))
    return Observation(
        holds=bool(in_east) and not in_west,
        seen=f"files with its data: {len(in_east)} in East, {len(in_west)} in West",
        evidence=(
            _evidence("files with its data on East's node", "\n".join(in_east) or "none", EvidenceKind.COMMAND),
            _evidence("files with its data on West's node", "\n".join(in_west) or "none", EvidenceKind.COMMAND),
        ),
    )


def _files_with_data(cluster: Cluster) -> list[str]:
    argv = ["grep", "--recursive", "--files-with-matches", "--text", "--extended-regexp", _MARKER, *_DATA_OF_PODS]
    search = provider().shell.run(cluster, argv, check=False, timeout_s=60)
    # 1: nothing found; pods can end during the search.
    if search.returncode > 1 and "No such file" not in search.stderr:
        raise ClusterError(f"searching the node's disk failed: {search.stderr.strip()}", where=cluster.name)
    return search.stdout.split()
