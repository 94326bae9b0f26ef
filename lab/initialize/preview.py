"""What a page shows of a choice: the problems, and which options cannot be chosen now, and why. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from lab.initialize.alternatives import FORM, WANTED, Alternative, alternatives, reasons
from lab.initialize.choices import FORMS, Choices, parse_query
from lab.initialize.model import Category, Option
from lab.initialize.options import BY_ID, CATEGORIES, OPTIONS
from lab.initialize.tree import wires

FOLDER = "my-clusters"
"""The folder in the command that the page shows."""


@dataclass(frozen=True, kw_only=True)
class Impossible:
    """Why a combination is impossible, and what can be chosen instead."""

    reason: str
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True, kw_only=True)
class Disabled:
    """Why an option cannot be chosen now, or cannot be removed; and what can be chosen instead.

    `category` is `as` for a form of the output.
    """

    category: str
    option: str
    reason: str
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True, kw_only=True)
class ChoicePreview:
    """A choice as a page shows it.

    Args:
        query: the choices as a URL's query.
        command: the command line that writes the same folder.
        selected: the chosen ids of each category.
        form: the form of the output.
        registry: the registry that has all images; empty for those of upstream.
        source: the repository that Argo CD or Flux reads.
        problems: why the combination is impossible.
        disabled: options that would make it impossible.
        wires: the connections: their ids and sentences.
    """

    query: str
    command: str
    selected: Mapping[str, tuple[str, ...]]
    form: str
    registry: str
    source: str
    problems: Sequence[Impossible]
    disabled: Sequence[Disabled]
    wires: Mapping[str, str]


def preview(choices: Choices) -> ChoicePreview:
    """Return what a page shows of the choices, which may be impossible."""
    why = reasons(choices)
    instead = alternatives(choices, choices) if why else ()
    return ChoicePreview(
        query=choices.query(),
        command=choices.command(FOLDER),
        selected=choices.selected,
        form=choices.form,
        registry=choices.registry,
        source=choices.source,
        problems=[Impossible(reason=reason, alternatives=instead) for reason in why],
        disabled=[*disabled(choices), *_needed(choices), *_forms(choices)],
        wires={wire.id: wire.says for wire in wires(choices)},
    )


def disabled(choices: Choices) -> list[Disabled]:
    """Return the options that cannot be added to the choices, each with its reason and two alternatives."""
    refused: list[Disabled] = []
    for category in CATEGORIES:
        for option in category.options:
            if not option.selectable:
                refused.append(_retired(choices, category, option))
            elif option.id not in choices.selected[category.id]:
                refused += _refused(choices, _with(choices, category, option.id), category.id, option.id)
    return refused


def _with(choices: Choices, category: Category, option: str) -> Choices:
    own = choices.selected[category.id] if category.many else ()
    return choices.with_({category.id: (*own, option)})


def _retired(choices: Choices, category: Category, option: Option) -> Disabled:
    """Return a retired option with two ways to its successors, with what these need.

    A successor that is chosen already is named only. Where all are chosen, nothing is left to do.
    """
    own = choices.selected[category.id]
    titles = {one: OPTIONS[one].title for one in option.instead}
    chosen = [title for one, title in titles.items() if one in own]
    others = [one for one in titles if one not in own]
    without = choices.with_({category.id: tuple(one for one in own if one not in titles)}) if category.many else choices
    starts = [(one, start) for start in dict.fromkeys((choices, without)) for one in others]
    ways = [
        alternatives(choices, _with(start, category, one), category.id, one)
        for one, start in (starts if not reasons(choices) else ())
    ]
    # The nearest way to each successor comes before the second one to the first; others come last.
    ranked = dict.fromkeys(one for rank in zip_longest(*ways) for one in rank if one is not None)
    wanted = {*others}
    best = sorted(ranked, key=lambda one: wanted.isdisjoint(parse_query(one.query).selected[category.id]))
    known = f"; {' and '.join(chosen)} {'is' if len(chosen) == 1 else 'are'} chosen" if chosen else ""
    reason = f"{option.advice(titles.values())}{known}."
    return Disabled(category=category.id, option=option.id, reason=reason, alternatives=tuple(best)[:WANTED])


def _refused(choices: Choices, wanted: Choices, category: str, option: str, *, words: str = "{}") -> Iterator[Disabled]:
    """Yield why a change of the choices is impossible, if it is."""
    known = reasons(choices)
    added = [reason for reason in reasons(wanted) if reason not in known]
    if added:
        yield Disabled(
            category=category,
            option=option,
            reason=words.format(added[0]),
            # Where the present choices are impossible, their own alternatives come first.
            alternatives=() if known else alternatives(choices, wanted, category, option),
        )


def _needed(choices: Choices) -> Iterator[Disabled]:
    """Yield chosen options that others need."""
    for category in CATEGORIES:
        own = choices.selected[category.id]
        for option in own if category.many else ():
            without = choices.with_({category.id: tuple(one for one in own if one != option)})
            title = BY_ID[category.id].option(option).title  # type: ignore[union-attr]
            words = f"The form {option} needs {title}." if option == choices.form else f"Without {title}: {{}}"
            yield from _refused(choices, without, category.id, option, words=words)


def _forms(choices: Choices) -> Iterator[Disabled]:
    for form in FORMS:
        if form != choices.form:
            yield from _refused(choices, replace(choices, form=form), FORM, form)
