"""`lab artifacts`: list, build and delete the images, programs and files that the lab installs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from lab.cli.groups import ARTIFACTS
from lab.cli.named import lab_of, locked
from lab.cli.options import AsJson, ConfigFile, NoInstall, PlanOnly, Yes
from lab.cli.output import done, out, print_json, waiting

artifacts_app = typer.Typer(no_args_is_help=True, help="List, build and delete images, programs and files.")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(artifacts_app, name="artifacts", rich_help_panel=ARTIFACTS)
    app.command(name="push", rich_help_panel=ARTIFACTS)(push_images)


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


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """An image in the registry of lab.toml; `changed` is False if the registry had it."""

    artifact: str
    reference: str
    changed: bool


def push_images(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE", autocompletion=_artifact_names, help="Names of images. Default: all that the lab uses."
        ),
    ] = None,
    no_install: NoInstall = False,
    yes: Yes = False,
    as_json: AsJson = False,
    file: ConfigFile = None,
) -> None:
    """Push images for existing clusters into your registry.

    The registry is `registry` under [artifacts] in lab.toml. Only images that upstream does not have are pushed, with
    the logins of the docker command; missing ones are built first. `lab up` does the same. An image that the registry
    has is not pushed again.

    Example: `lab push`
    """
    from lab import stacks
    from lab.artifacts import push
    from lab.cli import obtaining
    from lab.lifecycle import artifacts
    from lab.stacks import needs

    lab = lab_of(file)
    artifacts.check_names(lab, names or ())
    wanted = needs.pushed(lab, names or stacks.current(lab).images(lab))
    with locked(lab, "lab push"), waiting("lab push"):
        if absent := [name for name in wanted if lab.artifacts.problem(name)]:
            obtaining.obtain(lab, absent, install=not no_install, yes=yes, quiet=as_json)
            lab = lab.refreshed()
        references = {name: lab.artifacts.pulled_as(name) for name in wanted}
        pushed = set(push.ensure(lab.artifacts, wanted))
    found = [Pushed(artifact=n, reference=r, changed=r in pushed) for n, r in references.items()]
    if as_json:
        print_json(out(), found)
        return
    for one in found:
        done(one.reference) if one.changed else typer.echo(f"= {one.reference} is there already")
    if not found:
        typer.echo("= nothing to push: clusters pull all images of this lab from upstream's registries")


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
