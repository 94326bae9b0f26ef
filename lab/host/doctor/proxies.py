"""Check the proxy settings of this machine, of the engine and of the docker command. Values are never shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from lab.base.hosts import is_loopback
from lab.host import advice, docker_config
from lab.host.doctor.findings import Finding, ok, warn
from lab.host.doctor.snapshot import HostSnapshot
from lab.host.products import Site

_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
_LOCAL = ("127.0.0.1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", ".svc", ".cluster.local")


def check_proxies(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Report the proxy settings. The lab does not use proxies for this machine and its clusters."""
    name, why = "proxies", "the lab connects to its own clusters directly"
    environ = snapshot.machine.environ
    proxies = [key for key in _VARIABLES if environ.get(key)]
    observed = f"{', '.join(proxies)} set: for downloads only; not for 127.0.0.1 and private addresses"
    yield ok(name, observed if proxies else "none", why)
    if snapshot.engine is None:
        return
    yield from _of_engine(snapshot, [environ[key] for key in proxies])
    yield from _of_docker_command(snapshot)


def _of_engine(snapshot: HostSnapshot, own: list[str]) -> Iterator[Finding]:
    """Compare the engine's proxy with this machine's: the engine pulls images by itself."""
    engine, origin = snapshot.engine, snapshot.origin
    if engine is None or snapshot.needs.nothing:
        return
    name, why = "engine's proxy", "the engine pulls images itself, and not through this shell's proxy"
    fix = advice.engine_proxy(origin, snapshot.machine)
    if own and not engine.proxies:
        yield warn(name, "this shell has a proxy, the engine has none", why, fix=fix)
    elif origin.site is not Site.HERE and any(_is_own_address(proxy) for proxy in engine.proxies):
        observed = "it is on 127.0.0.1, which is the engine's own machine there, not this one"
        yield warn(name, observed, why, fix=f"name this machine's address on the network; {fix}")
    elif engine.proxies:
        yield ok(name, "set in the engine", why)


def _is_own_address(proxy: str) -> bool:
    return is_loopback(urlsplit(proxy if "://" in proxy else f"//{proxy}").netloc.rpartition("@")[2])


def _of_docker_command(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check the docker command's own file: it puts proxies into every container, also into nodes."""
    file, found = docker_config.read(snapshot.machine)
    sets = found.get("proxies")
    for proxy in sets.values() if isinstance(sets, Mapping) else ():
        if isinstance(proxy, Mapping) and (missing := _missing(proxy)):
            why = "it is copied into the nodes, and requests inside of a cluster would go to that proxy"
            fix = f'add {",".join(missing)} to "noProxy" in {file}'
            yield warn("containers' proxy", "set without exceptions for clusters", why, fix=fix)
            return


def _missing(proxy: Mapping[str, Any]) -> list[str]:
    if not any(proxy.get(key) for key in ("httpProxy", "httpsProxy")):
        return []
    exceptions = {part.strip() for part in str(proxy.get("noProxy", "")).split(",")}
    return [] if "*" in exceptions else [address for address in _LOCAL if address not in exceptions]
