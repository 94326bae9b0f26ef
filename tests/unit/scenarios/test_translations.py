"""Each translation of the walkthrough is complete, and made from the English texts of today."""

from __future__ import annotations

import re

import pytest

from lab.report.walkthrough.pages import FOLDERS, Walkthrough
from lab.report.walkthrough.words import Words, digest, english, translated_digest
from lab.scenario.model import Scenario
from tests.unit.scenarios.kit import SCENARIOS

LANGUAGES = [language for language in FOLDERS if language != "en"]
ENGLISH = {scenario.name: scenario for scenario in Walkthrough.of("en").scenarios["linkerd"]}
CASES = [(language, scenario) for language in LANGUAGES for scenario in ENGLISH.values()]
IDS = [f"{language}-{scenario.name}" for language, scenario in CASES]


@pytest.mark.parametrize(("language", "scenario"), CASES, ids=IDS)
def test_every_text_is_translated_and_nothing_else(language: str, scenario: Scenario) -> None:
    translated = set(Words.of(language, SCENARIOS, str).translations[scenario.name])
    wanted = set(english(scenario))
    assert wanted - translated == set(), f"missing in scenarios/{scenario.name}/{language}.toml"
    assert translated - wanted == set(), f"superfluous in scenarios/{scenario.name}/{language}.toml"


@pytest.mark.parametrize(("language", "scenario"), CASES, ids=IDS)
def test_the_english_texts_are_those_that_were_translated(language: str, scenario: Scenario) -> None:
    known, now = translated_digest(SCENARIOS, scenario.name, language), digest(scenario)
    file = f"scenarios/{scenario.name}/{language}.toml"
    assert known == now, f'the English texts have changed: correct {file}, then write there: english = "{now}"'


@pytest.mark.parametrize(("language", "scenario"), CASES, ids=IDS)
def test_every_number_of_a_translation_is_one_of_the_english_text(language: str, scenario: Scenario) -> None:
    words = Words.of(language, SCENARIOS, str)
    for key, text in english(scenario).items():
        translated = words(scenario.name, key, text)
        assert "#" not in translated, key
        if key.endswith(".expected"):
            assert set(re.findall(r"\d[\d,:]*", translated)) <= set(re.findall(r"\d[\d,:]*", text)), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_texts_of_the_pages_are_complete(language: str) -> None:
    assert set(Words.of(language, SCENARIOS, str).of_page) == set(Words.of("en", SCENARIOS, str).of_page)
