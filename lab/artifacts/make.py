"""Make one artifact and publish it in the store atomically; a lock excludes other processes."""

from __future__ import annotations

import errno
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lab.artifacts import entry as entries
from lab.artifacts.catalog import ArtifactKind
from lab.artifacts.entry import Entry
from lab.artifacts.recipe import ARTIFACT_LABEL, KEY_LABEL, BuildContext, BuildResult, usual_modes
from lab.artifacts.resolver import LOCAL, absent
from lab.artifacts.store import ArtifactStore
from lab.base import environment, events, locks, process
from lab.base.errors import ArtifactError, CommandError, DigestError, LabError
from lab.base.step import CHANGED, UNCHANGED, StepResult

_OTHER_BUILDER_S = 3600
_NO_SPACE = "no space left on device"


def make(store: ArtifactStore, name: str, *, run: process.Run = process.run) -> StepResult:
    """Build or fetch an artifact, unless the store has it undamaged.

    The artifacts that it needs must be in the store. An interrupted build leaves no entry, but keeps Go's build cache.

    Args:
        store: the store to publish it in.
        name: the artifact.
        run: runs commands.

    Raises:
        ArtifactError: the build, the download or its verification failed; the store is unchanged.
    """
    with locked(store, name):
        problem = store.problem(name)
        if problem is None:
            return UNCHANGED
        artifact = store.catalog[name]
        began = time.monotonic()
        with environment.usual_umask(), workspace(store, name) as folder, _explained(store, name):
            work = _work(store, name, folder, run)
            built = store.keys.is_built(name)
            made = store.recipes[name].build(work) if built else _take(store, name, work)
            events.progress("checking")
            usual_modes(work.into)
            entry = Entry(
                path=store.folder(name),
                name=name,
                key=store.keys[name],
                version=artifact.version_from(upstream=not built),
                source=store.decisions[name].source,
                built_at=time.time(),
                duration_s=round(time.monotonic() - began, 1),
                files=entries.record_files(work.into),
                image=work.reference or None,
                image_id=made.image_id,
                baked=made.baked,
                notes=made.notes,
            )
            _check(entry, made)
            entries.publish(entry, work.into)
    return replace(CHANGED, pulled=made.pulled) if made.pulled else CHANGED


def _take(store: ArtifactStore, name: str, work: BuildContext) -> BuildResult:
    """Take upstream's build; if that fails and the lab can build the artifact, decide so for the next run.

    The running plan has no steps for what such a build needs.
    """
    decision = store.decisions[name]
    if decision.match is None:
        raise absent([(work.artifact, decision.why)] if decision.why else [])
    if decision.source == LOCAL and (before := store.taken_before(name)) is not None:
        # This machine may not have the build any more, as when its folder was set for an earlier command only.
        shutil.copytree(before.path, work.into, dirs_exist_ok=True, ignore=shutil.ignore_patterns(entries.MANIFEST))
        return BuildResult(notes=before.notes)
    try:
        return store.resolver.take(decision.match, work)
    except ArtifactError as error:
        can_fall_back = decision.source != LOCAL and not isinstance(error, DigestError)
        if can_fall_back and store.decisions.build_next_time(name):
            error.next = f"run the command again: it builds {name} from packages; or {error.next}"
        raise


def _work(store: ArtifactStore, name: str, folder: Path, run: process.Run) -> BuildContext:
    artifact = store.catalog[name]
    into, scratch = folder / "entry", folder / "scratch"
    into.mkdir()
    scratch.mkdir()
    go = store.paths.go
    for cache in (go / "build", go / "mod"):
        cache.mkdir(parents=True, exist_ok=True)
    return BuildContext(
        artifact=artifact,
        into=into,
        scratch=scratch,
        reference=store.reference(name) if artifact.kind is ArtifactKind.IMAGE else "",
        labels={KEY_LABEL: store.keys[name], ARTIFACT_LABEL: name},
        go_cache=go / "build",
        go_modules=go / "mod",
        needs=store,
        docker=store.docker,
        run=run,
    )


def _check(entry: Entry, made: BuildResult) -> None:
    if entry.image is not None and made.image_id is None:
        raise ArtifactError(f"{entry.name}: the build succeeded, but the engine does not have {entry.image}")
    if entry.image is None and not entry.files:
        raise ArtifactError(f"{entry.name}: the build succeeded, but made no files")


@contextmanager
def locked(store: ArtifactStore, name: str) -> Iterator[None]:
    """Hold an artifact's lock. The kernel releases it when the process ends."""
    folder = store.root / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    what = f"{name}: the end of another process's build"
    with locks.held(folder / f"{name}.lock", what=what, wait_s=_OTHER_BUILDER_S, interval_s=1):
        yield


@contextmanager
def workspace(store: ArtifactStore, name: str) -> Iterator[Path]:
    """Create a work folder on the store's file system and delete it afterwards, with leftovers of killed builds."""
    parent = store.root / "work"
    parent.mkdir(parents=True, exist_ok=True)
    for leftover in parent.glob(f"{name}@*"):  # this process holds the lock, so the other build has ended
        shutil.rmtree(leftover)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}@", dir=parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _explained(store: ArtifactStore, name: str) -> Iterator[None]:
    """Translate errors that any build can raise into an ArtifactError with the artifact's name."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise _disk_full(store, name) from error
        raise ArtifactError(f"{error.strerror}: {error.filename}", where=name) from error
    except CommandError as error:
        if _NO_SPACE in f"{error.stdout}\n{error.stderr}".lower():
            raise _disk_full(store, name) from error
        raise ArtifactError(error.what, where=name, next=error.next or f"lab artifacts build {name}") from error
    except LabError as error:
        error.where = error.where or name
        raise


def _disk_full(store: ArtifactStore, name: str) -> ArtifactError:
    free_mib = shutil.disk_usage(store.root).free // 2**20
    return ArtifactError(
        f"the disk is full: {free_mib} MiB are free under {store.root}; the unfinished build was deleted",
        where=name,
        next="free some disk space (`lab artifacts clean`, `docker system df`), then run the command again",
    )
