"""What a page shows of a choice: the problems, and which options cannot be chosen now, and why. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lab.initialize.alternatives import FORM, Alternative, alternatives
from lab.initialize.choices import FORMS, Choices, form_problems
from lab.initialize.model import Category, Option
from lab.initialize.options import BY_ID, CATEGORIES
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
    reasons = _reasons(choices)
    instead = alternatives(choices, choices) if reasons else ()
    return ChoicePreview(
        query=choices.query(),
        command=choices.command(FOLDER),
        selected=choices.selected,
        form=choices.form,
        registry=choices.registry,
        source=choices.source,
        problems=[Impossible(reason=reason, alternatives=instead) for reason in reasons],
        disabled=[*disabled(choices), *_needed(choices), *_forms(choices)],
        wires={wire.id: wire.says for wire in wires(choices)},
    )


def disabled(choices: Choices) -> list[Disabled]:
    """Return the options that cannot be added to the choices, each with its reason and two alternatives."""
    found = []
    for category in CATEGORIES:
        for option in category.options:
            if not option.selectable:
                found.append(_retired(choices, category, option))
            elif option.id not in choices.selected[category.id]:
                found += _refused(choices, _with(choices, category, option.id), category.id, option.id)
    return found


def _with(choices: Choices, category: Category, option: str) -> Choices:
    own = choices.selected[category.id] if category.many else ()
    return choices.with_({category.id: (*own, option)})


def _retired(choices: Choices, category: Category, option: Option) -> Disabled:
    """Return a retired option with its successors, with what these need."""
    found: list[Alternative] = []
    successors = [one for one in option.instead if one not in choices.selected[category.id]]
    for successor in successors if not _reasons(choices) else ():
        found += alternatives(choices, _with(choices, category, successor), category.id, successor)[:1]
    return Disabled(category=category.id, option=option.id, reason=option.why, alternatives=tuple(found))


def _refused(choices: Choices, wanted: Choices, category: str, option: str, *, words: str = "{}") -> Iterator[Disabled]:
    """Yield why a change of the choices is impossible, if it is."""
    known = _reasons(choices)
    added = [reason for reason in _reasons(wanted) if reason not in known]
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


def _reasons(choices: Choices) -> list[str]:
    forms = (reason.replace("--as ", "The form ") for reason, _ in form_problems(choices))
    return [*(rule.reason for rule in choices.broken), *forms]
