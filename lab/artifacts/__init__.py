"""Images, binaries and files of the lab: one catalogue, several sources, one content-addressed store.

Order of use: `catalog.toml` → `catalog` (all artifacts) → `keys` (content keys) → `store` (finds entries) → `plan`
(steps for missing artifacts) → `make` → `from_source.builders` (from package registries), `upstream` (by digest) or
`resolver` (artifacts that are never built).
"""

from lab.artifacts.store import ArtifactStore

__all__ = ["ArtifactStore"]
