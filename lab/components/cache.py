"""Cache rendered objects as JSON, because parsing YAML takes many times longer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from lab.base.files import write_atomic
from lab.kube.objects import Obj
from lab.lab import Lab


def cached_objects(lab: Lab, name: str, made_from: str, make: Callable[[], list[Obj]]) -> list[Obj]:
    """Return the objects from the cache, or from `make`, which is called once for each `made_from`.

    Args:
        lab: the lab whose state folder holds the cache.
        name: prefix of the file's name.
        made_from: everything that the result depends on.
        make: renders the objects.
    """
    folder = lab.paths.state / "rendered"
    file = folder / f"{name}-{hashlib.sha256(made_from.encode()).hexdigest()[:16]}.json"
    if file.exists():
        cached: list[Obj] = json.loads(file.read_text(encoding="utf-8"))
        return cached
    objects = make()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(file, json.dumps(objects))  # rendered objects may contain private keys
    return objects
