"""How the weights of `lab split` are read."""

from __future__ import annotations

import pytest

from lab.base.errors import UsageError
from lab.cli.traffic import _split


@pytest.mark.parametrize(
    ("words", "service"),
    [
        (["podinfo=50", "podinfo-east=50"], "podinfo"),
        (["podinfo-east=50", "podinfo=50"], "podinfo"),
        (["podinfo", "podinfo=50", "podinfo-east=50"], "podinfo"),
        (["cart", "podinfo=50", "podinfo-east=50"], "cart"),
    ],
)
def test_the_service_is_named_or_the_one_that_the_others_are_exports_of(words: list[str], service: str) -> None:
    assert _split(words) == (service, {"podinfo": 50, "podinfo-east": 50})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["podinfo"], "a split needs weights"),
        (["cart=50", "podinfo=50"], "it is not clear whose requests cart and podinfo get"),
        (["podinfo=50", "podinfo=20"], "'podinfo=20' is not a weight"),
        (["podinfo", "podinfo=half"], "'podinfo=half' is not a weight"),
        (["podinfo=-1"], "'podinfo=-1' is not a weight"),
        (["podinfo=99999999999999999999"], "'podinfo=99999999999999999999' is not a weight"),
        (["podinfo=²"], "'podinfo=²' is not a weight"),
        (["=50"], "'' is not a Service's name"),
        (["é=50"], "'é' is not a Service's name"),
        (["é", "podinfo=50"], "'é' is not a Service's name"),
        (["", "podinfo=50"], "'' is not a Service's name"),
    ],
)
def test_what_is_no_split_says_what_it_is_not(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        _split(words)
    assert raised.value.next
