"""Parse lab.toml into a frozen `LabSpec`, and report every problem with its line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from lab.base import text_file
from lab.base.errors import ConfigError, Problem, UsageError
from lab.base.names import ROLES
from lab.base.toml_lines import Key, line_of, lines_of
from lab.config import defaults
from lab.config.conflicts import conflicts
from lab.config.spec import (
    ArtifactsSpec,
    ClusterSpec,
    HaSpec,
    LabSpec,
    LinkSpec,
    NetworkSpec,
    PodinfoSpec,
    ResourcesSpec,
    RolesSpec,
    StageSpec,
    Table,
)
from lab.config.values import words

__all__ = [
    "FILE_NAME",
    "ArtifactsSpec",
    "ClusterSpec",
    "HaSpec",
    "LabSpec",
    "LinkSpec",
    "NetworkSpec",
    "PodinfoSpec",
    "ResourcesSpec",
    "RolesSpec",
    "StageSpec",
    "find",
    "load",
    "parse",
]
FILE_NAME = "lab.toml"
_MAX_BYTES = 1 << 20
_OF_CREATED = frozenset({"pod_cidr", "service_cidr", "ingress_port"})


def _complete(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Merge lab.toml into the defaults. The clusters of both roles always exist; further tables add clusters."""
    written, roles = raw.get("clusters", {}), raw.get("roles", {})
    if not isinstance(written, Mapping) or not isinstance(roles, Mapping):
        return {"clusters": {}, "exports": {}, **raw}
    players = {name if isinstance(name := roles.get(role), str) else role: role for role in ROLES}
    clusters: dict[str, Any] = {}
    for index, name in enumerate(dict.fromkeys([*players, *written])):
        own = written.get(name, {})
        if not isinstance(own, Mapping):
            clusters[name] = own
            continue
        base = defaults.of_cluster(name, players.get(name), index, existing="context" in own)
        podinfo = own.get("podinfo", {})
        merged = {**base["podinfo"], **podinfo} if isinstance(podinfo, Mapping) else podinfo
        clusters[name] = {**base, **own, "podinfo": merged}
    return {"exports": {"podinfo": [next(iter(players))]}, **raw, "clusters": clusters}


def find(start: Path | None = None) -> Path | None:
    """Return the lab.toml of this folder or of the nearest one above it."""
    here = (start or Path.cwd()).resolve()
    # A folder or a dangling link of that name is returned too, so that `load` refuses it.
    return next((f for d in (here, *here.parents) if (f := d / FILE_NAME).exists() or f.is_symlink()), None)


def load(file: Path | None, *, overrides: Mapping[str, Any] | None = None) -> LabSpec:
    """Read a lab.toml; None for the default lab.

    Args:
        file: the file, or None.
        overrides: top-level keys from the command line, which replace the file's.

    Raises:
        UsageError: the file does not exist, or is a folder or another thing without a text.
        ConfigError: with every problem found.
    """
    if file is None:
        return parse("", overrides=overrides)
    if not file.exists() and not file.is_symlink():
        raise UsageError(
            f"there is no file {file}", next="name an existing lab.toml with --config (LAB_CONFIG), or none"
        )
    text_file.check(file, name=FILE_NAME, most_bytes=_MAX_BYTES, option="--config")
    try:
        text = file.read_text(encoding="utf-8-sig")  # Windows editors write a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), [Problem(key="file", text=f"cannot be read: {error}")]) from error
    spec = parse(text, source=str(file), overrides=overrides)
    spec._file = file.absolute()
    return spec


def parse(text: str, *, source: str = FILE_NAME, overrides: Mapping[str, Any] | None = None) -> LabSpec:
    """Parse the text of a lab.toml; see `load`."""
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"line (\d+)", str(error))
        line = int(at[1]) if at else None
        raise ConfigError(source, [Problem(key="TOML", text=str(error), line=line)]) from error
    except RecursionError as error:
        raise ConfigError(source, [Problem(key="TOML", text="values are nested too deeply")]) from error
    raw = _complete({**written, **(overrides or {})})
    lines = lines_of(text)
    spec, invalid = _validate(raw)
    invalid += [*_unknown_roles(written), *_of_created_only(written)]
    kept = list(range(_length(written.get("links"))))
    if spec is None:
        # Check the valid keys for conflicts too, so that one run reports all problems.
        wrong = [key for key, _ in invalid]
        spec, _ = _validate(_complete(_without(written, wrong)))
        kept = [index for index in kept if not any(key[:2] == ("links", str(index)) for key in wrong)]
    found = [*invalid, *((_as_written(key, kept), message) for key, message in (conflicts(spec) if spec else ()))]
    problems = [Problem(key=".".join(key), text=message, line=line_of(key, lines)) for key, message in found]
    if problems or spec is None:
        raise ConfigError(source, sorted(problems, key=lambda p: p.line or 0))
    return spec


def _length(links: object) -> int:
    return len(links) if isinstance(links, list) else 0


def _as_written(key: Key, kept: list[int]) -> Key:
    """Return the key of a link with its index in the file; `kept` are the indices of the links that were checked."""
    return ("links", str(kept[int(key[1])]), *key[2:]) if key[:1] == ("links",) else key


def _validate(raw: Mapping[str, Any]) -> tuple[LabSpec | None, list[tuple[Key, str]]]:
    try:
        return LabSpec.model_validate(raw), []
    except ValidationError as error:
        errors = error.errors()
        # A wrong cluster name makes the cluster's defaults wrong too: report only the name.
        misnamed = {e["loc"][:-1] for e in errors if e["loc"][-1] == "[key]"}
        return None, [
            (tuple(str(part) for part in e["loc"] if part != "[key]"), _words(e))
            for e in errors
            if e["loc"][-1] == "[key]" or e["loc"][:2] not in misnamed
        ]


def _unknown_roles(written: Mapping[str, Any]) -> list[tuple[Key, str]]:
    """Return an error for each role whose cluster has no table of its own and is not a default cluster."""
    roles, tables = written.get("roles", {}), written.get("clusters", {})
    if not isinstance(roles, Mapping) or not isinstance(tables, Mapping):
        return []
    known = list(dict.fromkeys([*ROLES, *tables]))
    return [
        (("roles", role), f"unknown cluster {name!r}; known: {', '.join(known)}; or add [clusters.{name}]")
        for role in ROLES
        if isinstance(name := roles.get(role, role), str) and name not in known
    ]


def _of_created_only(written: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    """Yield an error for each setting of a cluster that the lab creates, in the table of an existing one."""
    tables = written.get("clusters", {})
    for name, table in tables.items() if isinstance(tables, Mapping) else ():
        if isinstance(table, Mapping) and "context" in table:
            for key in sorted(_OF_CREATED & table.keys()):
                yield ("clusters", name, key), "is for a cluster that the lab creates; an existing one has its own"


def _words(error: Any) -> str:
    if error["type"] != "extra_forbidden":
        return words(error)
    known = _known(error["loc"][:-1])
    near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
    return f"unknown key; did you mean {near[0]!r}?" if near else f"unknown key; known: {', '.join(known)}"


def _known(path: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = LabSpec
    kinds = {name: field.annotation for name, field in LabSpec.model_fields.items()}
    tables = {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Table)}
    tables |= {"podinfo": PodinfoSpec, "links": LinkSpec}
    for part in path:
        model = model if isinstance(part, int) else tables.get(part, ClusterSpec)
    return sorted(model.model_fields)


def _without(raw: Mapping[str, Any], wrong: list[Key]) -> dict[str, Any]:
    """Return lab.toml without these keys; of a list, without the whole entries that contain one."""

    def rest(value: Any, keys: list[Key]) -> Any:
        inside = {key[0]: [k[1:] for k in keys if k[0] == key[0]] for key in keys}
        if isinstance(value, list):
            return [entry for index, entry in enumerate(value) if str(index) not in inside]
        if not isinstance(value, Mapping):
            return value
        return {name: rest(v, inside.get(name, [])) for name, v in value.items() if () not in inside.get(name, [])}

    left: dict[str, Any] = rest(raw, wrong)
    return left
