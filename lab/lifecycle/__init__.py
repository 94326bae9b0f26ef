"""Bringing a lab up, looking at it, resetting it and taking it down."""
