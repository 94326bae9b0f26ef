"""`lab initialize`: every way in gives the same folder; bad input writes nothing. These choices need no downloads."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lab.base import events
from lab.base.errors import ArtifactError
from lab.cli import initialize, initialize_form, initialize_options, output
from lab.cli.initialize_next import next_commands
from lab.initialize import folder as profile
from lab.initialize import replacing
from lab.initialize.choices import of
from lab.initialize.options import CATEGORIES
from lab.initialize.sources import StoreSources
from lab.initialize.verify import Verifier, WireResult
from tests.unit.cli.conftest import Command

SMALL = ("--mesh", "none", "--ingress", "none", "--observability", "prometheus", "--apps", "podinfo")


def contents(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_list_has_every_option(lab: Command) -> None:
    ended = lab("initialize", "--list")
    assert ended.code == 0
    assert "retired it in March 2026. Use envoy-gateway or contour." in ended.out
    described = lab("initialize", "--list", "--json").json
    assert [one["category"] for one in described] == [category.id for category in CATEGORIES]
    assert {"id", "version", "license", "upstream", "why"} <= {*described[2]["options"][0]}


def test_every_way_in_gives_the_same_bytes(lab: Command, folder: Path) -> None:
    assert lab("initialize", "flags", *SMALL).code == 0
    first = contents(folder / "flags")
    assert "base/prometheus/3-operators/operators.yaml" in first
    assert lab("initialize", "file", "--from", "flags/initializer.toml").code == 0
    query = json.loads(lab("initialize", "json", *SMALL, "--json").out)["query"]
    assert lab("initialize", "url", "--from", f"https://lab.example/initialize?{query}").code == 0
    assert lab("initialize", "copy", "--from", "file").code == 0
    assert lab("initialize", "query", "--from", query).code == 0
    for name in ("file", "url", "json", "copy", "query"):
        assert contents(folder / name) == first


@pytest.mark.parametrize(
    ("words", "commands"),
    [
        (
            (),
            [
                "kind create cluster --name east",
                "kind create cluster --name west",
                "{} kind-east kind-west",
            ],
        ),
        (("--platform", "minikube", "--clusters", "single"), ["minikube start --profile east", "{} east"]),
        (
            ("--platform", "gke"),
            [
                "gcloud container clusters get-credentials east --location=LOCATION",
                "gcloud container clusters get-credentials west --location=LOCATION",
                "kubectl config get-contexts --output=name",
                "{} CONTEXT_EAST CONTEXT_WEST",
            ],
        ),
        (
            ("--platform", "eks", "--clusters", "single"),
            ["aws eks update-kubeconfig --name=east --alias=east", "{} east"],
        ),
        (
            ("--platform", "plain", "--clusters", "single"),
            ["kubectl config get-contexts --output=name", "{} CONTEXT_EAST"],
        ),
    ],
)
def test_the_next_commands_can_be_pasted(lab: Command, words: tuple[str, ...], commands: list[str]) -> None:
    ended = lab("initialize", "my out", *SMALL, *words)
    assert [line.strip() for line in ended.out.splitlines() if line.startswith("  ")] == [
        line.replace("{}", "sh 'my out/apply.sh'") for line in commands
    ]


def test_an_image_of_the_lab_and_the_way_to_a_lab_are_named() -> None:
    choices = of({"apps": "frontend,podinfo"}, source="a test")
    lines = list(next_commands(Path("out"), choices, {"IMAGES.txt": "docker.io/a:1\neastwest-lab/frontend:1\n"}))
    assert lines[0].startswith("first give the nodes eastwest-lab/frontend:1, which")
    assert lines[-1] == "  lab up --profile out"


def test_the_form_gives_the_same_bytes(lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "Service mesh": ["istoi", "none"],
        "Ingress": ["none"],
        "Observability": ["prometheus"],
        "Applications": ["podinfo"],
    }

    answering(monkeypatch, answers)
    ended = lab("initialize", "form")
    assert ended.code == 0, ended.err
    assert "did you mean istio" in ended.err
    assert "retired it in March 2026. Use envoy-gateway or contour." in " ".join(ended.out.split())
    assert "the same without questions: lab initialize form --mesh none --ingress none" in ended.out
    assert lab("initialize", "flags", *SMALL).code == 0
    assert contents(folder / "form") == contents(folder / "flags")


def test_the_form_asks_again_for_what_no_later_answer_can_make_possible(
    lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {
        "Service mesh": ["none"],
        "Ingress": ["istio-gateway", "none"],
        "Serverless": ["keda", "none"],
        "Applications": ["frontend", "podinfo"],
        "Folder": ["lab.toml", "mine"],
    }
    asked = answering(monkeypatch, answers)
    ended = lab("initialize")
    assert ended.code == 0, ended.err
    assert dict(asked)["Ingress"] == "envoy-gateway", "the default is possible after the answers before"
    assert "impossible: Istio's control plane runs this Gateway" in ended.err
    assert "impossible: KEDA asks Prometheus" in ended.err
    assert "impossible: The frontend calls podinfo" in ended.err
    assert "not now: KEDA asks Prometheus" in " ".join(ended.out.split())
    assert "is a file, not a folder" in ended.err
    assert 'apps = ["podinfo"]' in (folder / "mine" / "initializer.toml").read_text()


def test_the_form_ends_with_the_alternatives_of_an_answer_that_lacks_something(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {
        "Service mesh": ["none"],
        "Ingress": ["envoy-gateway"],
        "Authentication": ["jwt"],
        "Number": ["3", "x", "2"],
    }
    answering(monkeypatch, answers)
    chosen = initialize_form.form()
    assert chosen.ids.isdisjoint({"jwt", "prometheus"})
    printed = capsys.readouterr()
    assert "There is no dashboard that JWT could protect." in printed.out
    assert printed.err.count("type a number from 1 to 2") == 2
    assert "1  Choose Prometheus" in printed.out
    assert "2  Remove JWT at the edge" in printed.out


def test_ctrl_c_in_the_form_writes_nothing(lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prompt(*_: object, **__: object) -> str:
        raise initialize.typer.Abort

    monkeypatch.setattr(initialize.typer, "prompt", prompt)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("lab.cli.app._end", lambda code, _: sys.exit(code))
    assert lab("initialize", "out").code == 130
    assert not (folder / "out").exists()


def answering(monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Answer the form's questions by the beginnings of their words; return the questions and their defaults."""
    asked: list[tuple[str, str]] = []

    def prompt(text: str, default: str) -> str:
        asked.append((text, default))
        left = next((answers[words] for words in answers if text.strip().startswith(words)), [])
        return left.pop(0) if left else default

    monkeypatch.setattr(initialize.typer, "prompt", prompt)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    return asked


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("~no-such-user-here/x", "the home folder is unknown: the user no-such-user-here does not exist"),
        ("a\0b", "is not a folder's name"),
        ("x" * 300, "cannot be written"),
        ("/proc/no-such/x", "cannot be written"),
        ("lab.toml/x", "cannot be written"),
    ],
)
def test_the_form_asks_again_for_a_folder_that_cannot_be_written(
    lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str, said: str
) -> None:
    asked = answering(monkeypatch, {"Service mesh": ["none"], "Ingress": ["none"], "Folder": [answer, "mine"]})
    ended = lab("initialize")
    assert (ended.code, said in ended.err) == (0, True), ended.err
    assert [words.strip().startswith("Folder") for words, _ in asked].count(True) == 2
    assert (folder / "mine" / "initializer.toml").is_file()
    assert [path.name for path in folder.iterdir() if path.name.startswith(".initializer-")] == []


def test_a_folder_that_cannot_be_written_is_refused_before_the_questions(
    lab: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, {})
    assert lab("initialize", "/proc/no-such/x").code == 3
    assert asked == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ArtifactError("it is nowhere")])
def test_a_failure_after_the_questions_keeps_the_answers(
    lab: Command, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def write(*_: object) -> int:
        raise error

    answering(monkeypatch, {"Service mesh": ["none"], "Ingress": ["none"], "Folder": ["my own"]})
    monkeypatch.setattr(profile, "write", write)
    ended = lab("initialize")
    assert ended.code == 3
    assert "your answers as a command:  lab initialize 'my own' --mesh none --ingress none" in ended.err


def test_show_writes_nothing(lab: Command, folder: Path) -> None:
    before = {path.name for path in folder.iterdir()}
    ended = lab("initialize", "out", *SMALL, "--show")
    assert "base/podinfo/4-objects/objects.yaml" in ended.out
    assert "README.md" in lab("initialize", *SMALL, "--show", "--json").json
    assert {path.name for path in folder.iterdir()} - before <= {"cache", "state"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "FOLDER is missing"),
        (("out", "--mesh", "istoi"), "did you mean istio"),
        (("out", "--mesh", "none"), "either --mesh istio\n  or     --ingress envoy-gateway"),
        (("out", "--from", "nowhere.toml"), "nowhere.toml: the file or folder does not exist"),
        (("out", "--from", "https://x.example/?format=2"), "reads format 1"),
        (("out", "--from", f"https://x.example/?mesh={'a' * 3000}"), "at most 2000"),
        (("out", "--from", f"https://x.example/{'a' * 3000}"), "the URL names no choices"),
        (("out", "--from", "x" * 3000), "the file or folder does not exist"),
        (("out", "--from", "."), ".: has no initializer.toml"),
        (("out", "--from", "newer.toml"), "newer.toml: the format is newer"),
        (("out", "--from", "broken.toml"), "broken.toml:3: mesh: unknown choice 'istoi'; did you mean istio, smi?"),
        (("out", "--from", "https://x.example/?mesh=istio&mesh=istio"), "has mesh twice"),
        (("out", "--from", "https://x.example/?mash=istio"), "mash: unknown category; did you mean mesh"),
        (("out", "--registry", "https://x"), "is not a registry, as in registry.example:5000/prefix"),
        (("out", "--registry", "x y"), "is not a registry"),
        (("out", "--source", "x; rm -rf"), "is not a repository"),
        (("out", "--as", "helm"), "unknown form 'helm'; did you mean helmfile"),
        (("out", "--ingress", "ingress-nginx"), "Use envoy-gateway or contour instead"),
        (("full", *SMALL), "the folder is not empty"),
        (("lab.toml", *SMALL), "is a file, not a folder"),
    ],
)
def test_bad_input_writes_nothing(lab: Command, folder: Path, words: tuple[str, ...], said: str) -> None:
    (folder / "full").mkdir()
    (folder / "full" / "mine").write_text("mine")
    (folder / "newer.toml").write_text("format = 2\n")
    (folder / "broken.toml").write_text('format = 1\n[choices]\nmesh = "istoi"\n')
    ended = lab("initialize", *words)
    assert ended.code == 2, ended.err
    assert said in ended.err
    assert "next:" in ended.err
    assert not (folder / "out").exists()
    answer = lab("initialize", *words, "--json")
    assert (answer.code, answer.json["error"]["next"]) == (2, ended.err.rpartition("next:  ")[2].strip())


def test_a_folder_that_cannot_be_written_is_named(lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", str(folder / "out"))

    monkeypatch.setattr("lab.initialize.folder.files_of.write", full)
    ended = lab("initialize", "out", *SMALL)
    assert ended.code == 3
    assert "no space left" in ended.err.lower()


def test_an_update_shows_the_difference_first_and_keeps_edits(lab: Command, folder: Path) -> None:
    lab("initialize", "out", *SMALL)
    readme = folder / "out" / "README.md"
    readme.write_text(f"{readme.read_text()}\nmy notes\n")
    before = contents(folder / "out")
    ended = lab("initialize", "update", "out", "--apps", "none", "--diff")
    assert ended.code == 1
    assert "-  - ../../../base/podinfo/4-objects" in ended.out
    assert contents(folder / "out") == before
    assert lab("initialize", "update", "out", "--apps", "none").code == 2  # no terminal, and no --yes
    assert contents(folder / "out") == before
    assert lab("initialize", "update", "out", "--apps", "none", "--yes").code == 0
    assert "my notes" in readme.read_text()
    assert "apps = []" in (folder / "out" / "initializer.toml").read_text()
    assert not (folder / "out" / "base" / "podinfo").exists()
    ended = lab("initialize", "update", "out")
    assert (ended.code, "is up to date" in ended.out) == (0, True)


def test_a_conflict_ends_with_1_and_names_the_file(lab: Command, folder: Path) -> None:
    lab("initialize", "out", *SMALL)
    file = folder / "out" / "clusters/east/3-operators/prometheus.yaml"
    file.write_text(file.read_text().replace("cluster: east", "cluster: mine"))
    kustomization = folder / "out" / "IMAGES.txt"
    kustomization.write_text(kustomization.read_text().replace("docker.io/prom", "mine.example/prom"))
    ended = lab("initialize", "update", "out", "--registry", "registry.example", "--yes")
    assert ended.code == 1
    assert "IMAGES.txt" in ended.err
    assert "<<<<<<< yours" in kustomization.read_text()
    assert "cluster: mine" in file.read_text()


def test_an_update_keeps_a_file_that_was_edited_one_that_was_deleted_and_one_that_was_added(
    lab: Command, folder: Path
) -> None:
    lab("initialize", "out", *SMALL)
    edited, deleted = folder / "out/README.md", folder / "out/clusters/east/3-operators/prometheus.yaml"
    edited.write_text(f"{edited.read_text()}\nmy notes\n")
    added = folder / "out/base/podinfo/mine.yaml"
    added.write_text("mine: true\n")
    deleted.unlink()
    answer = lab("initialize", "update", "out", "--apps", "none", "--registry", "registry.example", "--yes", "--json")
    assert answer.code == 0, answer.err
    changes = {one["path"]: one["change"] for one in answer.json["changes"]}
    assert (changes["README.md"], changes["base/podinfo/4-objects/objects.yaml"]) == ("merge", "delete")
    assert "base/podinfo/mine.yaml" not in changes
    assert (answer.json["written"], answer.json["conflicts"]) == (True, [])
    assert edited.read_text().endswith("\nmy notes\n")
    assert "registry.example" in edited.read_text()
    assert not deleted.exists()
    assert added.read_text() == "mine: true\n"
    assert not (folder / "out/base/podinfo/4-objects").exists()


def test_an_update_asks_after_it_showed_the_difference(
    lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab("initialize", "out", *SMALL)
    before = contents(folder / "out")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    answers = iter((False, True))

    def confirm(question: str, default: bool) -> bool:
        assert not default
        assert contents(folder / "out") == before
        return next(answers)

    monkeypatch.setattr(initialize.typer, "confirm", confirm)
    monkeypatch.setattr("lab.cli.app._end", lambda code, _: sys.exit(code))
    assert lab("initialize", "update", "out", "--apps", "none").code == 130
    assert contents(folder / "out") == before
    ended = lab("initialize", "update", "out", "--apps", "none")
    assert (ended.code, "+apps = []" in ended.out) == (0, True)
    assert contents(folder / "out") != before


def test_an_update_without_a_terminal_names_the_whole_command(lab: Command) -> None:
    lab("initialize", "my out", *SMALL)
    for words in (("--apps", "none"), ("--apps", "none", "--json")):
        ended = lab("initialize", "update", "my out", *words)
        assert ended.code == 2
        assert "next:  lab initialize update 'my out' --apps none --yes" in ended.err


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda out: (out / profile.RECORD).unlink(), "is missing: the update cannot tell your changes"),
        (lambda out: (out / profile.RECORD).write_text("{"), "is damaged"),
        (lambda out: (out / "initializer.toml").write_text("format = 2"), "the format is newer"),
        (lambda out: (out / "initializer.toml").write_text("mesh = "), "1 problem in out/initializer.toml"),
        (lambda out: (out / "initializer.toml").unlink(), "has no initializer.toml"),
    ],
)
def test_an_update_of_a_damaged_folder_is_refused(lab: Command, folder: Path, damage: Any, said: str) -> None:
    lab("initialize", "out", *SMALL)
    damage(folder / "out")
    before = contents(folder / "out")
    ended = lab("initialize", "update", "out", "--json")
    assert ended.code == 2
    assert said in ended.json["error"]["what"]
    assert ended.json["error"]["next"]
    assert contents(folder / "out") == before


@pytest.mark.parametrize("words", [("update", "out", "--yes"), ("verify", "out", "--wire", "unknown")], ids="".join)
def test_an_interrupted_update_is_undone_first(
    lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    lab("initialize", "out", *SMALL)
    before = contents(folder / "out")
    with monkeypatch.context() as patched:
        patched.setattr(replacing, "_finish", lambda work: None)
        profile.replace(folder / "out", {"README.md": "new", "IMAGES.txt": None})
    assert "an update of out was interrupted before" in lab("initialize", *words).err
    assert contents(folder / "out") == before


def test_an_update_of_another_folder_is_refused(lab: Command, folder: Path) -> None:
    (folder / "other").mkdir()
    ended = lab("initialize", "update", "other")
    assert ended.code == 2
    assert "has no initializer.toml" in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cluster", "north=x"), "is not of the form NAME=CONTEXT"),
        (("--cluster", "east"), "is not of the form NAME=CONTEXT"),
        (("--cluster", "east=west"), "east and west have the same context west"),
        (("--cluster", "east=a b", "--cluster", "west=a b"), "east and west have the same context a b"),
        (("--wire", "thing"), "thing is not a wire of this folder"),
    ],
)
def test_verify_refuses_unknown_names(lab: Command, words: tuple[str, ...], said: str) -> None:
    lab("initialize", "out", *SMALL)
    ended = lab("initialize", "verify", "out", *words)
    assert ended.code == 2
    assert said in ended.err


def test_a_file_of_choices_that_is_too_large_is_refused(lab: Command, folder: Path) -> None:
    (folder / "large.toml").write_text("#" * (1 << 17))
    ended = lab("initialize", "out", "--from", "large.toml")
    assert (ended.code, "has 128 KiB; an initializer.toml has 64 KiB at most" in ended.err) == (2, True)
    assert "name an initializer.toml with --from" in ended.err
    assert "the name of the profile is empty" in lab("initialize", "out", "--from", "").err


def test_verify_needs_kubectl(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    lab("initialize", "out", *SMALL)
    monkeypatch.setattr(initialize.shutil, "which", lambda name: None)
    ended = lab("initialize", "verify", "out")
    assert ended.code == 3
    assert "command not found: kubectl" in ended.err


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two checks, of which the second one waits, and fails."""

    def verify(*_: Any, **__: Any) -> Iterator[WireResult]:
        one = WireResult(
            wire="metrics-apps",
            cluster="east",
            proves="podinfo's count of requests arrives",
            command="kubectl --context=kind-east get --raw='/a?b=c'",
            expected="a number above zero",
            seen="",
            passed=True,
        )
        yield one
        events.progress("west: podinfo's count of requests arrives: [/no answer]")
        yield replace(one, cluster="west", passed=False, seen="no answer")

    monkeypatch.setattr(initialize.shutil, "which", lambda name: name)
    monkeypatch.setattr(Verifier, "check_contexts", lambda _: None)
    monkeypatch.setattr(Verifier, "verify", verify)


@pytest.mark.usefixtures("checked")
def test_a_failed_check_names_its_command_and_the_next_step(lab: Command) -> None:
    lab("initialize", "my out", *SMALL)
    words = ("--cluster", "east=a b", "--kubeconfig", "k")
    ended = lab("initialize", "verify", "my out", *words)
    assert ended.code == 1
    assert ended.out.splitlines() == [
        "✓ metrics-apps east: podinfo's count of requests arrives",
        "✗ metrics-apps west: podinfo's count of requests arrives",
        "    kubectl --context=kind-east get --raw='/a?b=c'",
        "    expected: a number above zero",
        "    last seen: no answer",
    ]
    assert "1 of 2 checks failed" in ended.err
    again = "lab initialize verify 'my out' '--cluster=east=a b' --kubeconfig=k --wire=metrics-apps"
    assert ended.err.splitlines()[-1] == f"next, after a fix:  {again}"
    answer = lab("initialize", "verify", "my out", "--json")
    assert (answer.code, [one["passed"] for one in answer.json]) == (1, [True, False])


@pytest.mark.usefixtures("checked")
def test_a_terminal_shows_what_a_check_waits_for(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    lab("initialize", "out", *SMALL)
    terminal = io.StringIO()
    monkeypatch.setattr(output, "err", lambda: Console(file=terminal, force_terminal=True, width=200))
    assert lab("initialize", "verify", "out").code == 1
    assert "west: podinfo's count of requests arrives: [/no answer]" in terminal.getvalue()


def test_completion_knows_the_last_word_after_a_comma() -> None:
    complete = initialize_options._ids("observability")
    assert complete("prometheus,ja") == ["prometheus,jaeger"]
    assert "ingress-nginx" not in initialize_options._ids("ingress")("")


@pytest.mark.parametrize("words", [("folder",), ("update",)], ids="".join)
def test_the_help_has_the_options_and_the_default_of_each_category(lab: Command, words: tuple[str, ...]) -> None:
    shown = re.sub(r"(?<=\w)-\s+", "-", lab("initialize", *words, "--help").out)  # a line may end after a hyphen
    for category in CATEGORIES:
        (text,) = re.findall(rf"--{category.id} ID (.*?) --[a-z]+ [A-Z]", " ".join(shown.split()))
        assert f"{category.default or 'none'} (default)" in text
        names = [option.id for option in category.options if option.selectable and not category.many]
        assert [name for name in names if not re.search(rf"(?<![\w-]){name}(?![\w-])", text)] == []


def test_the_help_says_that_the_command_alone_asks(lab: Command) -> None:
    shown = lab("initialize", "--help").out
    assert "[FOLDER]" in shown.splitlines()[0]
    assert "`lab initialize` alone asks" in shown


def test_a_folder_with_the_name_of_a_command_can_be_written(lab: Command, folder: Path) -> None:
    assert lab("initialize", "./update", *SMALL).code == 0
    assert (folder / "update" / profile.RECORD).is_file()
    assert lab("initialize", "folder", "verify", *SMALL).code == 0
    assert (folder / "verify" / profile.RECORD).is_file()


def test_yaml_that_no_source_has_is_a_warning(lab: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(_: StoreSources, artifact: str) -> ArtifactError | None:
        return ArtifactError(f"{artifact} is unavailable here") if artifact == "emissary-chart" else None

    monkeypatch.setattr(StoreSources, "unavailable", unavailable)
    words = ("--mesh", "none", "--ingress", "emissary", "--apps", "podinfo")
    ended = lab("initialize", "out", *words)
    assert ended.code == 0, ended.err
    assert "! the folder does not have the YAML of Emissary-ingress" in ended.err
    assert "emissary-chart is unavailable here" in ended.err
    assert "helm template" in (folder / "out" / "apply.sh").read_text()
    shown = lab("initialize", *words, "--show", "--json")
    assert "README.md" in shown.json
    assert "Emissary-ingress" in shown.err
