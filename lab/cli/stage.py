"""`lab stage`: the talk's screen in a browser."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.base.errors import UsageError
from lab.cli.groups import SCENARIOS
from lab.cli.named import lab_of, locked, need_nodes
from lab.cli.options import ConfigFile, Full, stage_ids
from lab.cli.output import done, until_ctrl_c, warn
from lab.cli.presented import PresentedNames, check_left, end_with, picked, refuse_fresh_rehearsal, warn_of_changes

if TYPE_CHECKING:
    from lab.stage import run
    from lab.stage.live import LiveStage
    from lab.stage.recording.recorder import Recorder


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(rich_help_panel=SCENARIOS)(stage)


def stage(
    names: PresentedNames = None,
    file: ConfigFile = None,
    full: Full = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Undo what the last presentation left, and begin at the first step.")
    ] = False,
    auto: Annotated[
        bool,
        typer.Option(
            "--auto",
            help="Play every step without waiting for keys, keep its time, undo all; exits as `lab walk --auto`.",
        ),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            help="Port on 127.0.0.1; 0: any free port. Default: `port` of [stage] in lab.toml, 7465.",
        ),
    ] = None,
    audience: Annotated[
        str | None,
        typer.Option(
            "--audience",
            metavar="ADDRESS",
            help="Let phones send requests, and nothing else, at this address of this machine. ADDRESS:PORT chooses "
            "another port than 7466.",
        ),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the URL without opening a browser.")] = False,
    unrecorded: Annotated[bool, typer.Option("--no-recording", help="Do not record the presentation.")] = False,
    replay: Annotated[
        str | None,
        typer.Option(
            "--replay",
            metavar="RUN",
            autocompletion=stage_ids,
            help="Play a recorded presentation, without a lab: an id, the beginning of one, `latest`, or a folder.",
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="With --replay: write it as one HTML file that needs no server."),
    ] = None,
) -> None:
    """Present scenarios in a browser, with real consoles.

    The page of West's frontend is on the left; the steps are typed into real shells on the right. Enter runs the next
    step; ? lists all keys. / is the audience's screen, /presenter a second screen with notes and controls. Only a
    browser on this machine, with the printed URL, can use it. Needs a lab that is up. Ctrl-C ends it and undoes
    nothing; `lab stage` and `lab walk` continue there.

    Everything is recorded into runs/ID in this folder (LAB_RUNS_DIR), without private keys and tokens; `lab report`
    lists it, and `--replay` plays it.

    Example: `lab stage isolation` presents one scenario; `lab stage --replay latest --export talk.html` writes the last
    presentation as a file for a hall without a network.
    """
    if export is not None and replay is None:
        raise UsageError("--export needs a recording", next="lab stage --replay latest --export FILE.html")
    if replay is not None:
        asked = {
            "--full": full,
            "--fresh": fresh,
            "--auto": auto,
            "--audience": audience is not None,
            "--no-recording": unrecorded,
        }
        if useless := [*(names or ()), *(option for option, given in asked.items() if given)]:
            what = f"--replay plays a recording as it was: it takes no {', '.join(useless)}"
            raise UsageError(what, next=f"lab stage --replay {replay}")
        _replay(replay, export, lab_of(file).spec.stage.port if port is None else port, opens=not no_browser)
        return
    refuse_fresh_rehearsal("lab stage", auto=auto, fresh=fresh)
    from lab import stacks
    from lab.cli.running import logged
    from lab.report.session import runs_folder
    from lab.stage import run
    from lab.stage.initializer import run as initializer
    from lab.stage.recording.live_recording import recorded

    lab = lab_of(file)
    chosen = picked(lab, names)
    if not auto:
        check_left(lab, chosen, command="lab stage", fresh=fresh)
    need_nodes(lab)
    where = lab.spec.stage.port if port is None else port
    with locked(lab, "lab stage", alone=True), logged(lab.paths, "stage", others=("uvicorn.error",)):
        mesh = stacks.mesh(lab)
        if auto:
            warn_of_changes(lab, mesh)
        live = run.live_stage(lab, mesh, chosen, full=full, auto=auto, config=file, audience=audience)
        kept = nullcontext() if unrecorded else recorded(live, lab, runs=runs_folder(), say=warn)
        frame = lab.page_url(lab.west.name) if lab.west.existing else ""
        more = initializer.of_stage()
        shown = run.on_screen(live, port=where, folder=lab.paths.state, more=more, frame=frame)
        with shown as screen, kept as recorder, run.opened(live), nullcontext() if auto else until_ctrl_c():
            _welcome(live, screen, opens=not no_browser)
            if screen.door.port != lab.spec.stage.port:
                warn(
                    f"the page can be shown only by a stage at port {lab.spec.stage.port}. For port "
                    f"{screen.door.port}: set `port` under [stage] in lab.toml, then `lab up`."
                )
            if auto:
                outcomes = run.rehearse(live, lab, say=warn)
            else:
                if fresh:
                    live.restart()
                run.until_interrupted()
    if recorder is not None:
        _tell_recording(recorder)
    if auto:
        typer.echo(run.rehearsed(live.presenter))
        end_with(*outcomes)
    else:
        typer.echo(run.left_to_undo(live.presenter, live.faults.list()))


def _welcome(live: LiveStage, screen: run.OnScreen, *, opens: bool) -> None:
    """Print the URLs, and open the browser."""
    typer.echo(f"stage:     {screen.url}")
    typer.echo(f"presenter: {screen.door.url}presenter, in the same browser")
    if live.audience is not None:
        typer.echo(f"audience:  {live.audience.as_json()['url']}")
    if opens and not screen.open():
        warn("there is no browser with a window here: open the first URL in one on this machine")
    typer.echo("Ctrl-C ends it")


def _tell_recording(recorder: Recorder) -> None:
    """Print where the recording is, or why it is not whole."""
    if recorder.problem:
        warn(f"{recorder.problem} ({recorder.folder})")
    else:
        typer.echo(f"recorded:  {recorder.folder}; to play it: lab stage --replay {recorder.folder.name}")


def _replay(which: str, file: Path | None, port: int, *, opens: bool) -> None:
    """Play a recording, or write it as one file."""
    from lab.report.session import runs_folder
    from lab.stage import run
    from lab.stage.recording.export import export
    from lab.stage.recording.replay_server import recording, replaying

    tape = recording(runs_folder(), which)
    for problem in tape.problems:
        warn(problem)
    if file is not None:
        exported = export(tape, file)
        done(f"{exported.file}: {exported.size / (1 << 20):.1f} MiB; {exported.contents}")
        return
    with replaying(tape, port=port) as replay, until_ctrl_c():
        typer.echo(f"replay:    {replay.screen.url}")
        typer.echo(f"presenter: {replay.screen.door.url}presenter, in the same browser")
        if opens and not replay.screen.open():
            warn("there is no browser with a window here: open the first URL in one on this machine")
        typer.echo("Space plays it and stops it; Ctrl-C ends it")
        run.until_interrupted()
