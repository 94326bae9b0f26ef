"""Capabilities: what a mesh can do, as scenarios require it and skips explain it."""

from __future__ import annotations

from enum import Enum


class Capability(Enum):
    """What a mesh can do. A scenario names what it needs; one that a mesh lacks is a skip with its reason."""

    EXPORT = "export a service under a name of its own"
    FEDERATE = "make services of the same name one, on a flat network"
    MERGED_SERVICE = "spread a service of the same name over clusters by itself"
    SPLIT = "split requests by weight"
    FAILOVER = "prefer one cluster's endpoints, and another's when they fail"
    SPLIT_SMI = "split requests by an SMI TrafficSplit"
    MTLS = "mutual TLS from workload to workload"
    AUTHORIZE_IDENTITY = "allow callers by identity, across clusters"
    AUTHORIZE_REQUEST = "allow callers by method and path"
    INTERCEPT = "send requests with a chosen header to another service"
    COUNTED_IDENTITIES = "tell by the proxies' own metrics who spoke to whom"
    INGRESS_ROUTE = "let the other cluster's ingress carry requests to a service, with mutual TLS"
