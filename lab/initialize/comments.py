"""Keep a person's comments when initializer.toml is written anew. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_KEY = re.compile(r"""\s*(?:["']?choices["']?\s*\.\s*)?["']?([a-z]+)["']?\s*=""")
_END = ""


@dataclass
class _Comments:
    """The comments of a key: the lines before it, and the one at the end of its line."""

    before: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)


def with_comments(new: str, mine: str) -> str:
    """Return a file of choices with the comments of another one, each at its key.

    Args:
        new: the file, as `Choices.toml` writes it.
        mine: a valid file of choices. Its values have no `#`, as no id, registry or repository has one.
    """
    found = _comments(mine, known={line.strip() for line in new.splitlines()})
    lines: list[str] = []
    for line in new.splitlines():
        comments = found.pop(_anchor(line), _Comments()) if line and not line.startswith("#") else _Comments()
        lines += comments.before
        lines.append("  ".join([line, *comments.behind]))
    left = [comment for comments in found.values() for comment in (*comments.before, *comments.behind)]
    return "\n".join([*lines, *left, ""])


def _comments(text: str, *, known: set[str]) -> dict[str, _Comments]:
    """Return the comments by their keys, or by the header of their table; those at the end by an empty text."""
    found: dict[str, _Comments] = {}
    waiting: list[str] = []
    key, depth = _END, 0
    for line in text.splitlines():
        code, mark, words = line.partition("#")
        comment = f"{mark}{words}".rstrip()
        if depth == 0 and code.strip():
            key = _anchor(code)
            found.setdefault(key, _Comments()).before += waiting
            waiting = []
        is_inside = depth > 0
        if _KEY.match(code) or is_inside:
            depth += code.count("[") - code.count("]")
        if not comment or comment in known:
            continue
        if is_inside and (depth > 0 or not code.strip()):
            found[key].before.append(comment)
        elif code.strip():
            found[key].behind.append(comment)
        else:
            waiting.append(comment)
    found.setdefault(_END, _Comments()).before += waiting
    return found


def _anchor(code: str) -> str:
    pair = _KEY.match(code)
    return pair[1] if pair else code.strip()
