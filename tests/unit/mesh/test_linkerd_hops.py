"""Reading the peers of proxies from recorded metrics."""

from __future__ import annotations

import pytest

from lab.base.errors import LabError
from lab.mesh.model import Hop
from lab.stacks.linkerd import hops

GATEWAY = "linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.east.example"
FRONTEND = "frontend.test.serviceaccount.identity.linkerd.west.example"
METRICS = f"""# POD frontend-1 (1 of 1)
# TYPE request_total counter
request_total{{direction="outbound",dst_target_cluster="east",server_id="{GATEWAY}",tls="true"}} 120
request_total{{direction="outbound",server_id="podinfo.west",tls="true"}} 7
request_total{{direction="outbound",dst_target_cluster="north",server_id="x",tls="true"}} 3
request_total{{direction="outbound",dst_target_cluster="east",tls="no_identity"}} 0
request_total{{direction="inbound",client_id="{GATEWAY}",tls="true"}} 4
request_total{{direction="inbound",tls="no_identity"}} 9
request_totals{{direction="inbound",client_id="other",tls="true"}} 9
inbound_tcp_transport_header_connections_total{{session_protocol="http/2",target_port="9898",target_name="podinfo.test.svc.cluster.local",client_id="{FRONTEND}"}} 2
inbound_tcp_transport_header_connections_total{{session_protocol="http/2",target_port="8080",target_name="ledger.test.svc.cluster.local",client_id="other"}} 2
"""  # noqa: E501 - as proxies print it


def test_a_callers_proxy_counts_servers_of_the_other_cluster() -> None:
    (hop,) = hops.outbound("west/frontend", METRICS, "east")
    said = f'request_total{{direction="outbound", dst_target_cluster="east", server_id="{GATEWAY}", tls="true"}} 120'
    assert hop == Hop(at="west/frontend", client="", server=GATEWAY, count=120, said=said)


def test_a_gateways_proxy_counts_connections_to_the_service() -> None:
    (hop,) = hops.through_gateway("east/linkerd-gateway", METRICS, "podinfo")
    assert (hop.client, hop.server, hop.count) == (FRONTEND, "", 2)


def test_a_services_proxy_counts_clients_with_an_identity_only() -> None:
    (hop,) = hops.inbound("east/podinfo", METRICS)
    assert (hop.client, hop.count) == (GATEWAY, 4)


@pytest.mark.parametrize("metrics", ['request_total{direction="outbound"', "Error: the pod does not answer\n"])
def test_metrics_that_cannot_be_parsed_name_the_proxy(metrics: str) -> None:
    with pytest.raises(LabError, match="Prometheus' text format") as raised:
        list(hops.outbound("west/frontend", metrics, "east"))
    assert raised.value.where == "west/frontend"


def test_the_metrics_of_two_pods_are_both_read() -> None:
    assert len(list(hops.outbound("west/frontend", METRICS + METRICS, "east"))) == 2
