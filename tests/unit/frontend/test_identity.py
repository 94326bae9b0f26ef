"""Headers as Envoy's documentation shows them, and as Istio's and Linkerd's proxies send them."""

import pytest
from frontend.identity import Peer, parse_elements, read_identity

HASH = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688"
SUBJECT = "/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client"
ISTIO = (
    f'By=spiffe://east.example/ns/test/sa/podinfo;Hash={HASH};Subject="";URI=spiffe://west.example/ns/test/sa/frontend'
)
FRONTEND = Peer(
    id="spiffe://west.example/ns/test/sa/frontend",
    trust_domain="west.example",
    namespace="test",
    service_account="frontend",
)
PODINFO = Peer(
    id="spiffe://east.example/ns/test/sa/podinfo",
    trust_domain="east.example",
    namespace="test",
    service_account="podinfo",
)


def test_istios_header_names_both_ends():
    identity = read_identity({"x-forwarded-client-cert": [ISTIO]})

    assert identity.client == FRONTEND
    assert identity.server == PODINFO
    assert identity.gateway is None
    assert identity.as_json()["mtls"] is True


def test_behind_a_gateway_the_first_element_is_the_client_and_the_last_one_the_gateway():
    gateway = "spiffe://east.example/ns/istio-ingress/sa/ingress"
    first = f'By={gateway};Hash={HASH};Subject="";URI={FRONTEND.id}'
    second = f'By={PODINFO.id};Hash={HASH};Subject="";URI={gateway}'

    for lines in ([f"{first},{second}"], [first, second]):
        identity = read_identity({"x-forwarded-client-cert": lines})

        assert identity.client == FRONTEND
        assert identity.server == PODINFO
        assert identity.gateway == Peer.parse(gateway)


@pytest.mark.parametrize(
    ("header", "elements"),
    [
        (  # one certificate with a URI only
            f'By=http://frontend.lyft.com;Hash={HASH};Subject="{SUBJECT}";URI=http://testclient.lyft.com',
            [
                {
                    "by": ["http://frontend.lyft.com"],
                    "hash": [HASH],
                    "subject": [SUBJECT],
                    "uri": ["http://testclient.lyft.com"],
                }
            ],
        ),
        (  # two proxies
            (
                f"By=http://frontend.lyft.com;Hash={HASH};URI=http://testclient.lyft.com,"
                f"By=http://backend.lyft.com;Hash={HASH};URI=http://frontend.lyft.com"
            ),
            [
                {"by": ["http://frontend.lyft.com"], "hash": [HASH], "uri": ["http://testclient.lyft.com"]},
                {"by": ["http://backend.lyft.com"], "hash": [HASH], "uri": ["http://frontend.lyft.com"]},
            ],
        ),
        (  # a certificate with a URI and two DNS names
            "URI=http://testclient.lyft.com;DNS=lyft.com;DNS=www.lyft.com",
            [{"uri": ["http://testclient.lyft.com"], "dns": ["lyft.com", "www.lyft.com"]}],
        ),
        (  # separators and escaped quotes inside quotes; an empty value
            r'Subject="CN=a,b;c=\"d\"";URI=',
            [{"subject": ['CN=a,b;c="d"'], "uri": [""]}],
        ),
        (  # a backslash that is the subject's own stays; keys in any case; spaces around separators
            r'SUBJECT="CN=a\,b" ; uri=x , By=y',
            [{"subject": [r"CN=a\,b"], "uri": ["x"]}, {"by": ["y"]}],
        ),
        ("By=x;;URI=y;,", [{"by": ["x"], "uri": ["y"]}]),
        ("URI=spiffe://a/b?c=d", [{"uri": ["spiffe://a/b?c=d"]}]),
    ],
)
def test_elements_are_split_as_envoy_documents(header: str, elements: list[dict[str, list[str]]]):
    assert parse_elements(header) == elements


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("", "the header is empty"),
        (" ,; ,", "the header is empty"),
        ('Subject="CN=a;URI=b', "a quote does not end"),
        ("By=a;nothing", "no key=value in 'nothing'"),
    ],
)
def test_a_malformed_header_is_a_problem_not_a_guess(header: str, problem: str):
    identity = read_identity({"x-forwarded-client-cert": [header]})

    assert identity.client is None
    assert identity.problem is not None
    assert problem in identity.problem
    assert identity.as_json()["mtls"] is False


def test_a_certificate_without_a_uri_is_no_client():
    identity = read_identity({"x-forwarded-client-cert": [f'By={PODINFO.id};Hash={HASH};Subject="CN=x"']})

    assert identity.client is None
    assert identity.server == PODINFO
    assert identity.problem == "x-forwarded-client-cert names no client URI"


def test_linkerd_inside_a_cluster_names_the_client():
    identity = read_identity({"l5d-client-id": ["frontend.test.serviceaccount.identity.linkerd.west.example"]})

    assert identity.client == Peer(
        id="frontend.test.serviceaccount.identity.linkerd.west.example",
        trust_domain="west.example",
        namespace="test",
        service_account="frontend",
    )
    assert identity.gateway is None
    assert identity.server is None


def test_linkerd_across_clusters_names_the_client_behind_the_gateway():
    gateway = "linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.east.example"
    client = "frontend.test.serviceaccount.identity.linkerd.west.example"
    identity = read_identity(
        {
            "l5d-client-id": [gateway],
            "forwarded": [f"by={gateway};for={client};host=podinfo.test.svc.cluster.local:9898;proto=https"],
        }
    )

    assert identity.client == Peer.parse(client)
    assert identity.gateway == Peer.parse(gateway)
    assert identity.source == "forwarded"


def test_without_a_mesh_there_is_no_identity():
    identity = read_identity({"accept": ["*/*"], "forwarded": ["for=10.0.0.1"]})

    assert identity.as_json() == {
        "mtls": False,
        "source": None,
        "client": None,
        "server": None,
        "gateway": None,
        "problem": None,
    }


def test_an_identity_of_unknown_form_is_kept_whole():
    assert Peer.parse("spiffe://x/workload") == Peer(id="spiffe://x/workload")
