"""Builders: their commands and results, without Go, pip, debootstrap or an engine."""

from __future__ import annotations

import io
import json
import lzma
import stat
import tarfile
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lab.artifacts import archive
from lab.artifacts.catalog import parse
from lab.artifacts.from_source.builders import debian, python
from lab.artifacts.from_source.builders.containerd import canonical
from lab.artifacts.from_source.builders.debian import Unpacked
from lab.artifacts.from_source.builders.go import GoBuild, toolchain
from lab.artifacts.from_source.builders.image import build_image
from lab.artifacts.from_source.builders.python import Wheel
from lab.artifacts.recipe import BuildContext
from lab.base import events
from lab.base.errors import ArtifactError, CommandError, HostError
from lab.base.process import Completed
from lab.tools import go
from lab.tools.docker import Docker, Image

Act = Callable[[Sequence[str], Mapping[str, Any]], str]


class Runner:
    """Stands for `process.run`: every expected program has an answer, any other fails loudly."""

    def __init__(self, **answers: Act) -> None:
        self.answers = answers
        self.calls: list[tuple[list[str], Mapping[str, Any]]] = []

    def __call__(self, argv: Sequence[str | Path], **options: Any) -> Completed:
        words = [str(word) for word in argv]
        self.calls.append((words, options))
        said = self.answers[Path(words[0]).name.replace(".", "_")](words, options)
        return Completed(argv=tuple(words), returncode=0, stdout=said, stderr="", duration_s=0)


class Shelf:
    """Stands for the store."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def file(self, name: str, rel: str) -> Path:
        return self.root / name / rel

    def below(self, name: str, rel: str) -> list[tuple[Path, str]]:
        return []

    def image(self, name: str) -> str:
        return f"test/{name}"


@pytest.fixture
def work(tmp_path: Path) -> Callable[..., BuildContext]:
    def build(run: Runner, *, name: str = "x", version: str = "1") -> BuildContext:
        text = f'[{name}]\ntitle="x"\nkind="files"\nversion="{version}"\nrecipe="r"\nestimate_s=1\n'
        into, scratch = tmp_path / "into", tmp_path / "scratch"
        into.mkdir()
        scratch.mkdir()
        return BuildContext(
            artifact=parse(text)[name],
            into=into,
            scratch=scratch,
            reference="",
            labels={},
            go_cache=tmp_path / "go-build",
            go_modules=tmp_path / "go-mod",
            needs=Shelf(tmp_path),
            docker=Docker(),
            run=run,
        )

    return build


# Images


@dataclass(frozen=True)
class Builder(Docker):
    """An engine that notes the modes of what it is sent."""

    sent: dict[str, int] = field(default_factory=dict)

    def build(self, context: Path, **_: Any) -> str:
        self.sent.update({path.name: stat.S_IMODE(path.stat().st_mode) for path in context.rglob("*")})
        return "id"

    def image(self, reference: str) -> Image | None:
        return None


def test_an_image_does_not_inherit_the_modes_of_a_private_checkout(
    tmp_path: Path, work: Callable[..., BuildContext]
) -> None:
    context = tmp_path / "context"
    (context / "app").mkdir(parents=True)
    for name, mode in (("main.py", 0o600), ("start", 0o700)):
        (context / "app" / name).write_text("")
        (context / "app" / name).chmod(mode)
    (context / "app").chmod(0o700)
    engine = Builder()
    build_image(replace(work(Runner()), docker=engine), context, arguments={})
    assert engine.sent == {"app": 0o755, "main.py": 0o644, "start": 0o755}


# Go


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27 linux/arm64", (1, 27, 0)),
        ("go version go1.24rc1 linux/amd64", (1, 24, 0)),
        ("go version devel +abc linux/amd64", None),
        ("", None),
    ],
)
def test_go_s_version_is_read(said: str, version: tuple[int, int, int] | None) -> None:
    assert go.version(said) == version


@pytest.mark.parametrize(("version", "taken"), [("1.26.0", True), ("1.30.1", True), ("1.25.9", False)])
def test_path_s_go_is_taken_when_it_is_new_enough(monkeypatch: pytest.MonkeyPatch, version: str, taken: bool) -> None:
    monkeypatch.setattr(go.shutil, "which", lambda name: f"/opt/{name}")
    runner = Runner(go=lambda argv, options: f"go version go{version} linux/amd64\n")
    assert go.on_path(run=runner) == (Path("/opt/go") if taken else None)
    assert runner.calls[0][1]["env"]["GOTOOLCHAIN"] == "local"


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("module x\n\ngo 1.26.4\n", (1, 26, 4)),
        ("module x\n\ngo 1.27\n", (1, 27, 0)),
        ("module x\n\ngo 1.24.1\n", go.MINIMUM),
        ("module x\n", go.MINIMUM),
    ],
)
def test_a_go_mod_requires_a_version_of_go(text: str, required: tuple[int, int, int]) -> None:
    assert go.required(text) == required


def test_a_recipe_that_requires_a_newer_go_than_path_has_takes_the_stores(
    monkeypatch: pytest.MonkeyPatch, work: Callable[..., BuildContext], tmp_path: Path
) -> None:
    monkeypatch.setattr(go.shutil, "which", lambda name: f"/opt/{name}")
    made = work(Runner(go=lambda argv, options: "go version go1.26.3 linux/amd64\n"))
    assert toolchain(made, "podinfo").program == Path("/opt/go")
    assert toolchain(made, "metrics-server").program == tmp_path / "go/bin/go"


def test_without_go_on_path_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(go.shutil, "which", lambda name: None)
    assert go.on_path(run=Runner()) is None


def test_a_go_build_says_all_that_decides_about_its_result(
    monkeypatch: pytest.MonkeyPatch, work: Callable[..., BuildContext]
) -> None:
    monkeypatch.setattr(go.shutil, "which", lambda name: f"/opt/{name}")

    def answer(argv: Sequence[str], options: Mapping[str, Any]) -> str:
        if argv[1] == "version":
            return "go version go1.26.0 linux/amd64"
        (out,) = [word.removeprefix("-o=") for word in argv if word.startswith("-o=")]
        Path(out, "podinfo").write_text("elf")
        return ""

    runner = Runner(go=answer)
    made = work(runner)
    GoBuild(folder="podinfo", variables={"a/b.c": "1"}, tags=("x", "y"), names={"podinfo": "p"}).build(made)
    argv, options = runner.calls[-1]
    assert {"-ldflags=-s -w -X=a/b.c=1", "-tags=x,y", "-gcflags=all=-dwarf=false", "tool"} <= set(argv)
    assert options["cwd"].name == "podinfo"
    env = options["env"]
    assert env["GOFLAGS"] == "-mod=readonly -trimpath -buildvcs=false"
    assert (env["CGO_ENABLED"], env["GOTOOLCHAIN"], env["GOWORK"]) == ("0", "local", "off")
    assert env["GOARCH"] in {"amd64", "arm64"}
    assert env["GOCACHE"] == str(made.go_cache)
    assert (made.into / "bin/p").read_text() == "elf"


# Wheels


def wheel(files: Mapping[str, str]) -> Act:
    def download(argv: Sequence[str], options: Mapping[str, Any]) -> str:
        folder = Path(argv[argv.index("-d") + 1])
        with zipfile.ZipFile(folder / "x-1-py3-none-any.whl", "w") as archive_:
            for name, content in files.items():
                archive_.writestr(name, content)
        return ""

    return download


def test_files_are_taken_out_of_a_wheel(monkeypatch: pytest.MonkeyPatch, work: Callable[..., BuildContext]) -> None:
    monkeypatch.setattr(python.sys, "executable", "/opt/python")
    runner = Runner(python=wheel({"go/bin/go": "elf", "go/LICENSE": "free", "x.dist-info/RECORD": "", "go/../x": "!"}))
    made = work(runner)
    Wheel(package="x", sha256=("a" * 64,), members={"go/": ""}, programs=("bin/",)).build(made)
    assert {p.name for p in made.into.rglob("*") if p.is_file()} == {"go", "LICENSE"}
    assert stat.S_IMODE((made.into / "bin/go").stat().st_mode) == 0o755
    assert (made.scratch / "requirements.txt").read_text() == f"x==1 --hash=sha256:{'a' * 64}\n"
    assert "--require-hashes" in runner.calls[0][0]


def test_a_wheel_with_another_digest_is_an_error_of_its_own(
    monkeypatch: pytest.MonkeyPatch, work: Callable[..., BuildContext]
) -> None:
    monkeypatch.setattr(python.sys, "executable", "/opt/python")

    def refuse(argv: Sequence[str], options: Mapping[str, Any]) -> str:
        said = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."
        raise CommandError(argv, returncode=1, stderr=said)

    with pytest.raises(ArtifactError, match="does not have the pinned digest"):
        Wheel(package="x", sha256=("a" * 64,), members={}).build(work(Runner(python=refuse)))


# Debian


def deb(files: Mapping[str, str], links: Mapping[str, str] | None = None) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content.encode()))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(f"./{name}")
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    packed = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n"), ("data.tar.xz", lzma.compress(data.getvalue()))):
        packed += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        packed += content + b"\n" * (len(content) % 2)
    return packed


@pytest.fixture
def debs(tmp_path: Path) -> Path:
    (tmp_path / "debian").mkdir()
    with tarfile.open(tmp_path / "debian/debs.tar", "w") as tar:
        for name, content in {
            "libx_1%3a2.0-1_amd64.deb": deb({"lib/x86_64-linux-gnu/libx.so": "so", "usr/share/man/x": "long"}),
            "tool_3_amd64.deb": deb(
                {"usr/sbin/tool": "elf", "usr/share/doc/tool/copyright": "free", "usr/share/doc/tool/NEWS": "old"},
                {"sbin/tool-link": "tool"},
            ),
        }.items():
            info = tarfile.TarInfo(f"var/cache/apt/archives/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return tmp_path


def test_packages_files_are_merged_into_usr(debs: Path, work: Callable[..., BuildContext]) -> None:
    made = work(Runner())
    Unpacked(source="debian", packages=("libx", "tool"), links={"usr/sbin/t": "tool"}).build(made)
    with tarfile.open(made.into / "rootfs.tar") as tar:
        names = tar.getnames()
        assert tar.getmember("lib").linkname == "usr/lib"
        assert tar.getmember("usr/sbin/t").linkname == "tool"
    assert "usr/lib/x86_64-linux-gnu/libx.so" in names
    assert "usr/sbin/tool-link" in names
    assert "usr/share/doc/tool/copyright" in names
    assert not {"usr/share/man/x", "usr/share/doc/tool/NEWS", "lib/x86_64-linux-gnu/libx.so"} & set(names)


def test_a_package_that_is_not_there_is_named(debs: Path, work: Callable[..., BuildContext]) -> None:
    with pytest.raises(ArtifactError, match="debian has no package nonesuch"):
        Unpacked(source="debian", packages=("tool", "nonesuch")).build(work(Runner()))


def test_debootstrap_needs_root_and_itself(monkeypatch: pytest.MonkeyPatch, work: Callable[..., BuildContext]) -> None:
    recipe = debian.Packages(packages=("bash",))
    made = work(Runner())
    monkeypatch.setattr(debian.os, "geteuid", lambda: 1000)
    with pytest.raises(HostError, match="debootstrap needs root"):
        recipe.build(made)
    monkeypatch.setattr(debian.os, "geteuid", lambda: 0)
    monkeypatch.setattr(debian.shutil, "which", lambda name: None)
    with pytest.raises(HostError, match="not installed") as raised:
        recipe.build(made)
    assert raised.value.next == "apt-get install debootstrap"


def test_what_debian_gave_is_written_down(
    monkeypatch: pytest.MonkeyPatch, debs: Path, work: Callable[..., BuildContext]
) -> None:
    monkeypatch.setattr(debian.os, "geteuid", lambda: 0)
    monkeypatch.setattr(debian.shutil, "which", lambda name: f"/sbin/{name}")

    def fetch(argv: Sequence[str], options: Mapping[str, Any]) -> str:
        (target,) = [word.partition("=")[2] for word in argv if word.startswith("--make-tarball=")]
        Path(target).write_bytes((debs / "debian/debs.tar").read_bytes())
        return ""

    runner = Runner(unshare=fetch)
    made = debian.Packages(packages=("tool", "libx")).build(work(runner))
    assert made.notes["packages"] == "libx=1:2.0-1 tool=3"
    assert runner.calls[0][0][:3] == ["unshare", "--mount", "debootstrap"]


# Image archives


def test_an_image_archive_reads_as_docker_s(tmp_path: Path) -> None:
    program, other = tmp_path / "a", tmp_path / "b"
    program.write_text("one")
    other.write_text("two")
    base = archive.layer_of({"usr/bin/base": other}, tmp_path / "base.tar")
    top = archive.layer_of({"usr/bin/a": program}, tmp_path / "top.tar")
    images = [
        archive.ImageSpec(tags=("x/a:1",), layers=(base, top), entrypoint=("/usr/bin/a",)),
        archive.ImageSpec(tags=("x/b:1",), layers=(base,)),
    ]
    assert archive.write(tmp_path / "images.tar", images) == ["x/a:1", "x/b:1"]
    with tarfile.open(tmp_path / "images.tar") as tar:
        names = tar.getnames()

        def load(name: str) -> Any:
            content = tar.extractfile(name)
            assert content is not None
            return json.load(content)

        manifest = load("manifest.json")
        config = load(manifest[0]["Config"])
    assert manifest[0]["RepoTags"] == ["x/a:1"]
    assert config["config"]["Entrypoint"] == ["/usr/bin/a"]
    assert [f"{d.removeprefix('sha256:')}.tar" for d in config["rootfs"]["diff_ids"]] == manifest[0]["Layers"]
    assert names.count(manifest[1]["Layers"][0]) == 1


def test_the_same_programs_give_the_same_layer(tmp_path: Path) -> None:
    program = tmp_path / "a"
    program.write_text("one")
    one = archive.layer_of({"usr/bin/a": program}, tmp_path / "one.tar").read_bytes()
    program.touch()
    assert archive.layer_of({"usr/bin/a": program}, tmp_path / "two.tar").read_bytes() == one


@pytest.mark.parametrize(
    ("tag", "full"),
    [
        ("eastwest-lab/podinfo:abc", "docker.io/eastwest-lab/podinfo:abc"),
        ("busybox:1", "docker.io/library/busybox:1"),
        ("registry.example/pause:3", "registry.example/pause:3"),
        ("localhost/x:1", "localhost/x:1"),
        ("127.0.0.1:5000/x:1", "127.0.0.1:5000/x:1"),
    ],
)
def test_containerd_s_full_names(tag: str, full: str) -> None:
    assert canonical(tag) == full


def test_what_a_tool_prints_is_progress_from_any_thread(
    monkeypatch: pytest.MonkeyPatch, work: Callable[..., BuildContext]
) -> None:
    monkeypatch.setattr(go.shutil, "which", lambda name: f"/opt/{name}")

    def answer(argv: Sequence[str], options: Mapping[str, Any]) -> str:
        if argv[1] == "version":
            return "go version go1.26.0 linux/amd64"
        for line in ("go: downloading x v1", "net/http", "podinfo"):
            thread = threading.Thread(target=options["on_line"], args=(line,))
            thread.start()
            thread.join()
        return ""

    said: list[str] = []
    with events.reporting(lambda text, _: said.append(text)):
        GoBuild(folder="podinfo").build(work(Runner(go=answer)))
    assert said[1:] == ["downloading x v1", "compiled net/http (1)", "compiled podinfo (2)"]
