"""Options whose YAML no source of this machine has: the folder refers to upstream's own program instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lab.initialize.choices import Choices
from lab.initialize.model import Option, Sources


def with_references(choices: Choices, sources: Sources) -> Choices:
    """Return the choices with those options as references whose YAML is unavailable.

    An option that only its YAML installs stays as it is: `lab initialize` fails if that is unavailable.
    """
    missing = {option.id: name for option in choices.options if (name := _missing(option, sources))}
    return replace(choices, unavailable=missing)


def _missing(option: Option, sources: Sources) -> str:
    """Return the artifact that an option lacks; empty if there is none, or no other way."""
    if option.upstream is None:
        return ""
    return next((name for name in option.manifests if sources.unavailable(name) is not None), "")


def warnings(choices: Choices, sources: Sources) -> Iterator[str]:
    """Yield a sentence for each option that is only referenced, with the reason on this machine."""
    for option in choices.options:
        if option.id in choices.unavailable and option.upstream is not None:
            error = sources.unavailable(choices.unavailable[option.id])
            reason = f" ({error.what})" if error is not None else ""
            yield (
                f"the folder does not have the YAML of {option.title}: apply.sh installs it with "
                f"`{option.upstream.program}`, which it needs{reason}"
            )
