"""`lab walk`: a presenter in a terminal, with keys as requests."""

from __future__ import annotations

from lab.base.keyboard import ReadKey
from lab.present.screen import Screen
from lab.scenario.presenter import Presenter, Wish

KEYS = {
    "enter": Wish.GO,
    "space": Wish.GO,
    "right": Wish.GO,
    "n": Wish.GO,
    "r": Wish.REPEAT,
    "c": Wish.CHECK,
    "s": Wish.SKIP,
    "u": Wish.UNDO,
    "b": Wish.BACK,
    "left": Wish.BACK,
}
QUIT = "q"
_LATER = "`lab walk` continues here; `lab reset` undoes the changes"


def walk(presenter: Presenter, screen: Screen, keys: ReadKey, *, fresh: bool = False) -> bool:
    """Present until the end, and return True; return False if the presenter quits.

    Args:
        presenter: the presentation.
        screen: the terminal.
        keys: waits for a key.
        fresh: undo the steps of an unfinished walk first, and begin at the first step.
    """
    presenter.attach(screen)
    try:
        if fresh:
            presenter.restart()
        while presenter.current is not None:
            if (key := keys()) == QUIT:
                screen.note(_LATER)
                return False
            if (wish := KEYS.get(key)) is not None:
                presenter.request(wish)
    except KeyboardInterrupt:
        _interrupted(presenter, screen)
        screen.note(_LATER)
        raise
    return True


def rehearse(presenter: Presenter, screen: Screen) -> None:
    """Present everything without keys, and undo it, also after Ctrl-C or an error."""
    presenter.attach(screen)
    try:
        while presenter.current is not None:
            presenter.request(Wish.GO)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            _interrupted(presenter, screen)
            screen.note("undoing them; press Ctrl-C again to stop at once")
        presenter.undo_in_time()
        raise


def _interrupted(presenter: Presenter, screen: Screen) -> None:
    position = presenter.position
    done, begun = (", ".join(ids) or "none" for ids in (position.done, position.begun))
    screen.note(f"interrupted at {position.at}; steps done: {done}; steps to undo: {begun}")
