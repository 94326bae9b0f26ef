"""Fixes in the words of each product: how to start it, and how to give its virtual machine more.

Sources: the products' own documents (Docker Desktop's settings, `colima start --help`, `orb config`, `rdctl set`,
Docker's and kind's pages about rootless mode).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from lab.host.machine import Machine
from lab.host.products import EngineOrigin, Product
from lab.tools.docker_records import Engine

GIB = 2**30
PODMAN = (
    "start Docker Engine, Docker Desktop, Colima, OrbStack or Rancher Desktop, and choose it with "
    "`docker context use` or DOCKER_HOST"
)
_STARTS = {
    Product.DESKTOP: "start Docker Desktop (macOS: `open -a Docker`; Linux: `systemctl --user start docker-desktop`)",
    Product.COLIMA: "colima start",
    Product.ORBSTACK: "orb start",
    Product.RANCHER: "rdctl start --container-engine.name=moby",
    Product.LIMA: "limactl start",
    Product.ROOTLESS: "systemctl --user start docker",
    Product.PODMAN: PODMAN,
}


def start(product: Product) -> str | None:
    """Return how to start a product's engine; None for this machine's own Docker Engine."""
    return _STARTS.get(product)


def more_memory(origin: EngineOrigin, engine: Engine, needed_gib: float) -> str:
    """Return how to give the engine's machine this much memory."""
    gib = math.ceil(needed_gib) + 1
    wsl = f"set memory={gib}GB under [wsl2] in %UserProfile%\\.wslconfig on Windows, then `wsl --shutdown`"
    fixes = {
        Product.DESKTOP: f"Docker Desktop, Settings, Resources: a memory limit of {gib} GB or more",
        Product.COLIMA: f"colima stop && colima start --cpu 2 --memory {gib}",
        Product.ORBSTACK: f"orb config set memory_mib {gib * 1024}",
        Product.RANCHER: f"rdctl set --virtual-machine.memory-in-gb={gib}",
        Product.LIMA: f"limactl stop && limactl edit --memory={gib} && limactl start",
    }
    if "microsoft" in engine.kernel.lower():
        return wsl
    return fixes.get(origin.product, "use a machine with more memory, or take clusters out of lab.toml")


def more_cpus(origin: EngineOrigin, engine: Engine) -> str:
    """Return how to give the engine's machine two processors."""
    fixes = {
        Product.DESKTOP: "Docker Desktop, Settings, Resources: 2 CPUs or more",
        Product.COLIMA: "colima stop && colima start --cpu 2 --memory 5",
        Product.ORBSTACK: "orb config set cpu 2",
        Product.RANCHER: "rdctl set --virtual-machine.number-cpus=2",
        Product.LIMA: "limactl stop && limactl edit --cpus=2 && limactl start",
    }
    if "microsoft" in engine.kernel.lower():
        return "set processors=2 under [wsl2] in %UserProfile%\\.wslconfig on Windows, then `wsl --shutdown`"
    return fixes.get(origin.product, "use a machine with 2 processors or more")


def more_disk(origin: EngineOrigin, needed_gib: float) -> str:
    """Return how to get more room where the engine stores its data."""
    gib = math.ceil(needed_gib)
    prune = "`docker system df` shows what can go, `docker image prune` deletes unused images"
    fixes = {
        Product.DESKTOP: f"{prune}; or Docker Desktop, Settings, Resources: a larger disk usage limit",
        Product.COLIMA: f"{prune}; or colima stop && colima start --disk {gib + 100}",
        Product.RANCHER: f"{prune}; or free some disk space on this machine",
    }
    return fixes.get(origin.product, f"{prune}; or set another data-root for the engine")


def low_port(origin: EngineOrigin, port: int, cluster: str) -> str:
    """Return how to let a product publish a port below 1024."""
    other = f"set ingress_port = {port + 8000} under [clusters.{cluster}] in lab.toml"
    fixes = {
        Product.ROOTLESS: 'sudo setcap cap_net_bind_service=ep "$(command -v rootlesskit)" && '
        "systemctl --user restart docker",
        Product.DESKTOP: "Docker Desktop, Settings, Advanced: allow privileged port mapping",
        Product.RANCHER: "Rancher Desktop, Preferences, Application: administrative access",
    }
    return f"{other}; or: {fixes[origin.product]}" if origin.product in fixes else other


def sysctl(origin: EngineOrigin, machine: Machine, values: Mapping[str, int], image: str | None) -> str:
    """Return the command that sets kernel parameters of the engine's machine."""
    words = f"sysctl -w {' '.join(f'{key}={value}' for key, value in values.items())}"
    inside = {Product.COLIMA: "colima ssh -- sudo", Product.RANCHER: "rdctl shell sudo", Product.LIMA: "lima sudo"}
    if origin.product in inside:
        return f"{inside[origin.product]} {words}"
    if origin.product in {Product.DESKTOP, Product.ORBSTACK}:  # no shell of their own: a privileged container sets them
        return f"docker run --rm --privileged --entrypoint=sysctl {image or 'kindest/node'} {words.partition(' ')[2]}"
    return machine.as_root(words)


def engine_proxy(origin: EngineOrigin, machine: Machine) -> str:
    """Return where a product's engine takes its proxy for pulls from."""
    service = machine.as_root("systemctl edit docker")
    fixes = {
        Product.DESKTOP: "Docker Desktop, Settings, Resources, Proxies",
        Product.COLIMA: "colima stop, then `colima start --env HTTPS_PROXY=…`",
        Product.ORBSTACK: "orb config set network_proxy …",
        Product.RANCHER: "Rancher Desktop, Preferences, WSL or Virtual Machine, Proxy",
        Product.ROOTLESS: "`systemctl --user edit docker`: Environment=HTTPS_PROXY=… under [Service]; then restart it",
    }
    return fixes.get(origin.product, f"`{service}`: Environment=HTTPS_PROXY=… under [Service]; then restart docker")


def delegate(machine: Machine) -> str:
    """Return how to delegate all cgroup controllers to users (kind's page about rootless mode)."""
    file = "/etc/systemd/system/user@.service.d/delegate.conf"
    reload = machine.as_root("systemctl daemon-reload")
    return f"write the lines `[Service]` and `Delegate=yes` to {file}, run `{reload}`, and log in again"


def mtu(origin: EngineOrigin, value: int) -> str:
    """Return how to set the MTU of a product's default bridge."""
    where = {
        Product.DESKTOP: f'Docker Desktop, Settings, Docker Engine: "mtu": {value}',
        Product.ORBSTACK: f'OrbStack, Settings, Docker: "mtu": {value}',
        Product.COLIMA: f"`colima start --edit`: mtu: {value} under docker:",
        Product.ROOTLESS: f'"mtu": {value} in ~/.config/docker/daemon.json, then `systemctl --user restart docker`',
    }
    return where.get(origin.product, f'"mtu": {value} in /etc/docker/daemon.json, then restart docker')
