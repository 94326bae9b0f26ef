"""A part of the Internet on one machine: registries and release servers under their real names, with TLS.

They serve what this machine has: upstream's own images of Linkerd and Emissary, and the lab's builds of the rest, Istio
included, under upstream's names. So the package that is tested has no digests in its catalogue, as for new artifacts:
the lab takes checksum files, and records the rest at their first use.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab import config
from lab.artifacts.catalog import Artifact
from lab.artifacts.platforms import here
from lab.artifacts.store import ArtifactStore
from lab.base import wait
from lab.base.paths import PROJECT
from lab.base.wait import NotYet
from lab.lab import Lab
from tests.e2e.conftest import CommandLine
from tests.e2e.machines import Machine

REGISTRIES = ("docker.io", "registry-1.docker.io", "ghcr.io", "cr.l5d.io", "registry.k8s.io")
RELEASES = ("github.com", "dl.k8s.io", "get.helm.sh", "pypi.org")
_REGISTRY_IP, _RELEASES_IP = "127.0.0.2", "127.0.0.3"
_IS_REDUCED = 'if lab.artifacts.is_built("istio-proxy"):\n'
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_HERE = Path(__file__).parent
_SERVER = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {data}}}}}
http:
  addr: {address}
{tls}
"""
_TLS = "  tls: {{certificate: {folder}/server.pem, key: {folder}/server.key}}"


@dataclass(frozen=True, kw_only=True)
class Internet:
    """What upstream publishes, in a folder, with a certificate authority of its own."""

    folder: Path
    registry_program: str

    @property
    def etc(self) -> Mapping[str, str]:
        """The files of a machine that knows these servers and trusts them."""
        names = {_REGISTRY_IP: REGISTRIES, _RELEASES_IP: RELEASES, "127.0.0.1": ("localhost",)}
        hosts = "".join(f"{address} {' '.join(known)}\n" for address, known in names.items())
        trusted = Path(_CERTIFICATES).read_text(encoding="utf-8")
        return {"/etc/hosts": hosts, _CERTIFICATES: trusted + (self.folder / "authority.pem").read_text()}

    @property
    def user_env(self) -> Mapping[str, str]:
        """The variables with which a user's Python trusts them."""
        return {"REQUESTS_CA_BUNDLE": _CERTIFICATES, "PIP_CERT": _CERTIFICATES}

    @property
    def size_bytes(self) -> int:
        """The size of all that can be pulled and downloaded, in bytes."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    @contextmanager
    def serving(self, machine: Machine) -> Iterator[None]:
        """Serve on a machine's loopback while the block runs."""
        settings = self.folder / "public.yml"
        tls = _TLS.format(folder=self.folder)
        settings.write_text(_SERVER.format(data=self.folder / "registry", address=f"{_REGISTRY_IP}:443", tls=tls))
        servers = [
            machine.inside(self.registry_program, "serve", settings),
            machine.inside(sys.executable, "-S", _HERE / "releases.py", _RELEASES_IP, self.folder),
        ]
        with (self.folder / "servers.log").open("ab") as log:
            running = [subprocess.Popen(argv, stdout=log, stderr=log) for argv in servers]
        try:
            for name in (REGISTRIES[1], RELEASES[0]):
                wait.until(f"{name} on the machine", lambda n=name: self._is_served(machine, n), timeout_s=20)  # type: ignore[misc]
            yield
        finally:
            for server in running:
                server.terminate()
                server.wait(10)

    @contextmanager
    def without(self, reference: str) -> Iterator[None]:
        """Take an image's tag away from its registry while the block runs."""
        repository, _, tag = reference.partition("/")[2].rpartition(":")
        place = self.folder / "registry/docker/registry/v2/repositories" / repository / "_manifests/tags" / tag
        taken = place.rename(self.folder / "taken")
        try:
            yield
        finally:
            taken.rename(place)

    def _is_served(self, machine: Machine, name: str) -> bool | NotYet:
        argv = machine.inside("curl", "--silent", "--output", "/dev/null", f"https://{name}/v2/")
        done = subprocess.run(argv, text=True, capture_output=True, check=False)
        return done.returncode == 0 or NotYet(f"curl: {done.returncode}")


def publish(folder: Path, *, stack: str, registry_program: str) -> Internet:
    """Publish what this machine has of a stack's artifacts, and skip the test if it lacks one.

    Args:
        folder: a folder that does not exist yet.
        stack: the stack.
        registry_program: path of docker-registry.
    """
    folder.mkdir()
    here = CommandLine(
        folder=folder / "here", name="published", toml=f'stack = "{stack}"\n[artifacts]\nsource = "packages"\n'
    )
    here.run("artifacts", "build", exit_code=None)
    internet = Internet(folder=folder, registry_program=registry_program)
    _certificates(folder)
    lab = Lab.of(config.load(here.file))
    store = lab.artifacts
    wanted = [store.catalog[name] for name in store.keys.closure(_artifacts(lab, stack))]
    published = [artifact for artifact in wanted if artifact.upstream is not None]
    if absent := [artifact.name for artifact in published if store.entry(artifact.name) is None]:
        pytest.skip(f"this machine does not have {', '.join(absent)}")
    for artifact in published:
        if artifact.upstream is not None and artifact.upstream.url is not None:
            _release(folder / "releases", store, artifact)
    with _local_registry(folder, registry_program) as host:
        for artifact in published:
            assert artifact.upstream is not None
            if artifact.upstream.reference is not None:
                _push(store, artifact, host)
            elif artifact.upstream.registry is not None:
                _push_chart(store, artifact, host)
    _wheels(folder)
    return internet


def project_for_builds_of_this_machine(folder: Path) -> Path:
    """Return a copy of the project that works with this machine's builds under upstream's names.

    Its catalogue has no digests. Its Istio has the reduced values: the published proxy has an unmodified Envoy, too.
    """
    copy = folder / "project"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        text=True,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (PROJECT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, copy / name)
    catalog = copy / "lab/artifacts/catalog.toml"
    text = re.sub(r"@sha256:[0-9a-f]{64}", "", catalog.read_text(encoding="utf-8"))
    text = re.sub(r"^sha256 = \{.*\}\n", "", text, flags=re.MULTILINE)
    catalog.write_text(re.sub(r"^\[\S+\.upstream\.sha256\]\n(\S+ = \"[0-9a-f]{64}\"\n)+", "", text, flags=re.MULTILINE))
    assert "sha256:" not in catalog.read_text(encoding="utf-8")
    istio = copy / "lab/stacks/istio/control_plane.py"
    before, condition, after = istio.read_text(encoding="utf-8").partition(_IS_REDUCED)
    assert condition
    istio.write_text(f"{before}if True:\n{after}", encoding="utf-8")
    return copy


def _artifacts(lab: Lab, stack: str) -> tuple[str, ...]:
    from lab.stacks import STACKS

    return (*STACKS[stack].artifacts(lab), *STACKS[stack].images(lab))


def _release(folder: Path, store: ArtifactStore, artifact: Artifact) -> None:
    """Publish a file of a release, packed as upstream packs it, with its checksum file."""
    assert artifact.upstream is not None
    download = artifact.upstream.download(artifact.version_from(upstream=True), here())
    target = folder / download.url.removeprefix("https://")
    target.parent.mkdir(parents=True, exist_ok=True)
    source = store.file(artifact.name, download.as_file)
    if download.member is None:
        shutil.copyfile(source, target)
    else:
        with tarfile.open(target, "w:gz", compresslevel=1) as tar:
            tar.add(source, download.member)
    if download.checksum_url is not None:
        digest = hashlib.sha256(target.read_bytes()).hexdigest()
        (folder / download.checksum_url.removeprefix("https://")).write_text(f"{digest}  {target.name}\n")


def _push(store: ArtifactStore, artifact: Artifact, host: str) -> None:
    assert artifact.upstream is not None
    name = f"{host}/{(artifact.upstream.reference or '').partition('/')[2]}"
    _run("docker", "tag", store.image(artifact.name), name)
    try:
        _run("docker", "push", "--quiet", name)
    finally:
        _run("docker", "rmi", name)


def _push_chart(store: ArtifactStore, artifact: Artifact, host: str) -> None:
    assert artifact.upstream is not None
    folder = store.folder(artifact.name) / "chart"
    helm = str(store.binary("helm"))
    packed = _run(helm, "package", str(folder), "--destination", str(store.paths.state)).split()[-1]
    path = (artifact.upstream.registry or "").partition("/")[2]
    try:
        _run(helm, "push", packed, f"oci://{host}/{path}", "--plain-http")
    finally:
        Path(packed).unlink()


@contextmanager
def _local_registry(folder: Path, program: str) -> Iterator[str]:
    """Serve the registry on a port of this machine's loopback while the block runs, so that its engine can push."""
    from tests.contract.artifacts.conftest import free_port

    host = f"127.0.0.1:{free_port()}"
    settings = folder / "local.yml"
    settings.write_text(_SERVER.format(data=folder / "registry", address=host, tls=""))
    with (folder / "push.log").open("wb") as log:
        server = subprocess.Popen([program, "serve", str(settings)], stdout=log, stderr=log)
    try:
        yield host
    finally:
        server.terminate()
        server.wait(10)


def _wheels(folder: Path) -> None:
    """Publish the frontend's packages in an index (PEP 503: a folder for each package, with links to its files)."""
    lock = PROJECT / "apps/frontend/requirements.lock"
    words = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    chosen = ["--python-version", "3.11", "--implementation", "py", "--abi", "none", "--platform", "any"]
    _run(sys.executable, "-m", "pip", "download", *words, *chosen, "--dest", str(folder / "wheels"), "-r", str(lock))
    # The doctor asks each index for pip.
    _run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder / "wheels"), "pip")
    for wheel in (folder / "wheels").iterdir():
        name = wheel.name.partition("-")[0].replace("_", "-").lower()
        target = folder / "releases/pypi.org/simple" / name / wheel.name
        target.parent.mkdir(parents=True, exist_ok=True)
        wheel.rename(target)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stdout}{done.stderr}"
    return done.stdout


def _certificates(folder: Path) -> None:
    """Write an authority, and a server's certificate for all names."""
    now = datetime.now(UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the tests' authority")])

    def certificate(number: int, subject: str, extension: x509.ExtensionType) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(issuer)
            .public_key(keys[number].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(extension, critical=number == 0)
        )
        return builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in (*REGISTRIES, *RELEASES)])
    authority = x509.BasicConstraints(ca=True, path_length=0)
    (folder / "authority.pem").write_bytes(certificate(0, "the tests' authority", authority))
    (folder / "server.pem").write_bytes(certificate(1, "upstream", names))
    (folder / "server.key").write_bytes(
        keys[1].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
