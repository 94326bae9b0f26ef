"""Clusters that exist without the lab: it installs into them, and removes exactly what it installed."""
