"""The form of `lab initialize` on a terminal, and the list of all options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from lab.base.errors import UsageError
from lab.cli.output import out, print_json, table_of, warn

if TYPE_CHECKING:
    from lab.initialize.choices import Choices


def form() -> Choices:
    """Ask for each category on the terminal; an answer that is not valid is repeated, with its reason."""
    from lab.initialize import choices as chosen
    from lab.initialize.options import CATEGORIES
    from lab.initialize.preview import disabled

    answers = chosen.default()
    for category in CATEGORIES:
        reasons = {one.option: one.reason for one in disabled(answers) if one.category == category.id}
        typer.echo(f"\n{category.question}")
        for option in category.options:
            note = f"  [{reasons[option.id]}]" if option.id in reasons else ""
            typer.echo(f"  {option.id:20} {option.says}{note}")
        asked = f"{category.title}{', several with commas' if category.many else ''}"
        while True:
            words = typer.prompt(asked, default=category.default or chosen.NONE)
            try:
                answers = chosen.of({category.id: words}, source="the answer", base=answers)
            except UsageError as error:
                typer.echo(error.what, err=True)
                continue
            break
    for rule in answers.broken:
        warn(rule.reason)
    return answers


def print_options(*, as_json: bool) -> None:
    """Print every option with its version, its licence, and whether upstream maintains it."""
    from lab.initialize.options import CATEGORIES

    if as_json:
        described = [
            {
                "category": category.id,
                "many": category.many,
                "default": category.default,
                "options": [
                    {
                        "id": option.id,
                        "title": option.title,
                        "says": option.says,
                        "version": option.version,
                        "license": option.license,
                        "upstream": option.upkeep.value,
                        "why": option.why,
                        "instead": option.instead,
                    }
                    for option in category.options
                ],
            }
            for category in CATEGORIES
        ]
        print_json(out(), described)
        return
    table = table_of("choice", "id", "version", "licence", "upstream", "what", whole=("choice", "id"))
    for category in CATEGORIES:
        for option in category.options:
            upstream = option.upkeep.value if option.version or option.why else ""
            says = f"{option.why} Use {' or '.join(option.instead)}." if option.why else option.says
            table.add_row(f"--{category.id}", option.id, option.version, option.license, upstream, says)
    out().print(table)
