"""How fast and how large the lab is, measured: `nox -s bench`."""
