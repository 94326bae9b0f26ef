from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import CommandTimeout, LabError
from lab.base.process import Completed
from lab.tools.istioctl import Istioctl


def test_an_analysis_that_does_not_end_names_the_last_words_and_what_to_do() -> None:
    def run(argv: Any, *, timeout_s: float, **_: Any) -> Completed:
        said = 'first\ngrpcroutes is forbidden: User "istiod-of-west" cannot list'
        raise CommandTimeout(tuple(map(str, argv)), timeout_s=timeout_s, stderr=said)

    with pytest.raises(LabError, match=r"did not end within .* grpcroutes is forbidden") as caught:
        Istioctl(Path("istioctl"), run).analyze(Path("kubeconfig"), "east")
    assert caught.value.where == "east"
    assert caught.value.next == "lab up"
    assert not isinstance(caught.value, CommandTimeout)
