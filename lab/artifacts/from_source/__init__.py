"""Build artifacts from package registries, for machines without a reachable container registry."""
