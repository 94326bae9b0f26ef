"""The checks of the dev loop: who answers, with whose data, how soon, and what must not be in West."""

from __future__ import annotations

import json
import os

import psutil

from lab.base.errors import ClusterError
from lab.base.names import NAMESPACE, Cluster
from lab.clusters import provider
from lab.dev import parts, shared
from lab.kube import connect
from lab.kube.objects import Obj, ref
from lab.mesh.model import Caller
from lab.mesh.names import host
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.model import Observation

from . import refusals
from .dev_acts import HEADER, LAPTOP, SERVICE, answered, images, running
from .probes import frontend_pod, send
from .refusals import Judgement, judge
from .seeing import Answers

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


def _backend(context: Context) -> Obj:
    """Ask backend in East, from East."""
    said = send(context.east, frontend_pod(context.east), "http://backend/", container="frontend")
    found: Obj = json.loads(said.body) if said.allowed else {"error": said.words}
    return found


def _evidence(title: str, text: str, kind: EvidenceKind = EvidenceKind.ANSWERS) -> Evidence:
    return Evidence(kind=kind, title=title, text=text)


def shared_works(context: Context) -> Observation:
    """Look whether backend finds users and large-stuff."""
    said = _backend(context)
    large = (said.get("large_stuff") or {}).get("bytes", 0)
    return Observation(
        holds=said.get("users") == 3 and large >= 32_000_000,
        seen=str(said.get("error") or f"backend: {said.get('users')} users, {large / 1e6:.1f} MB of large-stuff"),
        evidence=(_evidence("East's backend, asked from East", str(said)),),
    )


def _greeted(got: Answers) -> bool:
    """Say whether every answer holds the data that users in East has."""
    return bool(got.messages) and all("Ada, Grace, Radia, users of east" in words for words in got.messages)


def pod_answers(context: Context) -> Observation:
    """Look who answers West's frontend, and with whose data."""
    got = answered(context, count=10)
    greeted = _greeted(got)
    return Observation(
        holds=got.only("west") and greeted,
        seen=f"{got.words}; {'with' if greeted else 'without'} users' data from East",
        evidence=(got.evidence,),
    )


def reload_is_quick(context: Context) -> Observation:
    """Look at the seconds that saves took."""
    seconds = context.recall("reloads_s")
    words = ", ".join(f"{s:.2f} s" for s in seconds)
    return Observation(
        holds=len(seconds) == 3 and max(seconds) <= RELOADED_WITHIN_S,
        seen=f"from save to answer: {words}",
        evidence=(_evidence("seconds from a save to the first answer with it", words, EvidenceKind.METRIC),),
    )


def nothing_was_built(context: Context) -> Observation:
    """Look whether the pod is still the same."""
    before, after = context.recall("pod_before"), context.recall("pod_after")
    return Observation(
        holds=bool(before) and before == after,
        seen=f"{', '.join(before)} before, {', '.join(after)} after; "
        + ("same UID, images and restarts" if before == after else "not the same any more"),
        evidence=(_evidence("the pod before and after", f"{before}\n{after}", EvidenceKind.OBJECT),),
    )


def only_chosen(context: Context) -> Observation:
    """Look who gets requests with the header, without it, and with another value."""
    mine, plain, other = (answered(context, header=value) for value in (HEADER[1], "", "somebody-else"))
    return Observation(
        holds=mine.only(LAPTOP) and plain.only("west") and other.only("west"),
        seen=f"with {'='.join(HEADER)}: {mine.words}; without: {plain.words}; with another value: {other.words}",
        evidence=(mine.evidence, plain.evidence, other.evidence),
    )


def process_reaches_users(context: Context) -> Observation:
    """Look whether the process has users' data."""
    got = answered(context, header=HEADER[1], count=10)
    pid = running[0].child.pid
    own = context.mesh.identity_of(Caller(cluster="west", namespace=NAMESPACE, service_account=SERVICE))
    identity = "under my-service's identity" if any(own in words for words in got.messages) else ""
    return Observation(
        holds=got.only(LAPTOP) and _greeted(got) and all(pod.endswith(f":{pid}") for pod in got.by_pod),
        seen=f"{got.words}: {', '.join(got.by_pod)}, {'with' if _greeted(got) else 'without'} users' data from East "
        f"{identity}".rstrip(),
        evidence=(got.evidence, _evidence("what my-service knows of users", "\n".join(sorted(got.messages)))),
    )


def only_loopback(context: Context) -> Observation:
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


def everything_comes(context: Context) -> Observation:
    """Look who answers without a header."""
    got = answered(context, count=100, parallel=25)
    return Observation(holds=got.only(LAPTOP), seen=got.words, evidence=(got.evidence,))


def comes_back(context: Context) -> Observation:
    """Look who answers after the tunnel was cut."""
    away_s = context.recall("away_s")
    got = answered(context)
    seen = f"{got.words}, {away_s:.2f} s after the tunnel was cut"
    return Observation(holds=got.only(LAPTOP), seen=seen, evidence=(got.evidence,))


def given_back(context: Context) -> Observation:
    """Look who answers after the process has ended, and what is left of it."""
    got = answered(context)
    left = [str(ref(obj)) for obj in _objects(context.west) if parts.stand_in(SERVICE) in obj["metadata"]["name"]]
    diverts = context.mesh.intercepts(["west"])
    return Observation(
        holds=got.only("west") and not left and not diverts,
        seen=f"{got.words}; left over: {', '.join(left) or 'nothing'}, {len(diverts)} diversions",
        evidence=(got.evidence,),
    )


_BIG_ANSWER = rf'"service": *"{shared.BIG}"'
"""What large-stuff itself answers (apps/shared)."""


def _objects(cluster: Cluster) -> list[Obj]:
    """Return all that could be a copy of a service, in every namespace; pods that are just ending are none."""
    kube = connect(cluster)
    found = [obj for version, kind in _KINDS for obj in kube.find(version, kind, metadata_only=True)]
    return [obj for obj in found if "deletionTimestamp" not in obj["metadata"]]


def no_objects(context: Context) -> Observation:
    """Look for objects named like large-stuff in both clusters."""
    there, here = (
        [str(ref(obj)) for obj in _objects(cluster) if shared.BIG in obj["metadata"]["name"]]
        for cluster in (context.east, context.west)
    )
    asked = send(context.west, frontend_pod(context.west), f"http://{host(shared.BIG)}/", container="frontend")
    verdict, words = judge(asked, [refusals.no_name()], service=_BIG_ANSWER)
    return Observation(
        holds=bool(there) and not here and verdict is Judgement.REFUSED,
        seen=f"{len(there)} objects in East, {len(here)} in West; West asks for it: {words}",
        unclear=words if verdict is Judgement.UNCLEAR else "",
        evidence=(
            _evidence("objects in East named so", "\n".join(there), EvidenceKind.OBJECT),
            _evidence("objects in West named so", "\n".join(here) or "none", EvidenceKind.OBJECT),
            asked.evidence,
        ),
    )


def no_images(context: Context) -> Observation:
    """Look for images that were not there before."""
    before, now = set(context.recall("images")), set(images(context))
    words = "\n".join(sorted(now))
    return Observation(
        holds=bool(before) and now == before,
        seen=f"{len(before)} images in West's node before, {len(now)} now; new: {', '.join(now - before) or 'none'}",
        evidence=(_evidence("images in West's node", words, EvidenceKind.COMMAND),),
    )


def no_data(context: Context) -> Observation:
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
    found = provider().shell.run(cluster, argv, check=False, timeout_s=60)
    if found.returncode > 1 and "No such file" not in found.stderr:  # 1: nothing found; pods end while it looks
        raise ClusterError(f"its disk could not be searched: {found.stderr.strip()}", where=cluster.name)
    return found.stdout.split()
