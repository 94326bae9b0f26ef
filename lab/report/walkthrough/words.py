"""The texts of walkthrough pages in one language: those of the pages, and translations of the scenarios' own texts.

Translations of a scenario are in `scenarios/NAME/LANGUAGE.toml`: `[scenario]`, `[steps.STEP]`, `[checks.CHECK]` and
`[sabotage.STEP]` with the fields of the model; `#1` stands for the first number in the English text. `english` is the
digest of the English texts that were translated: a test fails when they have changed. Commands, manifests and outputs
are the same in every language.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.base.errors import UsageError
from lab.scenario.model import Scenario

_NUMBER = re.compile(r"\d+(?:\.\d+){3}|\d[\d,]*(?::\d+)?")
"""An address, a number such as 1,707, or a ratio such as 45:55."""
_NTH = re.compile(r"#(\d)")
_ENGLISH = {
    "walkthrough": "Walkthrough",
    "index": (
        "Each page has the commands of one scenario for both stacks, with the output of real runs. CI executes "
        "the same commands. `nox -s walkthrough` writes the pages from the steps that `lab run` checks and `lab walk` "
        "presents. To type them yourself: `lab up`, then `export KUBECONFIG=$(lab kubeconfig)`, in the project's "
        "folder. `lab shell west` also puts the lab's kubectl, linkerd and istioctl on your PATH. "
        "[日本語](../ja/walkthrough/README.md)"
    ),
    "columns": "| act | scenario | claim |",
    "proof": "**{claim}.** Checked by `lab run {name}`, presented by `lab walk {name}`.",
    "full": "*Part of the full set: `lab run --full`.*",
    "verb": "The main change as the lab's own command: `{verb}`.",
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
        numbers = _NUMBER.findall(text)
        try:
            translated = self.translations[scenario][key]
            return self.render(_NTH.sub(lambda match: numbers[int(match[1]) - 1], translated))
        except KeyError as error:
            raise UsageError(
                f"{scenario}: no translation of {key}: {text!r}",
                next=f"add it to scenarios/{scenario}/{self.language}.toml",
            ) from error


def english(scenario: Scenario) -> Mapping[str, str]:
    """Return the texts of a scenario that are translated, by key."""
    texts = {"title": scenario.title, "act": scenario.act, "claim": scenario.claim, "saw": scenario.saw}
    texts |= {f"try_next.{number}": line for number, line in enumerate(scenario.try_next)}
    for step in scenario.steps:
        texts |= {f"steps.{step.name}.title": step.title, f"steps.{step.name}.narration": step.narration}
        for check in step.checks:
            texts |= {f"checks.{check.name}.claim": check.claim, f"checks.{check.name}.expected": check.expected}
        if step.sabotage:
            texts[f"sabotage.{step.name}.title"] = step.sabotage.title
    return texts


def digest(scenario: Scenario) -> str:
    """Return the digest of a scenario's English texts."""
    return hashlib.sha256(json.dumps(english(scenario)).encode()).hexdigest()[:16]


def translated_digest(folder: Path, scenario: str, language: str) -> str:
    """Return the digest of the English texts that a translation was made from."""
    with (folder / scenario / f"{language}.toml").open("rb") as file:
        return str(tomllib.load(file).get("english", ""))


def _flat(file: Path) -> Mapping[str, str]:
    with file.open("rb") as stream:
        document = tomllib.load(stream)
    document.pop("english", None)
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
