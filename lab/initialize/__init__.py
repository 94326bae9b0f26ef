"""`lab initialize`: choices become a folder with the YAML of one or two clusters; `docs/initializer.md` explains it."""
