"""The address at which the OpenTelemetry collector receives spans: ingresses, mesh and applications send them there."""

from __future__ import annotations

from lab.initialize.ingresses import OBSERVABILITY

COLLECTOR = "otel-collector"
"""The option, its Service and its Deployment."""
HOST = f"{COLLECTOR}.{OBSERVABILITY}.svc.cluster.local"
OTLP_PORT = 4317
"""The port of OTLP over gRPC, in this collector and in Jaeger."""
OTLP = f"{HOST}:{OTLP_PORT}"
