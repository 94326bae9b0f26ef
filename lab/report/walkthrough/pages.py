"""All walkthrough pages of one language: write them, and compare them with the steps.

Outputs differ from run to run, so a page keeps them between two comments. A new page takes them from a new run, or from
the old page if there is none. Everything else comes from the scenarios: `drift` shows the differences.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.base.names import STACKS
from lab.report.walkthrough.outputs import of_page, of_report
from lab.report.walkthrough.page import page
from lab.report.walkthrough.words import Words
from lab.scenario import registry
from lab.scenario.model import Scenario
from lab.scenario.rendering import documented
from lab.scenario.results import Report

FOLDERS: Mapping[str, Path] = {"en": Path("docs/walkthrough"), "ja": Path("docs/ja/walkthrough")}
"""The folder of each language's pages."""
INDEX = "README.md"


@dataclass(frozen=True, kw_only=True)
class Walkthrough:
    """The pages of one language.

    Args:
        words: the language's texts.
        scenarios: for each stack, every scenario in order.
    """

    words: Words
    scenarios: Mapping[str, Sequence[Scenario]]

    @classmethod
    def of(cls, language: str) -> Walkthrough:
        """Return the pages of a language, from the scenarios of every stack."""
        folder = registry.folder()
        targets = {stack: documented(stack, folder) for stack in STACKS}
        rendered = {stack: registry.registry(target).pick([]) for stack, target in targets.items()}
        words = Words.of(language, folder, next(iter(targets.values())).text)
        return cls(words=words, scenarios=rendered)

    def write(self, folder: Path, reports: Sequence[Report] = ()) -> tuple[Path, ...]:
        """Write the pages; outputs of a report where it has them, else those that the pages have already."""
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for name, text in self._pages(folder, reports):
            (folder / name).write_text(text, encoding="utf-8")
            files.append(folder / name)
        return tuple(files)

    def drift(self, folder: Path) -> str:
        """Return a unified diff from the pages in a folder to the steps; empty if they agree."""
        wanted = dict(self._pages(folder, ()))
        known = {file.name for file in folder.glob("*.md")} if folder.exists() else set()
        return "".join(
            line
            for name in sorted(known | set(wanted))
            for line in difflib.unified_diff(
                (folder / name).read_text(encoding="utf-8").splitlines(keepends=True) if name in known else [],
                wanted.get(name, "").splitlines(keepends=True),
                f"{name} (committed)",
                f"{name} (from the steps)",
            )
        )

    def _pages(self, folder: Path, reports: Sequence[Report]) -> Iterator[tuple[str, str]]:
        new = [of_report(report) for report in reports]
        for by_stack in self._by_scenario():
            scenario = next(iter(by_stack.values()))
            file = folder / file_name(scenario)
            outputs: dict[str, str] = {}
            outputs.update(of_page(file.read_text(encoding="utf-8")) if file.exists() else {})
            for found in new:
                outputs.update(found.get(scenario.name, {}))
            yield file.name, page(by_stack, outputs, self.words)
        yield INDEX, self._index()

    def _by_scenario(self) -> Iterator[Mapping[str, Scenario]]:
        stacks = list(self.scenarios)
        for scenarios in zip(*self.scenarios.values(), strict=True):
            yield dict(zip(stacks, scenarios, strict=True))

    def _index(self) -> str:
        words = self.words
        rows = [
            f"| {words(s.name, 'act', s.act)} | [{words(s.name, 'title', s.title)}]({file_name(s)}) "
            f"| {words(s.name, 'claim', s.claim)} |"
            for s in next(iter(self.scenarios.values()))
        ]
        head = [f"# {words.of_page['walkthrough']}", "", words.of_page["index"], "", words.of_page["columns"]]
        return "\n".join([*head, "| --- | --- | --- |", *rows]) + "\n"


def file_name(scenario: Scenario) -> str:
    """Return the file name of a scenario's page."""
    return f"{scenario.name.replace('_', '-')}.md"
