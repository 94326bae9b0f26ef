"""What can be chosen instead of an impossible combination: the possible choices that are nearest to it. No I/O.

A rule's own alternatives come first. They are joined with the present choices, so that they undo as little as possible,
and other rules that they break are resolved in the same way. Where they lead back to the present choices, what cannot
be together is removed, and the smallest other changes are searched for.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from lab.base.errors import UsageError
from lab.initialize.choices import FORMS, RECONCILERS, TEXTS, Choices, form_problems, parse_query
from lab.initialize.model import Rule
from lab.initialize.options import BY_ID, CATEGORIES, OPTIONS
from lab.initialize.rules import broken

WANTED = 2
"""Alternatives that are shown."""
FORM = "as"
"""The form of the output, where a category is named."""
_DEPTH = 4
"""Rules that are resolved one after the other."""
_FREE = ("platform", "clusters")
"""Categories that no rule asks for."""


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Possible choices, as a URL's query, and how they differ from the present ones."""

    query: str
    words: str


def alternatives(now: Choices, wanted: Choices, category: str = "", option: str = "") -> tuple[Alternative, ...]:
    """Return the two possible choices that are nearest to impossible ones.

    Args:
        now: the present choices.
        wanted: the impossible ones.
        category: where a person wants to choose, if known; or `as`.
        option: what the person wants to choose there, or to remove.
    """

    def has(choices: Choices) -> bool:
        return option == choices.form if category == FORM else option in choices.selected.get(category, ())

    def agrees(choices: Choices) -> bool:
        return has(choices) == has(wanted)

    resolved = sorted((_needed_only(one, wanted) for one in _resolved(wanted, _DEPTH)), key=agrees, reverse=True)
    ways = chain(
        resolved,
        _without_causes(wanted, agrees),
        _without_users(now, wanted, category, option),
        _near(wanted, agrees),
        _siblings(now, category, option),
    )
    nearest: list[Choices] = []
    for one in ways:
        if one != now and not any(_includes(one, other, now) for other in nearest):
            nearest.append(one)
        if len(nearest) == WANTED:
            break
    return tuple(Alternative(query=one.query(), words=difference(now, one)) for one in nearest)


def reasons(choices: Choices) -> list[str]:
    """Return why choices are impossible; nothing if they are possible."""
    return [*(rule.reason for rule in choices.broken), *form_problems(choices)]


def check(choices: Choices, *, where: str | None = None, next: str = "") -> Choices:  # noqa: A002
    """Return the choices if they are possible.

    Args:
        choices: the choices.
        where: what has them, for the message.
        next: how a person takes an alternative.

    Raises:
        UsageError: they are not possible; the error has each reason, and two alternatives as flags.
    """
    if why := reasons(choices):
        ways = [shlex.join(_flags(choices, parse_query(one.query))) for one in alternatives(choices, choices)]
        lines = [*why, *(f"{word} {way}" for word, way in zip(("either", "or    "), ways, strict=False))]
        raise UsageError(
            "this combination is impossible\n  " + "\n  ".join(lines),
            where=where,
            next=next or "add the flags of one of these lines; each replaces the flag of the same name",
        )
    return choices


def _flags(now: Choices, then: Choices) -> list[str]:
    """Return the flags that change one choice into another."""
    before = {**dict.fromkeys(TEXTS, ""), **_pairs(now)}
    after = {**dict.fromkeys(TEXTS, ""), **_pairs(then)}
    return [word for name, value in after.items() if value != before[name] for word in (f"--{name}", value)]


def _pairs(choices: Choices) -> dict[str, str]:
    words = choices.flags()
    return {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}


def is_possible(choices: Choices) -> bool:
    """Return whether the combination is possible."""
    return next(broken(choices.ids), None) is None and next(form_problems(choices), None) is None


def _resolved(choices: Choices, depth: int) -> Iterator[Choices]:
    """Yield possible choices to which the alternatives of the broken rules lead."""
    if is_possible(choices):
        yield choices
    elif depth:
        rule = next(broken(choices.ids), None)
        nearer = _form_changes(choices) if rule is None else [_joined(choices, rule, one) for one in rule.alternatives]
        for one in nearer:
            yield from _resolved(one, depth - 1)


def _needed_only(choices: Choices, wanted: Choices) -> Choices:
    """Return resolved choices without what was added for something that another rule has removed since."""
    for category in CATEGORIES:
        for option in choices.selected[category.id]:
            if category.many and option not in wanted.selected[category.id]:
                less = choices.with_({category.id: tuple(o for o in choices.selected[category.id] if o != option)})
                choices = less if is_possible(less) else choices
    return choices


def _joined(choices: Choices, rule: Rule, alternative: Mapping[str, tuple[str, ...]]) -> Choices:
    """Return the choices with an alternative of a rule; a category of several choices keeps what the rule allows."""
    changed = choices.with_({name: ids for name, ids in alternative.items() if not BY_ID[name].many})
    for name, ids in alternative.items():
        if BY_ID[name].many:
            joined = dict.fromkeys((*changed.selected[name], *ids))
            others = [one for one in joined if one not in ids]
            tries = [tuple(joined), *(tuple(one for one in joined if one != gone) for gone in others), ids]
            made = [changed.with_({name: one}) for one in tries]
            changed = next((one for one in made if not rule.applies(one.ids)), made[-1])
    return changed


def _form_changes(choices: Choices) -> Iterator[Choices]:
    delivery = choices.selected["delivery"]
    if choices.form in RECONCILERS and choices.form not in delivery:
        others = [one for one in delivery if one not in RECONCILERS]
        yield choices.with_({"delivery": (*others, choices.form)})
        yield replace(choices, form="kustomize")
        for form in RECONCILERS:
            if form != choices.form:
                yield replace(choices, form=form).with_({"delivery": (*others, form)})
    else:  # Argo CD cannot read from a registry
        form = "flux" if choices.form == "argocd" else choices.form
        flux = tuple("flux" if one == "argocd" else one for one in delivery)
        yield replace(choices, source="")
        yield replace(choices, form=form).with_({"delivery": flux})


def _without_causes(wanted: Choices, agrees: Callable[[Choices], bool]) -> Iterator[Choices]:
    """Yield the wanted choices without all that cannot be with them, if that is possible."""
    choices = wanted
    while (rule := next(broken(choices.ids), None)) is not None:
        fewer = (one for one in _removals(choices) if agrees(one) and not rule.applies(one.ids))
        if (one := next(fewer, None)) is None:
            return
        choices = one
    if is_possible(choices):
        yield choices


def _without_users(now: Choices, wanted: Choices, category: str, option: str) -> Iterator[Choices]:
    """Yield the present choices without what needs an option, where a person wants to remove the option."""
    if category in BY_ID and BY_ID[category].many and option in now.selected[category]:
        for one in _without_causes(wanted, lambda choices: option not in choices.selected[category]):
            kept = one.with_({category: (*one.selected[category], option)})
            if is_possible(kept):
                yield kept


def _removals(choices: Choices) -> Iterator[Choices]:
    for category in CATEGORIES:
        own = choices.selected[category.id]
        for option in own if category.many else ():
            yield choices.with_({category.id: tuple(one for one in own if one != option)})


def _near(wanted: Choices, agrees: Callable[[Choices], bool]) -> Iterator[Choices]:
    """Yield possible choices that agree with what a person wants, with one change, then with two."""
    once = [one for one in _changes(wanted) if agrees(one)]
    yield from filter(is_possible, once)
    known = wanted.broken
    for one in once:
        if one.broken != known:  # a change that no rule notices is not needed
            yield from (two for two in _changes(one) if agrees(two) and is_possible(two))


def _siblings(now: Choices, category: str, option: str) -> Iterator[Choices]:
    """Yield possible choices with another option of the category instead, also with what that needs."""
    if category == FORM:
        others = [replace(now, form=form) for form in FORMS if form != option]
    elif category in BY_ID and option not in now.selected[category]:
        same = [one for one in _changes(now) if one.selected[category] != now.selected[category]]
        others = [one for one in same if option not in one.selected[category]]
        others.sort(key=lambda one: len(one.selected[category]), reverse=True)
    else:
        others = []
    yield from filter(is_possible, others)
    for other in others:
        yield from _without_causes(other, lambda _: True)
    for other in others:
        yield from (_needed_only(one, other) for one in _resolved(other, _DEPTH))


def _changes(choices: Choices) -> Iterator[Choices]:
    """Yield choices with one change: another option, or one more, or one less."""
    for category in CATEGORIES:
        if category.id in _FREE:
            continue
        own = choices.selected[category.id]
        for option in category.options:
            if option.selectable and option.id not in own:
                yield choices.with_({category.id: (*own, option.id) if category.many else (option.id,)})
            elif category.many and option.selectable:
                yield choices.with_({category.id: tuple(one for one in own if one != option.id)})


def _includes(one: Choices, other: Choices, now: Choices) -> bool:
    """Return whether the changes from now to one include all of those to the other."""
    return _changed(now, one) >= _changed(now, other)


def _changed(now: Choices, then: Choices) -> set[tuple[str, str]]:
    values = {FORM: (now.form, then.form), "source": (now.source, then.source)}
    changed = {(name, new) for name, (old, new) in values.items() if old != new}
    for category, ids in then.selected.items():
        changed |= {(category, id_) for id_ in set(ids) ^ set(now.selected[category])}
    return changed


def difference(now: Choices, then: Choices) -> str:
    """Return as text what has to be chosen and removed."""
    chosen, removed = [], []
    for category in CATEGORIES:
        old, new = now.selected[category.id], then.selected[category.id]
        chosen += [_title(category.id, one) for one in new if one not in old]
        removed += [_title(category.id, one) for one in old if one not in new and category.many]
    if now.form != then.form:
        chosen.append(f"the form {then.form}")
    if now.source and not then.source:
        removed.append("the repository")
    parts = [f"choose {_listed(chosen)}" if chosen else "", f"remove {_listed(removed)}" if removed else ""]
    words = "; ".join(filter(None, parts))
    return words[:1].upper() + words[1:]


def _title(category: str, option: str) -> str:
    return OPTIONS[option].title if option in OPTIONS else f"no {BY_ID[category].title.lower()}"


def _listed(words: Iterable[str]) -> str:
    *some, last = words
    return f"{', '.join(some)} and {last}" if some else last
