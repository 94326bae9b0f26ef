"""The texts of walkthrough pages in one language: those of the pages, and translations of the scenarios' own texts.

Translations of a scenario are in `scenarios/NAME/LANGUAGE.toml`: `[scenario]`, `[steps.STEP]`, `[checks.CHECK]` and
`[sabotage.STEP]` with the fields of the model. Commands, manifests and outputs are the same in every language.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.base.errors import UsageError

_ENGLISH = {
    "walkthrough": "Walkthrough",
    "index": (
        "Each page has the commands of one scenario for both stacks, with the output of real runs. CI executes the "
        "same commands: `nox -s walkthrough` writes the pages from the steps that `lab run` checks and `lab walk` "
        "presents. To type them yourself: `lab up`, then `export KUBECONFIG=$(lab kubeconfig)`, in the project's "
        "folder. `lab shell west` also puts the lab's kubectl, linkerd and istioctl on your PATH. "
        "[日本語](../ja/walkthrough/README.md)"
    ),
    "columns": "| act | scenario | claim |",
    "proof": "Checked by `lab run {name}`, presented by `lab walk {name}`.",
    "full": "*Part of the full set: `lab run --full`.*",
    "verb": "The lab's own command with the same effect: `{verb}`.",
    "load": "A steady load of requests runs meanwhile, as with `lab load {service}`.",
    "check": "**Check:** {claim}. Expected: {expected}.",
    "see": "To see it yourself: `{command}`.",
    "sabotage": "*Would it notice? {title}: then `{fails}` fails (`lab run --sabotage`).*",
    "saw": "What you saw",
    "try": "What to try",
    "undo": "How to undo",
    "undo_text": "These commands undo the steps; `lab reset` undoes everything at once.",
    "runs": "The outputs above are from real runs:",
    "both": "Both stacks",
}


@dataclass(frozen=True, kw_only=True)
class Words:
    """The texts of one language.

    Args:
        language: its code, such as "ja".
        of_page: the texts of the pages, by name.
        translations: the translated texts of each scenario; empty for English, the language of the scenarios.
    """

    language: str
    of_page: Mapping[str, str]
    translations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    render: Callable[[str], str] = field(default=lambda text: text, compare=False, repr=False)
    """Fills in the placeholders of a translated text."""

    @classmethod
    def of(cls, language: str, folder: Path, render: Callable[[str], str]) -> Words:
        """Return the texts of a language, with the translations in the scenarios' folders."""
        if language == "en":
            return cls(language=language, of_page=_ENGLISH)
        with (folder / f"{language}.toml").open("rb") as file:
            of_page = tomllib.load(file)
        files = sorted(folder.glob(f"*/{language}.toml"))
        translations = {file.parent.name: _flat(file) for file in files}
        return cls(language=language, of_page=of_page, translations=translations, render=render)

    def __call__(self, scenario: str, key: str, text: str) -> str:
        """Return a scenario's text in this language.

        Args:
            scenario: the scenario's name.
            key: what it is, such as "claim" or "steps.half.title".
            text: the English text.

        Raises:
            UsageError: there is no translation.
        """
        if self.language == "en" or not text:
            return text
        try:
            return self.render(self.translations[scenario][key])
        except KeyError as error:
            raise UsageError(
                f"{scenario}: no translation of {key}: {text!r}",
                next=f"add it to scenarios/{scenario}/{self.language}.toml",
            ) from error


def _flat(file: Path) -> Mapping[str, str]:
    with file.open("rb") as stream:
        document = tomllib.load(stream)
    texts: dict[str, str] = {}
    for name, value in document.pop("scenario", {}).items():
        if isinstance(value, list):
            texts.update({f"{name}.{number}": item for number, item in enumerate(value)})
        else:
            texts[name] = value
    for kind, items in document.items():
        for name, fields in items.items():
            texts.update({f"{kind}.{name}.{key}": value for key, value in fields.items()})
    return texts
