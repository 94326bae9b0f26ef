"""The stage's terminal: which console gets a line, what is typed, and what the end of a command means."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.base import cancel, wait
from lab.base.cancel import Cancelled
from lab.base.errors import CommandError, CommandTimeout, LabError
from lab.base.wait import NotYet
from lab.scenario import commands
from lab.scenario.actions import Command, Start, Stop
from lab.scenario.context import Context
from lab.scenario.executor import Executor, Output, Printed, Typed
from lab.scenario.model import lines_of
from lab.scenario.observation import Observation
from lab.scenario.registry import registry
from lab.stage import typist
from lab.stage.consoles import Consoles
from lab.stage.typist import Typist
from tests.unit.scenarios.kit import STACKS, look, no_manifests, target
from tests.unit.scenarios.test_shown import PARTS, parts_of, typed_by_a_person, without_waits
from tests.unit.stage.shells import SHELLS, Browser, missing, prepared, ready

NAMES = {
    "east": "east",
    "west": "west",
    "eastwest-east-control-plane": "east",
    "eastwest-west-control-plane": "west",
}


@contextmanager
def typing(folder: Path, shell: str = "bash", **options: Any) -> Iterator[Typist]:
    notes: list[str] = options.pop("notes", [])
    shells = options.pop("shells", None) or {
        name: prepared(folder / name, shell, cluster=name) for name in ("east", "west")
    }
    for name in shells:
        (folder / name).mkdir(exist_ok=True)
    consoles = Consoles(shells=shells, cwd=folder, note=notes.append)
    consoles.open_all()
    try:
        for name in shells:
            ready(consoles.get(name))
        yield Typist(consoles=consoles, names=NAMES, default="west", note=notes.append, key_s=0, **options)
    finally:
        consoles.close_all()


def line(text: str) -> commands.Line:
    (one,) = commands.parse(text)
    return one


def run(here: Typist, text: str, told: list[str] | None = None, *, timeout_s: float = 60) -> None:
    here.run(line(text), timeout_s=timeout_s, on_line=(told if told is not None else []).append)


@pytest.mark.parametrize(
    ("text", "console"),
    [
        ("kubectl --context=east get pods", "east"),
        ("kubectl --context east get pods", "east"),
        ("linkerd --context=west multicluster check", "west"),
        ("lab split podinfo --in west podinfo=50", "west"),
        ("lab split podinfo --in=east podinfo=50", "east"),
        ("lab export podinfo --from east --by-ingress", "east"),
        ("docker stop --time 0 eastwest-east-control-plane", "east"),
        ("docker exec eastwest-west-control-plane sh -c 'ip route; echo eastwest-east-control-plane'", "west"),
        ("kubectl --context=east get svc | kubectl patch --local | kubectl --context=west apply -f -", "west"),
        ("curl --silent http://localhost:8080/api/answers", "west"),
        ("echo east", "west"),
        ("kubectl --context=north get pods", "west"),
    ],
)
def test_a_line_goes_to_the_console_of_the_cluster_that_it_names(text: str, console: str) -> None:
    here = Typist(consoles=Consoles(shells={}), names=NAMES, default="west")
    assert here.console(line(text)) == console
    assert here.console(line(text), beside=True) == f"{console}-2"


every_shell = pytest.mark.parametrize(
    "shell", [pytest.param(name, marks=pytest.mark.skipif(missing(name), reason=f"no {name}")) for name in SHELLS]
)


@every_shell
def test_a_failed_command_is_an_error_with_its_output(tmp_path: Path, shell: str) -> None:
    with typing(tmp_path, shell) as here:
        told: list[str] = []
        run(here, "echo --context=east fine", told)
        with pytest.raises(CommandError) as caught:
            run(here, "sh -c 'echo forbidden; echo by policy >&2; exit 4'", told)
        assert (caught.value.returncode, caught.value.stderr) == (4, "forbidden\nby policy")
        assert "`sh -c" in str(caught.value)
        with pytest.raises(LabError, match="command not found: no-such-program"):
            run(here, "no-such-program")
        assert told == ["--context=east fine", "forbidden", "by policy"]


def test_a_command_not_found_inside_of_a_pod_is_a_failure_of_kubectl(tmp_path: Path) -> None:
    with typing(tmp_path) as here, pytest.raises(CommandError):
        run(here, "sh -c 'echo command terminated with exit code 127; exit 127'")


def test_a_command_that_does_not_end_is_stopped_by_ctrl_c(tmp_path: Path) -> None:
    with typing(tmp_path) as here:
        with pytest.raises(CommandTimeout, match=r"did not end within 0.5 s") as caught:
            run(here, "sh -c 'echo begun; exec sleep 60'", timeout_s=0.5)
        assert caught.value.stderr == "begun"
        told: list[str] = []
        run(here, "echo again", told)
        assert told == ["again"]


def test_a_command_that_ignores_ctrl_c_leaves_a_busy_console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typist, "_CTRL_C_S", 0.1)
    monkeypatch.setattr(typist, "_BUSY_S", 0.5)
    with typing(tmp_path) as here:
        with pytest.raises(CommandTimeout):
            run(here, "sh -c 'trap : INT; while :; do sleep 0.1; done'", timeout_s=0.5)
        with pytest.raises(LabError, match="west's console: it is busy"):
            run(here, "echo")


def test_a_person_who_presses_ctrl_c_fails_the_step_also_if_it_should_be_refused(
    tmp_path: Path, context: Context
) -> None:
    with typing(tmp_path) as here:
        console = here.consoles.get("west")
        told: list[str] = []

        def tell(item: Output) -> None:
            if isinstance(item, Printed):
                console.input(Browser(), "\x03")
            told.append(str(item))

        executor = Executor(context=context, manifests=no_manifests, terminal=here, tell=tell)
        with pytest.raises(LabError, match="was interrupted there"):
            executor.do("demo", [Command("sh -c 'echo go; exec sleep 60'", refused=True)])
        assert "refusal" not in context.memo


def test_a_refusal_is_what_the_console_showed(tmp_path: Path, context: Context) -> None:
    with typing(tmp_path) as here:
        executor = Executor(context=context, manifests=no_manifests, terminal=here)
        executor.do("demo", [Command("sh -c 'echo Error: forbidden, Bearer abcdefghijkl >&2; exit 1'", refused=True)])
        assert context.recall("refusal") == "Error: forbidden, Bearer [redacted]"
        executor.do("demo", [Command("true", refused=True)])
        assert context.recall("refusal") == ""


def test_an_apply_whose_webhook_broke_is_typed_again(
    tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "rest", lambda *_: None)
    once = "test -e done || { touch done; echo failed calling webhook: EOF; exit 1; }"
    (tmp_path / "apply.sh").write_text(once)
    typed: list[str] = []
    with typing(tmp_path) as here:
        executor = Executor(
            context=context,
            manifests=no_manifests,
            terminal=here,
            tell=lambda item: typed.append(item.text) if isinstance(item, Typed) else None,
        )
        executor.do("demo", [Command("sh apply.sh apply it")])
    assert typed == ["sh apply.sh apply it"] * 2


def test_secrets_are_not_in_events_but_the_console_is_the_users_own(tmp_path: Path, context: Context) -> None:
    with typing(tmp_path) as here:
        told: list[Output] = []
        executor = Executor(context=context, manifests=no_manifests, terminal=here, tell=told.append)
        (tmp_path / "secret").write_text("Authorization: Bearer abcdefghijkl\n")
        executor.do("demo", [Command("cat secret")])
        assert told[-1] == Printed(line="Authorization: Bearer [redacted]", console="west")
        assert b"abcdefghijkl" in here.consoles.get("west").attach(Browser())


def test_an_interruption_presses_ctrl_c(tmp_path: Path, token: cancel.Token) -> None:
    with typing(tmp_path) as here:
        told: list[str] = []

        def tell(text: str) -> None:
            told.append(text)
            token.cancel()

        with pytest.raises(Cancelled):
            here.run(line("sh -c 'echo go; exec sleep 60'"), timeout_s=60, on_line=tell)
        console = here.consoles.get("west")
        with cancel.using(cancel.Token()):
            ready(console)
            run(here, "echo undo", told)
        assert told == ["go", "undo"]


def test_a_busy_console_is_noted_and_the_step_continues_when_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typist, "_PATIENCE_S", 0.1)
    notes: list[str] = []
    with typing(tmp_path, notes=notes) as here:
        console, browser = here.consoles.get("west"), Browser()
        console.attach(browser)
        console.input(browser, "half a li")

        def free() -> None:
            wait.until("the note", lambda: bool(notes) or NotYet("none"), timeout_s=60, interval_s=0.02)
            console.input(browser, "\x15")

        thread = threading.Thread(target=free)
        thread.start()
        told: list[str] = []
        run(here, "echo step", told)
        thread.join()
        assert notes == ["west's console is busy: finish or press Ctrl-C there"]
        assert told == ["step"]


def test_a_console_that_stays_busy_is_an_error_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typist, "_BUSY_S", 0.3)
    with typing(tmp_path) as here:
        console, browser = here.consoles.get("east"), Browser()
        console.attach(browser)
        console.input(browser, "sleep 60\r")
        with pytest.raises(LabError) as caught:
            run(here, "echo --context=east")
        assert caught.value.where == "east's console"
        assert "Ctrl-C" in str(caught.value.next)
        assert "echo" not in browser.lines[-1]
        run(here, "echo the other console is free")


@every_shell
def test_a_step_goes_back_to_its_folder(tmp_path: Path, shell: str) -> None:
    notes: list[str] = []
    with typing(tmp_path, shell, notes=notes) as here:
        console, browser = here.consoles.get("west"), Browser()
        console.attach(browser)
        (tmp_path / "an other").mkdir()
        told: list[str] = []
        run(here, "cat west/../file", told) if (tmp_path / "file").write_text("found\n") else None
        console.input(browser, "cd 'an other'\r")
        wait.until("the folder", lambda: console.is_elsewhere or NotYet("no"), timeout_s=60, interval_s=0.02)
        ready(console)
        run(here, "cat file", told)
        assert told == ["found", "found"]
        assert notes == ["west's console is in another folder; the step goes back first"]


def test_a_shell_whose_start_file_runs_another_one_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typist, "_BUSY_S", 0.5)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".bashrc").write_text("exec sh\n")
    consoles = Consoles(shells={"west": prepared(tmp_path, "bash", home=tmp_path / "home")}, cwd=tmp_path)
    consoles.open_all()
    here = Typist(consoles=consoles, names={}, default="west")
    try:
        with pytest.raises(LabError) as caught:
            run(here, "echo")
    finally:
        consoles.close_all()
    assert caught.value.what == "its shell shows no prompt"
    assert "SHELL=/bin/sh lab stage" in str(caught.value.next)


def test_a_shell_that_ends_under_a_command_is_an_error(tmp_path: Path) -> None:
    with typing(tmp_path) as here, pytest.raises(LabError, match="its shell ended while the command ran"):
        run(here, "exit 0")


# Commands that run beside the step


LISTENS = "trap 'echo interrupted; exit 0' INT; echo ready; while :; do sleep 0.05; done"


def test_a_started_command_has_a_console_of_its_own_until_its_stop(tmp_path: Path, context: Context) -> None:
    (tmp_path / "serve.sh").write_text(LISTENS)
    told: list[Output] = []

    def is_ready(_: Context) -> Observation:
        lines = [item.line for item in told if isinstance(item, Printed)]
        return Observation(holds="ready" in lines, seen=str(lines), evidence=())

    with typing(tmp_path) as here:
        executor = Executor(context=context, manifests=no_manifests, terminal=here, tell=told.append)
        executor.do("demo", [Start("sh serve.sh", ready=is_ready)])
        assert told[0] == Typed(text="sh serve.sh", console="west-2")
        assert [one["name"] for one in here.consoles.as_json()] == ["east", "west", "west-2"]
        assert here.consoles.get("west").is_ready
        executor.do("demo", [Command("echo beside"), Stop("sh serve.sh")])
        assert told[-2:] == [Printed(line="^C sh serve.sh"), Printed(line="interrupted", console="west-2")]
        assert [one["name"] for one in here.consoles.as_json()] == ["east", "west"]


def test_a_started_command_that_dies_is_reported_and_its_console_is_closed(tmp_path: Path, context: Context) -> None:
    with typing(tmp_path) as here:
        executor = Executor(context=context, manifests=no_manifests, terminal=here)
        with pytest.raises(LabError, match="ended with exit code 7"):
            executor.do("demo", [Start("sh -c 'exit 7'", ready=look(holds=False))])
        assert [one["name"] for one in here.consoles.as_json()] == ["east", "west"]


# What is shown is what is typed

RECORDS = """
import os, sys, tty
marks, file = sys.argv[1:]
tty.setraw(0)
with open(file, "ab", buffering=0) as kept:
    while True:
        os.write(1, f"\\x1b]133;D;0;aid={marks}\\x07\\x1b]133;A;aid={marks};c=1\\x07$ ".encode())
        typed = b""
        while b"\\r" not in typed:  # Ctrl-C can come behind it
            part = os.read(0, 65536)
            kept.write(part)
            typed += part
            if not part:
                sys.exit()
        os.write(1, f"\\r\\n\\x1b]133;C;aid={marks}\\x07".encode())
"""
"""A shell that runs nothing and keeps the bytes that it was typed."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Typist, Path]]:
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "shell.py").write_text(RECORDS)

    def shell(name: str) -> Any:
        @contextmanager
        def prepare(marks: str) -> Iterator[tuple[Sequence[str], Mapping[str, str]]]:
            yield [sys.executable, str(folder / "shell.py"), marks, str(folder / f"{name}.typed")], {"PATH": "/bin"}

        return prepare

    with typing(folder, shells={name: shell(name) for name in ("east", "west")}) as here:
        yield here, folder


def cases() -> Iterator[Any]:
    for stack in STACKS:
        for whole in registry(target(stack, Path("/nowhere"))).scenarios.values():
            for step in whole.steps:
                yield pytest.param(stack, whole.name, step.name, id=f"{stack}-{whole.name}-{step.name}")


@pytest.mark.parametrize(("stack", "name", "step_name"), list(cases()))
def test_the_bytes_that_are_typed_are_the_lines_that_are_shown(
    tmp_path: Path, context: Context, recording: tuple[Typist, Path], *, stack: str, name: str, step_name: str
) -> None:
    terminal, folder = recording
    here = target(stack, tmp_path)
    step = next(one for one in registry(here).scenarios[name].steps if one.name == step_name)
    for part in PARTS:
        actions = parts_of(step)[part]
        for file in folder.glob("*.typed"):
            file.write_bytes(b"")
        told: list[Output] = []
        executor = Executor(context=context, manifests=here.manifests, terminal=terminal, tell=told.append)
        executor.do(name, tuple(without_waits(actions)))
        executor.close()

        shown = list(lines_of(actions))
        typed = {file.stem: file.read_bytes() for file in folder.glob("*.typed")}
        of_console: dict[str, bytes] = {"east": b"", "west": b""}
        for item in told:
            if isinstance(item, Typed) and item.console:
                of_console[item.console.partition("-")[0]] += f"{item.text}\r".encode()
        assert {name: keys.replace(b"\x03", b"") for name, keys in typed.items()} == of_console, part
        assert [item.text for item in told if isinstance(item, Typed)] == shown, part


FAKE = '#!/bin/sh\nprintf "%s\\0" "${0##*/}" "$@" "\n" >>"$ARGUMENTS"\n'


@pytest.mark.parametrize("stack", STACKS)
@every_shell
def test_every_shell_reads_a_line_as_the_lab_does(tmp_path: Path, shell: str, stack: str) -> None:
    """The lab splits a line into programs and words by itself; a console leaves that to the user's shell."""
    lines = [
        text
        for whole in registry(target(stack, tmp_path)).scenarios.values()
        for step in whole.steps
        for part in parts_of(step).values()
        for text in lines_of(part)
    ]
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    for program in {program[0] for text in lines for program in typed_by_a_person(text)}:
        (fakes / program).write_text(FAKE)
        (fakes / program).chmod(0o755)

    def started(texts: Sequence[str]) -> list[tuple[str, ...]]:
        script, arguments = tmp_path / "script", tmp_path / "arguments"
        script.write_text("".join(f"{text}\n" for text in texts))
        arguments.write_text("")
        environ = {"PATH": str(fakes), "ARGUMENTS": str(arguments), "HOME": str(Path.home())}
        subprocess.run([shutil.which(shell) or shell, str(script)], env=environ, check=True, capture_output=True)
        return [tuple(words.split("\0")[:-1]) for words in arguments.read_text().split("\n\0")[:-1]]

    pipes = [text for text in lines if len(typed_by_a_person(text)) > 1]
    others = [text for text in lines if text not in pipes]
    assert started(others) == [program for text in others for program in typed_by_a_person(text)]
    for text in dict.fromkeys(pipes):  # the programs of a pipe start in any order
        assert sorted(started([text])) == sorted(typed_by_a_person(text))
    assert pipes
