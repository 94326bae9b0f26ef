"""One walkthrough page: a scenario on every stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lab.report.walkthrough.outputs import RUN, Outputs, block
from lab.report.walkthrough.words import Words
from lab.scenario.model import Arrow, Scenario, ScenarioStep, Topology
from lab.stacks import STACKS

ByStack = Mapping[str, ScenarioStep]


def page(by_stack: Mapping[str, Scenario], outputs: Outputs, words: Words) -> str:
    """Return a scenario's page.

    Args:
        by_stack: the scenario, rendered for each stack.
        outputs: the outputs of real runs.
        words: the language.
    """
    return "\n".join(_lines(by_stack, outputs, words)).rstrip() + "\n"


def _lines(by_stack: Mapping[str, Scenario], outputs: Outputs, words: Words) -> Iterator[str]:
    one = next(iter(by_stack.values()))
    name = one.name
    yield f"# {words(name, 'title', one.title)}"
    yield ""
    yield words.of_page["proof"].format(claim=words(name, "claim", one.claim), name=name)
    yield ""
    yield from _mermaid(one.topology)
    for number, steps in enumerate(zip(*(s.steps for s in by_stack.values()), strict=True), start=1):
        yield from _step(number, dict(zip(by_stack, steps, strict=True)), name, outputs, words)
    yield f"## {words.of_page['saw']}"
    yield ""
    yield words(name, "saw", one.saw)
    yield ""
    yield f"## {words.of_page['try']}"
    yield ""
    yield from (f"- {words(name, f'try_next.{number}', line)}" for number, line in enumerate(one.try_next))
    yield ""
    yield from _undo(by_stack, words)
    if runs := [outputs[key] for stack in by_stack if (key := f"{stack}.{RUN}") in outputs]:
        yield words.of_page["runs"]
        yield ""
        for stack, run in zip((s for s in by_stack if f"{s}.{RUN}" in outputs), runs, strict=True):
            yield from block(f"{stack}.{RUN}", run)


def _step(number: int, steps: ByStack, scenario: str, outputs: Outputs, words: Words) -> Iterator[str]:
    step = next(iter(steps.values()))
    yield f"## {number}. {words(scenario, f'steps.{step.name}.title', step.title)}"
    yield ""
    yield words(scenario, f"steps.{step.name}.narration", step.narration)
    yield ""
    if step.full_only:
        yield words.of_page["full"]
        yield ""
    if step.load is not None:
        yield words.of_page["load"].format(service=step.load.service)
        yield ""
    for stack, own in steps.items():
        if own.script:
            yield from _commands(stack, own.script, steps, words)
            if (key := f"{stack}.{step.name}") in outputs:
                yield from block(key, outputs[key])
    if step.verb:
        yield words.of_page["verb"].format(verb=step.verb)
        yield ""
    for check in step.checks:
        claim = words(scenario, f"checks.{check.name}.claim", check.claim)
        expected = words(scenario, f"checks.{check.name}.expected", check.expected)
        yield words.of_page["check"].format(claim=claim, expected=expected)
        yield ""
        if check.command:
            yield words.of_page["see"].format(command=check.command)
            yield ""
        for stack in steps:
            if (key := f"{stack}.{step.name}.{check.name}") in outputs:
                yield from block(key, outputs[key])
    if step.sabotage:
        title = words(scenario, f"sabotage.{step.name}.title", step.sabotage.title)
        yield words.of_page["sabotage"].format(title=title, fails=step.sabotage.fails)
        yield ""


def _commands(stack: str, script: str, steps: ByStack, words: Words) -> Iterator[str]:
    """Yield the commands of a stack; once if they are the same on every stack."""
    same = len({step.script for step in steps.values()}) == 1
    if same and stack != next(iter(steps)):
        return
    yield f"**{words.of_page['both'] if same else STACKS[stack].name.title()}**"
    yield ""
    yield "```sh"
    yield script
    yield "```"
    yield ""


def _undo(by_stack: Mapping[str, Scenario], words: Words) -> Iterator[str]:
    yield f"## {words.of_page['undo']}"
    yield ""
    yield words.of_page["undo_text"]
    yield ""
    scripts = {stack: _undo_script(scenario) for stack, scenario in by_stack.items()}
    same = len(set(scripts.values())) == 1
    for stack, script in scripts.items():
        if script and not (same and stack != next(iter(scripts))):
            yield f"**{words.of_page['both'] if same else STACKS[stack].name.title()}**"
            yield ""
            yield "```sh"
            yield script
            yield "```"
            yield ""


def _undo_script(scenario: Scenario) -> str:
    """Return the commands that undo all steps, the last one first, each of them once."""
    lines = [line for step in reversed(scenario.steps) for line in step.undo_script.splitlines()]
    return "\n".join(dict.fromkeys(lines))


def _mermaid(topology: Topology) -> Iterator[str]:
    ids = {
        f"{node.cluster}/{service}": f"{node.cluster}{number}".replace("-", "")
        for node in topology.nodes
        for number, service in enumerate(node.services)
    }
    yield "```mermaid"
    yield "flowchart LR"
    for node in topology.nodes:
        yield f'  subgraph {node.cluster} ["{node.role} ({node.cluster})"]'
        yield from (f'    {ids[f"{node.cluster}/{service}"]}["{service}"]' for service in node.services)
        yield "  end"
    yield from (f"  {ids[a.source]} {_line(a)} {ids[a.target]}" for a in topology.arrows)
    yield "```"
    yield ""


def _line(arrow: Arrow) -> str:
    label = f'|"{arrow.label}"|' if arrow.label else ""
    return f"{'-->' if arrow.allowed else '-.-x'}{label}"
