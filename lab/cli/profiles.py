"""The profile of `lab up`: its YAML is obtained first, then it is recorded, and at the end its pages are shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lab.base.errors import ArtifactError

if TYPE_CHECKING:
    from lab.initialize.lab_profile import LabProfile
    from lab.lab import Lab


def of(lab: Lab) -> LabProfile | None:
    """Return the profile of a lab."""
    if lab.extension is None:
        return None
    from lab.initialize.lab_profile import LabProfile

    return lab.extension if isinstance(lab.extension, LabProfile) else None


def check_planned(lab: Lab) -> None:
    """Check that the plan of a lab with a profile can be made: the extras are known by upstream's YAML only.

    Raises:
        ArtifactError: some of it is not on this machine.
    """
    if (profile := of(lab)) is not None and (missing := profile.missing(lab)):
        raise ArtifactError(
            f"the plan needs upstream's YAML, which is not on this machine: {', '.join(missing)}",
            next=f"lab artifacts build {' '.join(missing)}",
        )


def obtain(lab: Lab, *, install: bool, yes: bool, quiet: bool) -> Lab:
    """Download the YAML of the extras, and return the lab to continue with."""
    from lab.cli import obtaining

    if (profile := of(lab)) is None or not (missing := profile.missing(lab)):
        return lab
    obtaining.obtain(lab, missing, install=install, yes=yes, quiet=quiet)
    return lab.refreshed()


def remember(lab: Lab) -> None:
    """Record the profile, if the lab has one."""
    if (profile := of(lab)) is not None:
        profile.remember(lab)


def finish(lab: Lab) -> Iterator[str]:
    """Forget a profile that was removed; yield lines for a person about one that is installed."""
    if (profile := of(lab)) is not None:
        profile.forget(lab.paths)
        yield from profile.notes(lab)
