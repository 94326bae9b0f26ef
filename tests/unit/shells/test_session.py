"""`lab shell` with real shells in a real terminal."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.shells.terminal import terminal

SHELLS = ("bash", "zsh", "fish", "sh")
LabCommand = tuple[list[str], dict[str, str]]
ShellProgram = Callable[[str], str]


def folders(env: dict[str, str]) -> list[Path]:
    return list((Path(env["LAB_STATE_DIR"]) / "dev" / "shells").iterdir())


@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_has_the_cluster_and_the_users_own_settings(
    name: str, lab_command: LabCommand, shell_program: ShellProgram
) -> None:
    argv, env = lab_command
    with terminal([*argv, "shell", "west"], {**env, "SHELL": shell_program(name)}) as screen:
        prompt = screen.see("mine")
        assert "(west)" in prompt
        assert "38;5;178" in prompt or "38;2;230;159;0" in prompt
        screen.type("echo cluster=$LAB_CLUSTER own=$MINE.\r")
        screen.see("cluster=west own=1.")
        screen.type("kubectl get pods\r")
        screen.see(f"kubectl with {folders(env)[0]}/kubeconfig")
        screen.type("exit 7\r")
        assert screen.ended() == 7
    assert folders(env) == []


@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_inside_of_a_shell_names_its_cluster_only(
    name: str, lab_command: LabCommand, shell_program: ShellProgram
) -> None:
    argv, env = lab_command
    with terminal([*argv, "shell", "west"], {**env, "SHELL": shell_program(name), "PS1": "exported> "}) as screen:
        screen.see("mine")
        screen.type(f"{' '.join(argv)} shell east\r")
        screen.see("(east)")
        assert "(west)" not in screen.see("mine")
        screen.type('printf "now=%s path=%s.\\n" "$LAB_CLUSTER" "$PATH"\r')
        screen.see("now=east path=")
        assert screen.see("/bin.").count("tools/kubectl/bin") == 1
        screen.see("mine")
        screen.type("exit 3\r")
        screen.see("(west)")
        screen.see("mine")
        screen.type("exit 0\r")
        assert screen.ended() == 0
    assert folders(env) == []


def test_zsh_gets_its_own_folder_back(lab_command: LabCommand, shell_program: ShellProgram) -> None:
    argv, env = lab_command
    with terminal([*argv, "shell", "west"], {**env, "SHELL": shell_program("zsh")}) as screen:
        screen.see("mine")
        screen.type("echo from=$FROM_ZSHENV dir=${ZDOTDIR-unset} history=${HISTFILE-unset}.\r")
        shown = screen.see("from=1 dir=unset") + screen.see(".\r")
        assert "shells/" not in shown
        screen.type("exit\r")
        assert screen.ended() == 0
    assert not (Path(env["HOME"]) / ".zcompdump").exists()


def test_ctrl_c_reaches_the_program_in_the_shell_only(lab_command: LabCommand, shell_program: ShellProgram) -> None:
    argv, env = lab_command
    with terminal([*argv, "shell", "west"], {**env, "SHELL": shell_program("bash")}) as screen:
        screen.see("mine")
        for _ in range(2):
            # The program itself says that it has the terminal: bash ignores a Ctrl-C between two commands of a line.
            screen.type("sh -c 'echo go; exec sleep 60'\r")
            screen.see("go\r\n")
            screen.type("\x03")
            screen.see("mine")
        screen.type("echo status=$?\r")
        screen.see("status=130")
        screen.type("exit 130\r")
        assert screen.ended() == 130
        assert "did not finish" not in screen.screen


def test_ctrl_c_in_one_command_is_its_own(lab_command: LabCommand) -> None:
    argv, env = lab_command
    script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done"
    with terminal([*argv, "shell", "west", "--", "sh", "-c", script], env) as screen:
        screen.see("ready")
        screen.type("\x03")
        screen.see("caught")
        assert screen.ended() == 9
    assert folders(env) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_lab_ends_the_shell_and_its_files(
    number: int, lab_command: LabCommand, shell_program: ShellProgram
) -> None:
    argv, env = lab_command
    with terminal([*argv, "shell", "west"], {**env, "SHELL": shell_program("bash")}) as screen:
        screen.see("mine")
        os.kill(screen.child.pid, number)
        assert screen.ended() == 129
    assert folders(env) == []


def test_one_command_has_the_environment_and_its_exit_code(lab_command: LabCommand) -> None:
    argv, env = lab_command
    script = (
        'echo "$LAB_CLUSTER"; command -v kubectl; command -v istioctl; cat "$KUBECONFIG"; '
        'stat -c %a "$KUBECONFIG"; exit 5'
    )
    done = subprocess.run(
        [*argv, "shell", "east", "--", "sh", "-c", script], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 5
    lines = done.stdout.splitlines()
    assert lines[0] == "east"
    assert lines[1].endswith("tools/kubectl/bin/kubectl")
    assert lines[2].endswith("tools/istioctl/bin/istioctl")
    assert "current-context: east" in lines
    assert done.stdout.count("namespace: test") == 2
    assert lines[-1] == "600"
    assert folders(env) == []


def test_a_killed_process_leaves_a_folder_that_the_next_one_deletes(lab_command: LabCommand) -> None:
    argv, env = lab_command
    with terminal([*argv, "shell", "west", "--", "sh", "-c", "echo ready; sleep 60"], env) as screen:
        screen.see("ready")
        (left,) = folders(env)
        assert stat.S_IMODE(left.stat().st_mode) == 0o700
        os.kill(screen.child.pid, signal.SIGKILL)
        screen.ended()
    assert folders(env) == [left]
    subprocess.run([*argv, "shell", "west", "--", "true"], env=env, check=True)
    assert folders(env) == []


def test_the_labs_lock_is_free_while_a_shell_runs(lab_command: LabCommand) -> None:
    argv, env = lab_command
    inner = f"{' '.join(argv)} shell east -- true && flock --nonblock {env['LAB_STATE_DIR']}/dev/lock echo free"
    done = subprocess.run(
        [*argv, "shell", "west", "--", "sh", "-c", inner], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "free\n")


def test_a_command_that_does_not_exist_is_named(lab_command: LabCommand) -> None:
    argv, env = lab_command
    done = subprocess.run(
        [*argv, "shell", "west", "--", "no-such-program"], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "command not found: no-such-program" in done.stderr) == (3, True)
    assert folders(env) == []
