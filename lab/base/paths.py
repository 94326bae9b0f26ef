"""The lab's files and folders on this machine."""

from __future__ import annotations

import errno
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from lab.base.errors import ForeignStateError, HostError

_APP = "eastwest-lab"


@dataclass(frozen=True, kw_only=True)
class Paths:
    """The folders and files of one lab.

    `cache` is shared by all labs of a user and can be built again; `state` belongs to one lab and holds secrets
    (folders 0700, files 0600).
    """

    cache: Path
    state: Path
    local: Path | None = None
    """Folder with upstream's own programs and charts, if configured."""

    @classmethod
    def of(cls, lab_name: str) -> Paths:
        """Return a lab's paths; LAB_CACHE_DIR and LAB_STATE_DIR move them, LAB_LOCAL_DIR names `local`.

        An empty variable counts as not set. A relative folder is one of the working directory.

        Raises:
            HostError: a folder begins with `~`, and the home folder is unknown.
        """
        local = os.environ.get("LAB_LOCAL_DIR")
        cache = os.environ.get("LAB_CACHE_DIR") or platformdirs.user_cache_dir(_APP)
        state = os.environ.get("LAB_STATE_DIR") or platformdirs.user_state_dir(_APP)
        return cls(
            cache=_absolute(cache),
            state=_absolute(state) / lab_name,
            local=_absolute(local) if local else None,
        )

    @property
    def kubeconfig(self) -> Path:
        """The lab's own kubeconfig, one context per cluster."""
        return self.state / "kubeconfig"

    @property
    def pki(self) -> Path:
        """The trust anchor and the issuers that it signed."""
        return self.state / "pki"

    @property
    def stack(self) -> Path:
        """File with the name of the stack that `lab up` installed."""
        return self.state / "stack"

    @property
    def joined(self) -> Path:
        """File with the clusters that `lab cluster add` added to those of lab.toml."""
        return self.state / "joined.json"

    @property
    def ingresses(self) -> Path:
        """File with the addresses that the ingresses of existing clusters have got."""
        return self.state / "ingresses.json"

    @property
    def profile(self) -> Path:
        """File with the profile of `lab initialize` that `lab up` installed, if any."""
        return self.state / "profile.json"

    @property
    def profile_keys(self) -> Path:
        """The passwords and keys that `lab up` made for that profile."""
        return self.state / "profile-keys.json"

    @property
    def lab_id(self) -> Path:
        """The lab's random id."""
        return self.state / "id"

    @property
    def lock(self) -> Path:
        """The lock that a run holds while it changes the lab."""
        return self.state / "lock"

    @property
    def lock_holder(self) -> Path:
        """File that names the command that holds the lock."""
        return self.state / "lock.json"

    @property
    def has_state(self) -> bool:
        """Whether the state folder has more than the lock, which every command creates."""
        return self.state.exists() and bool({*self.state.iterdir()} - {self.lock, self.lock_holder})

    @property
    def walk(self) -> Path:
        """Position of an unfinished walk, and the measurements of its steps."""
        return self.state / "walk.json"

    @property
    def work(self) -> Path:
        """Files that the steps of scenarios create, such as the copy of a sample application."""
        return self.state / "work"

    @property
    def manifests(self) -> Path:
        """Copies of the scenarios' manifests with this lab's names."""
        return self.state / "scenarios"

    def kind_config(self, cluster: str) -> Path:
        """Return the file with kind's configuration of a cluster."""
        return self.state / "kind" / f"{cluster}.yaml"

    def loading(self, cluster: str) -> Path:
        """Return the folder that exists while images are loaded into a cluster's node, with their archive."""
        return self.state / f"images@{cluster}"

    @property
    def rendered(self) -> Path:
        """Renderings of charts, some with keys of webhooks."""
        return self.state / "rendered"

    @property
    def logs(self) -> Path:
        """Logs of the lab's commands, one file for each run."""
        return self.state / "logs"

    @property
    def artifacts(self) -> Path:
        """The content-addressed artifact store."""
        return self.cache / "artifacts"

    @property
    def initializer(self) -> Path:
        """What `lab initialize` has rendered, without private keys."""
        return self.cache / "initialize"

    @property
    def go(self) -> Path:
        """Go's build and module caches for the lab's builds."""
        return self.cache / "go"

    def check_access(self) -> None:
        """Refuse a state folder that another user owns, such as root's after `sudo lab up`.

        Raises:
            ForeignStateError: another user owns the folder or a file in it.
            HostError: this user owns it, and cannot write to it.
        """
        if not hasattr(os, "geteuid") or os.geteuid() == 0 or (foreign := _foreign(self.state)) is None:
            return
        if foreign.lstat().st_uid == os.geteuid():  # a disk that is read-only, or a folder without the permission
            raise HostError(
                f"cannot be written; the lab keeps its state in {self.state}",
                where=str(foreign),
                next=_elsewhere(self.state) or f"chmod u+rwx {shlex.quote(str(foreign))}",
            )
        state = shlex.quote(str(self.state))
        if foreign.is_relative_to(self.state):
            what, how = "", f'sudo chown -R "$USER" {state}'
        else:
            what, how = f"; {self.state} cannot be created in it", f'sudo install -d -o "$USER" {state}'
        what = f"belongs to {_owner(foreign)}, not to this user{what}"
        raise ForeignStateError(what, where=str(foreign), take_over=how)

    def read_lab_id(self) -> str:
        """Return the lab's random id; empty before the first `lab up`."""
        return self.lab_id.read_text(encoding="ascii").strip() if self.lab_id.exists() else ""

    def write_lab_id(self, lab_id: str) -> None:
        """Write the lab's random id, readable by its owner only."""
        self.ensure_state()
        self.lab_id.touch(mode=0o600)
        self.lab_id.write_text(f"{lab_id}\n", encoding="ascii")

    def ensure_state(self) -> None:
        """Create the lab's state folder, readable by its owner only."""
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)


DISK_ERRORS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EROFS,
        errno.ENOENT,
        errno.ELOOP,
        errno.ENAMETOOLONG,
    }
)
"""Errors of files and folders that the user can fix; any other OSError is a defect of the lab."""


def denied(error: PermissionError) -> HostError:
    """Return the error for a refused access to a file."""
    path = Path(error.filename or ".").absolute()
    existing = nearest_existing(path)
    of_parent = "" if existing == path else f" {existing}"
    what = f"permission denied:{of_parent or ' it'} belongs to {_owner(existing)}, perhaps from an earlier `sudo lab …`"
    return HostError(what, where=str(path), next=_advice(f"ls -ld {shlex.quote(str(existing))}", _elsewhere(path)))


def unusable(error: OSError) -> HostError:
    """Return the error for a failed access to a file: a full disk, a file in place of a folder."""
    path = Path(error.filename).absolute() if error.filename else None
    what = (error.strerror or str(error)).lower()
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        free = "free disk space, then run the command again"
        return HostError(what, where=str(path or ""), next=_advice(free, _elsewhere(path) if path else None))
    if error.errno == errno.ENAMETOOLONG:
        return HostError(what, where=str(path or ""), next="use a shorter name")
    if path is None:
        return HostError(what, next="df -h, and check the folders of the lab (lab --help)")
    moved = _elsewhere(path)
    if error.errno == errno.ENOTDIR:
        path = next((part for part in reversed((path, *path.parents)) if _exists(part) and not part.is_dir()), path)
        what = "is a file, and the lab needs a folder there"
    return HostError(what, where=str(path), next=_advice(f"ls -ld {shlex.quote(str(nearest_existing(path)))}", moved))


def _advice(by_hand: str, moved: str | None) -> str:
    return f"{moved}; or {by_hand}" if moved else by_hand


def _elsewhere(path: Path) -> str | None:
    """Return how to move the lab's folder that a path is in, or that would be in it; None if it is in none of them."""
    folders = {
        "LAB_CACHE_DIR": os.environ.get("LAB_CACHE_DIR") or platformdirs.user_cache_dir(_APP),
        "LAB_STATE_DIR": os.environ.get("LAB_STATE_DIR") or platformdirs.user_state_dir(_APP),
        "LAB_RUNS_DIR": os.environ.get("LAB_RUNS_DIR") or "runs",
    }
    names = [
        name
        for name, folder in folders.items()
        if path.is_relative_to(whole := _absolute(folder)) or (not _exists(path) and whole.is_relative_to(path))
    ]
    return f"set {' and '.join(names)} to a folder that can be written" if names else None


def _absolute(folder: str) -> Path:
    # Commands with another working directory, such as those of `lab shell`, get these paths too.
    return expanded(folder).absolute()


def expanded(path: str) -> Path:
    """Return a path of a user's, with the home folder in place of `~` or `~NAME`.

    Raises:
        HostError: the home folder is unknown.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        name = path.partition("/")[0].removeprefix("~")
        what = f"the user {name} does not exist" if name else "HOME is not set, and this user has no home folder"
        fix = f"write the path without ~{name}" if name else "export HOME=FOLDER"
        raise HostError(f"the home folder is unknown: {what}", where=path, next=fix) from error


def _foreign(folder: Path) -> Path | None:
    """Return the first path that this user may not change: the folder, a file in it, or its nearest existing parent."""
    existing = nearest_existing(folder)
    if not os.access(existing, os.W_OK | os.X_OK):
        return existing
    if existing != folder:
        return None
    return next((path for path in (folder, *folder.rglob("*")) if path.lstat().st_uid != os.geteuid()), None)


def nearest_existing(path: Path) -> Path:
    """Return a path, or the nearest of its parents that exists and that this user can see."""
    return next(part for part in (path, *path.parents) if _exists(part))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # below a folder that may not be entered: the loop checks that one next
        return False


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, OSError):
        return "another user"


_PACKAGE = Path(__file__).resolve().parents[1]
PROJECT = _PACKAGE.parent
"""The checkout, if the lab runs from one, with `docs/` and `lab.toml`."""
APPS = _PACKAGE / "_apps" if (_PACKAGE / "_apps").is_dir() else PROJECT / "apps"
"""The applications: inside the installed package, else in the checkout."""


def restored(path: Path) -> str:
    """Return how to restore a file or folder of the project that is missing or damaged."""
    if APPS.is_relative_to(_PACKAGE):
        return "install eastwest-lab again: pipx reinstall eastwest-lab, or as you installed it"
    return f"git restore {shlex.quote(str(path))}"
