"""Keys and tokens do not get into a recording, however a terminal prints them."""

from __future__ import annotations

import pytest

from lab.base.redaction import REDACTED
from lab.stage.recording.redacting import HOLD_S, HeldOutput, KeyLines

TOKEN = "eyJhbGciOiJSUzI1NiIsImtpZCI6IlF1.eyJhdWQiOlsiaHR0cHM6Ly9rdWJlcm5ldGVz.c2lnbmF0dXJlLXdpdGgtbWFueS1sZXR0ZXJz"
KEY = "-----BEGIN EC PRIVATE KEY-----\r\nMHcCAQEEIKl\r\nqWmZ0vT3aXo\r\n-----END EC PRIVATE KEY-----"


def written(*pieces: tuple[float, str], every_s: float = 1.0, until_s: float = 10.0) -> list[tuple[float, str]]:
    """What gets into the file, if it is written every `every_s` seconds."""
    held, found, at_s, waiting = HeldOutput(), [], 0.0, list(pieces)
    while at_s <= until_s:
        while waiting and waiting[0][0] <= at_s:
            held.take(*waiting.pop(0))
        found += held.let_go(at_s)
        at_s += every_s
    return found + held.let_go(at_s, all_of_it=True)


def text(found: list[tuple[float, str]]) -> str:
    return "".join(piece for _, piece in found)


def test_ordinary_output_keeps_its_pieces_and_times() -> None:
    pieces = [(0.1, "\x1b[32meast$\x1b[0m "), (1.2, "l"), (1.25, "s"), (1.3, "\r\n"), (1.4, "a b\r\nc")]
    found = written(*pieces)
    assert text(found) == "".join(piece for _, piece in pieces)
    assert (found[0], found[-1]) == (pieces[0], (1.4, "c"))
    assert [at_s for at_s, _ in found] == sorted(at_s for at_s, _ in found)


def test_a_line_that_does_not_end_is_written_after_a_moment() -> None:
    held = HeldOutput()
    held.take(1.0, "done\r\neast$ ")
    assert held.let_go(1.1) == [(1.0, "done\r\n")]
    assert held.since_s == 1.0
    assert held.let_go(1.0 + HOLD_S - 0.1) == []
    assert held.let_go(1.0 + HOLD_S) == [(1.0, "east$ ")]


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
@pytest.mark.parametrize("secret", [TOKEN, KEY], ids=["token", "key"])
def test_a_secret_in_pieces_is_removed(secret: str, size: int) -> None:
    whole = f"east$ cat it\r\n{secret}\r\neast$ ls\r\nfile\r\n"
    pieces = [(at * 0.01, whole[at : at + size]) for at in range(0, len(whole), size)]
    found = text(written(*pieces, every_s=0.3))
    assert "file" in found
    for part in (*TOKEN.split("."), "MHcCAQEEIKl", "qWmZ0vT3aXo"):
        assert part not in found
    assert REDACTED in found


def test_a_token_between_colours_and_at_the_margin_of_a_prompt_is_removed() -> None:
    middle = len(TOKEN) // 2
    coloured = f"\x1b[1m{TOKEN[:20]}\x1b[0;33m{TOKEN[20:]}\x1b[0m\r\n"
    wrapped = f"west$ curl -H 'Authorization: Bearer {TOKEN[:middle]} \r{TOKEN[middle:]}'\r\n"
    for shown in (coloured, wrapped):
        found = text(written((1.0, "before\r\n"), (1.1, shown), (4.0, "after\r\n")))
        assert TOKEN[25:45] not in found
        assert TOKEN[middle : middle + 20] not in found
        assert REDACTED in found
        assert "after" in found


def test_a_key_whose_end_comes_much_later_is_removed_to_its_end() -> None:
    lines = KEY.split("\r\n")
    pieces = [(5.0 * at, f"{line}\r\n") for at, line in enumerate(lines)]
    found = text(written(*pieces, (25.0, "after\r\n"), until_s=40.0))
    assert not any(line in found for line in lines[1:-1])
    assert "after" in found


def test_what_looks_like_the_beginning_of_a_key_does_not_hide_the_rest_forever() -> None:
    keys = KeyLines()
    shown = [keys.clean(line) for line in ["-----BEGIN PRIVATE KEY-----", *["x" * 100] * 400, "hello"]]
    assert shown[1] == REDACTED
    assert shown[-1] == "hello"


def test_lines_that_come_one_by_one_show_no_key() -> None:
    keys = KeyLines()
    shown = [keys.clean(line) for line in ["a", *KEY.split("\r\n"), "b", f"token: {TOKEN}"]]
    assert (shown[0], shown[-2]) == ("a", "b")
    assert not any(part in "\n".join(shown) for part in ("MHcC", "qWmZ", TOKEN[:30]))


def test_a_long_line_does_not_grow_without_end() -> None:
    held = HeldOutput()
    for at in range(100):
        held.take(float(at) / 100, "x" * 1000)
    assert sum(len(piece) for _, piece in held.let_go(1.0)) == 100_000
