"""Updates of a profile that are killed: at the first change of a file, at the second one, and so on.

`python -m tests.unit.initialize.killed FOLDER` copies FOLDER/out to FOLDER/0, FOLDER/1, …, and updates each copy in a
child process that ends itself without any cleanup, as by `kill -9`. The last copy is the first whose update ended.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from lab.initialize import update

_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "open", "shutil.copyfile"}
KILLED = 9


def main(folder: Path) -> None:
    """Kill an update at each change."""
    files = json.loads((folder / "new.json").read_text())
    for at in range(1000):
        copy = folder / str(at)
        shutil.copytree(folder / "out", copy)
        planned = update.plan(copy, files)
        child = os.fork()
        if child == 0:
            _die_at(at, copy)
            planned.apply(copy)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != KILLED:
            return


def _die_at(at: int, folder: Path) -> None:
    count = iter(range(1000))

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event in _CHANGES and str(args[0]).startswith(str(folder)) and next(count) == at:
            os._exit(KILLED)

    sys.addaudithook(hook)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
