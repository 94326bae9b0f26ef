"""What the lab shows, one module per scenario: claim, topology, steps, checks, negative control."""

from lab.scenario.model import Registry
from scenarios import cross_cluster_access, dev_loop, disaster_recovery, isolation, request_routing, service_discovery

REGISTRY = Registry()
for _module in (service_discovery, cross_cluster_access, request_routing, isolation, disaster_recovery, dev_loop):
    REGISTRY.add(_module.SCENARIO)
