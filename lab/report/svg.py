"""SVG as nested calls; text is escaped unless it is markup already."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

Child = str | Iterable[str] | None


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """Return an element. A trailing `_` of an attribute's name falls away, other `_` become `-`; None leaves it out."""
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
            words.append(f'{key.rstrip("_").replace("_", "-")}="{escape(shown)}"')
    inside = "".join(_flat(children))
    # Every part was escaped above or below.
    return Markup(f"<{' '.join(words)}>{inside}</{name}>")  # noqa: S704


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, str):
            yield escape(child)
        elif child is not None:
            yield from _flat(child)
