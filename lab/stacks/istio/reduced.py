"""Values for Istio with an unmodified Envoy, as the lab builds it where no container registry answers.

Istio's released proxy is an Envoy with extensions of Istio's own (`istio.*`); the packages build has upstream's Envoy
(lab/artifacts/from_source/recipes/istio-proxy/README.md), which rejects a configuration that names them. So three
features are off, and nothing else differs from the release:

| feature | value | what is missing |
| --- | --- | --- |
| metadata exchange | PILOT_ENABLE_METADATA_EXCHANGE=false | the other side's workload in metrics and logs |
| ALPN filter | PILOT_ENABLE_ALPN_FILTER=false | protocol detection behind mTLS: name each port, or set `appProtocol` |
| telemetry | telemetry.enabled=false | Istio's metrics (`istio_requests_total`); Envoy's own exist |
"""

from __future__ import annotations

from typing import Any


def reduced(operator: dict[str, Any]) -> dict[str, Any]:
    """Return an IstioOperator for the packages build, from the one for Istio's release."""
    spec = operator["spec"]
    pilot = spec["values"]["pilot"]
    env = {**pilot["env"], "PILOT_ENABLE_METADATA_EXCHANGE": "false", "PILOT_ENABLE_ALPN_FILTER": "false"}
    values = {**spec["values"], "pilot": {**pilot, "env": env}, "telemetry": {"enabled": False}}
    return {**operator, "spec": {**spec, "values": values}}
