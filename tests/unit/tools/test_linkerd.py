"""What the linkerd CLI is asked, and how its checks are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import LabError
from lab.base.process import Completed
from lab.stacks import CheckVerdict
from lab.stacks.linkerd.stack import verdict
from lab.tools.linkerd import LinkerdCli, parse_check

ASKS = "failed to resolve version check server: https://versioncheck.linkerd.io/version.json?version=edge-26.8.3"


def document(category: str, *checks: dict[str, str]) -> str:
    return json.dumps({"success": True, "categories": [{"categoryName": category, "checks": list(checks)}]}, indent=1)


def test_both_documents_of_a_check_are_read() -> None:
    text = (
        document("linkerd-api", {"description": "a", "result": "success"})
        + "\n"
        + document("linkerd-multicluster", {"description": "b", "result": "error", "error": "no", "hint": "h"})
    )
    first, second = parse_check(text)
    assert (first.category, first.result) == ("linkerd-api", "success")
    assert (second.category, second.said, second.hint) == ("linkerd-multicluster", "no", "h")


@pytest.mark.parametrize("text", ["", "{}", "cannot connect", '{"categories": null}'])
def test_a_check_that_prints_no_result_is_an_error_with_its_words(text: str) -> None:
    with pytest.raises(LabError, match="it said: no such context"):
        parse_check(text, said="no such context\n")


@pytest.mark.parametrize(
    ("result", "said", "expected"),
    [
        ("success", "", CheckVerdict.OK),
        ("warning", ASKS, CheckVerdict.OFFLINE),
        ("warning", "unable to determine version channel", CheckVerdict.OFFLINE),
        ("warning", "issuer certificate will expire on 2026-12-01", CheckVerdict.WARNING),
        ("error", "the trust anchors do not match", CheckVerdict.FAILED),
    ],
)
def test_no_internet_is_told_from_what_is_wrong(result: str, said: str, expected: CheckVerdict) -> None:
    (line,) = parse_check(document("c", {"description": "d", "result": result, "error": said}))
    assert verdict(line) is expected


def test_keys_are_never_in_argv_and_links_leave_labels_out() -> None:
    asked: list[Sequence[Any]] = []

    def run(argv: Sequence[Any], **_: Any) -> Completed:
        asked.append(argv)
        return Completed(argv=tuple(map(str, argv)), returncode=0, stdout="---", stderr="", duration_s=0.1)

    cli = LinkerdCli(Path("linkerd"), run=run)  # type: ignore[arg-type]
    cli.control_plane(anchor=Path("a.crt"), issuer=Path("i.crt"), issuer_key=Path("i.key"), values=Path("v.yaml"))
    assert "--identity-issuer-key-file=i.key" in asked[0]
    cli.link(kubeconfig=Path("k"), context="east", name="east", server="https://s:6443", without_labels=["a", "b"])
    assert "--excluded-labels=a,b" in asked[1]
    assert "--context=east" in asked[1]


def test_a_dashboard_says_its_own_url_and_not_grafanas() -> None:
    def run(argv: Sequence[Any], *, on_line: Any, **_: Any) -> Completed:
        assert {"--address=127.0.0.1", "--port=0", "--context=west"} <= set(argv)
        for line in ("Linkerd dashboard available at:", "http://127.0.0.1:4000", "http://127.0.0.1:4000/grafana"):
            on_line(line)
        return Completed(argv=tuple(map(str, argv)), returncode=0, stdout="", stderr="", duration_s=0.1)

    said: list[str] = []
    cli = LinkerdCli(Path("linkerd"), run=run)  # type: ignore[arg-type]
    cli.dashboard(kubeconfig=Path("k"), context="west", port=0, on_url=said.append)
    assert said == ["http://127.0.0.1:4000"]
