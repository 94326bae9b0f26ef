"""Preview changes: the verbs of a mesh run as usual, but no cluster is changed.

In a preview the API servers validate each change (`dryRun=All`) and do not keep it. Later reads return what the change
would have made, so that a verb continues as if it had been applied. Controllers do not act on it: waits for their work
end at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from lab.base.concurrency import one_by_one
from lab.base.names import Cluster
from lab.kube.objects import Obj, Ref, labels_of, ref
from lab.kube.writes import Write


@dataclass
class Preview:
    """The planned changes, in the order in which they would be made."""

    writes: list[Write] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    """What the clusters lack for the changes, one sentence each."""
    _waits: list[str] = field(default_factory=list)
    _objects: dict[tuple[Cluster, Ref], Obj | None] = field(default_factory=dict)
    _created: set[tuple[Cluster, Ref]] = field(default_factory=set)
    _expected: set[tuple[Cluster, str]] = field(default_factory=set)

    def changes(self, cluster: Cluster, wanted: Ref) -> bool:
        """Return whether an object was changed in this preview."""
        return (cluster, wanted) in self._objects

    def creates(self, cluster: Cluster, wanted: Ref) -> bool:
        """Return whether an object exists in this preview only."""
        return (cluster, wanted) in self._created

    def get(self, cluster: Cluster, wanted: Ref) -> Obj | None:
        """Return an object that was changed in this preview, None if it was deleted."""
        return self._objects[cluster, wanted]

    def find(self, cluster: Cluster, kind: Ref, labels: Mapping[str, str], found: Sequence[Obj]) -> list[Obj]:
        """Return the objects of a kind after the changes of this preview.

        Args:
            cluster: the cluster.
            kind: apiVersion, kind and namespace; an empty namespace means all.
            labels: labels that the objects must have.
            found: the objects in the cluster.
        """
        unchanged = [obj for obj in found if not self.changes(cluster, ref(obj))]
        changed = [
            obj
            for (place, one), obj in self._objects.items()
            if place == cluster
            and (one.api_version, one.kind) == (kind.api_version, kind.kind)
            and kind.namespace in {"", one.namespace}
            and obj is not None
            and labels.items() <= labels_of(obj).items()
        ]
        return [*unchanged, *changed]

    def expect(self, cluster: Cluster, api_version: str, need: str) -> None:
        """Accept objects of an API that a cluster does not serve yet.

        Args:
            cluster: the cluster.
            api_version: the API, such as split.smi-spec.io/v1alpha2.
            need: one sentence about what has to be installed.
        """
        self._expected.add((cluster, api_version))
        self.needs.append(need)

    def expects(self, cluster: Cluster, api_version: str) -> bool:
        """Return whether an API will be installed before the changes."""
        return (cluster, api_version) in self._expected

    def wait(self, what: str) -> None:
        """Note a wait instead of waiting: the next change has to come after it."""
        self._waits.append(what)

    def record(self, write: Write, *, before: Obj | None, answer: Obj | None) -> Obj | None:
        """Record a change, and return the object after it.

        Args:
            write: the change.
            before: the object before it.
            answer: the server's answer to the dry run, None where the server cannot validate the change.
        """
        key = (write.cluster, write.ref)
        # The server does not know earlier changes of this preview, such as fields of another field manager.
        after = write.expected(before, answer, again=self.changes(*key))
        if before is None:
            self._created.add(key)
        self._objects[key] = after
        self.writes.append(replace(write, after=tuple(self._waits)))
        self._waits.clear()
        return after


_current: ContextVar[Preview | None] = ContextVar("preview", default=None)


def current() -> Preview | None:
    """Return the preview that surrounds the caller, None where changes are real."""
    return _current.get()


@contextmanager
def preview() -> Iterator[Preview]:
    """Record the changes of the block instead of making them; one after the other, so that their order is certain."""
    made = Preview()
    before = _current.set(made)
    try:
        with one_by_one():
            yield made
    finally:
        _current.reset(before)


def planned(change: Callable[[], object]) -> Preview:
    """Return the changes that a function would make, such as `lambda: mesh.export("podinfo", "east")`.

    Raises:
        LabError: the function's own error, such as for a missing Service.
    """
    with preview() as made:
        change()
    return made
