"""Changes between two JSON documents, so that a small change of a large document takes few bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lab.base.names import Json

Change = list[Json]
"""`[path, value]` sets a value, `[path]` removes a key; a path is a list of keys and positions."""


def changes(before: Json, after: Json) -> list[Change]:
    """Return the changes that turn `before` into `after`."""
    return list(_changes(before, after, []))


def apply(document: Json, changed: Sequence[Change]) -> Json:
    """Return the document after changes; the given one stays as it is, and shares what did not change.

    Raises:
        LookupError, TypeError, ValueError: the changes are not for this document.
    """
    for path, *value in changed:
        if not isinstance(path, list):
            raise TypeError(path)
        document = _applied(document, path, value)
    return document


def _changes(before: Json, after: Json, path: list[Json]) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() - after.keys():
            yield [[*path, key]]
        for key, value in after.items():
            if key in before:
                yield from _changes(before[key], value, [*path, key])
            else:
                yield [[*path, key], value]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _changes(old, new, [*path, at])
    elif isinstance(before, list) and isinstance(after, list) and before and after[: len(before)] == before:
        for at in range(len(before), len(after)):
            yield [[*path, at], after[at]]
    elif before != after or type(before) is not type(after):
        yield [path, after]


def _applied(document: Json, path: Sequence[Json], value: Sequence[Json]) -> Json:
    if not path:
        (document,) = value
        return document
    key, *rest = path
    if isinstance(document, dict) and isinstance(key, str):
        if not rest and not value:
            return {name: one for name, one in document.items() if name != key}
        return {**document, key: _applied(document[key] if rest else None, rest, value)}
    if isinstance(document, list) and isinstance(key, int) and 0 <= key <= len(document):
        if key == len(document):
            return [*document, _applied(None, rest, value)]
        return [*document[:key], _applied(document[key], rest, value), *document[key + 1 :]]
    raise ValueError(f"there is no {key!r} in this document")
