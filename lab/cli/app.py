"""The `lab` command: all commands together, the only place that prints errors and decides exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer

from lab.base import cancel, children, environment
from lab.base.errors import CommandError, HostError, LabError
from lab.base.paths import DISK_ERRORS, denied, unusable
from lab.cli import (
    artifacts,
    bundle,
    cluster,
    dev,
    initialize,
    lifecycle,
    load,
    network,
    permissions,
    render,
    scenarios,
    shell,
    stage,
    traffic,
    watch,
    wire,
)
from lab.cli.groups import TitledGroup
from lab.cli.options import Invocation
from lab.cli.output import Unbroken, Unfinished, err, unbroken

app = typer.Typer(
    cls=TitledGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Run two real Kubernetes clusters with one service mesh, and test the mesh.",
    epilog="Exit codes: 0 ok, 1 a check failed, 2 usage or configuration, 3 the lab failed, 130 interrupted. "
    "Folders: LAB_STATE_DIR (clusters' keys and logs), LAB_CACHE_DIR (artifacts), LAB_RUNS_DIR (reports and "
    "recordings) and LAB_LOCAL_DIR (upstream's programs and charts) replace the defaults; an empty variable counts as "
    "not set.",
)
_GROUPS = (
    lifecycle,
    cluster,
    shell,
    render,
    initialize,
    scenarios,
    stage,
    traffic,
    permissions,
    wire,
    network,
    load,
    watch,
    dev,
    artifacts,
    bundle,
)
for _commands in _GROUPS:
    _commands.register(app)

# Every wrong command line is one of these; Typer has no name of its own for their common base.
_CommandLineError: type[Any] = typer.BadParameter.__base__ or typer.BadParameter

_INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line and exit with the lab's exit codes."""
    with cancel.on_signals(_stop_at_once), unbroken() as results:
        _run(results)


def _run(results: Unbroken) -> NoReturn:
    environment.keep_loopback_direct()
    invocation = Invocation()
    try:
        code = app(standalone_mode=False, prog_name="lab", obj=invocation)
    except LabError as error:
        _fail(_explained(error), as_json=invocation.as_json)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except _CommandLineError as error:
        error.show()
        sys.exit(2)
    except PermissionError as error:
        _fail(denied(error), as_json=invocation.as_json)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        _fail(unusable(error), as_json=invocation.as_json)
    except Unfinished as error:
        _end(_INTERRUPTED, str(error))
    except Exception as error:
        _interrupted(error)
    if code == _INTERRUPTED:  # what Typer makes of Ctrl-C
        command = _named(sys.argv[1:])
        _end(code, f"interrupted: `{command}` did not finish\nnext:  run the same command again")
    if cancel.token().cancelled:  # Ctrl-C was the command's end
        _end(code or 0)
    results.flush()
    if results.problem is not None:
        why = (results.problem.strerror or str(results.problem)).lower()
        _fail(HostError(f"cannot print: {why}", where="standard output"), as_json=False)
    sys.exit(code or 0)


def _named(words: Sequence[str]) -> str:
    """Return the command of a command line without its options and arguments: "lab dev pod"."""
    named, group = ["lab"], typer.main.get_command(app)
    for word in words:
        commands: dict[str, Any] = getattr(group, "commands", {})
        if word in commands:
            named.append(word)
            group = commands[word]
    return " ".join(named)


def _explained(error: LabError) -> LabError:
    """Return the error with an explanation if it is a known error of a tool."""
    if not isinstance(error, CommandError):
        return error
    from lab.tools.docker import explain

    return explain(error)


def _fail(error: LabError, *, as_json: bool) -> NoReturn:
    where = f"{error.where}: " if error.where else ""
    err().print(f"error: {where}{error.what}", style="red", markup=False)
    if error.next:
        err().print(f"next:  {error.next}", markup=False)
    if as_json:
        typer.echo(json.dumps({"error": {"what": error.what, "where": error.where, "next": error.next}}))
    sys.exit(error.exit_code)


def _interrupted(error: Exception) -> NoReturn:
    """Exit after Ctrl-C during a plan and list what is left to do; raise any other error again: it is a defect."""
    from lab.cli import tables
    from lab.lifecycle.runner import Interrupted

    if not isinstance(error, Interrupted):
        raise error
    _end(_INTERRUPTED, tables.interrupted(error.report))


def _end(code: int, message: str = "") -> NoReturn:
    """Print what is left to do, and exit without waiting for threads that hang."""
    if message:
        err().print(message, markup=False)
    children.kill_all()
    sys.stdout.flush()
    os._exit(code)


def _stop_at_once() -> None:
    """Exit on the second signal: kill the programs that the lab started, and wait for nothing."""
    children.kill_all()
    message = "stopped at once: the command is unfinished, and its changes are not undone"
    show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
    text = f"{show_cursor}\n{message}\nnext:  the same command again, or lab reset\n"
    with contextlib.suppress(OSError):
        os.write(sys.stderr.fileno(), text.encode())
    os._exit(_INTERRUPTED)
