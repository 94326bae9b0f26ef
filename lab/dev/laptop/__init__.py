"""Programs that run on the developer's machine."""
