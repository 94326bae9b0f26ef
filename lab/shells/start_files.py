"""The files that a shell reads when it starts: first the user's own, then the lab's settings, which win.

| shell | how it reads the lab's file |
| --- | --- |
| bash | `--rcfile`, in place of ~/.bashrc, which the file reads itself |
| zsh | ZDOTDIR, which the file sets back before it reads the user's .zshenv and .zshrc |
| fish | `--init-command`, after the user's configuration |
| sh, dash, ash, ksh, mksh | ENV (POSIX), after the user's own ENV |

Another shell, such as tcsh, is replaced by `sh`. The files are in the folder `rc`, with names in `@…@`.

In a console of the stage, the files also print marks that a terminal does not show (OSC 133, "semantic prompts"): `A`
before a prompt, `C` when a command starts, `D` with its exit status when it has ended. `aid` has the marks' id, so that
no other program's marks count. `A` says with `c=1` that the shell prints `C` (sh and bash before 4.4 cannot), and names
the working directory.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.base.files import write_atomic

_FILES = Path(__file__).with_name("rc")
_POSIX = frozenset({"sh", "dash", "ash", "ksh", "mksh"})
_LEVELS = (0, 95, 135, 175, 215, 255)
"""Intensities of the 6 by 6 by 6 colours of a terminal with 256 colours (xterm)."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a shell sets after the user's own files.

    `color` is the cluster's colour, such as #2563eb; `tools` are the folders that come first on PATH; `marks` is the id
    of the marks, empty for a shell without marks.
    """

    cluster: str
    color: str
    variables: Mapping[str, str]
    tools: str
    marks: str = ""


@dataclass(frozen=True, kw_only=True)
class Started:
    """The command of a shell, and variables that only it reads."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def is_known(shell: str) -> bool:
    """Return whether a shell is started as it is, and not replaced by `sh`."""
    return Path(shell).name in {"bash", "zsh", "fish", *_POSIX}


def write(folder: Path, settings: Settings, *, environ: Mapping[str, str]) -> Started:
    """Write the start files of the shell that SHELL names into a folder, and return how to start it."""
    shell = environ.get("SHELL") or "sh"
    kind = Path(shell).name
    plain = bool(environ.get("NO_COLOR"))
    if kind == "bash":
        file = _write(folder, "bashrc", settings, environ=environ, plain=plain)
        return Started(argv=(shell, "--rcfile", str(file)))
    if kind == "zsh":
        _write(folder, "zshenv", settings, environ=environ, plain=plain, to=".zshenv")
        _write(folder, "zshrc", settings, environ=environ, plain=plain, to=".zshrc")
        return Started(argv=(shell,), env={"ZDOTDIR": str(folder)})
    if kind == "fish":
        file = _write(folder, "config.fish", settings, environ=environ, plain=plain, quote=_fish)
        return Started(argv=(shell, "--init-command", f"source {_fish(str(file))}"))
    file = _write(folder, "shrc", settings, environ=environ, plain=plain)
    return Started(argv=(shell if kind in _POSIX else "sh",), env={"ENV": str(file)})


def nearest_of_256(color: str) -> int:
    """Return the number of the nearest colour of a terminal with 256 colours."""
    red, green, blue = (_nearest_level(int(color[at : at + 2], 16)) for at in (1, 3, 5))
    return 16 + 36 * red + 6 * green + blue


def _nearest_level(value: int) -> int:
    return min(range(len(_LEVELS)), key=lambda index: abs(_LEVELS[index] - value))


def _write(
    folder: Path,
    name: str,
    settings: Settings,
    *,
    environ: Mapping[str, str],
    plain: bool,
    to: str = "",
    quote: Callable[[str], str] = shlex.quote,
) -> Path:
    set_ = "set -gx {} {}" if quote is _fish else "export {}={}"
    values = {
        "CLUSTER": quote(settings.cluster),
        "COLOR": "" if plain else str(nearest_of_256(settings.color)),
        "HEX": "" if plain else settings.color.removeprefix("#"),
        "VARIABLES": "\n".join(set_.format(name, quote(value)) for name, value in settings.variables.items()),
        "TOOLS": quote(settings.tools),
        "MARKS": settings.marks,
        "FOLDER": quote(str(folder)),
        "ZDOTDIR": quote(environ.get("ZDOTDIR", "")),
        "ENV": quote(environ.get("ENV", "")),
    }
    text = (_FILES / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    file = folder / (to or name)
    write_atomic(file, text, mode=0o600)
    return file


def _fish(text: str) -> str:
    """Quote a word for fish, where a backslash in single quotes escapes itself and the quote."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
