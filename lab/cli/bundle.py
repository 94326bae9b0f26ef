"""`lab bundle`: one file with everything that `lab up` needs, for a machine without a network."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.base.errors import UsageError
from lab.base.names import STACKS
from lab.cli.groups import ARTIFACTS
from lab.cli.named import lab_of, locked
from lab.cli.options import AsJson, ConfigFile
from lab.cli.output import done, out, print_json, waiting, warn

if TYPE_CHECKING:
    from lab.artifacts.bundle import LoadedReport

bundle_app = typer.Typer(no_args_is_help=True, help="Save or load all artifacts as one file, to work offline.")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(bundle_app, name="bundle", rich_help_panel=ARTIFACTS)


def _stack_names(names: list[str] | None) -> list[str] | None:
    if unknown := [name for name in names or () if name not in STACKS]:
        raise UsageError(f"{', '.join(unknown)} is not a stack", next=f"name one or more of: {', '.join(STACKS)}")
    return names


def _complete_stacks(incomplete: str) -> list[str]:
    return [name for name in STACKS if name.startswith(incomplete)]


BundleFile = Annotated[Path, typer.Argument(metavar="FILE", help="The bundle.", show_default=False)]
BundleStacks = Annotated[
    list[str] | None,
    typer.Option(
        "--stack",
        callback=_stack_names,
        autocompletion=_complete_stacks,
        help="A stack to save; may be repeated. Default: the one that `lab up` would install.",
    ),
]


@bundle_app.command()
def save(
    bundle: BundleFile,
    stack: BundleStacks = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write everything that `lab up` needs into one file.

    The file is for machines with the same system and processor, and the same version of the lab. Every artifact must
    be there already: `lab artifacts build` builds or downloads them.
    """
    from lab import stacks
    from lab.artifacts import bundle as bundles

    lab = lab_of(file)
    chosen = [stacks.STACKS[name] for name in dict.fromkeys(stack)] if stack else [stacks.current(lab)]
    needed = {one.name: one.artifacts(lab) for one in chosen}
    with locked(lab, "lab bundle save"), waiting("lab bundle save"):
        saved = bundles.save(lab.artifacts, needed, bundle, force=force)
    if as_json:
        print_json(out(), saved)
        return
    size = f"{saved.size_bytes / 2**20:.0f} MiB"
    done(f"{saved.file}: {size}, {len(saved.artifacts)} artifacts of {', '.join(saved.stacks)}, for {saved.platform}")
    typer.echo(f"sha256 {saved.sha256}")
    typer.echo(f"on the other machine: lab bundle load {shlex.quote(Path(saved.file).name)}")


@bundle_app.command()
def load(bundle: BundleFile, file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Load a bundle, so that `lab up` needs no network.

    Puts files into the cache folder, and images into the container engine. Checks the sha256 of everything. After an
    interruption, run it again: what is complete stays. The bundle has programs that the lab runs, so load only files
    from people whom you trust.
    """
    from lab.artifacts import bundle as bundles

    lab = lab_of(file)
    with locked(lab, "lab bundle load"), waiting("lab bundle load"):
        loaded = bundles.load(lab.artifacts, bundle)
    if as_json:
        print_json(out(), loaded)
    else:
        _print_loaded(loaded, stack=lab.spec.stack)
    if loaded.incomplete:
        raise typer.Exit(1)


def _print_loaded(loaded: LoadedReport, *, stack: str) -> None:
    if loaded.loaded:
        done(f"loaded: {', '.join(loaded.loaded)}")
    if loaded.present:
        done(f"present already: {', '.join(loaded.present)}")
    if loaded.other:
        warn(f"of another version of the lab ({loaded.lab}), left out: {', '.join(loaded.other)}")
    if loaded.incomplete:
        warn(f"not complete: {', '.join(loaded.incomplete)}; `lab up` would build or download the rest")
    if loaded.stacks:
        option = "" if stack in {"auto", *loaded.stacks} else f" --stack {loaded.stacks[0]}"
        typer.echo(f"next: lab up{option}")


@bundle_app.command()
def show(bundle: BundleFile, as_json: AsJson = False) -> None:
    """List the content of a bundle without loading it."""
    from lab.artifacts.bundle import BundleReader
    from lab.cli import tables

    with BundleReader(bundle) as opened:
        manifest, size_bytes = opened.manifest, bundle.stat().st_size
    tables.bundle(out(), manifest, size_bytes, as_json=as_json)
