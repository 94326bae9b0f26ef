"""The container engine, in the verbs that the lab needs; the only module that imports python-on-whales.

Questions go through python-on-whales, whose models know every engine's JSON. What takes long (build, pull,
save, load, exec) goes through `lab.base.process`, so that it has progress, a bound, and an end when the lab ends.

What comes back are the lab's own records, taken at one moment: python-on-whales' objects ask the engine again
at each attribute, so that two attributes may belong to two different moments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Literal

import python_on_whales
from python_on_whales import exceptions

from lab.base import environment, process
from lab.base.errors import CommandError, LabError
from lab.base.process import Completed
from lab.tools import freezer
from lab.tools.docker_errors import EngineDeniedError, EngineDownError, explain
from lab.tools.docker_records import (
    Container,
    Engine,
    Image,
    Network,
    Port,
    read_container,
    read_engine,
    read_image,
    read_network,
)

__all__ = [
    "Container",
    "Docker",
    "Engine",
    "EngineDeniedError",
    "EngineDownError",
    "Image",
    "Network",
    "Port",
    "explain",
]

OnLine = Callable[[str], None]
_BUILT = re.compile(r"^Successfully built ([0-9a-f]{12,64})$", re.MULTILINE)
_ABSENT = re.compile(r"no such (?:container|network|image|object)|network \S+ not found", re.IGNORECASE)
_LOADED = re.compile(r"^Loaded image(?: ID)?: (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Docker:
    """An engine to talk to: the one that DOCKER_HOST or the current Docker context names, or `host`.

    Every method raises EngineDownError when no engine answers, HostError when the machine is in the way (a
    full disk, a port or subnet that is taken, no right to use the engine), and CommandError with the engine's
    own words for all else.
    """

    host: str | None = None
    run: process.Run = field(default=process.run, repr=False)

    # The engine

    def info(self) -> Engine:
        """Ask the engine about itself."""
        with _explained():
            found = self._client.system.info()
        if not found.server_version:  # some versions of the command exit with 0 when no engine answers
            raise EngineDownError("no container engine answers", next="lab doctor --fix")
        return read_engine(found)

    def cgroup_version(self) -> str:
        """Return "1" or "2", which of the kernel's interfaces the engine's containers run on."""
        # python-on-whales' model leaves this field out.
        return self._do("info", "--format", "{{.CgroupVersion}}", timeout_s=10).stdout.strip()

    def endpoint(self) -> str:
        """Return where the engine listens, such as unix:///var/run/docker.sock."""
        if self.host is not None:
            return self.host
        form = "{{.Endpoints.docker.Host}}"
        return self._do("context", "inspect", "--format", form, timeout_s=10).stdout.strip()

    # Containers

    def containers(self, labels: Mapping[str, str | None] | None = None) -> list[Container]:
        """Return all containers, running or not, with these labels; None stands for any value."""
        filters = [_label(key, value) for key, value in (labels or {}).items()]
        with _explained():
            return list(_snapshots(self._client.container.list(all=True, filters=filters), read_container))

    def container(self, name: str) -> Container | None:
        """Return a container by its name or id, None where there is no such."""
        with _explained(), _absent_is_fine():
            return read_container(self._client.container.inspect(name)._get_inspect_result())
        return None

    def run_container(
        self,
        image: str,
        argv: Sequence[str],
        *,
        labels: Mapping[str, str],
        name: str | None = None,
        network: str = "none",
        privileged: bool = False,
        read_only_mounts: Mapping[Path, str] | None = None,
    ) -> str:
        """Start a container in the background and return its id. `read_only_mounts` maps host folders to its own."""
        words = [f"--label={key}={value}" for key, value in labels.items()]
        words += [f"--volume={host}:{inside}:ro" for host, inside in (read_only_mounts or {}).items()]
        words += [f"--name={name}"] if name else []
        words += ["--privileged"] if privileged else []
        words += [f"--network={network}", "--pull=never", image, *argv]
        return self._do("container", "run", "--detach", *words, timeout_s=120).stdout.strip()

    def start(self, name: str) -> None:
        """Start a stopped container."""
        self._do("container", "start", name, timeout_s=60)

    def unpause(self, name: str) -> None:
        """Let a paused container go on."""
        self._do("container", "unpause", name, timeout_s=30)

    def stop(self, name: str, *, grace_s: int = 10) -> None:
        """Stop a container, with force after `grace_s`."""
        self._thawing(name, "container", "stop", "--time", str(grace_s), name, timeout_s=grace_s + 60)

    def set_restart_policy(self, name: str, policy: str) -> None:
        """Say when the engine starts a container by itself: no, always, unless-stopped, on-failure."""
        with _explained():
            self._client.container.update(name, restart=policy)

    def bound_memory(self, name: str, mib: int) -> None:
        """Bound what a container may use of the machine's memory, swap included."""
        self._do("container", "update", f"--memory={mib}m", f"--memory-swap={mib}m", name, timeout_s=30)

    def remove_container(self, name: str) -> bool:
        """Remove a container, running or not, with its anonymous volumes; False when it was not there."""
        try:
            said = self._thawing(name, "container", "rm", "--force", "--volumes", name, timeout_s=120)
        except CommandError as error:  # how the command tells that there is no such container depends on its version
            if _ABSENT.search(error.stderr):
                return False
            raise
        return bool(said.stdout.strip())

    def execute(
        self,
        name: str,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002
        privileged: bool = False,
        timeout_s: float = 60,
        check: bool = True,
    ) -> Completed:
        """Run a command in a running container, with the container's privileges or with all.

        Without `check` the command may exit as it likes; that the engine went away is still an error.
        """
        words = ["--privileged"] if privileged else []
        words += [] if input is None else ["--interactive"]
        argv = ["container", "exec", *words, name, *argv]
        done = self._do(*argv, input=input, timeout_s=timeout_s, check=False)
        if done.returncode == 0:
            return done
        if done.returncode == 255 and not done.stderr:  # all that docker says when the engine ends meanwhile
            self.info()
        error = CommandError(done.argv, returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)
        explained = explain(error)
        if check or isinstance(explained, EngineDownError | EngineDeniedError):
            raise explained
        return done

    def copy_into(self, name: str, file: Path, path: str, *, timeout_s: float = 300) -> None:
        """Copy a file into a container, running or not; not to where a tmpfs is mounted."""
        self._do("container", "cp", str(file), f"{name}:{path}", timeout_s=timeout_s)

    def logs(self, name: str, *, tail: int | None = None) -> str:
        """Return what a container's main process printed, both streams; the last `tail` lines."""
        limit = [] if tail is None else ["--tail", str(tail)]
        said = self._do("container", "logs", *limit, name, timeout_s=60)
        return said.stdout + said.stderr

    # Networks

    def networks(self, labels: Mapping[str, str | None] | None = None) -> list[Network]:
        """Return all networks with these labels; None stands for any value."""
        filters = [_label(key, value) for key, value in (labels or {}).items()]
        with _explained():
            return list(_snapshots(self._client.network.list(filters=filters), read_network))

    def network(self, name: str) -> Network | None:
        """Return a network by its name or id, None where there is no such."""
        with _explained(), _absent_is_fine():
            return read_network(self._client.network.inspect(name)._get_inspect_result())
        return None

    def create_network(
        self,
        name: str,
        *,
        subnet: IPv4Network,
        labels: Mapping[str, str],
        options: Mapping[str, str] | None = None,
    ) -> Network:
        """Create a bridge network. Its explicit subnet is what lets containers choose their addresses."""
        set_options = [f"{key}={value}" for key, value in (options or {}).items()]
        with _explained():
            made = self._client.network.create(
                name, driver="bridge", subnet=str(subnet), labels=dict(labels), options=set_options
            )
            return read_network(made._get_inspect_result())

    def connect(self, network: str, container: str, *, ip: IPv4Address | None = None) -> None:
        """Attach a container to a network, at an address of choice."""
        with _explained():
            self._client.network.connect(network, container, ip=None if ip is None else str(ip))

    def disconnect(self, network: str, container: str) -> None:
        """Take a container off a network."""
        with _explained():
            self._client.network.disconnect(network, container)

    def remove_network(self, name: str) -> bool:
        """Remove a network; False when it was not there."""
        with _explained(), _absent_is_fine():
            self._client.network.remove(name)
            return True
        return False

    # Images

    def images(self, labels: Mapping[str, str | None] | None = None) -> list[Image]:
        """Return all images with these labels; None stands for any value."""
        filters = [_label(key, value) for key, value in (labels or {}).items()]
        with _explained():
            return list(_snapshots(self._client.image.list(filters=filters), read_image))

    def image(self, reference: str) -> Image | None:
        """Return an image by its tag, digest or id, None where the engine does not have it."""
        with _explained(), _absent_is_fine():
            return read_image(self._client.image.inspect(reference)._get_inspect_result())
        return None

    def tag(self, reference: str, new: str) -> None:
        """Give an image one more tag."""
        with _explained():
            self._client.image.tag(reference, new)

    def remove_image(self, reference: str) -> bool:
        """Remove a tag, and the image with its last one; False when it was not there."""
        with _explained(), _absent_is_fine():
            self._client.image.remove(reference)
            return True
        return False

    def pull(self, reference: str, *, on_line: OnLine | None = None, timeout_s: float = 1800) -> None:
        """Fetch an image from its registry."""
        self._do("image", "pull", reference, on_line=on_line, timeout_s=timeout_s)

    def save(self, references: Sequence[str], file: Path, *, timeout_s: float = 600) -> None:
        """Write images with their tags to a tar file."""
        self._do("image", "save", "--output", str(file), *references, timeout_s=timeout_s)

    def load(self, file: Path, *, timeout_s: float = 600) -> tuple[str, ...]:
        """Take images from a tar file, and return their tags (ids where they have none)."""
        return tuple(_LOADED.findall(self._do("image", "load", "--input", str(file), timeout_s=timeout_s).stdout))

    def import_rootfs(self, tar: Path, tag: str, *, timeout_s: float = 600) -> str:
        """Make an image of one layer from a root file system's tar file, and return its id."""
        return self._do("image", "import", str(tar), tag, timeout_s=timeout_s).stdout.strip()

    def build(
        self,
        context: Path,
        *,
        tags: Sequence[str],
        labels: Mapping[str, str] | None = None,
        arguments: Mapping[str, str] | None = None,
        dockerfile: Path | None = None,
        on_line: OnLine | None = None,
        timeout_s: float = 1800,
    ) -> str:
        """Build an image with the engine's own builder, without a network, and return its id.

        Args:
            context: folder that is sent to the engine.
            tags: names of the image.
            labels: labels of the image, on top of the Dockerfile's.
            arguments: build arguments.
            dockerfile: another file than the context's Dockerfile.
            on_line: called with each line that the builder prints.
            timeout_s: seconds after which the build is given up.
        """
        words = [f"--tag={tag}" for tag in tags]
        words += [f"--label={key}={value}" for key, value in (labels or {}).items()]
        words += [f"--build-arg={key}={value}" for key, value in (arguments or {}).items()]
        words += [f"--file={dockerfile}"] if dockerfile else []
        # The lab's Dockerfiles only copy, and BuildKit needs a CLI plugin that distributions leave out.
        plain = {"DOCKER_BUILDKIT": "0"}
        # --force-rm: an interrupted build must not leave a container behind.
        said = self._do(
            "image",
            "build",
            "--force-rm",
            "--network=none",
            *words,
            str(context),
            env=plain,
            on_line=on_line,
            timeout_s=timeout_s,
        )
        built = _BUILT.findall(said.stdout)
        if not built:
            raise LabError("the engine's builder did not say which image it built", where=str(context))
        return str(built[-1])

    # How

    @property
    def _client(self) -> python_on_whales.DockerClient:
        # python-on-whales hands the whole environment down.
        call = [*environment.without_ignored(), "docker"]
        return python_on_whales.DockerClient(client_call=call, host=self.host, client_type="docker")

    def _do(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002
        on_line: OnLine | None = None,
        timeout_s: float,
        check: bool = True,
    ) -> Completed:
        where = [] if self.host is None else ["--host", self.host]
        argv = ["docker", *where, *words]
        with _explained():
            return self.run(argv, env=env, input=input, on_line=on_line, timeout_s=timeout_s, check=check)

    def _thawing(self, name: str, *words: str, timeout_s: float) -> Completed:
        """Run a command that ends a container, which may need a push on cgroup v1."""
        try:
            return self._do(*words, timeout_s=timeout_s)
        except CommandError as error:
            found = self.container(name) if "did not receive an exit event" in error.stderr else None
            if found is None or not freezer.thaw(found.id):
                raise
            return self._do(*words, timeout_s=timeout_s)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn both ways' failures into the lab's errors; "no such …" passes, for the callers that expect it."""
    try:
        yield
    except CommandError as error:
        if (explained := explain(error)) is error:
            raise
        raise explained from error
    except exceptions.DockerException as error:
        argv = [Path(error.docker_command[0]).name, *(str(word) for word in error.docker_command[1:])]
        plain = CommandError(argv, returncode=error.return_code, stdout=error.stdout or "", stderr=error.stderr or "")
        raise explain(plain) from error
    except python_on_whales.ClientNotFoundError as error:
        raise EngineDownError("the docker command is not on PATH", next="lab doctor --fix") from error


@contextmanager
def _absent_is_fine() -> Iterator[None]:
    """Leave the block quietly when what it asks for is not there.

    By the command's words: python-on-whales' own exceptions do not know how every version of docker says it.
    """
    try:
        yield
    except exceptions.DockerException as error:
        if not _ABSENT.search(error.stderr or ""):
            raise


def _label(key: str, value: str | None) -> tuple[Literal["label"], str]:
    return ("label", key if value is None else f"{key}={value}")


def _snapshots(objects: Sequence[Any], read: Callable[[Any], Any]) -> Iterator[Any]:
    """Read listed objects; one that went away between the list and the look is left out."""
    for found in objects:
        # Not by attributes: each would ask the engine again.
        with _absent_is_fine():
            yield read(found._get_inspect_result())
