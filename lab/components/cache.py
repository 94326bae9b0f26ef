"""A cache, as JSON, of objects that take long to render: reading JSON is many times faster than parsing YAML."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from lab.base.files import write_atomic
from lab.kube.objects import Obj
from lab.lab import Lab


def cached_objects(lab: Lab, name: str, made_from: str, make: Callable[[], list[Obj]]) -> list[Obj]:
    """Return what `make` returns, made once for each `made_from`.

    Args:
        lab: whose state folder keeps it.
        name: what it is, for the file's name.
        made_from: everything that the result depends on.
        make: makes it.
    """
    folder = lab.paths.state / "rendered"
    file = folder / f"{name}-{hashlib.sha256(made_from.encode()).hexdigest()[:16]}.json"
    if file.exists():
        found: list[Obj] = json.loads(file.read_text(encoding="utf-8"))
        return found
    objects = make()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(file, json.dumps(objects))  # rendered objects may hold keys
    return objects
