"""Building artifacts from package registries, where no container registry answers."""
