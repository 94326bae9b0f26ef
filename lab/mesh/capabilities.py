"""Capabilities of a lab: a scenario requires some, and is skipped with the reason where a lab lacks one."""

from __future__ import annotations

from enum import Enum


class Capability(Enum):
    """Something that a lab can do: its mesh, or its clusters. The value completes "this lab cannot …"."""

    EXPORT = "export a service under a name of its own"
    DIRECT = "export a service without a gateway, on a flat network"
    FEDERATE = "join services of the same name into one, on a flat network"
    MERGED_SERVICE = "merge services of the same name in all clusters by itself"
    RESEND = "send a request again that a proxy had accepted, and not sent, when its connection ended"
    SPLIT = "split requests by weight"
    FAILOVER = "prefer one cluster's endpoints, and use another's when they fail"
    SPLIT_SMI = "split requests by an SMI TrafficSplit"
    MTLS = "encrypt requests between workloads with mutual TLS"
    AUTHORIZE_IDENTITY = "allow callers by identity, across clusters"
    AUTHORIZE_REQUEST = "allow callers by method and path"
    INTERCEPT = "send requests with a chosen header to another service"
    COUNTED_IDENTITIES = "count requests by the identity at the other end, in the proxies' metrics"
    INGRESS_ROUTE = "route requests to a service through the other cluster's ingress, with mutual TLS"
    NODES = "stop nodes, cut and delay their network or read their disks, as it has existing clusters"
    ADDRESSES = "choose the addresses of all its clusters' Services, as it has existing clusters"
