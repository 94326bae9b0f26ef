"""Images, binaries and files that the lab is made of: one catalogue, several sources, one content-addressed store.

The way through: `catalog.toml` → `catalog` (what there is) → `keys` (what its content depends on) → `store` (is it
there?) → `plan` (the steps that make what is not) → `make` → `builders` (from package registries) or `upstream`
(pulled by digest).
"""

from lab.artifacts.store import ArtifactStore

__all__ = ["ArtifactStore"]
