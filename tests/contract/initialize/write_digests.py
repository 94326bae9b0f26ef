"""Write the digests of all combinations anew: `python -m tests.contract.initialize.write_digests`."""

from __future__ import annotations

from lab.base.paths import Paths
from lab.initialize.render import render
from lab.initialize.sources import NAME, StoreSources
from tests.contract.initialize.test_folders import DIGESTS, digest, versions
from tests.contract.initialize.test_objects import COMBINATIONS

if __name__ == "__main__":
    sources = StoreSources(Paths.of(NAME))
    lines = [
        f"{choices.query()} {digest(render(choices, sources).files)} {versions(choices, sources)}\n"
        for choices in COMBINATIONS
    ]
    DIGESTS.write_text("".join(lines))
