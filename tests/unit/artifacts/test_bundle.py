"""A bundle brings every artifact to another machine, or is refused with the reason and leaves nothing half done."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import requests

from lab.artifacts import catalog, plan, registry
from lab.artifacts import entry as entries
from lab.artifacts.bundle import BundleReader, LoadedReport, load, members, save
from lab.artifacts.bundle import manifest as manifests
from lab.artifacts.make import make
from lab.artifacts.store import ArtifactStore
from lab.base.errors import ArtifactError, HostError, LabError, UsageError
from lab.base.paths import Paths
from lab.config import ArtifactsSpec
from tests.unit.artifacts import bundle_kit as kit
from tests.unit.artifacts.conftest import CATALOG

LONG = f"{'folder/' * 20}part.txt"
TEXT = (
    CATALOG
    + f"""
[deep]
title = "a file with a long path"
kind = "files"
version = "1"
recipe = "write"
text = "deep"
path = "{LONG}"
estimate_s = 1

[chart]
title = "a chart"
kind = "files"
version = "1"
upstream = {{ chart = "some-chart" }}
estimate_s = 1

[pulled]
title = "an image of upstream's"
kind = "image"
version = "1"
upstream = {{ image = "docker.io/some/image:1" }}
estimate_s = 1
"""
)
NEEDED = {"first": ("tool", "part", "whole", "chart", "pulled"), "second": ("tool", "deep")}
ALL = ("tool", "part", "whole", "chart", "pulled", "deep")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "_CHUNK", 700)


@pytest.fixture(autouse=True)
def asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not a server on this machine, unlike other unit tests."""

    def refuse(*_: object, **__: object) -> NoReturn:
        pytest.fail("the network was used")

    monkeypatch.setattr(requests.Session, "request", refuse)
    monkeypatch.setattr(registry, "answers", refuse)


class Machine:
    """A machine with an engine; `store` opens its store as the next command would."""

    def __init__(self, folder: Path) -> None:
        self.docker = kit.ArchivingDocker()
        self.paths = replace(Paths.of("test"), cache=folder / "cache", state=folder / "state", local=folder / "local")

    def store(self, text: str = TEXT, *, source: str = "auto") -> ArtifactStore:
        return ArtifactStore(
            paths=self.paths,
            spec=ArtifactsSpec.model_validate({"source": source}),
            catalog=catalog.parse(text),
            docker=self.docker,  # type: ignore[arg-type]
        )

    def has(self) -> list[str]:
        """Names of the artifacts that have an entry."""
        return sorted(folder.parent.name for folder in (self.paths.artifacts / "entries").glob("*/*"))

    def leftovers(self) -> list[str]:
        return [path.name for path in (self.paths.artifacts / "work").glob("*")]


@pytest.fixture
def here(tmp_path: Path, make_store: object) -> Machine:
    """The machine that has everything; `make_store` has replaced the recipes."""
    machine = Machine(tmp_path / "here")
    chart = tmp_path / "here" / "local" / "some-chart"
    chart.mkdir(parents=True)
    (chart / "Chart.yaml").write_text("version: '1'\n")
    machine.docker.build(tmp_path, tags=["docker.io/some/image:1"], labels={}, arguments={"text": "some image"})
    for name in ALL:
        make(machine.store(source="packages"), name)
    return machine


@pytest.fixture
def there(tmp_path: Path, make_store: object) -> Machine:
    return Machine(tmp_path / "there")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lab.bundle"


@pytest.fixture
def bundle(here: Machine, file: Path) -> Path:
    save(here.store(source="packages"), NEEDED, file)
    return file


def nothing(document: dict[str, Any], content: kit.Members) -> None:
    pass


# Save


def test_another_machine_has_everything_after_loading(bundle: Path, there: Machine) -> None:
    report = load(there.store(), bundle)
    assert report.loaded == ALL
    assert (report.present, report.other, report.incomplete) == ((), (), ())
    assert report.stacks == ("first", "second")
    again = there.store()
    assert plan.missing(again, ALL) == []
    assert all(again.problem(name, thorough=True) is None for name in ALL)
    assert again.binary("tool").read_text() == "tool one"
    assert again.file("deep", LONG).read_text() == "deep"
    assert there.leftovers() == []


def test_only_the_catalogues_programs_are_executable(bundle: Path, there: Machine) -> None:
    load(there.store(), bundle)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (there.paths.artifacts / "entries").rglob("*")
        if path.is_file()
    }
    assert modes == {"tool": 0o755, "part.txt": 0o644, "Chart.yaml": 0o644, "manifest.json": 0o644}


def test_the_images_keep_their_labels_and_the_entry_gets_the_engines_id(bundle: Path, there: Machine) -> None:
    load(there.store(), bundle)
    store = there.store()
    image, entry = there.docker.image(store.reference("whole")), store.entry("whole")
    assert image is not None
    assert entry is not None
    assert image.labels["eastwest.lab/key"] == store.keys["whole"]
    assert entry.image_id == image.id


def test_everybody_may_read_it_and_the_report_names_its_digest(here: Machine, file: Path) -> None:
    before = os.umask(0o077)
    try:
        report = save(here.store(source="packages"), NEEDED, file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert report.size_bytes == file.stat().st_size
    assert report.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert [path.name for path in file.parent.iterdir() if path.is_file()] == [file.name]


def test_the_same_artifacts_give_the_same_bytes(here: Machine, bundle: Path, tmp_path: Path) -> None:
    save(here.store(source="packages"), NEEDED, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == bundle.read_bytes()


def test_tar_and_gzip_read_it(bundle: Path) -> None:
    content = kit.members_of(bundle)
    assert next(iter(content)) == "manifest.json"
    assert gzip.decompress(content["tool/bin/tool.gz"]) == b"tool one"
    assert json.loads(content["manifest.json"])["stacks"] == {key: list(value) for key, value in NEEDED.items()}


def test_no_path_of_the_machine_is_in_it(bundle: Path, here: Machine) -> None:
    assert str(here.paths.local).encode() not in bundle.read_bytes()


def test_what_is_not_built_is_named_with_the_command_that_builds_it(here: Machine, file: Path) -> None:
    shutil.rmtree(here.paths.artifacts / "entries" / "part")
    here.docker.remove_image(here.store(source="packages").reference("whole"))
    with pytest.raises(ArtifactError, match=r"a part \(part\): it is missing") as raised:
        save(here.store(source="packages"), NEEDED, file)
    assert "an image (whole): the engine does not have its image" in raised.value.what
    assert raised.value.next == "lab artifacts build part whole"
    assert not file.exists()


def test_an_existing_file_is_replaced_only_by_force(here: Machine, file: Path) -> None:
    file.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        save(here.store(source="packages"), NEEDED, file)
    assert file.read_text() == "mine"
    save(here.store(source="packages"), NEEDED, file, force=True)
    with BundleReader(file) as opened:
        assert [artifact.name for artifact in opened.manifest.artifacts] == list(ALL)


def test_a_folder_and_a_missing_folder_are_refused(here: Machine, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        save(here.store(source="packages"), NEEDED, tmp_path, force=True)
    with pytest.raises(UsageError, match="does not exist"):
        save(here.store(source="packages"), NEEDED, tmp_path / "no" / "file")


def test_too_little_space_is_said_before_anything_is_written(
    here: Machine, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3))
    with pytest.raises(HostError, match=r"1 MiB of free disk space are needed, and 0 MiB are free"):
        save(here.store(source="packages"), NEEDED, file)
    assert not file.exists()


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EFBIG, "a limit for a file's size")]
)
def test_a_disk_that_fills_up_meanwhile_leaves_nothing(
    here: Machine, file: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    _interrupted_save(here, file, monkeypatch, OSError(number, "no"))
    with pytest.raises(HostError, match=words):
        save(here.store(source="packages"), NEEDED, file)
    assert [path.name for path in file.parent.iterdir() if path.is_file()] == []


def test_ctrl_c_leaves_the_old_file(here: Machine, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("old")
    _interrupted_save(here, file, monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        save(here.store(source="packages"), NEEDED, file, force=True)
    assert file.read_text() == "old"
    assert [path.name for path in file.parent.iterdir() if path.is_file()] == [file.name]


def _interrupted_save(here: Machine, file: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def broken(references: Iterable[str]) -> Iterator[bytes]:
        yield b"some bytes"
        assert len([path for path in file.parent.iterdir() if path.name.startswith(f".{file.name}")]) == 1
        raise error

    monkeypatch.setattr(here.docker, "save_stream", broken)


def test_a_changed_byte_in_the_store_is_not_saved(here: Machine, file: Path) -> None:
    here.store(source="packages").binary("tool").write_text("tool 0ne")
    with pytest.raises(ArtifactError, match="tool is damaged") as raised:
        save(here.store(source="packages"), NEEDED, file)
    assert raised.value.next == "lab artifacts build tool"
    assert not file.exists()


# Damage


@pytest.mark.parametrize(
    ("member", "kept"),
    [
        ("manifest.json", []),
        ("tool/bin/tool.gz", []),
        ("part/part.txt.gz", ["tool"]),
        ("images.tar.gz", ["chart", "deep", "part", "tool"]),
    ],
)
def test_a_damaged_byte_is_refused_with_the_members_name(
    bundle: Path, there: Machine, member: str, kept: list[str]
) -> None:
    with tarfile.open(bundle) as tar:
        info = tar.getmember(member)
    content = bytearray(bundle.read_bytes())
    content[info.offset_data + info.size // 2] ^= 1
    bundle.write_bytes(content)
    with pytest.raises(ArtifactError, match=f"the bundle is damaged: {member}: ") as raised:
        load(there.store(), bundle)
    assert raised.value.where == str(bundle)
    assert "sha256" in (raised.value.next or "")
    assert there.has() == kept
    assert there.leftovers() == []
    assert there.docker.loads == 0
    assert not there.store().is_from_bundle(ALL)


def test_every_truncated_file_is_refused_before_anything_is_loaded(bundle: Path, there: Machine) -> None:
    whole = bundle.read_bytes()
    with tarfile.open(bundle) as tar:
        ends = [info.offset_data + info.size for info in tar]
    for size in sorted({0, 100, 512, *(end - 1 for end in ends), *(end - 600 for end in ends)}):
        bundle.write_bytes(whole[: max(size, 0)])
        with pytest.raises(ArtifactError, match=r"damaged|not a bundle"):
            load(there.store(), bundle)
    assert there.has() == []


def test_a_truncated_file_names_the_first_member_that_is_not_whole(bundle: Path, there: Machine) -> None:
    with tarfile.open(bundle) as tar:
        images = tar.getmember("images.tar.gz")
    bundle.write_bytes(bundle.read_bytes()[: images.offset_data + 10])
    with pytest.raises(ArtifactError, match=r"images\.tar\.gz: the file is truncated"):
        load(there.store(), bundle)


def test_content_that_is_not_the_manifests_is_refused(bundle: Path, there: Machine) -> None:
    def change(_: dict[str, Any], content: kit.Members) -> None:
        content["tool/bin/tool.gz"] = gzip.compress(b"tool 0ne")

    with pytest.raises(ArtifactError, match=r"tool/bin/tool\.gz: its content does not have the sha256"):
        load(there.store(), kit.rewritten(bundle, change))
    assert there.has() == []


def test_a_member_that_unpacks_to_more_than_it_says_is_refused(bundle: Path, there: Machine) -> None:
    def change(_: dict[str, Any], content: kit.Members) -> None:
        content["tool/bin/tool.gz"] = gzip.compress(b"\0" * 10_000_000)

    with pytest.raises(ArtifactError, match="it has more than 8 bytes"):
        load(there.store(), kit.rewritten(bundle, change))
    assert there.leftovers() == []


# Foreign


@pytest.mark.parametrize("field", ["system", "machine", "engine"])
def test_a_foreign_platform_is_refused_with_both_names(bundle: Path, there: Machine, field: str) -> None:
    def change(document: dict[str, Any], _: kit.Members) -> None:
        document["platform"][field] = "plan9"

    with pytest.raises(ArtifactError, match=r"the bundle is for .*plan9.*; this machine is ") as raised:
        load(there.store(), kit.rewritten(bundle, change))
    assert "lab bundle save" in (raised.value.next or "")
    assert there.has() == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [(2, "has schema 2, written by lab 9.9"), (0, "no schema"), ("1", "no schema"), (True, "no schema")],
)
def test_another_schema_is_refused(bundle: Path, there: Machine, schema: object, words: str) -> None:
    def change(document: dict[str, Any], _: kit.Members) -> None:
        document.update(schema=schema, lab="9.9", new="field")

    with pytest.raises(ArtifactError, match=words):
        load(there.store(), kit.rewritten(bundle, change))


def test_another_file_is_no_bundle(tmp_path: Path, there: Machine) -> None:
    text = tmp_path / "text"
    text.write_text("no bundle" * 200)
    with pytest.raises(ArtifactError, match="it is not a tar file"):
        load(there.store(), text)
    text.write_bytes(kit.tar_of([("README", b"hello")]))
    with pytest.raises(ArtifactError, match=r"has 'README' where it must have .* manifest\.json"):
        load(there.store(), text)
    for nowhere in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UsageError):
            load(there.store(), nowhere)


def test_a_bundle_of_another_version_loads_what_still_fits(bundle: Path, there: Machine) -> None:
    newer = TEXT.replace('text = "part one"', 'text = "part two"')
    report = load(there.store(newer), bundle)
    assert report.loaded == ("tool", "chart", "pulled", "deep")
    assert report.other == ("part", "whole")
    assert (report.stacks, report.incomplete) == (("second",), ("first",))
    assert list(there.docker.known) == ["docker.io/some/image:1"]  # the archive has both images


def test_a_bundle_of_which_nothing_fits_is_refused(bundle: Path, there: Machine) -> None:
    with pytest.raises(ArtifactError, match="none of its 6 artifacts has the same content key") as raised:
        load(there.store(TEXT.replace('version = "1"', 'version = "9"').replace('"2"', '"9"')), bundle)
    assert "save the bundle again" in (raised.value.next or "")
    assert there.has() == []


def test_artifacts_that_this_version_does_not_know_are_left_out(bundle: Path, there: Machine) -> None:
    report = load(there.store(TEXT.replace("[deep]", "[renamed]")), bundle)
    assert report.other == ("deep",)
    assert "deep" not in there.has()


def test_an_image_that_does_not_fit_is_removed_from_the_engine_again(here: Machine, there: Machine, file: Path) -> None:
    two = TEXT + '\n[other]\ntitle = "another image"\nkind = "image"\nversion = "1"\nrecipe = "assemble"\n'
    two += 'sources = ["deep/' + LONG + '"]\nestimate_s = 1\n'
    make(here.store(two, source="packages"), "other")
    save(here.store(two, source="packages"), {"first": ("whole",), "second": ("other",)}, file)
    report = load(there.store(two.replace('text = "deep"', 'text = "deeper"')), file)
    assert (report.loaded, report.other) == (("whole",), ("other",))
    assert list(there.docker.known) == [there.store(two).reference("whole")]


def test_an_image_that_the_lab_does_not_use_is_never_replaced(bundle: Path, there: Machine) -> None:
    name = "docker.io/library/somebodys:1"

    def add(document: dict[str, Any], members: kit.Members) -> None:
        whole = next(artifact for artifact in document["artifacts"] if artifact["image"])
        document["artifacts"].append({**whole, "name": "more", "image": name, "files": []})
        archive = kit.archive_of({whole["image"]: "{}", name: "{}"})
        members[manifests.IMAGES] = gzip.compress(archive)
        document["images"] = {"size": len(archive), "sha256": hashlib.sha256(archive).hexdigest()}

    there.docker.pull(name)
    before = dict(there.docker.known)
    with pytest.raises(ArtifactError, match=f"would replace images of the engine .*: {name}") as refused:
        load(there.store(), kit.rewritten(bundle, add))
    assert f"docker rmi {name}" in (refused.value.next or "")
    assert there.docker.known == before
    assert there.docker.loads == 0


# What a manifest and a tar file must not have


def _set(*path: str | int, to: object) -> Callable[[dict[str, Any], kit.Members], None]:
    def change(document: dict[str, Any], _: kit.Members) -> None:
        *above, last = path
        inner: Any = document
        for part in above:
            inner = inner[part]
        inner[last] = to

    return change


FILE = ("artifacts", 0, "files", 0)


@pytest.mark.parametrize(
    "path",
    [
        *("../tool", "/etc/passwd", "bin/../../tool", "bin//tool", "", ".", "a\\b", "C:tool", "bin/\n"),
        *("x" * 300, "manifest.json"),
    ],
)
def test_a_path_that_leads_out_of_the_entry_is_refused(bundle: Path, there: Machine, path: str) -> None:
    with pytest.raises(ArtifactError, match=r"the manifest is refused: artifacts\.0\.files\.0\.path"):
        load(there.store(), kit.rewritten(bundle, _set(*FILE, "path", to=path)))
    assert there.has() == []


@pytest.mark.parametrize(
    "change",
    [
        _set("artifacts", 0, "name", to="../tool"),
        _set("artifacts", 0, "name", to="Tool"),
        _set("artifacts", 0, "key", to="../../x"),
        _set("artifacts", 0, "source", to="elsewhere"),
        _set("artifacts", 2, "image", to="-rm"),
        _set(*FILE, "size", to=-1),
        _set(*FILE, "size", to=1 << 50),
        _set(*FILE, "size", to="8"),
        _set(*FILE, "sha256", to="0"),
        _set(*FILE, "mode", to=0o4755),
        _set("artifacts", to=[]),
        _set("images", to=None),
        _set("stacks", "first", to=["missing"]),
        _set("decisions", "chart", "match", "identity", to="x"),
        _set("decisions", "chart", "match", to=None),
        _set("decisions", "tool", "source", to="upstream"),
        _set("decisions", "tool", "source", to="elsewhere"),
        lambda document, _: document["artifacts"].append(document["artifacts"][0]),
        lambda document, _: document["artifacts"][0]["files"].append(document["artifacts"][0]["files"][0]),
        lambda document, _: document["artifacts"][0]["files"].append({"path": "BIN", "size": 1, "sha256": "0" * 64}),
    ],
)
def test_a_manifest_with_a_wrong_field_is_refused(
    bundle: Path, there: Machine, change: Callable[[dict[str, Any], kit.Members], None]
) -> None:
    with pytest.raises(ArtifactError, match="the manifest is refused"):
        load(there.store(), kit.rewritten(bundle, change))
    assert there.has() == []


def test_an_image_under_another_name_than_the_catalogues_is_refused(bundle: Path, there: Machine) -> None:
    change = _set("artifacts", 2, "image", to="docker.io/library/debian:12")
    with pytest.raises(ArtifactError, match="the image of whole is eastwest-lab/whole:"):
        load(there.store(), kit.rewritten(bundle, change))
    assert there.docker.loads == 0


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_a_member_that_is_not_a_regular_file_is_refused(bundle: Path, there: Machine, kind: bytes) -> None:
    content = kit.members_of(bundle)
    link = tarfile.TarInfo("tool/bin/tool.gz")
    link.type, link.linkname = kind, "/etc/passwd"
    parts: list[tuple[str | tarfile.TarInfo, bytes]] = [
        (link if name == link.name else name, part) for name, part in content.items()
    ]
    bundle.write_bytes(kit.tar_of(parts))
    with pytest.raises(ArtifactError, match=r"has 'tool/bin/tool\.gz' where it must have the regular file"):
        load(there.store(), bundle)
    assert there.has() == []


def test_members_beside_those_of_the_manifest_are_refused(bundle: Path, there: Machine) -> None:
    with pytest.raises(ArtifactError, match=r"a member that is not in its manifest: '\.\./evil'"):
        load(there.store(), kit.rewritten(bundle, nothing, more=[("../evil", b"x")]))
    assert there.has() == []


def test_a_manifest_of_many_megabytes_is_refused(bundle: Path, there: Machine) -> None:
    bundle.write_bytes(kit.tar_of([("manifest.json", b" " * (5 << 20)), ("manifest.sha256", b"x")]))
    with pytest.raises(ArtifactError, match=r"manifest\.json: it has 5242880 bytes, more than"):
        load(there.store(), bundle)


# Interruptions


def _interrupt_at(monkeypatch: pytest.MonkeyPatch, what: str, call: int) -> None:
    """Let Ctrl-C come in the middle of the nth file, or when the engine has loaded, or before an entry is published."""
    count = 0
    if what == "file":
        real = BundleReader.content

        def content(self: BundleReader, member: str, **expected: Any) -> Iterator[bytes]:
            nonlocal count
            count += 1
            for chunk in real(self, member, **expected):
                yield chunk[:3]
                if count == call:
                    raise KeyboardInterrupt
                yield chunk[3:]

        monkeypatch.setattr(BundleReader, "content", content)
        return
    real_publish = entries.publish

    def publish(*given: Any) -> None:
        nonlocal count
        count += 1
        if count == call:
            raise KeyboardInterrupt
        real_publish(*given)

    monkeypatch.setattr(entries, "publish", publish)


@pytest.mark.parametrize(
    ("what", "call", "kept"),
    [
        ("file", 1, []),
        ("file", 2, ["tool"]),
        ("publish", 2, ["tool"]),
        ("file", 5, ["chart", "deep", "part", "tool"]),
        ("publish", 5, ["chart", "deep", "part", "tool"]),
        ("publish", 6, ["chart", "deep", "part", "tool", "whole"]),
    ],
)
def test_an_interrupted_load_resumes(bundle: Path, there: Machine, what: str, call: int, kept: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        _interrupt_at(patch, what, call)
        with pytest.raises(KeyboardInterrupt):
            load(there.store(), bundle)
    assert there.has() == kept
    assert not there.store().is_from_bundle(ALL)
    report = load(there.store(), bundle)
    assert sorted(report.present) == kept
    assert sorted([*report.present, *report.loaded]) == sorted(ALL)
    assert plan.missing(there.store(), ALL) == []
    assert there.docker.loads == 1  # also after an interruption between the engine and the entry


def test_a_killed_load_leaves_a_work_folder_that_the_next_one_deletes(bundle: Path, there: Machine) -> None:
    left = there.paths.artifacts / "work" / "tool@killed"
    left.mkdir(parents=True)
    load(there.store(), bundle)
    assert there.leftovers() == []


def _state(machine: Machine) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in machine.paths.artifacts.rglob("*") if path.is_file()}


def test_a_second_load_changes_nothing(bundle: Path, there: Machine) -> None:
    load(there.store(), bundle)
    entries = {path: at for path, at in _state(there).items() if "locks" not in path}
    report = load(there.store(), bundle)
    assert report.loaded == ()
    assert report.present == ALL
    assert there.docker.loads == 1
    assert {path: at for path, at in _state(there).items() if "locks" not in path} == entries


def test_an_artifact_that_was_damaged_since_is_loaded_again(bundle: Path, there: Machine) -> None:
    load(there.store(), bundle)
    there.store().binary("tool").write_text("tool 0ne")
    assert load(there.store(), bundle).loaded == ("tool",)
    assert there.store().binary("tool").read_text() == "tool one"


def test_too_little_space_is_said_before_anything_is_loaded(
    bundle: Path, there: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3))
    with pytest.raises(HostError, match="of free disk space are needed") as raised:
        load(there.store(), bundle)
    assert "docker system df" in (raised.value.next or "")
    assert there.has() == []


@pytest.mark.parametrize("is_here", [True, False])
def test_only_the_disk_of_an_engine_on_this_machine_is_judged(
    bundle: Path, there: Machine, monkeypatch: pytest.MonkeyPatch, is_here: bool
) -> None:
    judged: list[Path] = []
    monkeypatch.setattr("lab.artifacts.bundle.space.check", judged.extend)
    there.docker.is_here = is_here
    load(there.store(), bundle)
    assert judged == [there.paths.artifacts, *([Path("/")] if is_here else [])]


# The decision of the sources


def test_without_a_bundle_the_same_catalogue_asks_a_registry(there: Machine) -> None:
    with pytest.raises(pytest.fail.Exception, match="the network was used"):
        there.store().unobtainable(ALL)


def test_the_bundles_sources_stay_without_asking_a_registry(bundle: Path, there: Machine) -> None:
    load(there.store(), bundle)
    store = there.store()
    assert store.is_from_bundle(ALL)
    assert store.is_built("tool")
    assert store.unobtainable(ALL) is None


def test_another_build_on_the_machine_does_not_replace_the_bundles(bundle: Path, there: Machine) -> None:
    load(there.store(), bundle)
    assert there.paths.local is not None
    own = there.paths.local / "some-chart"
    own.mkdir(parents=True)
    (own / "Chart.yaml").write_text("version: '1'\n# another one\n")
    assert plan.missing(there.store(), ALL) == []


def test_the_sources_of_a_bundle_of_another_version_are_not_used(
    bundle: Path, there: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(there.store(), bundle)
    monkeypatch.setattr("lab.artifacts.decisions.__version__", "99")
    assert not there.store().is_from_bundle(ALL)


def test_a_damaged_record_of_the_bundle_is_as_none(bundle: Path, there: Machine) -> None:
    load(there.store(), bundle)
    (file,) = (there.paths.artifacts / "decisions").iterdir()
    file.write_text("{")
    assert not there.store().is_from_bundle(ALL)


def test_a_machine_that_loaded_a_bundle_can_save_it_again(bundle: Path, there: Machine, tmp_path: Path) -> None:
    load(there.store(), bundle)
    save(there.store(), NEEDED, tmp_path / "again")
    third = Machine(tmp_path / "third")
    assert load(third.store(), tmp_path / "again").loaded == ALL


def test_a_set_source_that_is_not_the_bundles_is_named(here: Machine, there: Machine, file: Path) -> None:
    pinned = TEXT.replace(
        'path = "bin/tool"',
        'path = "bin/tool"\nupstream = { url = "https://example.com/tool", sha256 = { any = "'
        + "0" * 64
        + '" }, as_file = "bin/tool" }',
    )
    make(here.store(pinned, source="packages"), "tool")
    save(here.store(pinned, source="packages"), {"first": ("tool",)}, file)
    with pytest.raises(ArtifactError) as raised:
        load(there.store(pinned, source="upstream"), file)
    assert 'omit source = "upstream"' in (raised.value.next or "")


def test_the_sources_of_a_lab_that_is_up_are_not_changed(bundle: Path, there: Machine) -> None:
    there.paths.state.mkdir(parents=True)
    there.paths.kubeconfig.write_text("{}")
    with pytest.raises(LabError, match="the lab is up, and the bundle would change the sources") as raised:
        load(there.store(), bundle)
    assert raised.value.next == f"lab down, then lab bundle load {bundle}"
    assert there.has() == []


def test_a_lab_that_is_up_from_a_bundle_may_load_it_again(bundle: Path, there: Machine) -> None:
    load(there.store(), bundle)
    there.paths.state.mkdir(parents=True)
    there.paths.kubeconfig.write_text("{}")
    there.store().binary("tool").unlink()
    assert load(there.store(), bundle).loaded == ("tool",)


def test_the_report_is_complete_as_json(bundle: Path, there: Machine) -> None:
    report: LoadedReport = load(there.store(), bundle)
    assert report.platform.startswith(("linux/", "darwin/"))
    assert report.lab
    assert report.file == str(bundle)
