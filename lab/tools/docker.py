"""Control the container engine: containers, networks and images.

Every command runs in `lab.base.process`, with a time limit (`lab.tools.docker_client`). Queries and small changes use
python-on-whales, whose models know every engine's JSON. Long or streaming commands (build, pull, save, load, exec) are
plain command lines, with progress.

The methods return the lab's own records, read at one moment: python-on-whales' objects query the engine again for each
attribute, so that two attributes may be of different moments.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from lab.base.errors import CommandError
from lab.base.process import Completed
from lab.tools import freezer
from lab.tools.docker_client import ABSENT, absent_is_fine, label
from lab.tools.docker_errors import EngineDeniedError, EngineDownError, EngineSilentError, explain
from lab.tools.docker_images import Images
from lab.tools.docker_records import (
    Container,
    Engine,
    Image,
    Network,
    read_container,
    read_engine,
    read_network,
)

__all__ = [
    "Container",
    "Docker",
    "Engine",
    "EngineDeniedError",
    "EngineDownError",
    "EngineSilentError",
    "Image",
    "Network",
    "explain",
]
_NO_FILE = re.compile(r"no such container:path|could not find the file", re.IGNORECASE)


@dataclass(frozen=True)
class Docker(Images):
    """A container engine: that of DOCKER_HOST or the current Docker context, or `host`.

    Every method raises EngineDownError when no engine answers, EngineSilentError when it does not answer in time,
    HostError for problems of this machine (a full disk, a port or subnet in use, no permission to use the engine), and
    CommandError with the engine's own output for everything else.
    """

    # The engine

    def info(self) -> Engine:
        """Return the engine's version, settings and resources."""
        answer = self._ask("info", "--format", "{{json .}}")
        engine = read_engine(json.loads(answer) if answer.startswith("{") else {})
        if not engine.version:  # some versions of the command exit with 0 when no engine answers
            raise EngineDownError("no container engine answers", next="lab doctor --fix")
        return engine

    def components(self) -> tuple[str, ...]:
        """Return the names of the engine's parts, such as "Engine" and "containerd"; Podman's is "Podman Engine"."""
        answer = self._ask("version", "--format", "{{json .Server}}")
        server = json.loads(answer) if answer.startswith("{") else {}
        return tuple(str(part.get("Name", "")) for part in server.get("Components") or ())

    def version_text(self) -> str:
        """Return what `docker version` prints for a person; without an engine, the command's own version."""
        done = self._do("version", timeout_s=self.answer_s, check=False)
        return f"{done.stdout}{done.stderr}".strip()

    def endpoint(self) -> str:
        """Return the engine's address, such as unix:///var/run/docker.sock."""
        if self.host is not None:
            return self.host
        return self._ask("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")

    # Containers

    def containers(
        self, labels: Mapping[str, str | None] | None = None, *, names: Sequence[str] = ()
    ) -> list[Container]:
        """Return all containers, running or not, with these labels (None: any value) and one of these names, if any."""
        filters: list[tuple[Any, str]] = [label(key, value) for key, value in (labels or {}).items()]
        # The engine matches names as regular expressions; some versions include the leading slash.
        filters += [("name", f"^/?{re.escape(name)}$") for name in names]
        return self._all(lambda client: client.container.list(all=True, filters=filters), read_container)

    def container(self, name: str) -> Container | None:
        """Return a container by its name or id, None if there is none."""
        with absent_is_fine(), self._client() as client:
            return read_container(client.container.inspect(name)._get_inspect_result())
        return None

    def run_container(
        self,
        image: str,
        argv: Sequence[str],
        *,
        labels: Mapping[str, str],
        name: str | None = None,
        network: str = "none",
        entrypoint: str | None = None,
        privileged: bool = False,
        security_options: Sequence[str] = (),
        read_only_mounts: Mapping[Path, str] | None = None,
    ) -> str:
        """Start a container in the background, return its id. `read_only_mounts` maps host paths to container paths."""
        words = [f"--label={key}={value}" for key, value in labels.items()]
        words += [f"--volume={host}:{inside}:ro" for host, inside in (read_only_mounts or {}).items()]
        words += [f"--name={name}"] if name else []
        words += [f"--entrypoint={entrypoint}"] if entrypoint else []
        words += ["--privileged"] if privileged else []
        words += [f"--security-opt={option}" for option in security_options]
        words += [f"--network={network}", "--pull=never", image, *argv]
        return self._do("container", "run", "--detach", *words, timeout_s=120).stdout.strip()

    def run_once(
        self, image: str, argv: Sequence[str], *, entrypoint: str, privileged: bool = False, timeout_s: float = 60
    ) -> str:
        """Run a command in a container without a network, remove the container, and return the command's output."""
        words = ["--privileged"] if privileged else []
        words += ["--rm", "--network=none", "--pull=never", f"--entrypoint={entrypoint}", image, *argv]
        return self._do("container", "run", *words, timeout_s=timeout_s).stdout

    def typed(self, *words: str, timeout_s: float = 60, check: bool = True) -> Completed:
        """Run a docker command exactly as `argv` shows it to a person; `check` as for `execute`."""
        return self._do(*words, timeout_s=timeout_s, check=check)

    def start(self, name: str) -> None:
        """Start a stopped container."""
        with self._client(timeout_s=60) as client:
            client.container.start(name)

    def pause(self, name: str) -> None:
        """Suspend all processes of a container."""
        with self._client() as client:
            client.container.pause(name)

    def unpause(self, name: str) -> None:
        """Resume a paused container."""
        with self._client() as client:
            client.container.unpause(name)

    def stop(self, name: str, *, grace_s: int = 10) -> None:
        """Stop a container; kill it after `grace_s` seconds."""
        self._thawing(name, "container", "stop", "--time", str(grace_s), name, timeout_s=grace_s + 60)

    def set_restart_policy(self, name: str, policy: str) -> None:
        """Set a container's restart policy: no, always, unless-stopped, on-failure."""
        with self._client() as client:
            client.container.update(name, restart=policy)

    def bound_memory(self, name: str, mib: int) -> None:
        """Limit a container's memory, swap included."""
        with self._client() as client:
            client.container.update(name, memory=f"{mib}m", memory_swap=f"{mib}m")

    def weigh(self, name: str, shares: int) -> None:
        """Set a container's share of the processors while others want them, too; 1024 is the engine's default."""
        with self._client() as client:
            client.container.update(name, cpu_shares=shares)

    def remove_container(self, name: str) -> bool:
        """Remove a container, running or not, with its anonymous volumes; False if it did not exist."""
        try:
            done = self._thawing(name, "container", "rm", "--force", "--volumes", name, timeout_s=120)
        except CommandError as error:  # how docker reports a missing container depends on its version
            if ABSENT.search(error.stderr):
                return False
            raise
        return bool(done.stdout.strip())

    def execute(
        self,
        name: str,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002
        privileged: bool = False,
        detach: bool = False,
        timeout_s: float = 60,
        check: bool = True,
    ) -> Completed:
        """Run a command in a running container, optionally with all privileges; `detach`: do not wait.

        Without `check`, any exit status of the command is accepted; an engine that does not answer is still an error.
        """
        words = ["--privileged"] if privileged else []
        words += [] if input is None else ["--interactive"]
        words += ["--detach"] if detach else []
        argv = ["container", "exec", *words, name, *argv]
        done = self._do(*argv, input=input, timeout_s=timeout_s, check=False)
        if done.returncode == 0:
            return done
        if done.returncode == 255 and not done.stderr:  # docker prints nothing else when the engine ends meanwhile
            self.info()
        error = CommandError(done.argv, returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)
        explained = explain(error)
        if check or isinstance(explained, EngineDownError | EngineDeniedError):
            raise explained
        return done

    def copy_into(self, name: str, file: Path, path: str, *, timeout_s: float = 300) -> None:
        """Copy a file into a container, running or not; the path must not be on a tmpfs."""
        self._do("container", "cp", str(file), f"{name}:{path}", timeout_s=timeout_s)

    def read_file(self, name: str, path: str, *, timeout_s: float = 30) -> str | None:
        """Return a small text file of a container, running or not; None if the file does not exist."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "file"
            try:
                self._do("container", "cp", f"{name}:{path}", str(file), timeout_s=timeout_s)
            except CommandError as error:
                if _NO_FILE.search(error.stderr):
                    return None
                raise
            return file.read_text(encoding="utf-8")

    def logs(self, name: str, *, tail: int | None = None) -> str:
        """Return a container's log, stdout before stderr; `tail` limits the lines."""
        limit = [] if tail is None else ["--tail", str(tail)]
        done = self._do("container", "logs", *limit, name, timeout_s=60)
        return done.stdout + done.stderr

    # Networks

    def networks(self, labels: Mapping[str, str | None] | None = None) -> list[Network]:
        """Return all networks with these labels; None stands for any value."""
        filters = [label(key, value) for key, value in (labels or {}).items()]
        return self._all(lambda client: client.network.list(filters=filters), read_network)

    def network(self, name: str) -> Network | None:
        """Return a network by its name or id, None if there is none."""
        with absent_is_fine(), self._client() as client:
            return read_network(client.network.inspect(name)._get_inspect_result())
        return None

    def create_network(
        self,
        name: str,
        *,
        subnet: IPv4Network,
        labels: Mapping[str, str],
        options: Mapping[str, str] | None = None,
    ) -> Network:
        """Create a bridge network. Containers can choose their addresses only in an explicit subnet."""
        set_options = [f"{key}={value}" for key, value in (options or {}).items()]
        with self._client(timeout_s=60) as client:
            created = client.network.create(
                name, driver="bridge", subnet=str(subnet), labels=dict(labels), options=set_options
            )
            return read_network(created._get_inspect_result())

    def connect(self, network: str, container: str, *, ip: IPv4Address | None = None) -> None:
        """Connect a container to a network, optionally with a given address."""
        with self._client(timeout_s=60) as client:
            client.network.connect(network, container, ip=None if ip is None else str(ip))

    def disconnect(self, network: str, container: str) -> None:
        """Disconnect a container from a network."""
        with self._client(timeout_s=60) as client:
            client.network.disconnect(network, container)

    def remove_network(self, name: str) -> bool:
        """Remove a network; False if it did not exist."""
        with absent_is_fine(), self._client(timeout_s=60) as client:
            client.network.remove(name)
            return True
        return False

    def _thawing(self, name: str, *words: str, timeout_s: float) -> Completed:
        """Run a command that ends a container; on cgroup v1, thaw a frozen container and retry."""
        try:
            return self._do(*words, timeout_s=timeout_s)
        except CommandError as error:
            frozen = self.container(name) if "did not receive an exit event" in error.stderr else None
            if frozen is None or not freezer.thaw(frozen.id):
                raise
            return self._do(*words, timeout_s=timeout_s)
