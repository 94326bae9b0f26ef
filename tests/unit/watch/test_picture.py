"""The picture: exact in size, readable without colours, and a lock only where mTLS is proven."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from lab.base import colours
from lab.watch import looks
from lab.watch.feed import FeedEvent, FeedState
from lab.watch.looks import Looks
from lab.watch.panel import ASCII
from lab.watch.picture import Picture
from lab.watch.tally import KEPT, Tally

SIZES = [(80, 24), (120, 40), (200, 60), (40, 12), (20, 6), (10, 3), (5, 1)]
COLOURS = {"east": "#2563eb", "west": "#c2410c"}


def peer(account: str, domain: str) -> dict[str, str]:
    return {"id": f"spiffe://{domain}/ns/test/sa/{account}", "service_account": account, "trust_domain": domain}


PROOF = {
    "mtls": True,
    "client": peer("frontend", "west.example"),
    "server": peer("podinfo", "east.example"),
    "gateway": None,
    "problem": None,
}


def answer(cluster: str | None, kind: str = "", ms: float = 4.0) -> dict[str, Any]:
    error = {"kind": kind, "detail": "no"} if kind else None
    return {"cluster": cluster, "pod": None, "color": COLOURS.get(cluster or ""), "latency_ms": ms, "error": error}


def tally(*answers: dict[str, Any], upstream: str = "podinfo", **events: Any) -> Tally:
    made = Tally(upstream)
    made.take(FeedEvent(upstream=upstream, name="link", data={"link": FeedState.LIVE, "words": "live"}))
    for one in answers:
        made.take(FeedEvent(upstream=upstream, name="answer", data=one))
    for name, data in events.items():
        made.take(FeedEvent(upstream=upstream, name=name, data=data))
    return made


def drawn(*tallies: Tally, width: int = 80, height: int = 24, **options: Any) -> list[str]:
    shown = Picture(list(tallies), "west", 5.0)
    return [line.plain for line in shown.lines(width, height, **options)]


def busy(upstream: str = "podinfo") -> Tally:
    made = tally(
        *[answer("east")] * 120,
        *[answer("west")] * 60,
        *[answer(None, kind) for kind in ("connect", "timeout", "broken", "status", "body", "new")],
        upstream=upstream,
        identity={"identity": PROOF},
    )
    for at in range(5):
        mark = {"at": at, "text": f"mark {at} " + "long " * 30, "kind": "fault", "intended": True}
        made.take(FeedEvent(upstream=upstream, name="mark", data=mark))
    made.take(
        FeedEvent(upstream=upstream, name="link", data={"link": FeedState.LOST, "words": "connection refused " * 9})
    )
    return made


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_fills_the_terminal_exactly(width: int, height: int, count: int) -> None:
    for tallies in ([busy(f"podinfo-{n}") for n in range(count)], [Tally(f"podinfo-{n}") for n in range(count)]):
        lines = Picture(tallies, "west", 5.0).lines(width, height)
        assert len(lines) == height
        assert max(line.cell_len for line in lines) <= width


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_is_whole_on_a_terminal_without_unicode_and_colours(width: int, height: int) -> None:
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(file=output, force_terminal=True, no_color=True, width=width, height=height)
    console.print(Picture([busy()], "west", 5.0), end="")
    output.flush()
    text = output.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert [len(line) <= width for line in plain.splitlines()] == [True] * height
    assert not re.search(r"\x1b\[[0-9;]*[34]8;", text), "no colours"


def test_every_request_has_its_clusters_letter_or_the_symbol_of_its_failure() -> None:
    lines = drawn(
        tally(answer("east"), answer("west"), answer(None, "connect"), answer(None, "timeout"), answer("east"))
    )
    assert lines[3].startswith("E W x ~ E")
    refused = {**answer(None, "status"), "error": {"kind": "status", "detail": "403", "refused": True}}
    lines = drawn(tally(refused))
    assert (lines[3], "lost of the last 1:  o refused 1" in lines) == ("o ", True)
    assert len({*looks.FAILURES.values(), looks.OTHER_FAILURE}) == len(looks.FAILURES) + 1
    assert not any(symbol.isupper() for symbol in looks.FAILURES.values())


def test_a_full_grid_moves_up_by_whole_rows() -> None:
    pattern = [answer("east"), answer("west"), answer(None, "connect")]
    long = tally(*(pattern * 300))
    rows = [line for line in drawn(long, width=42, height=12) if re.fullmatch(r"([EWx] )+ *", line + " ")]
    letters = "".join("EWx"[n % 3] for n in range(900))
    assert {len(row.split()) for row in rows[:-1]} == {21}
    shown = "".join(rows).replace(" ", "")
    assert letters.endswith(shown)
    assert (900 - len(shown)) % 21 == 0


def test_a_grid_shows_the_newest_requests_after_more_than_are_kept() -> None:
    long = tally(*[answer("west")] * KEPT, *[answer("east")] * 5)
    grid = [line.split() for line in drawn(long) if re.fullmatch(r"([EW] ?)+", line)]
    assert grid[-1][-5:] == ["E"] * 5
    assert sum(map(len, grid)) > 300


def test_shares_are_of_the_last_requests_and_a_silent_cluster_stays_in_sight() -> None:
    lines = drawn(tally(*[answer("west")] * 10, *[answer("east")] * 75, *[answer(None, "connect")] * 25))
    text = "\n".join(lines)
    assert re.search(r"E  east █+─+  75 %", text)
    assert re.search(r"W  west ─+   0 %", text)
    assert "sent 110  lost 25  p50 4.0 ms  p99 4.0 ms" in text
    assert "lost of the last 100:  x connect 25" in text


def test_a_lock_is_shown_only_with_proof() -> None:
    one = answer("east")
    proven = drawn(tally(one, identity={"identity": PROOF}))
    assert "🔒 mTLS frontend@west.example → podinfo@east.example" in proven
    wide = drawn(tally(one, identity={"identity": PROOF}), width=120)
    assert any("spiffe://west.example/ns/test/sa/frontend → spiffe://east.example" in line for line in wide)
    for identity in (
        {"identity": {**PROOF, "mtls": False, "client": None, "problem": "the header is empty"}},
        {"problem": "timeout: no whole answer within 3 s"},
        {"identity": {"mtls": False}},
    ):
        text = "\n".join(drawn(tally(one, identity=identity)))
        assert "mTLS is not proven" in text
        assert "🔒" not in text
    assert "mTLS" not in "\n".join(drawn(tally(one))), "nothing is known yet"


def test_linkerd_names_the_caller_and_the_gateway_only() -> None:
    gateway = {"id": "gateway.linkerd-multicluster", "service_account": None, "trust_domain": None}
    lines = drawn(tally(answer("east"), identity={"identity": {**PROOF, "server": None, "gateway": gateway}}))
    assert "🔒 mTLS frontend@west.example → podinfo (through gateway.linkerd-multicluster)" in lines


def test_marks_say_which_failures_are_intended() -> None:
    made = tally(
        answer("east"), hello={"frontend": {}, "marks": [{"at": 5, "text": "a step", "kind": "step", "intended": True}]}
    )
    for mark in ({"at": 9, "text": "kill podinfo", "kind": "fault", "intended": True}, {"at": 10, "text": "hm"}):
        made.take(FeedEvent(upstream="podinfo", name="mark", data=mark))
    made.take(FeedEvent(upstream="podinfo", name="hello", data={"marks": [{"at": 10, "text": "hm"}]}))
    marks = [line[9:] for line in drawn(made) if re.match(r"\d\d:\d\d:\d\d ", line)]
    assert marks == ["a step", "kill podinfo (intended)", "hm"]


def test_nothing_of_a_frontend_reaches_the_terminal_as_a_command() -> None:
    made = tally(answer("east"), mark={"at": 1, "text": "\x1b]0;owned\x07\x1b[2J", "kind": "note"})
    made.take(FeedEvent(upstream="podinfo", name="identity", data={"problem": "\x1b[31m"}))
    made.take(FeedEvent(upstream="podinfo", name="link", data={"link": FeedState.LOST, "words": "a\x1bb"}))
    assert "\x1b" not in "\n".join(drawn(made))
    assert "\x1b" not in "\n".join(drawn(tally(answer("\x1b[31m"))))


def test_without_unicode_the_parts_are_the_same() -> None:
    lines = drawn(busy(), symbols=ASCII)
    assert any(re.search(r"E  east #+-+", line) for line in lines)
    assert "\n".join(lines).isascii()


def test_weights_stand_beside_the_shares_and_a_failover_is_named() -> None:
    weights = [{"backend": "podinfo", "cluster": "west", "weight": 9, "share": 0.9}]
    weights.append({"backend": "podinfo-east", "cluster": "east", "weight": 1, "share": 0.1})
    made = tally(answer("east"), answer("west"), split={"state": "split", "weights": weights, "failover": None})
    text = "\n".join(drawn(made))
    assert re.search(r"E  east █+─+  50 %, weight 10 %", text)
    assert re.search(r"W  west █+─+  50 %, weight 90 %", text)
    over = {"state": "failover", "weights": weights, "failover": {"primary": "east", "backup": "west"}}
    made.take(FeedEvent(upstream="podinfo", name="split", data=over))
    text = "\n".join(drawn(made))
    assert "failover: east, then west" in text
    assert "weight" not in text
    made.take(FeedEvent(upstream="podinfo", name="split", data={"state": "none", "weights": [], "failover": None}))
    assert "failover" not in "\n".join(drawn(made))
    assert "weight" not in "\n".join(drawn(tally(answer("east"), split={"problem": "503"})))


def test_a_gap_says_how_long_it_lasted_and_whether_it_was_intended() -> None:
    gap = {"number": 1, "lost": 7, "recovery_s": None, "phase": "kill podinfo", "intended": True}
    made = tally(answer("east"), timeline={"gaps": [{**gap, "number": 0, "intended": False}, gap]})
    assert "last gap: 7 lost, not recovered (intended: kill podinfo)" in drawn(made)
    made.take(FeedEvent(upstream="podinfo", name="timeline", data={"gaps": []}))
    made.take(FeedEvent(upstream="podinfo", name="timeline", data={"gaps": [{**gap, "recovery_s": 2.345}]}))
    assert "last gap: 7 lost, recovered after 2.3 s (intended: kill podinfo)" in drawn(made)


def test_upstreams_stand_side_by_side_where_there_is_room() -> None:
    both = (tally(answer("east"), upstream="podinfo"), tally(answer("west"), upstream="podinfo-east"))
    assert re.match(r"podinfo +● live   podinfo-east", drawn(*both, width=80)[1])
    narrow = drawn(*both, width=60)
    assert [line.split()[0] for line in narrow if "live" in line] == ["podinfo", "podinfo-east"]


def test_letters_and_colours_are_one_clusters_only() -> None:
    found = Looks()
    assert [found.letter(name) for name in ("east", "west", "edge", "e", "east")] == ["E", "W", "D", "A", "E"]
    assert found.colour("east", "#2563EB") == "#2563eb"
    assert found.colour("edge", "#2563eb") != "#2563eb", "another cluster has it"
    assert found.colour("west", "red") not in {found.colour("east"), found.colour("edge")}
    six = Looks()
    assert len({six.colour(f"c{n}") for n in range(6)}) == 6


@pytest.mark.parametrize("colour", [*colours.CLUSTERS, *COLOURS.values(), "#ffffff", "#000000", "#ffff00"])
@pytest.mark.parametrize("age", [0.0, 0.5, 1.0])
def test_letters_have_enough_contrast_at_any_age(colour: str, age: float) -> None:
    faded = looks.faded(colour, age)

    def light(hex_colour: str) -> float:
        parts = [part / 255 for part in bytes.fromhex(hex_colour[1:])]
        red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((light(faded), light(looks.text_on(faded))))
    assert (high + 0.05) / (low + 0.05) >= 4.5
