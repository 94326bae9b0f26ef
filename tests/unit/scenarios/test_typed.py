from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import CommandError
from lab.scenario import commands
from tests.unit.scenarios.kit import FakeRunner


def run(text: str, runner: Any, told: list[str] | None = None) -> None:
    for line in commands.parse(text):
        tell = (told if told is not None else []).append
        commands.run(line, env={"KUBECONFIG": "k"}, timeout_s=5, on_line=tell, runner=runner)


def test_lines_words_quotes_and_continuations() -> None:
    lines = commands.parse("# a comment\nkubectl get \\\n  svc 'a b'\n\necho \"x|y\"\n")
    assert [line.programs for line in lines] == [(("kubectl", "get", "svc", "a b"),), (("echo", "x|y"),)]


@pytest.mark.parametrize("text", ["a |", "| a", "a | | b", "a || b"])
def test_a_pipe_needs_both_ends(text: str) -> None:
    with pytest.raises(ValueError, match="one side"):
        commands.parse(text)


def test_an_unfinished_quote_is_refused() -> None:
    with pytest.raises(ValueError, match="quotation"):
        commands.parse("echo 'a")


def test_no_shell_syntax_is_interpreted() -> None:
    assert commands.parse("echo $HOME *.py ; rm x > y")[0].programs == (
        ("echo", "$HOME", "*.py", ";", "rm", "x", ">", "y"),
    )


def test_a_tilde_at_the_beginning_of_a_word_is_the_home_folder() -> None:
    assert commands.parse("cat ~/a --file=~/b")[0].programs == (("cat", str(Path.home() / "a"), "--file=~/b"),)


def test_a_number_sign_inside_a_line_begins_no_comment() -> None:
    assert commands.parse("curl http://a/#b 'c # d'")[0].programs == (("curl", "http://a/#b", "c # d"),)


def test_each_program_reads_the_output_of_the_one_before() -> None:
    runner = FakeRunner({"kubectl get": "kind: Service\n", "kubectl apply": "service/podinfo created\n"})
    told: list[str] = []
    run("kubectl get svc | kubectl apply -f -", runner, told)

    assert told == ["service/podinfo created"]
    assert runner.fed == [None, "kind: Service\n"]
    assert runner.envs == [{"KUBECONFIG": "k"}, {"KUBECONFIG": "k"}]


def test_programs_after_a_failed_one_are_not_run_and_its_errors_are_shown() -> None:
    runner = FakeRunner({"first": CommandError(("first",), returncode=1, stderr="no\nnever")})
    told: list[str] = []
    with pytest.raises(CommandError):
        run("first | second", runner, told)
    assert runner.lines == ["first"]
    assert told == ["no", "never"]


def test_lines_after_a_failed_one_are_not_run() -> None:
    runner = FakeRunner({"first": CommandError(("first",), returncode=1, stderr="no")})
    with pytest.raises(CommandError):
        run("first\nsecond", runner)
    assert runner.lines == ["first"]
