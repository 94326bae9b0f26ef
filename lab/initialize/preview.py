"""What a page shows of a choice: the files, the problems, and which options cannot be chosen now, and why. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.base.errors import LabError
from lab.initialize import rules
from lab.initialize.choices import Choices, default, parse_query
from lab.initialize.model import Category, Option, Sources
from lab.initialize.options import CATEGORIES
from lab.initialize.render import render
from lab.initialize.tree import wires


@dataclass(frozen=True, kw_only=True)
class Disabled:
    """Why an option cannot be chosen now, and what can be chosen instead: queries of URLs, or ids of successors."""

    option: str
    reason: str
    alternatives: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ChoicePreview:
    """A choice as a page shows it.

    Args:
        query: the choices as a URL's query.
        selected: the chosen ids of each category.
        files: the text of each file by its path; empty if there are problems.
        problems: why the combination is impossible.
        disabled: options that would make it impossible.
        wires: the connections: their ids and sentences.
    """

    query: str
    selected: Mapping[str, tuple[str, ...]]
    files: Mapping[str, str]
    problems: Sequence[str]
    disabled: Sequence[Disabled]
    wires: Mapping[str, str]


def preview(query: str, sources: Sources) -> ChoicePreview:
    """Return what a page shows for the query of its URL; a query that is not valid is a problem, not an error."""
    try:
        choices = parse_query(query)
    except LabError as error:
        return _of(default(), problems=[error.what], files={})
    try:
        files = render(choices, sources).files
    except LabError as error:
        return _of(choices, problems=[error.what], files={})
    return _of(choices, problems=[], files=files)


def _of(choices: Choices, *, problems: Sequence[str], files: Mapping[str, str]) -> ChoicePreview:
    return ChoicePreview(
        query=choices.query(),
        selected=choices.selected,
        files=files,
        problems=problems,
        disabled=list(disabled(choices)),
        wires={wire.id: wire.says for wire in wires(choices)},
    )


def disabled(choices: Choices) -> list[Disabled]:
    """Return the options that cannot be added to the choices, each with its reason and two alternatives."""
    found = []
    for category in CATEGORIES:
        for option in category.options:
            if not option.selectable:
                found.append(Disabled(option=option.id, reason=option.why, alternatives=option.instead))
            elif option.id not in choices.selected[category.id] and (reason := _reason(choices, category, option)):
                found.append(reason)
    return found


def _reason(choices: Choices, category: Category, option: Option) -> Disabled | None:
    own = choices.selected[category.id] if category.many else ()
    with_it = choices.with_({category.id: (*own, option.id)})
    known = {rule.id for rule in choices.broken}
    added = [rule for rule in with_it.broken if rule.id not in known]
    if not added:
        return None
    return Disabled(
        option=option.id,
        reason=added[0].reason,
        alternatives=tuple(map(rules.words, added[0].alternatives)),
    )
