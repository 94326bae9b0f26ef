"""The Kubernetes API of one cluster: objects as plain dicts, requests in the API's own verbs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from lab.base import cancel, wait
from lab.base.concurrency import each
from lab.base.errors import ClusterError, WaitTimeout
from lab.base.names import MANAGED_BY, Cluster
from lab.base.wait import NotYet
from lab.kube import preview, readiness, transport
from lab.kube.errors import KubeError, NotNow, refusal
from lab.kube.objects import STAYS_READY, Obj, Ref, unready
from lab.kube.readiness import Patience, PodTrouble
from lab.kube.transport import Answer, Lines, LineTransport, Transport
from lab.kube.writes import Verb, Write

_JSON = "application/json"
_APPLY = "application/apply-patch+yaml"  # JSON is YAML
_MERGE = "application/merge-patch+json"
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_LATER = HTTPStatus.TOO_MANY_REQUESTS


@dataclass(frozen=True)
class _Lack:
    """An object that is missing or not ready, with the reasons of its pods."""

    ref: Ref
    words: str
    troubles: tuple[PodTrouble, ...] = ()

    def __str__(self) -> str:
        return f"{self.words} ({'; '.join(map(str, self.troubles[:2]))})" if self.troubles else self.words


class Kube:
    """One cluster's API. Safe to use from many threads.

    Every method raises NotNow while the API server does not answer, and KubeError when it refuses.

    Args:
        cluster: the cluster.
        send: sends requests; by default with the cluster's kubeconfig.
        lines: sends requests whose answers do not end by themselves; by default with the cluster's kubeconfig.
        timeout_s: time limit of a request.
    """

    def __init__(
        self,
        cluster: Cluster,
        send: Transport | None = None,
        *,
        lines: LineTransport | None = None,
        timeout_s: float = 15,
    ) -> None:
        self.cluster = cluster
        self.timeout_s = timeout_s
        self._send = send or transport.http(cluster)
        self._lines = lines
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}
        self._guard = threading.Lock()

    # Objects

    def get(self, wanted: Ref) -> Obj | None:
        """Return an object, None if it, its namespace or its kind does not exist."""
        planned = preview.current()
        if planned is not None and planned.changes(self.cluster, wanted):
            return planned.get(self.cluster, wanted)
        path = self._path(wanted)
        return None if path is None else self._json("GET", path, absent_ok=True)

    def find(
        self,
        api_version: str,
        kind: str,
        *,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        metadata_only: bool = False,
    ) -> list[Obj]:
        """Return all objects of a kind, in all namespaces or in one; none if the kind does not exist."""
        every = Ref(api_version=api_version, kind=kind, name="", namespace=namespace)
        path, items = self._path(every), []
        if path is not None:
            if labels:
                path += "?" + urlencode({"labelSelector": ",".join(f"{k}={v}" for k, v in labels.items())})
            found = self._json("GET", path, absent_ok=True, accept=_METADATA_ONLY if metadata_only else _JSON)
            # Items of a list lack apiVersion and kind, which only the list has.
            items = [{**item, "apiVersion": api_version, "kind": kind} for item in (found or {}).get("items") or []]
        planned = preview.current()
        return items if planned is None else planned.find(self.cluster, every, labels or {}, items)

    def write(
        self,
        verb: Verb,
        wanted: Ref,
        *,
        body: Mapping[str, Any],
        status: bool = False,
    ) -> Obj | None:
        """Make one change without checking the owner. Only `lab.kube.owned` may call this, after its own check.

        In a preview, the change is validated and recorded only.

        Args:
            verb: the change.
            wanted: the object.
            body: the object, the merge patch, or the options of a delete.
            status: change the object's status instead.

        Returns:
            The object as the server has it afterwards; None if there was none to delete.
        """
        change = Write(cluster=self.cluster, verb=verb, ref=wanted, body=body, status=status)
        planned = preview.current()
        return self._send_change(change) if planned is None else self._plan(planned, change)

    def _plan(self, planned: preview.Preview, change: Write) -> Obj | None:
        before, answer = self.get(change.ref), None
        if change.verb is Verb.DELETE and before is None:
            return None
        served = self._path(change.ref) is not None
        if change.verb is Verb.APPLY:
            known = served or not planned.expects(self.cluster, change.ref.api_version)
        else:
            known = not planned.creates(self.cluster, change.ref)
        if known:
            answer = self._send_change(change, dry_run=True)
        return planned.record(change.over(before), before=before, answer=answer) or before

    def _send_change(self, change: Write, *, dry_run: bool = False) -> Obj | None:
        path, body, what = self._path(change.ref), change.body, str(change.ref)
        if path is None:
            if change.verb is Verb.DELETE:
                return None
            raise NotNow(f"{what}: the API server does not serve this kind yet", where=self.cluster.name, next="lab up")
        path += "/status" if change.status else ""
        if change.verb is Verb.DELETE:
            # The server ignores the query of a delete that has a body.
            body = {**body, "dryRun": ["All"]} if dry_run else body
            return self._json("DELETE", path, body=body, absent_ok=True, what=what)
        query = {
            "fieldManager": MANAGED_BY,
            **({"force": "true"} if change.verb is Verb.APPLY else {}),
            **({"dryRun": "All"} if dry_run else {}),
        }
        content_type = _APPLY if change.verb is Verb.APPLY else _MERGE
        return self._json("PATCH", f"{path}?{urlencode(query)}", body=body, content_type=content_type, what=what)

    # Waiting

    def lacks(self, refs: Iterable[Ref]) -> list[str]:
        """Return a text for each object that is missing or not ready, with its pods' reasons."""
        return [str(lack) for lack in self._lacking(refs)]

    def wait_until(
        self,
        what: str,
        probe: Callable[[], bool | NotYet],
        *,
        timeout_s: float,
        successes: int = 1,
        next: str | None = None,  # noqa: A002
    ) -> None:
        """Wait for the effect of a change, as `wait.until`; in a preview, where nothing takes effect, only note it."""
        planned = preview.current()
        if planned is None:
            wait.until(what, probe, timeout_s=timeout_s, successes=successes, next=next)
        else:
            planned.wait(what)

    def wait_ready(self, refs: Sequence[Ref], *, timeout_s: float, what: str | None = None, successes: int = 1) -> None:
        """Wait until all objects exist and are ready, `successes` times in a row.

        Raises:
            WaitTimeout: with the objects that are missing or not ready.
            ClusterError: a pod will not become ready; with its reason.
        """
        patience = Patience()
        settled: set[Ref] = set()

        def probe() -> bool | NotYet:
            # A CRD is large, and the API server is busy while it gets many: do not ask again for one that is ready.
            left = [one for one in refs if one not in settled]
            missing = self._lacking(left)
            lacking = {lack.ref for lack in missing}
            settled.update(one for one in left if one.kind in STAYS_READY and one not in lacking)
            for lack in missing:
                if trouble := patience.hopeless(lack.troubles):
                    raise self._hopeless(lack.ref, trouble)
            words = [str(lack) for lack in missing]
            return NotYet("; ".join(words[:3]) + ("; …" if len(words) > 3 else "")) if words else True

        name = self.cluster.name
        self.wait_until(
            f"{what or ', '.join(str(r) for r in refs[:2])} in {name}",
            probe,
            timeout_s=timeout_s,
            successes=successes,
            next=f"lab logs --cluster {name}",
        )

    def _lacking(self, refs: Iterable[Ref]) -> list[_Lack]:
        def lack_of(wanted: Ref) -> _Lack | None:
            obj = self.get(wanted)
            if obj is None:
                return _Lack(wanted, f"{wanted} does not exist")
            words = unready(obj)
            return _Lack(wanted, words, self._troubles(obj)) if words else None

        return [lack for lack in each(lack_of, list(refs)) if lack]

    def _troubles(self, workload: Obj) -> tuple[PodTrouble, ...]:
        labels, namespace = readiness.selector(workload), workload["metadata"].get("namespace", "")
        if not labels:
            return ()
        pods = self.find("v1", "Pod", namespace=namespace, labels=labels)
        sets = self.find("apps/v1", "ReplicaSet", namespace=namespace, labels=labels, metadata_only=True)
        return tuple(one for pod in readiness.of_rollout(workload, pods, sets) for one in readiness.troubles(pod))

    def _hopeless(self, wanted: Ref, trouble: PodTrouble) -> ClusterError:
        cluster = self.cluster
        command = readiness.next_command(
            wanted.name, trouble, cluster=cluster.name, kubeconfig=cluster.kubeconfig, context=cluster.context
        )
        return ClusterError(f"{wanted} does not become ready: {trouble}", where=cluster.name, next=command)

    # The rest of the API

    def read(self, path: str, *, timeout_s: float | None = None) -> str:
        """GET a path of the API server, such as /readyz or a Service's proxy path, and return the body."""
        return self._ask("GET", path, timeout_s=timeout_s).body.decode(errors="replace")

    def page(self, api_version: str, kind: str, *, query: Mapping[str, str | int]) -> Obj | None:
        """Return a list of all namespaces as the server sends it, or a part of it; None if the kind does not exist."""
        path = self._path(Ref(api_version=api_version, kind=kind, name=""))
        return None if path is None else self._json("GET", f"{path}?{urlencode(query)}", absent_ok=True)

    def review(self, api_version: str, kind: str, spec: Mapping[str, Any]) -> Obj:
        """Return the server's answer to a review, such as SelfSubjectAccessReview: it is not stored."""
        resource = f"{_group_path(api_version)}/{kind.lower()}s"
        body = {"apiVersion": api_version, "kind": kind, "spec": dict(spec)}
        return self._json("POST", resource, body=body, what=kind) or {}

    def follow(self, api_version: str, kind: str, *, query: Mapping[str, str | int], silence_s: float) -> Lines:
        """Watch the objects of a kind in all namespaces; `lab.kube.watch` reads the lines.

        Args:
            api_version: the kind's version.
            kind: the kind.
            query: parameters of the watch.
            silence_s: seconds without a line after which the connection counts as broken.
        """
        path = self._path(Ref(api_version=api_version, kind=kind, name=""))
        if path is None:
            raise KubeError(f"{kind}: the API server does not serve this kind", where=self.cluster.name, status=404)
        cancel.token().check(f"watch {kind}")
        with self._guard:
            lines = self._lines = self._lines or transport.lines(self.cluster)
        answer = lines(f"{path}?{urlencode(query)}", headers={"Accept": _JSON}, silence_s=silence_s)
        if answer.status < 400:
            return answer
        with closing(answer):
            body = b"".join(answer)
        raise refusal(self.cluster.name, "GET", status=answer.status, body=body, what=f"watch {kind}")

    def version(self) -> str:
        """Return the API server's version, such as v1.37.2."""
        return str(json.loads(self.read("/version", timeout_s=3))["gitVersion"])

    def logs(self, pod: str, *, namespace: str, container: str | None = None, lines: int = 200) -> str:
        """Return the last lines of a container's log."""
        query: dict[str, Any] = {"tailLines": lines, **({"container": container} if container else {})}
        return self.read(f"/api/v1/namespaces/{namespace}/pods/{pod}/log?{urlencode(query)}")

    def execute(
        self,
        pod: str,
        argv: Sequence[str],
        *,
        namespace: str,
        container: str | None = None,
        stdin: bytes = b"",
        timeout_s: float = 20,
    ) -> str:
        """Run a command in a pod and return its standard output.

        `stdin` is not closed after its last byte: the command has to know how much to read.

        Raises:
            KubeError: it could not be run, or its exit status is not 0.
        """
        return transport.execute(
            self.cluster, pod, argv, namespace=namespace, container=container, stdin=stdin, timeout_s=timeout_s
        )

    # Requests

    def _path(self, wanted: Ref) -> str | None:
        """Return the path of an object, or without a name of a kind; None if the server does not serve the kind."""
        known = self._kind(wanted.api_version, wanted.kind)
        if known is None:
            return None
        plural, namespaced = known
        place = f"/namespaces/{wanted.namespace}" if namespaced and wanted.namespace else ""
        name = f"/{quote(wanted.name)}" if wanted.name else ""
        return f"{_group_path(wanted.api_version)}{place}/{plural}{name}"

    def _kind(self, api_version: str, kind: str) -> tuple[str, bool] | None:
        with self._guard:
            known = self._kinds.get(api_version, {}).get(kind)
        if known is None:
            found = self._json("GET", _group_path(api_version), absent_ok=True) or {}
            kinds = {
                r["kind"]: (r["name"], r["namespaced"]) for r in found.get("resources", ()) if "/" not in r["name"]
            }
            with self._guard:
                self._kinds[api_version] = kinds
            known = kinds.get(kind)
        return known

    def _json(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
        absent_ok: bool = False,
        what: str = "",
    ) -> Obj | None:
        text = None if body is None else json.dumps(body)
        try:
            answer = self._ask(method, path, body=text, content_type=content_type, accept=accept, what=what)
        except KubeError as error:
            if absent_ok and error.status == 404:
                return None
            raise
        found: Obj = json.loads(answer.body)
        return found

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: str | None = None,
        content_type: str = _JSON,
        accept: str = "*/*",
        what: str = "",
        timeout_s: float | None = None,
    ) -> Answer:
        headers = {"Accept": accept, **({"Content-Type": content_type} if body is not None else {})}
        cancel.token().check(f"{method} {path}")
        where, patience_s = what or path.partition("?")[0], timeout_s or self.timeout_s

        def send() -> Answer:
            return self._send(method, path, body=body, headers=headers, timeout_s=patience_s)

        def retry() -> Answer | NotYet:
            answer = send()
            return NotYet("the API server is busy (429)") if answer.status == _LATER else answer

        answer = send()
        if answer.status == _LATER:
            # A server that has just started answers 429 until its caches are filled; clients retry.
            with suppress(WaitTimeout):
                answer = wait.until(f"{self.cluster.name}: {where}", retry, timeout_s=patience_s)
        if answer.status >= 400:
            raise refusal(self.cluster.name, method, status=answer.status, body=answer.body, what=where)
        return answer


def _group_path(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
