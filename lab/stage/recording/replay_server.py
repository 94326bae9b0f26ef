"""Find a recording, and serve its replay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from lab.base.errors import UsageError
from lab.report.folder import STAGE, Kind, find, listing
from lab.stage.recording.manifest import Manifest, RecordingError
from lab.stage.recording.player import Player
from lab.stage.recording.reader import read
from lab.stage.recording.routes import PAGE, routes
from lab.stage.recording.tape import Tape
from lab.stage.run import OnScreen, on_screen


def recording(runs: Path, which: str) -> Tape:
    """Return the recording of an id, of an id's beginning, in a folder, or of `latest`, the newest that has ended.

    Raises:
        UsageError: there is none, or more than one.
        RecordingError: it cannot be replayed.
    """
    folder = Path(which)
    if (folder / STAGE).is_file() or "/" in which:
        return read(folder)
    stages = [kept.path for kept in listing(runs) if kept.kind is Kind.STAGE]
    if not stages:
        raise UsageError(f"there is no recording of a stage in {runs}", next="lab stage records one; LAB_RUNS_DIR")
    if which == LATEST:
        return read(next(filter(_has_ended, stages), stages[0]))
    return read(find(runs, which, of=Kind.STAGE).path)


LATEST = "latest"


def _has_ended(folder: Path) -> bool:
    """Return whether a recording is complete: a stage that runs now records, too."""
    try:
        return Manifest.read(folder).complete
    except RecordingError:
        return False


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A replay that is served."""

    player: Player
    screen: OnScreen


@contextmanager
def replaying(tape: Tape, *, port: int) -> Iterator[Replay]:
    """Serve the replay of a recording while the block runs; it stands still at its beginning.

    Raises:
        UsageError: another program uses the port.
    """
    player = Player(tape=tape, page_url="")
    with (
        TemporaryDirectory(prefix="lab-stage-") as folder,
        on_screen(player, port=port, folder=Path(folder), more=routes(player)) as screen,
    ):
        player.page_url = f"{screen.door.url.rstrip('/')}{PAGE}/?{urlsplit(tape.manifest.page_url).query}"
        player.start(playing=False)
        try:
            yield Replay(player=player, screen=screen)
        finally:
            player.close()
