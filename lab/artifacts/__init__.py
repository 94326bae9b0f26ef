"""Images, binaries and files of the lab: one catalogue, several sources, one content-addressed store.

Order of use: `catalog.toml` → `catalog` (all artifacts) → `keys` (content keys) → `store` (finds entries) → `plan`
(steps for missing artifacts) → `make` → `resolver` (upstream's builds: `local`, `published`) or
`from_source.builders` (from package registries). `decisions` chooses between the two for each artifact.
"""

from lab.artifacts.store import ArtifactStore

__all__ = ["ArtifactStore"]
