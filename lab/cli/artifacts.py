"""`lab artifacts`: list, build and delete the images, programs and files that the lab installs."""

from __future__ import annotations

from typing import Annotated

import typer

from lab.cli.groups import ARTIFACTS
from lab.cli.named import lab_of, locked
from lab.cli.options import AsJson, ConfigFile, NoInstall, PlanOnly, Yes
from lab.cli.output import done, out

artifacts_app = typer.Typer(no_args_is_help=True, help="List, build and delete images, programs and files.")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(artifacts_app, name="artifacts", rich_help_panel=ARTIFACTS)


def _artifact_names(incomplete: str) -> list[str]:
    from lab.artifacts.catalog import default

    return [artifact.name for artifact in default() if artifact.name.startswith(incomplete)]


@artifacts_app.command(name="list")
def show(
    file: ConfigFile = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read every file and check its digest.")] = False,
    as_json: AsJson = False,
) -> None:
    """List every artifact: version, source, size, state.

    The size is that of its files, or for an image from a registry, what was pulled.
    """
    from lab import stacks
    from lab.cli import tables
    from lab.lifecycle import artifacts

    lab = lab_of(file)
    listed = artifacts.listing(lab, stacks.current(lab).artifacts(lab), verify=verify)
    tables.artifacts(out(), listed, as_json=as_json)


@artifacts_app.command()
def build(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            autocompletion=_artifact_names,
            help="Names of artifacts, see `lab artifacts list`. Default: all that `lab up` needs.",
        ),
    ] = None,
    file: ConfigFile = None,
    plan_only: PlanOnly = False,
    no_install: NoInstall = False,
    yes: Yes = False,
) -> None:
    """Build or download missing artifacts.

    Puts them into the cache folder, and images into the container engine. Like `lab up`, lists changes to this
    machine itself and asks once. An artifact that no source has is named, with the next command, and the others are
    built or downloaded all the same. After an interruption, run it again: artifacts that are finished stay.
    """
    from lab import stacks
    from lab.cli import obtaining, tables
    from lab.lifecycle import artifacts

    lab = lab_of(file)
    wanted = names or stacks.current(lab).artifacts(lab)
    artifacts.check_names(lab, wanted)
    if plan_only:
        planned = artifacts.plan_of(lab, wanted)
        tables.plan(out(), planned.steps, as_json=False)
        if planned.unavailable is not None:
            raise planned.unavailable
        return
    with locked(lab, "lab artifacts build"):
        obtaining.obtain(lab, wanted, install=not no_install, yes=yes)
    done(f"all there: {', '.join(wanted)}")


@artifacts_app.command()
def clean(
    file: ConfigFile = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also delete artifacts that this version of the lab uses.")
    ] = False,
) -> None:
    """Delete artifacts that this version of the lab does not use.

    Deletes their images from the container engine too.
    """
    from lab.lifecycle import artifacts

    lab = lab_of(file)
    with locked(lab, "lab artifacts clean"):
        for line in artifacts.clean(lab, everything=everything):
            done(line)
