"""The manifests, the Dockerfile and the lists of what is in the image."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import frontend
import jinja2
import pytest
import yaml
from frontend.config import Settings
from frontend.split import HTTP_ROUTES, TRAFFIC_SPLITS, VIRTUAL_SERVICES

from lab.artifacts import catalog, folders
from lab.artifacts.from_source import builders
from lab.artifacts.from_source.builders.image import ImageBuild
from lab.artifacts.from_source.builders.python import PipTarget
from lab.base.paths import PROJECT

APPS = Path(frontend.__file__).parents[2]
VARIABLES = {
    "podinfo": {
        "image": "eastwest-lab/podinfo:0123456789ab",
        "cluster": "east",
        "color": "#2563eb",
        "message": 'Greetings: "from" East',
        "replicas": 2,
    },
    "frontend": {
        "image": "eastwest-lab/frontend:0123456789ab",
        "cluster": "west",
        "upstreams": "podinfo=http://podinfo:9898,podinfo-east=http://podinfo-east:9898",
        "default_upstream": "podinfo",
        "request_timeout_s": 6,
        "replicas": 1,
        "stage_port": 7999,
    },
}


def manifests(app: str) -> dict[str, dict]:
    source = (APPS / app / "manifests" / f"{app}.yaml").read_text()
    templates = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701 - it makes YAML, not HTML
    text = templates.from_string(source).render(VARIABLES[app])
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def environment(app: str) -> dict[str, str]:
    (container,) = manifests(app)["Deployment"]["spec"]["template"]["spec"]["containers"]
    return {item["name"]: item.get("value", "") for item in container["env"]}


@pytest.mark.parametrize("app", VARIABLES)
def test_resources_are_named_after_the_app_and_have_no_namespace(app: str):
    found = manifests(app)

    rights = {"Role", "RoleBinding"} if app == "frontend" else set()
    assert set(found) == {"ServiceAccount", "Service", "Deployment", *rights}
    for resource in found.values():
        assert resource["metadata"]["name"] == app
        assert "namespace" not in resource["metadata"]


@pytest.mark.parametrize(("app", "port", "target"), [("podinfo", 9898, 9898), ("frontend", 80, 8080)])
def test_the_service_reaches_the_named_port_of_the_pods(app: str, port: int, target: int):
    found = manifests(app)
    template = found["Deployment"]["spec"]["template"]
    (service_port,) = found["Service"]["spec"]["ports"]
    (container_port,) = template["spec"]["containers"][0]["ports"]

    assert found["Service"]["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert service_port == {"name": "http", "port": port, "targetPort": "http", "appProtocol": "http"}
    assert container_port == {"name": "http", "containerPort": target}


@pytest.mark.parametrize("app", VARIABLES)
def test_pods_meet_the_restricted_pod_security_standard(app: str):
    pod = manifests(app)["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["serviceAccountName"] == app
    assert pod["automountServiceAccountToken"] is (app == "frontend")
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize("app", VARIABLES)
def test_a_pod_that_ends_has_time_to_finish(app: str, settings: Settings):
    deployment = manifests(app)["Deployment"]["spec"]
    pod = deployment["template"]["spec"]
    before_s = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    longest_s = {
        "podinfo": 3 + 2,  # it waits 3 s of its 5 s before it closes (podinfo 6, pkg/signals/shutdown.go)
        "frontend": Settings.batch_timeout_s + Settings.request_timeout_s + 1,
    }[app]

    assert before_s + longest_s < pod["terminationGracePeriodSeconds"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_frontend_can_be_run_with_its_manifests_environment():
    settings = Settings.from_env({**environment("frontend"), "POD_NAME": "frontend-1"})

    assert settings.cluster == "west"
    assert [upstream.name for upstream in settings.upstreams] == ["podinfo", "podinfo-east"]


def test_the_frontend_may_read_the_three_kinds_of_weights_and_nothing_else():
    found = manifests("frontend")
    rights = {
        f"{group}/{resource}": rule["verbs"]
        for rule in found["Role"]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    kinds = (TRAFFIC_SPLITS, HTTP_ROUTES, VIRTUAL_SERVICES)

    assert rights == {f"{version.partition('/')[0]}/{plural}": ["get", "list"] for version, plural in kinds}
    assert found["RoleBinding"]["subjects"] == [{"kind": "ServiceAccount", "name": "frontend"}]
    assert found["RoleBinding"]["roleRef"]["name"] == found["Role"]["metadata"]["name"]
    assert found["ServiceAccount"]["automountServiceAccountToken"] is False, "only the frontend's own pod has a token"


def test_only_the_stage_of_the_manifest_may_frame_the_page(serve):
    port = Settings.from_env({**environment("frontend"), "POD_NAME": "frontend-1"}).stage_port
    with serve(lambda _: None, stage_port=port) as client:
        policy = client.get("/").headers["content-security-policy"]

    (ancestors,) = [part for part in policy.split("; ") if part.startswith("frame-ancestors")]
    assert ancestors == "frame-ancestors http://localhost:7999 http://127.0.0.1:7999"


def test_the_shared_code_is_a_file_in_every_image(tmp_path: Path):
    """A link inside of the image would lead nowhere."""
    recipe = builders.of(catalog.default()["frontend"])
    assert isinstance(recipe, ImageBuild)
    link = APPS / "frontend" / "frontend" / "counting.py"
    (folder,) = [given for given in recipe.inputs() if given.name == "frontend"]
    assert link in folders.files(folder), "a change of the code gives the image another key"

    built: list[Path] = []
    engine = SimpleNamespace(build=lambda context, **_: built.append(context), image=lambda _: None)
    work = SimpleNamespace(scratch=tmp_path, docker=engine, reference="frontend:1", labels={})
    replace(recipe, base=None, context={}).build(work)
    copied = built[0] / "frontend" / "counting.py"
    assert not copied.is_symlink()
    assert copied.read_bytes() == link.read_bytes()


def test_who_fills_the_context_by_hand_copies_files_and_not_links():
    for file in ("apps/frontend/README.md", ".github/workflows/release.yml"):
        copies = re.findall(r"\bcp -\S+ .*apps/frontend/frontend\b", (PROJECT / file).read_text())
        assert copies, file
        assert all(words.startswith("cp -RL ") for words in copies), file


def test_podinfos_message_tells_the_frontend_its_cluster():
    from frontend.answers import parse_info

    message = environment("podinfo")["PODINFO_UI_MESSAGE"]
    info = parse_info(json.dumps({"hostname": "podinfo-1", "message": message}).encode())

    assert info.cluster == "east"
    assert info.message == 'Greetings: "from" East'


def test_the_list_of_third_party_software_is_what_the_lock_pins():
    lock = (APPS / "frontend" / "requirements.lock").read_text()
    listed = (APPS / "frontend" / "THIRD_PARTY.md").read_text()

    pinned = set(re.findall(r"^([\w-]+)==(\S+)", lock, re.MULTILINE))
    assert set(re.findall(r"^\| ([\w-]+) \| ([\d.]+) \|", listed, re.MULTILINE)) == pinned


def test_every_pinned_package_has_hashes():
    lock = (APPS / "frontend" / "requirements.lock").read_text()

    for block in re.split(r"^(?=[\w-]+==)", lock, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_the_image_runs_as_nobody_in_particular_and_builds_without_a_network():
    lines = (APPS / "frontend" / "Dockerfile").read_text().splitlines()

    assert "USER 10001:10001" in lines
    (run,) = [line for line in lines if line.startswith("RUN")]
    assert "compileall" in run, "the only command is one that needs no network"


def test_the_dockerfile_works_on_a_base_with_python_in_any_folder():
    # Debian's Python is in /usr/bin, the official image's in /usr/local/bin.
    text = (APPS / "frontend" / "Dockerfile").read_text()
    commands = [json.loads(words) for words in re.findall(r"^(?:RUN|ENTRYPOINT) (\[.*\])$", text, re.MULTILINE)]

    assert [command[0] for command in commands] == ["python3.11", "python3.11"]


def test_a_release_is_built_on_the_same_python_image_as_a_lab():
    text = (APPS / "frontend" / "Dockerfile").read_text()
    upstream = catalog.default()["python"].upstream

    assert upstream is not None
    assert f"ARG BASE={upstream.reference}" in text.splitlines()


def test_the_packages_are_chosen_in_the_same_way_everywhere():
    words = "--python-version 3.11 --implementation py --abi none --platform any -r "
    for file in ("apps/frontend/README.md", ".github/workflows/release.yml"):
        assert words in re.sub(r"\\\n\s+", "", (PROJECT / file).read_text()), file
    recipe = builders.of(catalog.default()["frontend-packages"])
    assert isinstance(recipe, PipTarget)
    assert " ".join([*recipe.chosen(), "-r", ""]) == words


def test_every_pinned_package_is_pure_python():
    # The same files are copied into the images for amd64 and arm64: each has a wheel and a source archive, no more.
    lock = (APPS / "frontend" / "requirements.lock").read_text()

    for block in re.split(r"^(?=[\w-]+==)", lock, flags=re.MULTILINE)[1:]:
        assert block.count("--hash=sha256:") == 2, block.splitlines()[0]
