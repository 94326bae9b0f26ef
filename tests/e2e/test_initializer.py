"""`lab initialize` on real clusters: all pairs of choices, the folder without the lab, and `lab up --profile`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_kind import KindCluster

from lab import config
from lab.artifacts.store import ArtifactStore
from lab.base import wait
from lab.base.errors import WaitTimeout
from lab.base.paths import Paths
from lab.base.wait import NotYet
from lab.clusters.kind import config as kind_config
from lab.clusters.kind import engine
from lab.clusters.kind.loading import full_name
from lab.host.machine import Machine
from lab.initialize import images
from lab.initialize.choices import Choices, parse_query
from lab.initialize.model import ApplyStage
from lab.initialize.render import artifacts, render
from lab.initialize.sources import NAME as FOLDERS
from lab.initialize.sources import StoreSources
from lab.initialize.tree import tree, wires
from lab.initialize.verify import Verifier, WireResult
from lab.kube import manifests
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.stacks import STACKS
from lab.tools.docker import Docker
from tests.chromium import chromium
from tests.contract.initialize.combinations import covering
from tests.contract.initialize.conftest import obtained
from tests.e2e.conftest import STAGE_PORT, CommandLine, RunningLab, docker, leftovers, ports
from tests.e2e.wire_cuts import CUTS

__all__ = ["chromium"]

FULL = (
    "?format=1&platform=kind&clusters=east-west&mesh=istio&ingress=istio-gateway&authentication=oauth2-proxy,oidc-provider"
    "&observability=metrics-server,prometheus,otel-collector&delivery=flux&serverless=keda&apps=podinfo,frontend"
)
"""The profile that is installed from package registries alone."""
LINKERD = FULL.replace("mesh=istio&ingress=istio-gateway", "mesh=linkerd&ingress=emissary")
"""The same choices with the other stack; Linkerd's and Emissary's images come from no package registry."""
TEKTON = "?format=1&mesh=istio&ingress=istio-gateway&delivery=tekton&apps=podinfo,frontend"
HOME = {
    "linkerd": "?mesh=linkerd&ingress=emissary&apps=podinfo,frontend",
    "linkerd, observed": "?mesh=linkerd&ingress=emissary&observability=prometheus,otel-collector&apps=podinfo",
    "istio": "?mesh=istio&ingress=istio-gateway&observability=prometheus&apps=podinfo",
}
"""Folders that a person takes home."""
CLUSTERS = ("east", "west")
CRD = "customresourcedefinition.apiextensions.k8s.io"
RED_S = 180
"""Until a check notices that its wire is cut: metrics and pods need a moment."""
Result = Callable[..., str]


@pytest.fixture(scope="module")
def sources() -> StoreSources:
    return StoreSources(Paths.of(FOLDERS))


@pytest.fixture(scope="module")
def unavailable(sources: StoreSources) -> Mapping[str, str]:
    """The YAML that this machine cannot get, with the reasons."""
    return obtained(sources, {name for choices in COMBINATIONS for name in artifacts(choices)})


COMBINATIONS, _ = covering()


def kubectl_of(lab: CommandLine) -> Path:
    spec = config.load(lab.file)
    return ArtifactStore.of(spec, Paths.of(spec.name)).binary("kubectl")


def run_kubectl(program: Path, kubeconfig: Path, context: str, *words: str, document: str | None = None) -> str:
    """Run kubectl against one cluster, and return what it printed; its errors are the test's."""
    argv = [str(program), f"--kubeconfig={kubeconfig}", f"--context={context}", *words]
    done = subprocess.run(argv, input=document, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stderr}"
    return done.stdout


# All pairs of choices, on the API server


@dataclass(frozen=True, kw_only=True)
class Server:
    """East's API server, with the CRDs and namespaces of all options; what it has dry run before is not run again."""

    kubectl: Result
    known: set[str]

    def dry_run(self, objects: Sequence[Obj]) -> None:
        """Let the server validate objects as an apply does, and keep nothing."""
        new = {text: obj for obj in objects if (text := json.dumps(obj, sort_keys=True)) not in self.known}
        if new:
            self._apply(list(new.values()), "--dry-run=server")
            self.known.update(new)

    def create(self, objects: Sequence[Obj]) -> None:
        self._apply(objects)

    def _apply(self, objects: Sequence[Obj], *options: str) -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        words = ("apply", "--server-side", "--force-conflicts", "--field-manager=e2e", *options, "--filename=-")
        self.kubectl(*words, document=text)


@pytest.fixture(scope="module")
def server(lab: RunningLab, sources: StoreSources, unavailable: Mapping[str, str]) -> Iterator[Server]:
    kubectl = partial(run_kubectl, kubectl_of(lab), lab.kubeconfig, "east")
    made = Server(kubectl=kubectl, known=set())
    crds: dict[str, Obj] = {}
    namespaces: dict[str, Obj] = {}
    for choices in COMBINATIONS:
        if not {*artifacts(choices)} & {*unavailable}:
            rendered = tree(choices, sources)
            for path, text in rendered.files.items():
                if path.endswith("/crds.yaml"):
                    crds |= {obj["metadata"]["name"]: obj for obj in _cached(path, text) if _is_crd(obj)}
            for obj in rendered.objects["east"][ApplyStage.NAMESPACES]:
                namespaces[obj["metadata"]["name"]] = {**obj, "metadata": {"name": obj["metadata"]["name"]}}
    there = {*kubectl("get", "customresourcedefinitions,namespaces", "--output=name").split()}
    new = [
        *(
            _unconverted(o)
            for n, o in crds.items()
            if f"customresourcedefinition.apiextensions.k8s.io/{n}" not in there
        ),
        *(obj for name, obj in namespaces.items() if f"namespace/{name}" not in there),
    ]
    try:
        for obj in new:
            made.create([obj])
        kubectl("wait", "--for=condition=Established", "--timeout=120s", "customresourcedefinition", "--all")
        yield made
    finally:
        for obj in new:
            kubectl("delete", obj["kind"], obj["metadata"]["name"], "--ignore-not-found", "--timeout=120s")


_PARSED: dict[str, list[Obj]] = {}


def _cached(path: str, text: str) -> list[Obj]:
    """Return the objects of a file, which most combinations have alike."""
    if text not in _PARSED:
        _PARSED[text] = manifests.parse(text, source=path)
    return _PARSED[text]


def _is_crd(obj: Obj) -> bool:
    return bool(obj["kind"] == "CustomResourceDefinition")


def _unconverted(crd: Obj) -> Obj:
    """Return a CRD whose versions the server converts itself: no controller runs that could."""
    return {**crd, "spec": {**crd["spec"], "conversion": {"strategy": "None"}}}


@pytest.mark.parametrize("choices", COMBINATIONS, ids=lambda one: one.query())
def test_all_pairs_of_choices_pass_a_server_side_dry_run(
    choices: Choices, server: Server, sources: StoreSources, unavailable: Mapping[str, str]
) -> None:
    if missing := [f"{name}: {unavailable[name]}" for name in artifacts(choices) if name in unavailable]:
        pytest.skip(missing[0])
    rendered = tree(choices, sources)
    for cluster in choices.clusters:
        for stage in ApplyStage:
            server.dry_run(rendered.objects[cluster][stage])


def test_the_server_refuses_an_object_that_is_wrong(server: Server) -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": [{"port": 99999}]}}
    with pytest.raises(AssertionError, match="99999"):
        server.dry_run([wrong])


# The folder, without the lab


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """Two kind clusters that the lab did not make, their kubeconfig, and the store with the lab's programs."""

    store: ArtifactStore
    kubeconfig: Path
    nodes: Mapping[str, str]

    @property
    def contexts(self) -> dict[str, str]:
        return {name: f"kind-{node.removesuffix('-control-plane')}" for name, node in self.nodes.items()}

    def load(self, images_: Mapping[str, str], *, inside: Sequence[str]) -> None:
        """Give the nodes images under public names; the value is the name that the engine or the node has."""
        for node in self.nodes.values():
            for public, own in images_.items():
                if own not in inside:
                    self._import(node, own)
                if own != public:
                    docker("exec", node, *_CTR, "tag", full_name(own), full_name(public))

    def _import(self, node: str, image: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "image.tar"
            docker("save", "--output", str(archive), image)
            docker("cp", str(archive), f"{node}:/kind/image.tar")
        docker("exec", node, *_CTR, "import", "/kind/image.tar")
        docker("exec", node, "rm", "/kind/image.tar")


_CTR = ("ctr", "--namespace=k8s.io", "images")


def find_image(store: ArtifactStore, inside: Sequence[str], public: str) -> str | None:
    """Return the name under which nodes or the engine have an image; None if this machine does not have it.

    Args:
        store: the lab's artifacts.
        inside: the images inside the node image.
        public: the image's name in the folder.
    """
    if public in inside or Docker().image(public) is not None:
        return public
    names = {public_name(store, name): name for name in [*(one.name for one in store.catalog), *images.PUBLIC]}
    name = names.get(public, "")
    # Those built from packages need other settings than Istio's own.
    if name not in store.catalog or name.startswith("istio") or not store.is_built(name):
        return None
    own = store.reference(name)
    return own if own in inside or store.problem(name) is None else None


def public_name(store: ArtifactStore, name: str) -> str:
    if name in images.PUBLIC:
        return images.PUBLIC[name]
    artifact = store.catalog[name]
    return (artifact.upstream.image if artifact.upstream else None) or f"{images.LOCAL}{name}:{artifact.version}"


@contextmanager
def two_clusters(store: ArtifactStore, node_image: str, folder: Path) -> Iterator[Fresh]:
    """Create two kind clusters, and delete them at the end."""
    spec = config.parse('name = "home"\n[clusters.east]\ningress_port = 28581\n[clusters.west]\ningress_port = 28580\n')
    image, kubeconfig = store.image(node_image), folder / "kubeconfig"
    kinds_network = "kind" in docker("network", "ls", "--format", "{{.Name}}").split()
    clusters = {
        name: KindCluster(
            f"home-{name}",
            kubeconfig=kubeconfig,
            image=image,
            kind_path=store.binary("kind"),
            kubectl_path=store.binary("kubectl"),
        )
        for name in CLUSTERS
    }
    try:
        for name, cluster in clusters.items():
            file = folder / f"{name}.yaml"
            made = kind_config.build(
                lab_name="none",
                lab_id="0",
                kind_name=cluster.name,
                spec=spec.clusters[name],
                image=image,
                engine=engine.engine(Docker(), image, Machine()),
            )
            file.write_text(yaml.safe_dump(made))
            cluster.create(config_file=file)
        nodes = {name: f"{cluster.name}-control-plane" for name, cluster in clusters.items()}
        yield Fresh(store=store, kubeconfig=kubeconfig, nodes=nodes)
    finally:
        for cluster in clusters.values():
            cluster.delete()
        if not kinds_network:
            docker("network", "rm", "kind")


def commands_of(readme: str) -> list[str]:
    """Return the shell blocks of a README's section about the installation, without the assignments of contexts."""
    section = readme.partition("\n## Install\n")[2].partition("\n## Open\n")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert "CONTEXT_EAST=" in blocks[0]
    return blocks[1:]


@pytest.mark.parametrize("name", HOME)
def test_the_commands_of_a_folders_readme_install_it_on_two_fresh_clusters(
    name: str, sources: StoreSources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = parse_query(HOME[name])
    stack = STACKS[choices.selected["mesh"][0]]
    if reasons := obtained(sources, {*artifacts(choices)}):
        pytest.skip(next(iter(reasons.values())))
    store = ArtifactStore.of(config.parse('name = "home"'), Paths.of("home"))
    programs = ("kubectl", *stack.programs)
    if lacking := [one for one in ("kind", *programs, stack.node_image) if store.problem(one) is not None]:
        pytest.skip(f"not on this machine: {', '.join(lacking)}")
    listed = render(choices, sources).files["IMAGES.txt"].split()
    entry = store.entry(stack.node_image)
    inside = entry.baked if entry is not None else ()
    found = {public: find_image(store, inside, public) for public in listed}
    if lacking := [public for public, own in found.items() if own is None]:
        pytest.skip(f"not on this machine: {', '.join(lacking)}")
    monkeypatch.chdir(tmp_path)  # pytest-kind keeps a folder of its own where it runs
    with two_clusters(store, stack.node_image, tmp_path) as fresh:
        fresh.load({public: own for public, own in found.items() if own is not None}, inside=inside)
        environment = {
            "PATH": os.pathsep.join([*(str(store.binary(one).parent) for one in programs), os.environ["PATH"]]),
            "KUBECONFIG": str(fresh.kubeconfig),
            "KEYS": str(tmp_path / "keys"),
            **{f"CONTEXT_{cluster.upper()}": context for cluster, context in fresh.contexts.items()},
        }
        user = CommandLine(folder=tmp_path / "user", name="home", toml="", env=environment)
        folder = tmp_path / "mine"
        user.run("initialize", str(folder), "--from", HOME[name])
        for block in commands_of((folder / "README.md").read_text()):
            done = subprocess.run(
                ["sh", "-euc", block], cwd=folder, env=user.environment, text=True, capture_output=True, check=False
            )
            assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        contexts = [word for item in fresh.contexts.items() for word in ("--cluster", "=".join(item))]
        print(user.run("initialize", "verify", str(folder), *contexts, "--kubeconfig", str(fresh.kubeconfig)))


# One full profile, and another one


@dataclass(frozen=True, kw_only=True)
class Profiled(RunningLab):
    """A lab with a profile."""

    sources: StoreSources

    def kubectl(self, *words: str, cluster: str = "east") -> str:
        return run_kubectl(kubectl_of(self), self.kubeconfig, cluster, *words)

    def checks(self, query: str, wire: str, **options: Any) -> list[WireResult]:
        """Run the checks of a wire."""
        verifier = Verifier(
            kubectl=kubectl_of(self),
            contexts={name: name for name in CLUSTERS},
            kubeconfig=str(self.kubeconfig),
            **options,
        )
        return list(verifier.verify(parse_query(query), self.sources, only=[wire]))

    def is_green(self, query: str, wire: str) -> None:
        """Check that a wire works, each check within its own time."""
        failed = [f"{one.cluster}: {one.proves}: {one.seen}" for one in self.checks(query, wire) if not one.passed]
        assert failed == []

    def is_red(self, query: str, wire: str, *, clusters: Sequence[str] = ("east",)) -> None:
        """Wait until a check of a wire fails, twice in a row: an API server that is busy is not a cut."""

        def probe() -> bool | NotYet:
            failed = [one for one in self.checks(query, wire, until=once) if one.cluster in clusters and not one.passed]
            return bool(failed) or NotYet("all checks pass")

        wait.until(f"a red check of {wire}", probe, timeout_s=RED_S, interval_s=3, successes=2)


def once(what: str, probe: Callable[[], Any], *, timeout_s: float, interval_s: float) -> Any:
    """Ask once."""
    del interval_s
    answer = probe()
    if isinstance(answer, NotYet):
        raise WaitTimeout(what, after_s=timeout_s, last=answer.seen)
    return answer


def unobtainable(lab: Lab, query: str, sources: StoreSources) -> list[str]:
    """Return the images of a profile that no source of the lab has."""
    listed = {*render(parse_query(query), sources).files["IMAGES.txt"].split()}
    store = lab.artifacts
    lacking = store.unobtainable(STACKS[lab.spec.stack].artifacts(lab))
    found = [lacking.what.splitlines()[0]] if lacking is not None else []
    for name, public in images.PUBLIC.items():
        if public in listed and name not in store.catalog:
            found.append(f"the catalogue has no image {name}")
        elif public in listed and (why := store.unobtainable([name])) is not None:
            found.append(why.what.splitlines()[0])
    return found


@contextmanager
def lab_with(
    request: pytest.FixtureRequest, sources: StoreSources, *queries: str, name: str, offset: int
) -> Iterator[Profiled]:
    """Bring a lab up with the first of these profiles; skip if this machine cannot get what one of them needs."""
    folder = Path(tempfile.gettempdir()) / f"eastwest-lab-{name}-{os.getuid()}"
    (stack,) = parse_query(queries[0]).selected["mesh"]
    toml = f'stack = "{stack}"\n[stage]\nport = {STAGE_PORT + offset}\n{ports(offset)}'
    up = Profiled(folder=folder, name=name, toml=toml, sources=sources)
    for query in queries:
        if reasons := obtained(sources, {*artifacts(parse_query(query))}):
            pytest.skip(next(iter(reasons.values())))
        if missing := unobtainable(Lab.of(config.load(up.file)), query, sources):
            pytest.skip("; ".join(missing))
    print(up.run("up", "--yes", "--profile", queries[0]))
    yield up
    if not request.config.getoption("--keep-lab"):
        up.run("down")
        assert leftovers(name) == []
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def profiled(request: pytest.FixtureRequest, sources: StoreSources) -> Iterator[Profiled]:
    """A lab with the full profile."""
    with lab_with(request, sources, FULL, TEKTON, name="profiled", offset=500) as up:
        yield up


def test_a_second_up_without_options_keeps_the_profile_and_changes_nothing(profiled: Profiled) -> None:
    steps = profiled.json("up")["steps"]
    assert [name for name in steps if "profile-" in name]
    assert {name: one["status"] for name, one in steps.items() if one["status"] != "unchanged"} == {}


def test_the_status_of_a_lab_with_a_profile_is_healthy(profiled: Profiled) -> None:
    assert profiled.json("status")["problems"] == []


WIRES = [wire.id for wire in wires(parse_query(FULL))]


@pytest.mark.parametrize("wire", WIRES)
def test_each_wire_is_green(wire: str, profiled: Profiled) -> None:
    profiled.is_green(FULL, wire)


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire != "trust"])
def test_each_wire_is_red_when_it_is_cut_and_green_when_it_is_restored(wire: str, profiled: Profiled) -> None:
    profiled.is_green(FULL, wire)
    CUTS[wire].cut(profiled.kubectl)
    try:
        profiled.is_red(FULL, wire)
    finally:
        CUTS[wire].restore(profiled.kubectl)
        profiled.run("up", "--yes")
    profiled.is_green(FULL, wire)


def test_a_browser_logs_in_and_reaches_the_dashboard(profiled: Profiled, chromium: Any) -> None:
    place = ("--namespace=auth", "get", "secret", "oidc-provider", "--output=json")
    users = json.loads(profiled.kubectl(*place))["data"]["users"]
    name, _, password = _decoded(users).strip().partition(":")
    port = config.load(profiled.file).clusters["east"].ingress_port
    page = chromium.new_context().new_page()
    answer = page.goto(f"http://localhost:{port}/prometheus/-/healthy")
    assert answer.status == 403
    assert "Prometheus" not in page.content()
    page.get_by_role("button", name=re.compile("sign in", re.IGNORECASE)).click()
    page.get_by_label("Email").fill(name)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").wait_for()
    page.get_by_label("Email").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(re.compile("/prometheus/-/healthy"))
    assert "Prometheus Server is Healthy" in page.content()


def _decoded(text: str) -> str:
    from base64 import b64decode

    return b64decode(text).decode()


def test_the_logs_of_lab_up_have_no_secret_of_the_profile(profiled: Profiled) -> None:
    state = profiled.folder / "state" / profiled.name
    kept = json.loads((state / "profile-keys.json").read_text())
    logs = "".join(file.read_text() for file in (state / "logs").glob("*.log"))
    assert logs
    assert not [name for name in ("client-secret", "cookie-secret", "password") if kept[name] in logs]


def test_another_profile_replaces_the_extras(profiled: Profiled) -> None:
    profiled.run("up", "--yes", "--profile", TEKTON)
    names = {*profiled.kubectl("get", "namespaces", "--output=name").split()}
    assert names.isdisjoint({f"namespace/{name}" for name in ("auth", "observability", "flux-system", "keda")})
    assert "keda" not in profiled.kubectl("get", "customresourcedefinitions", "--output=name")
    assert profiled.json("status")["problems"] == []
    profiled.is_green(TEKTON, "tasks")
    CUTS["tasks"].cut(profiled.kubectl)
    profiled.is_red(TEKTON, "tasks")
    profiled.run("up", "--yes")
    profiled.is_green(TEKTON, "tasks")


def test_another_anchor_in_east_is_seen(profiled: Profiled, tmp_path: Path) -> None:
    """The last wire: its cut replaces the identity of everything in East."""
    profiled.is_green(TEKTON, "trust")
    key, crt = tmp_path / "key", tmp_path / "crt"
    subject = ["-subj", "/O=another", "-addext", "basicConstraints=critical,CA:TRUE"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    openssl = ["openssl", "req", "-x509", *curve, "-keyout", str(key), "-out", str(crt), *subject]
    subprocess.run(openssl, check=True, capture_output=True)
    files = {"ca-cert.pem": crt, "ca-key.pem": key, "root-cert.pem": crt, "cert-chain.pem": crt}
    data = {name: file.read_text() for name, file in files.items()}
    patch = tmp_path / "patch.json"
    patch.write_text(json.dumps({"stringData": data}))
    system = ("--namespace=istio-system",)
    restart = (*system, "rollout", "restart", "deployment/istiod")
    profiled.kubectl(*system, "patch", "secret", "cacerts", "--type=merge", f"--patch-file={patch}")
    profiled.kubectl(*restart)
    try:
        profiled.is_red(TEKTON, "trust", clusters=CLUSTERS)  # the second one has another answer than the first
    finally:
        # `lab up` writes the lab's own issuer again; then istiod, and what it has signed meanwhile, starts anew.
        with_errors = profiled.run("up", "--yes", exit_code=None)
        profiled.kubectl(*restart)
        for namespace in ("istio-ingress", "istio-system", "test"):
            profiled.kubectl(f"--namespace={namespace}", "rollout", "restart", "deployment")
        print(with_errors)
    profiled.is_green(TEKTON, "trust")
    profiled.run("up", "--yes")
    assert profiled.json("status")["problems"] == []


def test_without_a_profile_the_lab_is_as_before(profiled: Profiled) -> None:
    profiled.run("up", "--yes", "--profile", "none")
    inventories = profiled.kubectl("--namespace=eastwest-lab", "get", "configmaps", "--output=name")
    assert "profile-" not in inventories
    assert profiled.json("status")["healthy"]
    steps = profiled.json("up")["steps"]
    assert not [name for name in steps if "profile-" in name]


def test_another_mesh_is_refused_and_nothing_is_changed(profiled: Profiled) -> None:
    output = profiled.run("up", "--yes", "--profile", "?mesh=linkerd&ingress=emissary", exit_code=2)
    assert "nothing was changed" in output or "lab.toml or --stack says istio" in output
    assert profiled.json("status")["healthy"]


def test_the_full_profile_on_linkerd_is_green_and_can_be_removed(
    request: pytest.FixtureRequest, sources: StoreSources
) -> None:
    with lab_with(request, sources, LINKERD, name="linkerd-profiled", offset=600) as up:
        assert up.json("status")["problems"] == []
        for wire in wires(parse_query(LINKERD)):
            up.is_green(LINKERD, wire.id)
        up.run("up", "--yes", "--profile", "none")
        assert up.json("status")["healthy"]
        assert {name for name in up.json("up")["steps"] if "profile-" in name} == set()
