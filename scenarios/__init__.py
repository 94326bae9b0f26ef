"""What the lab shows, one module per scenario: claim, topology, steps, checks, negative control."""

NAMES = (
    "service_discovery",
    "cross_cluster_access",
    "request_routing",
    "isolation",
    "disaster_recovery",
    "dev_loop",
)
"""The scenarios in the order in which they are told; each is the SCENARIO of the module of its name."""
