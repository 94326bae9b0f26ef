"""Certificates in the objects that linkerd renders: remove those of keys that are not passed on, and insert others.

A webhook's configuration, or an APIService, trusts one self-signed certificate, whose key is in a Secret. Nothing but
these certificates, and digests of them, differs between two renderings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lab.base.names import Cluster
from lab.components.rendering import kubectl
from lab.kube.objects import Obj, annotations_of
from lab.mesh.issuers import self_signed_command

_PEM = re.compile(r"[ \t]*-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)
"""A certificate with the indentation of its first line: in a text of YAML, the next line must keep its own."""
_DIGESTS = frozenset({"checksum/config", "linkerd.io/trust-root-sha256"})
"""Annotations that restart pods after a change of certificates."""


@dataclass(frozen=True, kw_only=True)
class _Trust:
    """A place where an object trusts a certificate: the JSON pointer of its client's fields, and the Service."""

    obj: Obj
    pointer: str
    service: str
    namespace: str
    bundle: str


def without(obj: Obj) -> Obj:
    """Return a copy of an object without certificates and their digests; Secrets keep their content."""
    if obj["kind"] == "Secret":
        return obj
    copy: Obj = _cut(obj)
    if obj["kind"] == "Deployment":
        template = copy["spec"]["template"]
        kept = {key: value for key, value in annotations_of(template).items() if key not in _DIGESTS}
        template["metadata"]["annotations"] = kept
    return copy


def create_commands(objects: Sequence[Obj], cluster: Cluster) -> list[str]:
    """Return commands that create a certificate with a key for each webhook and extension API, and its Secret."""
    commands = []
    for secret, trust in _pairs(objects):
        metadata = secret["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        file = _file(cluster, name)
        create = f"create secret tls {name} --cert={file}.crt --key={file}.key"
        commands += [
            self_signed_command(f"{trust.service}.{trust.namespace}.svc", file),
            f"{kubectl(cluster, namespace)} {create}",
        ]
    return list(dict.fromkeys(commands))


def insert_commands(objects: Sequence[Obj], cluster: Cluster) -> list[str]:
    """Return commands that insert these certificates, as the Secrets have them, where the API server trusts them."""
    commands = []
    for secret, trust in _pairs(objects):
        name, namespace, kind = secret["metadata"]["name"], secret["metadata"]["namespace"], trust.obj["kind"].lower()
        operation = json.dumps([{"op": "add", "path": trust.pointer, "value": "$CERTIFICATE"}]).replace('"', '\\"')
        read = f"get secret {name} --output=jsonpath='{{.data.tls\\.crt}}'"
        commands += [
            # Not from the files: a second run may have none.
            f"CERTIFICATE=$({kubectl(cluster, namespace)} {read})",
            f'{kubectl(cluster)} patch {kind} {trust.obj["metadata"]["name"]} --type=json --patch="{operation}"',
        ]
    return commands


def _pairs(objects: Sequence[Obj]) -> Iterator[tuple[Obj, _Trust]]:
    """Yield each Secret with a key, and where its certificate is trusted."""
    trusts = [trust for obj in objects for trust in _trusts(obj)]
    for obj in objects:
        certificate = (obj.get("data") or {}).get("tls.crt") if obj["kind"] == "Secret" else None
        yield from ((obj, trust) for trust in trusts if trust.bundle == certificate)


def _trusts(obj: Obj) -> Iterator[_Trust]:
    if obj["kind"] == "APIService":
        clients = [("/spec/caBundle", obj["spec"])]
    else:
        hooks = obj.get("webhooks") or ()
        clients = [(f"/webhooks/{n}/clientConfig/caBundle", hook["clientConfig"]) for n, hook in enumerate(hooks)]
    for pointer, client in clients:
        if bundle := client.get("caBundle"):
            service = client["service"]
            yield _Trust(
                obj=obj, pointer=pointer, service=service["name"], namespace=service["namespace"], bundle=bundle
            )


def _cut(value: Any) -> Any:
    match value:
        case dict():
            return {key: _cut(inner) for key, inner in value.items() if key != "caBundle"}
        case list():
            return [_cut(inner) for inner in value]
        case str():
            return _PEM.sub("", value)
        case _:
            return value


def _file(cluster: Cluster, secret: str) -> str:
    return f"{secret}-{cluster.name}"
