import pytest
from frontend.config import CREDENTIALS, ApiServer, Settings, Upstream
from frontend.errors import ConfigError

GOOD = {"CLUSTER_NAME": "west", "POD_NAME": "frontend-1", "UPSTREAMS": "podinfo=http://podinfo:9898"}


def problems(**changes: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        Settings.from_env({**GOOD, **changes})
    return caught.value.problems


def test_a_cluster_and_an_upstream_are_enough():
    settings = Settings.from_env(GOOD)

    assert settings.cluster == "west"
    assert settings.pod == "frontend-1"
    assert settings.default_upstream == "podinfo"
    assert settings.host == "127.0.0.1"
    assert settings.port == 8080


def test_upstreams_keep_their_order_and_lose_a_trailing_slash():
    settings = Settings.from_env({**GOOD, "UPSTREAMS": " b=http://b:1/ , a=http://a ,"})

    assert settings.upstreams == (Upstream(name="b", url="http://b:1"), Upstream(name="a", url="http://a"))
    assert settings.default_upstream == "b"


def test_the_default_upstream_can_be_chosen():
    env = {**GOOD, "UPSTREAMS": "a=http://a,b=http://b", "DEFAULT_UPSTREAM": "b"}

    assert Settings.from_env(env).default_upstream == "b"


def test_the_host_name_stands_in_for_the_pod(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("frontend.config.socket.gethostname", lambda: "laptop")

    assert Settings.from_env({**GOOD, "POD_NAME": ""}).pod == "laptop"


def test_all_problems_are_reported_together():
    found = problems(CLUSTER_NAME="West!", UPSTREAMS="podinfo=ftp://podinfo", PORT="99999", LOG_LEVEL="loud")

    assert [problem.split("=")[0].split(":")[0] for problem in found] == [
        "UPSTREAMS",
        "CLUSTER_NAME",
        "PORT",
        "LOG_LEVEL",
    ]


def test_an_empty_environment_names_what_is_missing():
    with pytest.raises(ConfigError) as caught:
        Settings.from_env({})

    assert caught.value.problems == (
        "UPSTREAMS is not set; name what may be called, for example UPSTREAMS=podinfo=http://podinfo:9898",
        "CLUSTER_NAME is not set; give the cluster's name, for example CLUSTER_NAME=west",
    )


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("http://podinfo", "has no name"),
        ("Pod_Info=http://podinfo", "has no name"),
        ("a=http://a,a=http://b", "is there twice"),
        ("a=https://a", "does not start with http://"),
        ("a=podinfo:9898", "does not start with http://"),
        ("a=http://", "names no host"),
        ("a=http://a:port", "is not a URL"),
        ("a=http://a/path", "has more than a host and a port"),
        ("a=http://a?x=1", "has more than a host and a port"),
        ("a=http://user@a", "has more than a host and a port"),
    ],
)
def test_an_unusable_upstream_is_named_with_its_fault(value: str, complaint: str):
    (problem,) = problems(UPSTREAMS=value)

    assert problem.startswith("UPSTREAMS: ")
    assert complaint in problem


def test_an_unknown_default_lists_the_known():
    assert problems(DEFAULT_UPSTREAM="podinfo-north") == (
        "DEFAULT_UPSTREAM='podinfo-north' is not in UPSTREAMS; known: podinfo",
    )


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
def test_a_timeout_is_a_number_within_limits(value: str):
    (problem,) = problems(REQUEST_TIMEOUT_S=value)

    assert problem == f"REQUEST_TIMEOUT_S={value!r} is not a number from 0.05 to 60; the default is 3"


def test_a_port_is_a_whole_number():
    assert "not a whole number from 1 to 65535" in problems(PORT="80.5")[0]


def test_the_stages_port_is_the_labs_default_and_can_be_set():
    assert Settings.from_env(GOOD).stage_port == 7465
    assert Settings.from_env({**GOOD, "STAGE_PORT": "7999"}).stage_port == 7999
    assert "STAGE_PORT='0'" in problems(STAGE_PORT="0")[0]


def test_the_api_is_the_one_that_kubernetes_names():
    assert Settings.from_env(GOOD).api_server is None

    inside = {**GOOD, "KUBERNETES_SERVICE_HOST": "10.111.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    assert Settings.from_env(inside).api_server == ApiServer(
        url="https://10.111.0.1:443", namespace="", credentials=CREDENTIALS
    )
    six = Settings.from_env({**GOOD, "KUBERNETES_SERVICE_HOST": "fd00::1"}).api_server
    assert six is not None
    assert six.url == "https://[fd00::1]:443"


def test_outside_of_a_cluster_the_api_can_be_a_kubectl_proxy():
    outside = {**GOOD, "KUBERNETES_API_URL": "http://127.0.0.1:8001/", "NAMESPACE": "test"}
    assert Settings.from_env(outside).api_server == ApiServer(url="http://127.0.0.1:8001", namespace="test")
    assert "does not start with http://" in problems(KUBERNETES_API_URL="https://x")[0]
