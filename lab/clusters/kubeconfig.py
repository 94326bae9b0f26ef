"""Read and write kubeconfig files: the lab's own, and on request the user's.

The lab's own file has one context for each cluster, with the same name. In the user's file, an extension (clientcmd
v1, `NamedExtension`) marks the lab's entries; the current context never changes.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.base import wait
from lab.base.errors import ClusterError, LabError
from lab.base.files import write_atomic
from lab.base.names import LAB_LABEL, LABEL_PREFIX
from lab.base.paths import expanded
from lab.base.wait import NotYet
from lab.kube import manifests
from lab.lab import Lab

_KINDS = {"clusters": "cluster", "contexts": "context", "users": "user"}
_EXISTING = f"{LABEL_PREFIX}/existing"
_OTHER_FILE = "correct the file, or name another one in KUBECONFIG"
_own_file = threading.Lock()

Config = dict[str, Any]


def adopt(file: Path, *, name: str, from_kind: str) -> bool:
    """Add a cluster to the lab's kubeconfig as context `name`; False if the same entry existed.

    Args:
        file: the lab's kubeconfig, with mode 0600.
        name: name of the context, the cluster and the user.
        from_kind: text of a kubeconfig with one cluster, from kind.
    """
    found = manifests.load_document(from_kind)
    return put(file, name=name, entries={kind: found[kind][0] for kind in _KINDS})


def put(file: Path, *, name: str, entries: Mapping[str, Mapping[str, Any]], existing: str = "") -> bool:
    """Add a cluster's entries to the lab's kubeconfig under the name of its context; False if the same existed.

    Args:
        file: the lab's kubeconfig, with mode 0600.
        name: the new name of the context, the cluster and the user.
        entries: one entry for each of "clusters", "contexts" and "users".
        existing: of an existing cluster, the user's name of its context.
    """
    context: Config = {"cluster": name, "user": name}
    if existing:
        context["extensions"] = [{"name": _EXISTING, "extension": {"context": existing}}]
    named = {kind: {**entry, "name": name} for kind, entry in entries.items()}
    named["contexts"]["context"] = context
    with _own_file:
        config = read(file)
        changed = [_put(config, kind, entry) for kind, entry in named.items()]
        if any(changed):
            _write(file, config)
    return any(changed)


def forget(file: Path, name: str) -> bool:
    """Remove a cluster from the lab's kubeconfig; False if the file did not have it."""
    with _own_file:
        config = read(file)
        gone = [found for kind in _KINDS for found in _remove_entries(config, kind, lambda one: one["name"] == name)]
        if gone:
            _write(file, config)
    return bool(gone)


def with_current(lab: Lab, cluster: str, *, namespace: str) -> str:
    """Return the lab's kubeconfig with a cluster's context as the current one, and a namespace in each context.

    Raises:
        ClusterError: the cluster is not in the lab's kubeconfig.
    """
    config = read(lab.paths.kubeconfig)
    if cluster not in (entry["name"] for entry in config["contexts"]):
        raise ClusterError(f"the lab {lab.spec.name} is not up", where=cluster, next="lab up")
    contexts = [{**e, "context": {**(e.get("context") or {}), "namespace": namespace}} for e in config["contexts"]]
    return manifests.dump({**config, "contexts": contexts, "current-context": cluster})


def existing(file: Path) -> dict[str, str]:
    """Return the user's context of each existing cluster in the lab's kubeconfig, by the cluster's name."""
    found = {}
    for entry in read(file)["contexts"]:
        for mark in (entry.get("context") or {}).get("extensions") or ():
            if mark.get("name") == _EXISTING:
                found[str(entry["name"])] = str((mark.get("extension") or {}).get("context"))
    return found


def server(file: Path, context: str) -> str:
    """Return the URL of a context's API server, in a kubeconfig of the lab.

    Raises:
        ClusterError: the file does not have the context.
    """
    for entry in read(file)["clusters"]:
        if entry["name"] == context:
            return str((entry.get("cluster") or {}).get("server", ""))
    raise ClusterError("it is not in the lab's kubeconfig", where=context, next="lab up")


def contexts(file: Path) -> tuple[str, ...]:
    """Return the names of a kubeconfig's contexts."""
    return tuple(entry["name"] for entry in read(file)["contexts"])


def user_files() -> list[Path]:
    """Return the kubeconfigs that kubectl reads: those of KUBECONFIG that exist, else its first, else the usual one.

    Raises:
        HostError: a part of KUBECONFIG begins with `~`, and the home folder is unknown.
    """
    named = [expanded(p) for p in os.environ.get("KUBECONFIG", "").split(os.pathsep) if p]
    existing = [p for p in named if p.exists()]
    return existing or named[:1] or [Path.home() / ".kube" / "config"]


def user_file() -> Path:
    """Return the kubeconfig that kubectl would write to; errors as `user_files`."""
    return user_files()[0]


def merge(lab: Lab, file: Path | None = None) -> str:
    """Add or update the lab's contexts in the user's kubeconfig, and return a message.

    A context has its cluster's name, or `<lab>-<cluster>` if another entry has that name.

    Raises:
        ClusterError: the lab has no clusters yet, or other entries have both names.
        LabError: the user's file cannot be read or written; it stays as it is.
    """
    own = read(lab.paths.kubeconfig)
    if not own["contexts"]:
        raise ClusterError(f"the lab {lab.spec.name} has no clusters yet", next="lab up")
    target = file or user_file()
    names: list[str] = []
    with _writable(target), _locked(target):
        config = read(target)
        _remove_entries_of(config, lab.spec.name)
        for name in (entry["name"] for entry in own["contexts"]):
            # Clusters and users have the long name, which people do not type.
            long_name = f"{lab.spec.name}-{name}"
            names.append(_free(config["contexts"], (name, long_name), target))
            _free([*config["clusters"], *config["users"]], (long_name,), target)
            _put(config, "clusters", _marked(own, "clusters", name, long_name, lab.spec.name))
            _put(config, "users", _marked(own, "users", name, long_name, lab.spec.name))
            context = _marked(own, "contexts", name, names[-1], lab.spec.name)
            context["context"].update(cluster=long_name, user=long_name)
            _put(config, "contexts", context)
        _write(target, config)
    return f"contexts {', '.join(names)} are in {target}"


def unmerge(lab: Lab, file: Path | None = None) -> str:
    """Remove the lab's contexts from the user's kubeconfig, and return a message.

    Raises:
        LabError: the user's file cannot be read or written; it stays as it is.
    """
    target = file or user_file()
    if not merged(lab, target):
        return f"{target} has no contexts of the lab {lab.spec.name}"
    with _writable(target), _locked(target):
        config = read(target)
        gone = _remove_entries_of(config, lab.spec.name)
        if any(config[kind] for kind in _KINDS) or config.get("current-context"):
            _write(target, config)
        else:
            target.resolve().unlink()
    return f"contexts {', '.join(gone)} are no longer in {target}"


def merged(lab: Lab, file: Path | None = None) -> tuple[str, ...]:
    """Return the names of the lab's contexts in the user's kubeconfig.

    Raises:
        LabError: the user's file cannot be read.
    """
    target = file or user_file()
    if not target.is_file():
        return ()
    config = read(target)
    return tuple(e["name"] for e in config["contexts"] if _owner(e, "contexts") == lab.spec.name)


def read(file: Path) -> Config:
    """Return the content of a kubeconfig; an empty kubeconfig if the file does not exist.

    Raises:
        LabError: it cannot be read, or is not a kubeconfig.
    """
    try:
        text = file.read_text(encoding="utf-8-sig") if file.exists() else ""
    except UnicodeDecodeError as error:
        words = "is not a kubeconfig: its text is not UTF-8 (a redirection in PowerShell writes UTF-16)"
        raise LabError(words, where=str(file), next=_OTHER_FILE) from error
    except OSError as error:
        raise LabError(f"cannot be read: {error.strerror}", where=str(file), next=_OTHER_FILE) from error
    try:
        found = manifests.load_document(text, source=str(file)) or {}
    except LabError as error:
        raise LabError(error.what, where=str(file), next=_OTHER_FILE) from error
    lists = [found.get(kind) or [] for kind in _KINDS] if isinstance(found, dict) else [found]
    entries = [entry for entries in lists if isinstance(entries, list) for entry in entries]
    named = all(isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries)
    if not (isinstance(found, dict) and named and all(isinstance(entries, list) for entries in lists)):
        words = f"is not a kubeconfig: {', '.join(_KINDS)} must be lists of entries with names"
        raise LabError(words, where=str(file), next=_OTHER_FILE)
    return {"apiVersion": "v1", "kind": "Config", **found, **dict(zip(_KINDS, map(list, lists), strict=True))}


def _write(file: Path, config: Mapping[str, Any]) -> None:
    """Replace a file atomically and keep its mode; a new file has mode 0600."""
    target = file.resolve()  # follow a symbolic link, so that the link stays
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
    write_atomic(target, manifests.dump(dict(config)), mode=mode)


@contextmanager
def _writable(file: Path) -> Iterator[None]:
    """Change a file of the user in the block, and turn OS errors into a LabError.

    A file without write permission must stay, even if its folder or root's rights would allow to replace it.
    """
    try:
        if file.exists() and not (stat.S_IMODE(file.stat().st_mode) & 0o222 and os.access(file, os.W_OK)):
            raise LabError("is read-only; it was not changed", where=str(file), next=_OTHER_FILE)
        yield
    except OSError as error:
        raise LabError(f"cannot be written: {error.strerror}", where=str(file), next=_OTHER_FILE) from error


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold kubectl's lock on a kubeconfig: an exclusive file next to it (client-go, clientcmd/loader.go)."""
    lock = file.with_name(f"{file.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def take() -> int | NotYet:
        try:
            return os.open(lock, os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return NotYet(f"{lock} exists")

    handle = wait.until(
        f"other programs to stop writing {file}",
        take,
        timeout_s=10,
        next=f"delete {lock} if no kubectl is running",
    )
    try:
        yield
    finally:
        os.close(handle)
        lock.unlink(missing_ok=True)


def _put(config: Config, kind: str, entry: Mapping[str, Any]) -> bool:
    for index, old in enumerate(config[kind]):
        if old["name"] == entry["name"]:
            config[kind][index] = dict(entry)
            return bool(old != entry)
    config[kind].append(dict(entry))
    return True


def _remove_entries(config: Config, kind: str, matches: Callable[[Config], bool]) -> list[str]:
    gone = [entry["name"] for entry in config[kind] if matches(entry)]
    config[kind] = [entry for entry in config[kind] if not matches(entry)]
    return gone


def _remove_entries_of(config: Config, lab_name: str) -> list[str]:
    def of(kind: str) -> list[str]:
        return _remove_entries(config, kind, lambda entry: _owner(entry, kind) == lab_name)

    return {kind: of(kind) for kind in _KINDS}["contexts"]


def _marked(own: Config, kind: str, name: str, new_name: str, lab_name: str) -> Config:
    entry = next(entry for entry in own[kind] if entry["name"] == name)
    inner = {**entry[_KINDS[kind]], "extensions": [{"name": LAB_LABEL, "extension": {"lab": lab_name}}]}
    return {"name": new_name, _KINDS[kind]: inner}


def _owner(entry: Mapping[str, Any], kind: str) -> str | None:
    for extension in (entry.get(_KINDS[kind]) or {}).get("extensions") or []:
        if extension.get("name") == LAB_LABEL:
            return str((extension.get("extension") or {}).get("lab"))
    return None


def _free(entries: list[Config], names: tuple[str, ...], file: Path) -> str:
    taken = {entry["name"] for entry in entries}
    for name in names:
        if name not in taken:
            return name
    raise ClusterError(
        f"{file} already has entries named {' and '.join(names)} that are not the lab's; nothing was changed",
        next="rename them, or give the lab another `name` in lab.toml",
    )
