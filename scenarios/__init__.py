"""The scenarios, one module each: claim, topology, steps, checks, sabotage."""

NAMES = (
    "service_discovery",
    "cross_cluster_access",
    "request_routing",
    "isolation",
    "disaster_recovery",
    "distance",
    "third_cluster",
    "modes",
    "dev_loop",
)
"""The scenarios in the order of presentation. The module of each name defines SCENARIO."""
