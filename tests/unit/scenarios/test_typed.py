from __future__ import annotations

import pytest

from lab.base.errors import CommandError
from lab.base.process import Completed
from lab.scenario import commands
from tests.unit.scenarios.kit import FakeRunner


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


def test_each_program_reads_the_output_of_the_one_before() -> None:
    runner = FakeRunner({"kubectl get": "kind: Service\n", "kubectl apply": "service/podinfo created\n"})
    output = commands.run("kubectl get svc | kubectl apply -f -", env={}, timeout_s=5, runner=runner)

    assert output == "service/podinfo created\n"
    assert runner.fed == [None, "kind: Service\n"]


def test_lines_after_a_failed_one_are_not_run() -> None:
    ran: list[str] = []

    def fails(argv: tuple[str, ...], **_: object) -> Completed:
        ran.append(argv[0])
        raise CommandError(argv, returncode=1, stderr="no")

    with pytest.raises(CommandError):
        commands.run("first\nsecond", env={}, timeout_s=5, runner=fails)  # type: ignore[arg-type]
    assert ran == ["first"]
