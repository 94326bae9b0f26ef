"""`lab render`: write the YAML of the whole lab into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.cli.groups import LIFECYCLE
from lab.cli.named import lab_of
from lab.cli.options import AsJson, ConfigFile, StackName
from lab.cli.output import done, out, print_json, waiting


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(rich_help_panel=LIFECYCLE)(render)


def render(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that is empty or does not exist.")],
    diff: Annotated[
        bool, typer.Option("--diff", help="Compare with an existing FOLDER, and write nothing; exit 1 if it differs.")
    ] = False,
    stack: StackName = None,
    file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write the YAML of the whole lab into FOLDER.

    The lab need not be up. FOLDER/README.md explains the files and their order. Keys and tokens are left out; scripts
    create new ones.

    Example: lab render my-lab --stack istio
    """
    from lab import stacks
    from lab.lifecycle.render import folder as rendered_folder
    from lab.lifecycle.render.files import files
    from lab.lifecycle.render.readme import readme

    (rendered_folder.check_comparable if diff else rendered_folder.check_writable)(folder)
    lab = lab_of(file, **({"stack": stack} if stack else {}))
    with waiting("lab render"):
        chosen = stacks.choose(lab).stack
        rendered = files(lab, chosen)
        wanted = {"README.md": readme(lab, chosen, rendered)}
        wanted |= {one.path: one.content for of in rendered.clusters.values() for one in of}
    if diff:
        found = rendered_folder.differences(folder, wanted)
        if as_json:
            print_json(out(), {"stack": chosen.name, "different": sorted(found)})
        else:
            typer.echo("".join(found.values()), nl=False)
        raise typer.Exit(1 if found else 0)
    written = [str(path) for path in rendered_folder.write(folder, wanted)]
    if as_json:
        print_json(out(), {"stack": chosen.name, "files": written})
    else:
        done(f"{len(written)} files of the {chosen.name} stack in {folder}; read {folder / 'README.md'} first")
