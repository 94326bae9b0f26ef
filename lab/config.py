"""Parse lab.toml into a frozen `LabSpec`, and report every problem with its line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Interface, IPv4Network
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, StrictBool, StrictInt, ValidationError

from lab.base import text_file
from lab.base.errors import ConfigError, Problem, UsageError
from lab.base.names import STACKS
from lab.base.toml_lines import Key, line_of, lines_of

FILE_NAME = "lab.toml"
_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_LABEL_VALUE = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_DOMAIN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_COLOR = r"^#[0-9a-fA-F]{6}$"
_PINNED = r"^[^@\s]+@sha256:[0-9a-f]{64}$"
_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
_MIRROR = r"^[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._/-]+)?$"
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))  # RFC 1918
_PATTERNS = {
    _LABEL: "is not a DNS label: lower-case letters, digits and '-', at most 20 characters",
    _LABEL_VALUE: "is not a Kubernetes label value: letters, digits, '-', '_' and '.', at most 63 characters",
    _DOMAIN: "is not a domain name: lower-case letters, digits, '-' and '.'",
    _LINE: "has a control character, such as a line break",
    _COLOR: "is not a colour of the form #2563eb",
    _PINNED: "is not an image with a digest, as in name:tag@sha256:<64 hexadecimal digits>",
    _MIRROR: "is not a registry host, as in 127.0.0.1:5000 or registry.example/prefix",
}

# RFC 1123 label, shortened so that "<lab>-<cluster>-control-plane" stays within a host name's 63 characters.
DnsLabel = Annotated[str, Field(pattern=_LABEL, max_length=20)]
PortNumber = Annotated[StrictInt, Field(ge=1, le=65535)]
LabelValue = Annotated[str, Field(pattern=_LABEL_VALUE, max_length=63)]
Color = Annotated[str, Field(pattern=_COLOR)]
Line = Annotated[str, Field(pattern=_LINE)]
PinnedImage = Annotated[str, Field(pattern=_PINNED)]


def _cidr(value: Any) -> IPv4Network:
    try:
        interface = IPv4Interface(value if isinstance(value, str) and "/" in value else "")
    except ValueError:
        raise ValueError(
            f'must be an IPv4 network in quotation marks, such as "172.30.0.0/24", not {value!r}'
        ) from None
    network = interface.network
    if interface.ip != network.network_address:
        raise ValueError(f"{value} has host bits set; write {network}")
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise ValueError(f"{network} is not private; use a part of {', '.join(map(str, _PRIVATE))}")
    return network


Cidr = Annotated[IPv4Network, BeforeValidator(_cidr)]

_MUST = {
    "int_type": "a whole number without quotation marks, such as 8080",
    "bool_type": "true or false, without quotation marks",
    "string_type": 'text in quotation marks, such as "east"',
    "tuple_type": 'a list of names, such as ["east"]',
    "model_type": "a table, such as [clusters.north]",
    "dict_type": "a table, such as [exports]",
    "literal_error": "one of {expected}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "string_too_short": "text that is not empty",
    "string_too_long": "text of at most {max_length} characters",
}
"""The needed type or value, by pydantic's type of an error."""
_MAX_BYTES = 1 << 20


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PodinfoSpec(_Table):
    """Colour, message and replicas of a cluster's podinfo."""

    color: Color
    message: Line = Field(max_length=80)
    replicas: StrictInt = Field(default=1, ge=0, le=20)


class ClusterSpec(_Table):
    """One cluster. Its CIDRs must not overlap another cluster's, or routes between them are ambiguous."""

    stands_in_for: Line = Field(max_length=40)
    region: LabelValue
    zone: LabelValue
    pod_cidr: Cidr
    service_cidr: Cidr
    ingress_port: PortNumber
    trust_domain: str = Field(pattern=_DOMAIN, max_length=253)
    podinfo: PodinfoSpec


class NetworkSpec(_Table):
    """The Docker network of the nodes. Without `subnet` the lab chooses the first free one.

    `flat`: pods reach the pods of other clusters by their addresses; federated services need this.
    """

    subnet: Cidr | None = None
    flat: StrictBool = False


class ArtifactsSpec(_Table):
    """Sources of images and binaries. `mirror` is a registry host that replaces upstream's.

    `source`: "upstream" builds nothing that upstream publishes, "packages" pulls nothing that the lab can build, "auto"
    builds what upstream cannot give. `local` is a folder with upstream's programs and charts, for artifacts that are
    never built (Linkerd, Emissary).
    """

    source: Literal["auto", "packages", "upstream"] = "auto"
    local: str | None = Field(default=None, min_length=1)
    mirror: str | None = Field(default=None, pattern=_MIRROR)


class ResourcesSpec(_Table):
    """Limits on the lab's use of this machine. By default: a build job for each core, no memory limit."""

    build_jobs: StrictInt | None = Field(default=None, ge=1, le=64)
    node_memory_mib: StrictInt | None = Field(default=None, ge=1024, le=1 << 20)


class RolesSpec(_Table):
    """The clusters in the talk's two roles. Scenarios, command defaults and exports follow from them.

    `east`: the shared cluster, which runs the services that others call (the target of the talk's link).
    `west`: the laptop's cluster, whose frontend calls them (the source).
    """

    east: DnsLabel = "east"
    west: DnsLabel = "west"


class StageSpec(_Table):
    """The stage, `lab stage`: its port on 127.0.0.1. The clusters' frontends let pages from there show them."""

    port: PortNumber = 7465


class LabSpec(_Table):
    """The specification of a whole lab."""

    name: DnsLabel = "eastwest"
    stack: Literal["auto", *STACKS] = "auto"  # type: ignore[valid-type]  # one list of stacks for all
    roles: RolesSpec = RolesSpec()
    viz: StrictBool = False
    clusters: dict[DnsLabel, ClusterSpec]
    network: NetworkSpec = NetworkSpec()
    artifacts: ArtifactsSpec = ArtifactsSpec()
    resources: ResourcesSpec = ResourcesSpec()
    stage: StageSpec = StageSpec()
    exports: dict[DnsLabel, tuple[str, ...]]
    versions: dict[str, PinnedImage] = {}
    _file: Path | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path | None:
        """The lab.toml that it was read from; None for the default lab."""
        return self._file

    @property
    def mesh_id(self) -> str:
        """Name of the mesh that spans the clusters."""
        return self.name


_ROLES: Mapping[str, Mapping[str, Any]] = {
    "east": {
        "stands_in_for": "GKE",
        "region": "europe-west1",
        "zone": "europe-west1-b",
        "ingress_port": 8081,
        "podinfo": {"color": "#0072b2"},
    },
    "west": {
        "stands_in_for": "Docker Desktop",
        "region": "laptop",
        "zone": "docker-desktop",
        "ingress_port": 8080,
        "podinfo": {"color": "#e69f00"},
    },
}
_MORE_COLORS = ("#009e73", "#cc79a7", "#56b4e9", "#f0e442")  # like the roles': Okabe and Ito, for colour-blind viewers


def _defaults(name: str, role: str | None, index: int) -> dict[str, Any]:
    of_role = _ROLES[role] if role else {}
    return {
        "stands_in_for": "another cluster",
        "region": name,
        "zone": f"{name}-a",
        "pod_cidr": f"10.{10 + index}.0.0/16",
        "service_cidr": f"10.{110 + index}.0.0/16",
        "ingress_port": 8080 + index,
        "trust_domain": f"{name}.example",
        **of_role,
        "podinfo": {
            "color": _MORE_COLORS[(index - len(_ROLES)) % len(_MORE_COLORS)],
            "message": f"greetings from {name.capitalize()}",
            **of_role.get("podinfo", {}),
        },
    }


def _complete(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Merge lab.toml into the defaults. The clusters of both roles always exist; further tables add clusters."""
    written, roles = raw.get("clusters", {}), raw.get("roles", {})
    if not isinstance(written, Mapping) or not isinstance(roles, Mapping):
        return {"clusters": {}, "exports": {}, **raw}
    players = {name if isinstance(name := roles.get(role), str) else role: role for role in _ROLES}
    clusters: dict[str, Any] = {}
    for index, name in enumerate(dict.fromkeys([*players, *written])):
        own = written.get(name, {})
        if not isinstance(own, Mapping):
            clusters[name] = own
            continue
        base = _defaults(name, players.get(name), index)
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
    problems: list[Problem] = []
    spec, invalid = _validate(raw)
    invalid += _unknown_roles(written)
    for key, message in invalid:
        problems.append(Problem(key=".".join(key), text=message, line=line_of(key, lines)))
    if spec is None:
        # Check the valid keys for conflicts too, so that one run reports all problems.
        spec, _ = _validate(_complete(_without(written, [key for key, _ in invalid])))
    if spec is not None:
        problems += [
            Problem(key=".".join(key), text=message, line=line_of(key, lines)) for key, message in _conflicts(spec)
        ]
    if problems or spec is None:
        raise ConfigError(source, sorted(problems, key=lambda p: p.line or 0))
    return spec


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
    known = list(dict.fromkeys([*_ROLES, *tables]))
    return [
        (("roles", role), f"unknown cluster {name!r}; known: {', '.join(known)}; or add [clusters.{name}]")
        for role in _ROLES
        if isinstance(name := roles.get(role, role), str) and name not in known
    ]


def _words(error: Any) -> str:
    key, kind, value = error["loc"][-1], error["type"], error["input"]
    if kind == "extra_forbidden":
        known = _known(error["loc"][:-1])
        near = difflib.get_close_matches(str(key), known, n=1)
        return f"unknown key; did you mean {near[0]!r}?" if near else f"unknown key; known: {', '.join(known)}"
    if kind == "string_pattern_mismatch":
        return f"{value!r} {_PATTERNS[error['ctx']['pattern']]}"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind in _MUST:
        return f"must be {_MUST[kind].format(**error.get('ctx', {}))}, not {value!r}"
    message = str(error["msg"])
    return f"{message[0].lower()}{message[1:]}, not {value!r}"


def _known(path: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = LabSpec
    kinds = {name: field.annotation for name, field in LabSpec.model_fields.items()}
    tables = {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, _Table)}
    tables["podinfo"] = PodinfoSpec
    for part in path:
        model = tables.get(str(part), ClusterSpec)
    return sorted(model.model_fields)


def _without(raw: Mapping[str, Any], keys: list[Key]) -> dict[str, Any]:
    left: dict[str, Any] = {k: _without(v, []) if isinstance(v, Mapping) else v for k, v in raw.items()}
    for key in keys:
        table: Any = left
        for part in key[:-1]:
            table = table.get(part, {}) if isinstance(table, dict) else {}
        if isinstance(table, dict):
            table.pop(key[-1], None)
    return left


def _network_conflicts(spec: LabSpec) -> Iterator[tuple[Key, str]]:
    nets: list[tuple[Key, IPv4Network]] = [
        (("clusters", name, field), getattr(cluster, field))
        for name, cluster in spec.clusters.items()
        for field in ("pod_cidr", "service_cidr")
    ]
    if spec.network.subnet is not None:
        nets.append((("network", "subnet"), spec.network.subnet))
    for (key_a, a), (key_b, b) in combinations(nets, 2):
        if a.overlaps(b):
            yield key_b, f"{b} overlaps {'.'.join(key_a)} = {a}"
    for key, net in nets:
        if net.prefixlen > 24:
            yield key, f"{net} is too small; use a /24 or larger"


def _conflicts(spec: LabSpec) -> Iterator[tuple[Key, str]]:
    yield from _network_conflicts(spec)
    if spec.roles.east == spec.roles.west:
        yield ("roles", "west"), f"{spec.roles.west} is roles.east already; name two different clusters"
    for (name_a, a_spec), (name_b, b_spec) in combinations(spec.clusters.items(), 2):
        for field in ("ingress_port", "trust_domain"):
            if getattr(a_spec, field) == getattr(b_spec, field):
                yield ("clusters", name_b, field), f"{getattr(b_spec, field)} is clusters.{name_a}.{field} already"
    for name, cluster in spec.clusters.items():
        if cluster.ingress_port == spec.stage.port:
            yield ("stage", "port"), f"{spec.stage.port} is clusters.{name}.ingress_port already"
    if spec.artifacts.source == "packages":
        for name in spec.versions:
            yield ("versions", name), 'names an upstream image, but artifacts.source is "packages"'
    for service, sources in spec.exports.items():
        for source in sources:
            if source not in spec.clusters:
                known = ", ".join(spec.clusters)
                yield ("exports", service), f"unknown cluster {source!r}; known: {known}"
