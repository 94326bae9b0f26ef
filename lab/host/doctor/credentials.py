"""Check the credential helpers of the docker command: a missing one lets every pull fail, also without a login."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lab.host import docker_config
from lab.host.doctor.findings import Finding, warn
from lab.host.doctor.snapshot import HostSnapshot

_HUB = {"docker.io": "https://index.docker.io/v1/"}
"""The docker command's own name of Docker Hub."""


def check_credentials(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that each credential helper exists that the docker command asks before it pulls one of the lab's images."""
    machine = snapshot.machine
    file, found = docker_config.read(machine)
    for_all, given = found.get("credsStore"), found.get("credHelpers")
    for_some = given if isinstance(given, Mapping) else {}
    used: dict[str, None] = {}  # in the order of the registries
    for host in snapshot.needs.registries:
        helper = for_some.get(_HUB.get(host, host)) or for_all
        if isinstance(helper, str):
            used[helper] = None
    for helper in used:
        program = f"docker-credential-{helper}"
        if machine.which(program) is None:
            key = "credsStore" if helper == for_all else "credHelpers"
            fix = f"install {program}; or delete {helper} from {key} in {file}, if a removed Docker product has left it"
            yield warn(
                "credentials",
                f"{file} names the credential helper {helper}, and {program} is not on PATH",
                "the docker command then refuses to pull, even images that need no login",
                fix=fix,
            )
