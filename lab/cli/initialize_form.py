"""The form of `lab initialize` on a terminal, and the list of all options."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lab.base.errors import LabError, UsageError
from lab.cli.output import out, print_json, table_of

if TYPE_CHECKING:
    from lab.initialize.choices import Choices
    from lab.initialize.model import Category, Option

_ID_COLUMNS = 22
_MOST_COLUMNS = 100


def form() -> Choices:
    """Ask for each category on the terminal, and return possible choices.

    The form asks again after an answer that is not valid, or that no later answer can make possible, with the reason.
    If answers lack something at the end, the person takes an alternative.
    """
    from lab.initialize import choices as chosen
    from lab.initialize.options import CATEGORIES

    typer.echo("Enter takes what is in [brackets]; Ctrl-C ends, and nothing is written.")
    answers, ids = chosen.default(), frozenset[str]()
    for number, category in enumerate(CATEGORIES, start=1):
        later = frozenset(
            one.id for other in CATEGORIES[number:] for one in other.options if one.selectable and one.id != chosen.NONE
        )
        reasons = _reasons(category, ids, later)
        typer.secho(f"\n{number}/{len(CATEGORIES)}  {category.question}", bold=True)
        for option in category.options:
            _describe(option, reasons.get(option.id, ""))
        usual = _usual(category, reasons)
        asked = f"{category.title}{' (several with commas)' if category.many else ''}"
        while True:
            words = _answer(asked, usual)
            try:
                tried = chosen.of({category.id: words}, source="the answer", base=answers)
            except UsageError as error:
                typer.echo(error.what, err=True)
                continue
            own = frozenset(tried.selected[category.id])
            if broken := _broken(ids, own, later):
                typer.echo(f"impossible: {' '.join(broken)}", err=True)
                continue
            answers, ids = tried, ids | own
            break
    return _possible(answers)


def folder() -> Path:
    """Ask for the folder, again after one that cannot be used, with the reason."""
    from lab.base.paths import expanded
    from lab.initialize.folder import check_creatable, check_new
    from lab.initialize.preview import FOLDER

    while True:
        try:
            path = expanded(_answer("\nFolder to write", FOLDER))
            check_new(path)
            check_creatable(path)
        except LabError as error:
            typer.echo(error.what, err=True)
        except OSError as error:
            typer.echo(f"cannot be written: {error.filename}: {error.strerror}", err=True)
        except ValueError as error:  # a null character
            typer.echo(f"is not a folder's name: {error}", err=True)
        else:
            return path


@contextmanager
def kept(choices: Choices, folder: Path | None) -> Iterator[None]:
    """Print the command with a person's answers if the block fails: they are not typed again."""
    from lab.initialize.preview import FOLDER

    try:
        yield
    except (LabError, OSError):
        typer.echo(f"your answers as a command:  {choices.command(str(folder or FOLDER))}", err=True)
        raise


def _answer(question: str, default: str) -> str:
    try:
        return str(typer.prompt(question, default=default)).strip()
    except typer.Abort:
        typer.echo()  # the terminal's ^C has not ended its line
        raise


def _broken(before: frozenset[str], own: frozenset[str], later: frozenset[str]) -> list[str]:
    """Return why an answer is impossible after those before; the end of the form treats what earlier answers lack."""
    from lab.initialize.rules import hopeless

    known = [*hopeless(before, later)]
    return [rule.reason for rule in hopeless(before | own, later) if rule not in known]


def _reasons(category: Category, chosen: frozenset[str], later: frozenset[str]) -> dict[str, str]:
    """Return why options cannot be chosen after the answers before, whatever the answers after are."""
    # One of several can need another one of the same question.
    together = later | (
        frozenset(one.id for one in category.options if one.selectable) if category.many else frozenset()
    )
    why: dict[str, str] = {}
    for option in category.options:
        if not option.selectable:
            why[option.id] = f"{option.advice()}."
        elif broken := _broken(chosen, frozenset({option.id}), together):
            why[option.id] = f"not now: {broken[0]}"
    return why


def _describe(option: Option, reason: str) -> None:
    facts = ", ".join(filter(None, (option.version, option.license, option.upkeep.value if option.version else "")))
    words = reason or (f"{option.says} ({facts})" if facts else option.says)
    width = min(_MOST_COLUMNS, shutil.get_terminal_size().columns)
    lines = textwrap.wrap(words, max(20, width - _ID_COLUMNS - 2), break_on_hyphens=False)
    for number, line in enumerate(lines):
        typer.secho(f"  {'' if number else option.id:{_ID_COLUMNS}}{line}", dim=bool(reason))


def _usual(category: Category, reasons: Mapping[str, str]) -> str:
    """Return the answer that Enter gives: the default, or what is possible and upstream maintains well."""
    from lab.initialize.choices import NONE
    from lab.initialize.model import Upkeep

    if not category.default:
        return NONE
    possible = [one for one in category.options if one.id not in reasons]
    known: Iterable[str] = (one.id for one in possible if one.id != NONE and one.upkeep is Upkeep.ALIVE)
    return category.default if category.default not in reasons else next(iter(known), possible[0].id)


def _possible(answers: Choices) -> Choices:
    """Return the choices; if they are impossible, one of the alternatives that the person takes."""
    from lab.initialize.alternatives import alternatives, reasons
    from lab.initialize.choices import parse_query

    if not (why := reasons(answers)):
        return answers
    ways = alternatives(answers, answers)
    typer.secho("\nThis combination is impossible:", bold=True)
    for reason in why:
        typer.echo(f"  {reason}")
    typer.echo("Possible instead:")
    for number, way in enumerate(ways, start=1):
        typer.echo(f"  {number}  {way.words}")
    while True:
        words = _answer("Number", "1")
        if words.isdecimal() and 1 <= int(words) <= len(ways):
            return parse_query(ways[int(words) - 1].query)
        typer.echo(f"type a number from 1 to {len(ways)}", err=True)


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
                    {**option.facts, "upstream": option.upkeep.value, "instead": option.instead}
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
            says = f"{option.advice()}." if option.why else option.says
            table.add_row(f"--{category.id}", option.id, option.version, option.license, upstream, says)
    out().print(table)
