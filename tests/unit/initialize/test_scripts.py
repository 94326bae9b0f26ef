"""apply.sh and create-secrets.sh run in a real shell, with programs that only note how they are called."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.components.rendering import Rendering
from lab.initialize import apply, secrets
from lab.initialize.choices import Choices, of
from lab.initialize.model import ApplyStage
from lab.initialize.readme import readme
from lab.initialize.tree import Tree, cluster_choices
from lab.kube.objects import Obj
from tests.unit.initialize.kit import shell

ANCHOR = "echo new >> anchors; echo certificate > anchor.crt; echo key > anchor.key"


class FewSources:
    """Stands for the real YAML: a component with a key, and a link."""

    public_images: Sequence[str] = ()
    anchor_command = ANCHOR

    def component(self, stack: str, name: str, cluster: str) -> Rendering:
        secret: Obj = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "cacerts", "namespace": "istio-system"},
            "data": {"key": "x"},
        }
        place = f"kubectl --context={cluster} --namespace=istio-system"
        commands = [f"echo -CA anchor.crt > issuer-{cluster}", f"{place} create secret generic cacerts --from-file=x"]
        return Rendering(objects=[secret], before=commands, after=[f"{place} patch webhook hook --type=json"])

    def links(self, stack: str, cluster: str) -> Sequence[Rendering]:
        secret: Obj = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"link-of-{cluster}", "namespace": "istio-system"},
            "data": {"key": "x"},
        }
        return [Rendering(objects=[secret], before=[f"istioctl create-remote-secret --context={cluster}"])]

    def image(self, artifact: str) -> str:
        return artifact


CHOICES = of(
    {"authentication": "oauth2-proxy,oidc-provider", "observability": "prometheus", "apps": "podinfo"}, source="a test"
)
DEPLOYMENT: Obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"}}
GATEWAY: Obj = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "g", "namespace": "b"},
}


def scripts(folder: Path, choices: Choices = CHOICES) -> Path:
    """Write the two scripts, for a tree of few files."""
    objects = {
        name: {
            **{stage: [] for stage in ApplyStage},
            ApplyStage.OPERATORS: [DEPLOYMENT],
            ApplyStage.OBJECTS: [GATEWAY],
        }
        for name in choices.clusters
    }
    paths = [f"clusters/{name}/{stage.value}/kustomization.yaml" for name in choices.clusters for stage in ApplyStage]
    made = Tree(files=dict.fromkeys(paths, ""), objects=objects)
    by_cluster = cluster_choices(choices, FewSources())  # type: ignore[arg-type]
    steps = apply.steps(choices, made, by_cluster)
    out = folder / "out"
    out.mkdir()
    (out / "apply.sh").write_text(apply.script(choices, steps))
    (out / "create-secrets.sh").write_text(secrets.script(choices, by_cluster, ANCHOR))
    (out / "README.md").write_text(readme(choices, by_cluster, steps, programs=["`istioctl`"]))
    return out


CONTEXTS = {"CONTEXT_EAST": "kind-east", "CONTEXT_WEST": "kind-west"}


def test_apply_takes_the_stages_in_order_in_both_clusters(tmp_path: Path) -> None:
    out, made = scripts(tmp_path), shell(tmp_path)
    done = made.run(out / "apply.sh", "kind-east", "kind-west")
    assert done.returncode == 0, done.stderr
    applied = [re.findall(r"clusters/(\w+)/(\S+)", line)[0] for line in made.calls if "--kustomize" in line]
    assert applied == [(name, stage.value) for stage in ApplyStage for name in ("east", "west")]
    text = "\n".join(made.calls)
    assert text.index("1-crds") < text.index("condition=Established") < text.index("2-namespaces")
    assert text.index("2-namespaces") < text.index("create secret generic cacerts") < text.index("3-operators")
    assert text.index("3-operators") < text.index("rollout status") < text.index("4-objects")
    assert text.index("condition=Programmed") < text.index("create-remote-secret") < text.index("5-wiring")
    assert text.index("wait --for=create --timeout=300s webhook/hook") < text.index("patch webhook hook")


@pytest.mark.parametrize("east", ["kind-east", "arn:aws:eks:eu-1:1:cluster/east", "it's my $context", "a`b\\\\n c"])
def test_apply_ends_with_the_command_that_checks_the_folder(tmp_path: Path, east: str) -> None:
    place = tmp_path / "it's mine"
    place.mkdir()
    out, made = scripts(place), shell(tmp_path)
    done = made.run(out / "apply.sh", east, "kind-west")
    assert done.returncode == 0, done.stderr
    command = done.stdout.splitlines()[-1]
    # What a person's shell makes of the line.
    words = subprocess.run(
        ["sh", "-c", f"set -- {command}; printf '%s\\n' \"$@\""], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    contexts = ["--cluster", f"east={east}", "--cluster", "west=kind-west"]
    assert words == ["lab", "initialize", "verify", str(out), *contexts]


def test_the_readme_s_command_checks_the_contexts_of_its_variables(tmp_path: Path) -> None:
    text = (scripts(tmp_path) / "README.md").read_text()
    (command,) = [line for line in text.splitlines() if line.startswith("lab initialize verify")]
    done = subprocess.run(
        ["sh", "-c", f"lab() {{ printf '%s\\n' \"$@\"; }}\n{command}"],
        env=CONTEXTS,
        capture_output=True,
        text=True,
        check=True,
    )
    contexts = ["--cluster", "east=kind-east", "--cluster", "west=kind-west"]
    assert done.stdout.splitlines() == ["initialize", "verify", ".", *contexts]


def test_apply_stops_at_the_first_error(tmp_path: Path) -> None:
    out, made = scripts(tmp_path), shell(tmp_path, answers="*2-namespaces*) exit 1 ;;")
    assert made.run(out / "apply.sh", "kind-east", "kind-west").returncode == 1
    assert "3-operators" not in "\n".join(made.calls)


@pytest.mark.parametrize("words", [(), ("kind-east",), ("a", "b", "c")])
def test_apply_without_its_contexts_does_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    out, made = scripts(tmp_path), shell(tmp_path)
    done = made.run(out / "apply.sh", *words)
    assert (done.returncode, made.calls) == (2, [])
    assert "usage: sh apply.sh CONTEXT_EAST CONTEXT_WEST" in done.stderr


def test_the_keys_of_apply_are_deleted_at_the_end(tmp_path: Path) -> None:
    out, made = scripts(tmp_path), shell(tmp_path)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    assert made.run(out / "apply.sh", "a", "b", TMPDIR=str(temporary)).returncode == 0
    assert list(temporary.iterdir()) == []
    assert {path.name for path in out.iterdir()} == {"apply.sh", "create-secrets.sh", "README.md"}


def test_one_anchor_for_both_clusters_in_the_named_folder(tmp_path: Path) -> None:
    out, made = scripts(tmp_path), shell(tmp_path)
    done = made.run(out / "create-secrets.sh", "keys", KEYS=str(tmp_path / "keys"), **CONTEXTS)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "keys" / "anchors").read_text() == "new\n"
    assert {"issuer-east", "issuer-west"} <= {path.name for path in (tmp_path / "keys").iterdir()}
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0


def test_no_secret_is_an_argument_and_each_is_random(tmp_path: Path) -> None:
    assert shutil.which("openssl"), "create-secrets.sh needs OpenSSL"
    out, made = scripts(tmp_path), shell(tmp_path)
    done = made.run(out / "create-secrets.sh", "keys", KEYS=str(tmp_path / "keys"), **CONTEXTS)
    (east, west) = re.findall(r"with the password (\w{16})$", done.stderr, re.MULTILINE)
    assert east != west
    arguments = [line for line in made.calls if line.startswith("argv: ")]
    inputs = [line for line in made.calls if line.startswith("stdin: ")]
    values = re.findall(r"(?:secret|users|id): ([A-Za-z0-9+/=]{8,})$", "\n".join(inputs), re.MULTILINE)
    assert len(values) == 10
    assert not any(value in line for value in [*values, east, west] for line in arguments)
    assert not any(file.read_text().count(east) for file in tmp_path.rglob("*") if file.is_file())


def test_secrets_that_exist_are_left_alone(tmp_path: Path) -> None:
    out, made = scripts(tmp_path), shell(tmp_path, exists=True)
    for phase in ("keys", "links"):
        assert made.run(out / "create-secrets.sh", phase, KEYS=str(tmp_path / "keys"), **CONTEXTS).returncode == 0
    assert all(" get secret " in line for line in made.calls)


def test_a_second_anchor_is_refused(tmp_path: Path) -> None:
    out = scripts(tmp_path)
    made = shell(tmp_path, answers='*kind-east*"get secret cacerts"*) exit 0 ;;')
    done = made.run(out / "create-secrets.sh", "keys", KEYS=str(tmp_path / "keys"), **CONTEXTS)
    assert done.returncode == 1
    assert "east has keys of another trust anchor" in done.stderr
    assert not (tmp_path / "keys" / "anchor.crt").exists()


@pytest.mark.parametrize(
    ("words", "env", "code"),
    [(("else",), {"KEYS": "keys", **CONTEXTS}, 2), ((), {"KEYS": "keys", **CONTEXTS}, 2), (("keys",), CONTEXTS, 2)],
)
def test_secrets_without_what_they_need(tmp_path: Path, words: tuple[str, ...], env: dict[str, str], code: int) -> None:
    out, made = scripts(tmp_path), shell(tmp_path)
    given = {name: str(tmp_path / value) if name == "KEYS" else value for name, value in env.items()}
    assert made.run(out / "create-secrets.sh", *words, **given).returncode in {code, 1}
    assert made.calls == []


def test_the_readme_shows_the_commands_of_apply(tmp_path: Path) -> None:
    out = scripts(tmp_path)
    text, script = (out / "README.md").read_text(), (out / "apply.sh").read_text()
    shown = [
        line for block in re.findall(r"\n\d+\. .*?```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]
    assert shown
    assert all(line in script.splitlines() for line in shown)
    assert "demo@example.test" not in text
