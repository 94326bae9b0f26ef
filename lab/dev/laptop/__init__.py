"""What runs on the developer's machine."""
