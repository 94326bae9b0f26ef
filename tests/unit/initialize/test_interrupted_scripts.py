"""apply.sh and create-secrets.sh after a run that failed or was killed, and with words that they must refuse."""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lab.components.rendering import Rendering
from lab.initialize.choices import of
from lab.initialize.options import upstream
from lab.initialize.options.components import INSTALLED, _commands
from lab.initialize.tree import cluster_choices
from lab.initialize.wires import WIRES
from tests.unit.initialize.kit import Shell, shell
from tests.unit.initialize.test_scripts import CONTEXTS, FewSources, scripts

WORDS = ("kind-east", "it's west")
EAST_HAS_KEYS = '*kind-east*"get secret cacerts"*) exit 0 ;;'
SHELLS = [name for name in ("sh", "dash", "bash") if shutil.which(name)]


@pytest.fixture(params=SHELLS)
def sh(request: pytest.FixtureRequest) -> str:
    """A shell that a machine may have as sh."""
    return str(request.param)


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    made = tmp_path / "temporary files"
    made.mkdir()
    return made


@pytest.fixture
def out(tmp_path: Path) -> Path:
    place = tmp_path / "it's mine"
    place.mkdir()
    return scripts(place)


def later(tmp_path: Path, sh: str, *, answers: str = EAST_HAS_KEYS) -> Shell:
    """Return programs of a second run: East's keys exist."""
    return shell(tmp_path / "later", answers=answers, sh=sh)


def command(errors: str) -> str:
    """Return the command that a failed run prints."""
    (line,) = [line for line in errors.splitlines() if line.startswith("  ")]
    return line


@pytest.mark.parametrize(
    ("killed", "code"),
    [
        ("*west*create*cacerts*) exit 1 ;;", 1),
        ("*west*create*cacerts*) kill -KILL $PPID ;;", 137),
        ("*3-operators*) kill -INT $PPID; exit 1 ;;", 130),
        ("*3-operators*) kill -TERM $PPID; exit 1 ;;", 143),
    ],
)
def test_a_run_that_fails_prints_the_command_that_continues(
    out: Path, temporary: Path, sh: str, killed: str, code: int
) -> None:
    tmp_path = temporary.parent
    done = shell(tmp_path, answers=killed, sh=sh).run(out / "apply.sh", *WORDS, TMPDIR=str(temporary))
    assert done.returncode == code, done.stderr
    (keys,) = temporary.iterdir()
    assert keys.stat().st_mode & 0o777 == 0o700
    assert (keys / "anchor.key").exists()
    programs = later(tmp_path, sh, answers=f'{EAST_HAS_KEYS}\n*5-wiring*) cat "{keys}/anchors" >&2 ;;')
    done = programs.typed(command(done.stderr))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("new\n") == 2, "the anchor of the first run, once for each cluster"
    assert [line for line in programs.calls if "create secret generic cacerts" in line and "it's west" in line]
    assert [*temporary.iterdir()] == []


def test_a_run_after_one_that_was_killed_finds_its_keys(tmp_path: Path, out: Path, temporary: Path, sh: str) -> None:
    killed = shell(tmp_path, answers="*3-operators*) kill -KILL $PPID ;;", sh=sh)
    assert killed.run(out / "apply.sh", *WORDS, TMPDIR=str(temporary)).returncode == -9
    (keys,) = temporary.iterdir()
    done = later(tmp_path, sh).run(out / "apply.sh", *WORDS, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert f"continuing with the keys of a run that did not finish: {keys}" in done.stdout
    assert [*temporary.iterdir()] == []


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_keys_of_another_run_are_not_taken(tmp_path: Path, out: Path, temporary: Path, mode: int) -> None:
    killed = shell(tmp_path, answers="*3-operators*) kill -KILL $PPID ;;")
    killed.run(out / "apply.sh", *WORDS, TMPDIR=str(temporary))
    (keys,) = temporary.iterdir()
    keys.chmod(mode)
    other = WORDS if mode == 0o755 else ("kind-east", "kind-other")
    done = shell(tmp_path / "later").run(out / "apply.sh", *other, TMPDIR=str(temporary))
    assert (done.returncode, "continuing" in done.stdout) == (0, False)
    assert [*temporary.iterdir()] == [keys]


def test_a_run_whose_keys_are_lost_says_what_to_delete(tmp_path: Path, out: Path, temporary: Path, sh: str) -> None:
    programs = later(tmp_path, sh)
    done = programs.run(out / "apply.sh", *WORDS, TMPDIR=str(temporary))
    assert done.returncode == 1
    assert "east has keys of another trust anchor: secret cacerts" in done.stderr
    assert "  kubectl --context=kind-east --namespace=istio-system delete secret cacerts\n" in done.stderr
    assert [*temporary.iterdir()] == [], "there was nothing to keep"


def test_a_run_that_fails_before_the_keys_leaves_nothing(tmp_path: Path, out: Path, temporary: Path, sh: str) -> None:
    programs = shell(tmp_path, answers="*1-crds*) exit 1 ;;", sh=sh)
    done = programs.run(out / "apply.sh", *WORDS, TMPDIR=str(temporary))
    assert done.returncode == 1
    assert "KEYS" not in command(done.stderr)
    assert [*temporary.iterdir()] == []
    assert later(tmp_path, sh, answers="").typed(command(done.stderr), TMPDIR=str(temporary)).returncode == 0


def test_the_command_that_continues_has_the_variables_of_the_run(tmp_path: Path, out: Path, sh: str) -> None:
    programs = shell(tmp_path, answers="*1-crds*) exit 1 ;;", sh=sh)
    done = programs.run(out / "apply.sh", *WORDS, cwd=tmp_path, KEYS="my keys", KUBECONFIG="config")
    assert f"  KUBECONFIG={tmp_path}/config KEYS='{tmp_path}/my keys' sh " in done.stderr
    assert not (tmp_path / "my keys").exists()


def test_a_named_folder_stays(tmp_path: Path, out: Path, sh: str) -> None:
    keys = tmp_path / "keys"
    done = shell(tmp_path, sh=sh).run(out / "apply.sh", *WORDS, KEYS=str(keys))
    assert done.returncode == 0, done.stderr
    assert (keys / "anchor.key").exists()


# Secrets one by one


@pytest.mark.parametrize(("there", "missing"), [("oauth2-proxy", "oidc-provider"), ("oidc-provider", "oauth2-proxy")])
def test_the_secret_that_a_killed_script_left_out_is_created(
    tmp_path: Path, out: Path, sh: str, there: str, missing: str
) -> None:
    secret = b64encode(b"the client's secret").decode()
    answers = f'*"get secret {there} --ignore-not-found"*) echo {secret} ;;\n*"get secret {missing}"*) exit 1 ;;'
    programs = shell(tmp_path, exists=True, answers=answers, sh=sh)
    done = programs.run(out / "create-secrets.sh", "keys", KEYS=str(tmp_path / "keys"), **CONTEXTS)
    assert done.returncode == 0, done.stderr
    inputs = [line for line in programs.calls if line.startswith("stdin: ")]
    assert [line.split()[-1] for line in inputs if line.startswith("stdin:   name: ")] == [missing] * 2
    assert [line.split()[-1] for line in inputs if line.startswith("stdin:   client-secret: ")] == [secret] * 2


def test_each_object_of_a_component_has_its_own_test() -> None:
    place = "kubectl --context=east --namespace=linkerd"
    rendering = FewSources().component("", "", "east")
    commands = [
        "openssl -CA anchor.crt",
        f"{place} create secret generic linkerd-identity-issuer --from-file=x",
        f"{place} create configmap linkerd-identity-trust-roots --from-file=anchor.crt",
        "openssl webhook",
        f"{place} create secret tls linkerd-proxy-injector-k8s-tls --cert=x",
    ]
    made = [*_commands(type(rendering)(objects=rendering.objects, before=commands), title="linkerd")]
    assert [one.exists.partition(" get ")[2] for one in made] == [
        "secret linkerd-identity-issuer",
        "configmap linkerd-identity-trust-roots",
        "secret linkerd-proxy-injector-k8s-tls",
    ]
    assert [len(one.commands) for one in made] == [2, 1, 2]
    with pytest.raises(ValueError, match="create nothing"):
        [*_commands(type(rendering)(objects=rendering.objects, before=["openssl"]), title="linkerd")]


def test_upstreams_program_runs_again_unless_it_has_installed_everything() -> None:
    choices = of({"mesh": "linkerd"}, source="a test")

    class Sources(FewSources):
        def values(self, chart: str, cluster: str) -> dict[str, str]:
            return {}

    choice = cluster_choices(choices, Sources())["east"]  # type: ignore[arg-type]
    for lines in ([*upstream.linkerd(choice)], [*upstream.linkerd_viz(choice)]):
        block = lines[: lines.index("fi")]
        assert f"get configmap {INSTALLED}" in block[0]
        assert block[-1].endswith(f"create configmap {INSTALLED}")
        assert block[0].partition("--namespace=")[2].split()[0] == block[-1].partition("--namespace=")[2].split()[0]


def test_a_link_of_several_objects_is_always_applied() -> None:
    class Sources(FewSources):
        def links(self, stack: str, cluster: str) -> Sequence[Rendering]:
            (one,) = super().links(stack, cluster)
            more = [{**one.objects[0], "metadata": {"name": "link", "namespace": "linkerd"}}]
            return [replace(one, objects=[*one.objects, *more])]

    (wire,) = [wire for wire in WIRES if wire.id == "links"]
    for sources, exists in ((FewSources(), True), (Sources(), False)):
        choice = cluster_choices(of({}, source="a test"), sources)["east"]  # type: ignore[arg-type]
        assert [bool(one.exists) for one in wire.secrets(choice)] == [exists]


# Words and variables


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("", ""), "CONTEXT_EAST is empty"),
        (("kind-east", ""), "CONTEXT_WEST is empty"),
        (("kind-east", "kind-east"), "CONTEXT_EAST and CONTEXT_WEST are both kind-east"),
    ],
)
@pytest.mark.parametrize("script", ["apply.sh", "create-secrets.sh"])
def test_contexts_that_are_empty_or_equal_are_refused(
    tmp_path: Path, out: Path, script: str, words: tuple[str, str], says: str
) -> None:
    programs = shell(tmp_path)
    if script == "apply.sh":
        done = programs.run(out / script, *words)
    else:
        east, west = words
        done = programs.run(out / script, "keys", KEYS=str(tmp_path / "keys"), CONTEXT_EAST=east, CONTEXT_WEST=west)
    assert (done.returncode, programs.calls) == (2, [])
    assert says in done.stderr
    assert not (tmp_path / "keys").exists()


def test_relative_files_are_those_of_the_caller(tmp_path: Path, out: Path, sh: str) -> None:
    answers = f'*3-operators*|*"create secret generic cacerts"*) echo "$KUBECONFIG" >> "{tmp_path}/config" ;;'
    programs = shell(tmp_path, answers=answers, sh=sh)
    config = f"a config:/b:{tmp_path}/c"
    done = programs.run(out / "apply.sh", *WORDS, cwd=tmp_path, KEYS="my keys", KUBECONFIG=config)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "my keys" / "anchor.key").exists()
    lines = (tmp_path / "config").read_text().splitlines()
    assert lines == [f"{tmp_path}/a config:/b:{tmp_path}/c"] * 4


def test_a_windows_path_of_kubeconfig_stays(tmp_path: Path, out: Path, sh: str) -> None:
    programs = shell(tmp_path, answers=f'*3-operators*) echo "$KUBECONFIG" > "{tmp_path}/config" ;;', sh=sh)
    assert programs.run(out / "apply.sh", *WORDS, KUBECONFIG="C:/Users/me/config").returncode == 0
    assert (tmp_path / "config").read_text() == "C:/Users/me/config\n"


@pytest.mark.parametrize("keys", ["keys", "keys/of/mine", ".", "../out/keys", "link/keys"])
@pytest.mark.parametrize("script", ["apply.sh", "create-secrets.sh"])
def test_keys_inside_of_the_folder_are_refused(tmp_path: Path, out: Path, script: str, keys: str) -> None:
    (tmp_path / "link").symlink_to(out)
    named = str(tmp_path / keys) if keys.startswith("link") else keys
    programs, words = shell(tmp_path), WORDS if script == "apply.sh" else ("keys",)
    env = {} if script == "apply.sh" else CONTEXTS
    before = {*out.rglob("*")}
    done = programs.run(out / script, *words, cwd=out, KEYS=named, **env)
    assert (done.returncode, programs.calls) == (2, [])
    assert "which must not have secrets: name another folder" in done.stderr
    assert "this command continues" not in done.stderr
    assert {*out.rglob("*")} == before
