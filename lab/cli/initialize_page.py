"""`lab initialize page`: the initializer in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from lab.cli.initialize_options import toml_files
from lab.cli.output import until_ctrl_c, warn

PORT = 7467
"""The default port: that after those of the stage and of the phones. A fixed one lets a URL be opened again."""


def page(
    given: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE|FOLDER|URL",
            autocompletion=toml_files,
            help="Begin with the choices of an initializer.toml, of a folder that has one, or of a URL.",
        ),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0: any free port.")] = PORT,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the URL without opening a browser.")] = False,
) -> None:
    """Choose in a browser, with a preview of each file.

    The page has the command that writes the folder, and the folder to download. Needs no lab. Only a browser on this
    machine, with the printed URL, can use it. `lab stage` has the same page at /initialize. Ctrl-C ends it.

    Example: lab initialize page --from initializer.toml
    """
    from lab.initialize.folder import choices_from
    from lab.stage.initializer.run import on_page, previews
    from lab.stage.run import until_interrupted

    query = choices_from(given).query() if given is not None else ""
    with on_page(previews(), port=port, query=query) as screen, until_ctrl_c():
        typer.echo(f"initializer: {screen.url}")
        if not no_browser and not screen.open():
            warn("there is no browser with a window here: open this URL in one on this machine")
        typer.echo("Ctrl-C ends it")
        until_interrupted()
