"""Choose the profile of a lab: what `--profile` names, or what the lab was brought up with."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.base.errors import UsageError
from lab.config import RolesSpec
from lab.initialize import folder
from lab.initialize.alternatives import check
from lab.initialize.choices import Choices
from lab.initialize.lab_profile import keys
from lab.initialize.lab_profile.extras import mesh_of
from lab.initialize.lab_profile.profile import LabProfile
from lab.initialize.options import OPTIONS
from lab.initialize.sources import CLUSTERS
from lab.lab import Lab
from lab.stacks import STACKS

_APPS = ("podinfo", "frontend")
NONE = "none"
"""The value of `--profile` that removes a profile."""


def recorded(lab: Lab, *, fresh: bool = False) -> Lab:
    """Return a lab with the profile that it was brought up with, if there is one.

    Args:
        lab: the lab without a profile.
        fresh: find the extras anew: this version of the lab may have others.

    Raises:
        UsageError: this version of the lab cannot read the record.
    """
    try:
        profile = LabProfile.read(lab.paths)
    except (UsageError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"is not readable: {error.what if isinstance(error, UsageError) else error}",
            where=str(lab.paths.profile),
            next=f"lab up --profile FOLDER, or lab up --profile {NONE}",
        ) from error
    if profile is None:
        return lab
    if fresh and profile.choices is not None:
        return _with(lab, LabProfile(choices=profile.choices))
    if unknown := [name for name in profile.images if name not in lab.artifacts.catalog]:
        raise UsageError(
            f"is of another version of the lab: this one does not have {', '.join(unknown)}",
            where=str(lab.paths.profile),
            next="lab up, which records what this version has",
        )
    return _with(lab, profile)


def chosen(lab: Lab, given: str) -> Lab:
    """Return a lab with the profile that a person names: a folder, a URL, or `none`.

    Raises:
        UsageError: the profile does not exist, a lab cannot install it, or the lab that is up has another mesh or
            more clusters.
    """
    if given == NONE:
        return replace(lab, extension=LabProfile(choices=None)) if lab.paths.profile.exists() else lab
    choices = folder.choices_from(given)
    is_folder = folder.exists(Path(given)) and Path(given).is_dir()
    change = f"lab initialize update {shlex.quote(given)}, with the flags of" if is_folder else "change them as in"
    check(choices, where=given, next=f"{change} one of these lines")
    _check_possible(choices, given)
    _check_specification(lab, choices)
    _check_running(lab, choices, given)
    keys.check(lab.paths, choices.ids)
    return _with(lab, LabProfile(choices=choices))


def _check_possible(choices: Choices, given: str) -> None:
    platform, mesh = choices.selected["platform"][0], mesh_of(choices)
    is_folder = folder.exists(Path(given)) and Path(given).is_dir()
    by_hand = f"; or follow {Path(given) / 'README.md'}" if is_folder else ""
    update = f"lab initialize update {shlex.quote(given)}" if is_folder else "change the URL:"
    if platform != "kind":
        raise UsageError(
            f"the profile is for {OPTIONS[platform].title}, and the lab's clusters are kind clusters",
            where=given,
            next=f"{update} {'--platform kind' if is_folder else 'platform=kind'}{by_hand}",
        )
    if mesh not in STACKS:
        raise UsageError(
            "the profile has no mesh, and the lab consists of clusters with a mesh",
            where=given,
            next=f"{update} {'--mesh istio' if is_folder else 'mesh=istio'}{by_hand}",
        )


def _check_specification(lab: Lab, choices: Choices) -> None:
    spec, mesh = lab.spec, mesh_of(choices)
    if spec.stack not in {"auto", mesh}:
        raise UsageError(
            f"the profile's mesh is {OPTIONS[mesh].title}, and lab.toml or --stack says {spec.stack}",
            next=f"--stack {mesh}, or a profile with --mesh {spec.stack}",
        )
    if spec.existing:
        raise UsageError(
            f"a profile is for clusters that the lab creates, and {spec.existing[0]} is an existing cluster",
            next="`lab initialize` writes a folder with the same choices for existing clusters, with an apply.sh",
        )
    if {*spec.clusters} != {*CLUSTERS} or (spec.roles.east, spec.roles.west) != CLUSTERS:
        raise UsageError(
            f"a profile has the clusters {' and '.join(CLUSTERS)}, and lab.toml has {', '.join(spec.clusters)}",
            next="remove [roles] and further [clusters.…] from lab.toml, or use another lab.toml (--config)",
        )


def _check_running(lab: Lab, choices: Choices, given: str) -> None:
    """Refuse a profile that would need other clusters or another mesh than the lab that is up has."""
    try:
        stack = lab.paths.stack.read_text(encoding="utf-8").strip()
    except OSError:
        return
    again = f"lab down, then lab up --profile {shlex.quote(given)}; or another `name` in lab.toml"
    mesh = mesh_of(choices)
    if stack in STACKS and stack != mesh:
        raise UsageError(
            f"the lab {lab.spec.name} is up with {OPTIONS[stack].title}, and the profile's mesh is "
            f"{OPTIONS[mesh].title}; nothing was changed",
            next=again,
        )
    if len(choices.clusters) < len(_clusters(lab)):
        raise UsageError(
            f"the lab {lab.spec.name} is up with the clusters {' and '.join(_clusters(lab))}, and the profile has one; "
            "nothing was changed",
            next=again,
        )


def _clusters(lab: Lab) -> tuple[str, ...]:
    """Return the clusters of a lab that is up."""
    try:
        before = LabProfile.read(lab.paths)
    except (UsageError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        before = None
    return before.choices.clusters if before is not None and before.choices is not None else tuple(lab.spec.clusters)


def _with(lab: Lab, profile: LabProfile) -> Lab:
    """Return the lab with a profile, and with the stack, the clusters and the dashboard of its choices."""
    if profile.choices is None:
        return replace(lab, extension=profile)
    # The lab always has its applications: by them it sees that requests are answered.
    choices = profile.choices.with_({"apps": _APPS})
    profile = replace(profile, choices=choices)
    spec, changed = lab.spec, dict[str, Any]()
    if spec.stack == "auto":
        changed["stack"] = mesh_of(choices)
    if "linkerd-viz" in choices.ids:
        changed["viz"] = True
    if len(choices.clusters) == 1:
        (one,) = choices.clusters
        changed |= {"clusters": {one: spec.clusters[one]}, "roles": RolesSpec(east=one, west=one), "exports": {}}
    return replace(lab, spec=spec.model_copy(update=changed), extension=profile)
