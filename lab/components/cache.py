"""Cache rendered objects as JSON, because parsing YAML takes many times longer."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable

from lab.base.files import write_atomic
from lab.kube.objects import Obj
from lab.lab import Lab

_PRIVATE = b"PRIVATE KEY"


def cached_objects(lab: Lab, name: str, made_from: str, make: Callable[[], list[Obj]]) -> list[Obj]:
    """Return the objects from the cache, or from `make`, which is called once for each `made_from`.

    Args:
        lab: the lab whose state folder holds the cache, with private keys only if it keeps them.
        name: prefix of the file's name.
        made_from: everything that the result depends on.
        make: renders the objects.
    """
    folder = lab.paths.rendered
    made_from = made_from if lab.keeps_keys else f"{made_from}\nwithout private keys"
    file = folder / f"{name}-{hashlib.sha256(made_from.encode()).hexdigest()[:16]}.json"
    if file.exists():
        cached: list[Obj] = json.loads(file.read_text(encoding="utf-8"))
        return cached
    objects = make() if lab.keeps_keys else [_without_keys(obj) for obj in make()]
    lab.paths.ensure_state()
    folder.mkdir(exist_ok=True, mode=0o700)
    write_atomic(file, json.dumps(objects))  # readable by its owner only: a lab keeps private keys here
    return objects


def _without_keys(obj: Obj) -> Obj:
    """Return a Secret with empty entries in place of private keys; other objects have none."""
    if obj["kind"] != "Secret":
        return obj
    entries = {name: "" if _is_private(value) else value for name, value in (obj.get("data") or {}).items()}
    texts = {name: "" if _is_private(value) else value for name, value in (obj.get("stringData") or {}).items()}
    return {**obj, **({"data": entries} if entries else {}), **({"stringData": texts} if texts else {})}


def _is_private(value: str) -> bool:
    try:
        return _PRIVATE in value.encode() or _PRIVATE in base64.b64decode(value)
    except binascii.Error:
        return False
