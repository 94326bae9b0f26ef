"""Updates: what a person edited stays, what upstream changed comes, and a conflict is marked and never hidden."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lab.base.errors import UsageError
from lab.initialize import folder as profile
from lab.initialize import update
from lab.initialize.choices import FILE_NAME, parse_query, parse_toml
from lab.initialize.update import UpdateKind

OLD = {"README.md": "one\ntwo\nthree\nfour\nfive\n", "base/a.yaml": "a: 1\n", "base/gone.yaml": "x: 1\n"}
NEW = {"README.md": "one\n2\nthree\nfour\nfive\n", "base/a.yaml": "a: 1\n", "base/new.yaml": "n: 1\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "out"
    assert profile.write(place, OLD) == len(OLD)
    return place


def kinds(planned: update.Update) -> dict[str, UpdateKind]:
    return {one.path: one.change for one in planned.changes}


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and profile.RECORD not in path.as_posix())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_an_unedited_folder_becomes_the_new_one(folder: Path) -> None:
    planned = update.plan(folder, NEW)
    assert kinds(planned) == {
        "README.md": UpdateKind.REPLACE,
        "base/gone.yaml": UpdateKind.DELETE,
        "base/new.yaml": UpdateKind.ADD,
    }
    planned.apply(folder)
    assert contents(folder) == NEW
    assert update.plan(folder, NEW).changes == []


def test_edits_in_other_places_are_merged(folder: Path) -> None:
    (folder / "README.md").write_text("one\ntwo\nthree\nfour\nFIVE\n")
    (folder / "mine.txt").write_text("mine")
    planned = update.plan(folder, NEW)
    assert kinds(planned)["README.md"] is UpdateKind.MERGE
    planned.apply(folder)
    assert (folder / "README.md").read_text() == "one\n2\nthree\nfour\nFIVE\n"
    assert (folder / "mine.txt").read_text() == "mine"


def test_edits_of_the_same_lines_get_markers_and_stop_the_next_update(folder: Path) -> None:
    (folder / "README.md").write_text("one\nZWEI\nthree\nfour\nfive\n")
    planned = update.plan(folder, NEW)
    assert planned.conflicts == ["README.md"]
    assert "+<<<<<<< yours" in planned.changes[0].diff()
    planned.apply(folder)
    text = (folder / "README.md").read_text()
    assert text == "one\n<<<<<<< yours\nZWEI\n=======\n2\n>>>>>>> lab initialize\nthree\nfour\nfive\n"
    with pytest.raises(UsageError, match=r"README\.md has conflict markers"):
        update.plan(folder, NEW)


def test_deleted_and_no_longer_needed_files_stay_as_the_person_left_them(folder: Path) -> None:
    (folder / "README.md").unlink()
    (folder / "base/gone.yaml").write_text("x: 2\n")
    planned = update.plan(folder, NEW)
    assert kinds(planned) == {
        "README.md": UpdateKind.KEPT,
        "base/gone.yaml": UpdateKind.KEPT,
        "base/new.yaml": UpdateKind.ADD,
    }
    assert [line.partition(": ")[2] for line in update.summary(planned)][:2] == [
        "README.md (you deleted it)",
        "base/gone.yaml (you edited it; it is not needed any more)",
    ]
    planned.apply(folder)
    assert not (folder / "README.md").exists()
    assert (folder / "base/gone.yaml").read_text() == "x: 2\n"


def test_a_file_that_both_made_gets_markers(folder: Path) -> None:
    (folder / "base/new.yaml").write_text("n: 2\n")
    assert kinds(update.plan(folder, NEW))["base/new.yaml"] is UpdateKind.CONFLICT


def test_the_same_edit_as_upstream_s_is_no_change(folder: Path) -> None:
    (folder / "README.md").write_text(NEW["README.md"])
    assert "README.md" not in kinds(update.plan(folder, NEW))


def test_an_empty_folder_is_removed(folder: Path) -> None:
    update.plan(folder, {"README.md": OLD["README.md"]}).apply(folder)
    assert not (folder / "base").exists()


@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_failure_at_any_moment_leaves_the_folder_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, at: int, kind: type[BaseException], when: str
) -> None:
    error = kind(28, "No space left on device")
    new = {**NEW, "clusters/new/a.yaml": "a: 1\n"}
    before, folders = contents(folder), {path for path in folder.rglob("*") if path.is_dir()}
    planned = update.plan(folder, new)
    real, count = Path.replace, iter(range(100))

    def rename(self: Path, target: Path) -> Path:
        is_now = next(count) == at
        if is_now and when == "before":
            raise error
        made = real(self, target)
        if is_now:
            raise error
        return made

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", rename)
        with pytest.raises(kind):
            planned.apply(folder)
    assert contents(folder) == before
    assert {path for path in folder.rglob("*") if path.is_dir()} == folders
    if isinstance(error, OSError):
        assert error.filename == str(folder)


@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("at", range(3))
def test_a_new_folder_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException], at: int
) -> None:
    real, count = Path.rename, iter(range(100))

    def rename(self: Path, target: Path) -> Path:
        if next(count) == at:
            raise kind(28, "No space left on device", str(self))
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(kind) as caught:
        profile.write(tmp_path / "new/out", OLD)
    assert list(tmp_path.iterdir()) == []
    if isinstance(caught.value, OSError):
        assert caught.value.filename == str(tmp_path / "new/out")


def test_a_file_keeps_its_mode(folder: Path) -> None:
    (folder / "README.md").chmod(0o755)
    update.plan(folder, NEW).apply(folder)
    assert (folder / "README.md").stat().st_mode & 0o777 == 0o755


def test_comments_in_the_file_of_choices_stay(tmp_path: Path) -> None:
    def files(query: str) -> dict[str, str]:
        return {FILE_NAME: parse_query(query).toml()}

    folder = tmp_path / "out"
    profile.write(folder, files("apps=podinfo"))
    toml = folder / FILE_NAME
    toml.write_text(f"# ours\n{toml.read_text()}")
    update.plan(folder, files("apps=podinfo&delivery=flux")).apply(folder)
    assert toml.read_text().startswith("# ours\n")
    assert parse_toml(toml.read_text()) == parse_query("apps=podinfo&delivery=flux")


COMMENTED = """\
# ours
format = 1  # one
[choices]
# before the mesh
mesh = "linkerd"  # mine
"apps" = [  # several
  # first
  "podinfo",  # second
]  # third
# the end
"""


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "BOM"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("query", ["apps=podinfo&mesh=linkerd&ingress=contour", "apps=podinfo,frontend&delivery=flux"])
@pytest.mark.parametrize("is_whole", [True, False])
def test_comments_stay_whatever_a_person_edited(
    tmp_path: Path, mark: str, end: str, query: str, is_whole: bool
) -> None:
    folder = tmp_path / "out"
    written = parse_query("mesh=linkerd").toml()
    profile.write(folder, {FILE_NAME: written})
    edited = written.replace("apps = []", 'apps = ["podinfo"]  # mine').replace('"linkerd"', '"linkerd"  # third')
    edited = COMMENTED if is_whole else edited
    toml = folder / FILE_NAME
    toml.write_bytes((mark + edited.replace("\n", end)).encode())
    new = parse_query(query)
    update.plan(folder, {FILE_NAME: new.toml()}).apply(folder)
    text = toml.read_bytes().decode()
    assert text.startswith(mark)
    assert text.count("\n") == text.count(end)
    assert parse_toml(text.removeprefix(mark)) == new
    for line in edited.splitlines():
        comment = line[line.find("#") :] if "#" in line else ""
        assert comment in text
    assert update.plan(folder, {FILE_NAME: new.toml()}).changes == []


def test_choices_that_a_person_made_by_hand_stay_as_they_are_written(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    profile.write(folder, {FILE_NAME: parse_query("").toml()})
    toml = folder / FILE_NAME
    toml.write_text(toml.read_text().replace("apps = []", 'apps = ["podinfo"] # mine'))
    edited = toml.read_text()
    update.plan(folder, {FILE_NAME: parse_query("apps=podinfo").toml()}).apply(folder)
    assert toml.read_text() == edited


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_the_line_ends_of_a_checkout_are_no_edits_and_stay(folder: Path, end: str) -> None:
    (folder / "README.md").write_text("one\ntwo\nthree\nfour\nFIVE\n")
    for file in folder.rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes().replace(b"\n", end.encode()))
    planned = update.plan(folder, {**NEW, "base/a.yaml": "a: 2\n"})
    assert kinds(planned) == {
        "README.md": UpdateKind.MERGE,
        "base/a.yaml": UpdateKind.REPLACE,
        "base/gone.yaml": UpdateKind.DELETE,
        "base/new.yaml": UpdateKind.ADD,
    }
    (readme,) = (one.diff() for one in planned.changes if one.path == "README.md")
    assert [line.rstrip() for line in readme.splitlines() if line[0] in "+-"][2:] == ["-two", "+2"]
    planned.apply(folder)
    assert (folder / "README.md").read_bytes().decode() == "one\n2\nthree\nfour\nFIVE\n".replace("\n", end)
    assert (folder / "base/a.yaml").read_bytes().decode() == f"a: 2{end}"


def test_a_conflict_in_a_checkout_of_windows_has_its_line_ends(folder: Path) -> None:
    (folder / "README.md").write_bytes(b"one\r\nZWEI\r\nthree\r\nfour\r\nfive\r\n")
    planned = update.plan(folder, NEW)
    assert planned.conflicts == ["README.md"]
    planned.apply(folder)
    text = (folder / "README.md").read_bytes()
    assert text.startswith(b"one\r\n<<<<<<< yours\r\nZWEI\r\n=======\r\n2\r\n>>>>>>> lab initialize\r\nthree")
    assert text.count(b"\n") == text.count(b"\r\n")
    with pytest.raises(UsageError, match="conflict markers"):
        update.plan(folder, NEW)


def test_an_edit_that_upstream_made_too_is_the_base_of_the_next_update(folder: Path) -> None:
    (folder / "README.md").write_text(NEW["README.md"])
    planned = update.plan(folder, {**OLD, "README.md": NEW["README.md"]})
    assert (list(planned.effective), planned.is_recorded) == ([], False)
    planned.apply(folder)
    assert update.plan(folder, {**OLD, "README.md": NEW["README.md"]}).is_recorded
    next_ = {**OLD, "README.md": "one\nII\nthree\nfour\nfive\n"}
    assert kinds(update.plan(folder, next_)) == {"README.md": UpdateKind.REPLACE}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is missing"),
        ("{", "is damaged"),
        ('{"format": 1}', "is damaged"),
        ('{"format": 9, "files": {}}', "newer version"),
        ("[" * 100_000, "is damaged"),
        ("\x00", "is damaged"),
    ],
)
def test_a_bad_record_is_named(folder: Path, text: str | None, words: str) -> None:
    record = folder / profile.RECORD
    record.unlink() if text is None else record.write_text(text)
    with pytest.raises(UsageError, match=words):
        update.plan(folder, NEW)


def test_a_link_and_a_binary_file_are_refused(folder: Path) -> None:
    (folder / "README.md").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not a text in UTF-8"):
        update.plan(folder, NEW)
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to(folder / "base/a.yaml")
    with pytest.raises(UsageError, match="not a regular file"):
        update.plan(folder, NEW)


@pytest.mark.parametrize("is_link", [True, False])
def test_a_link_or_a_file_in_place_of_a_folder_is_refused(folder: Path, tmp_path: Path, is_link: bool) -> None:
    outside = tmp_path / "outside"
    (folder / "base").rename(outside)
    (folder / "base").symlink_to(outside) if is_link else (folder / "base").write_text("")
    with pytest.raises(UsageError, match="base: is not a folder"):
        update.plan(folder, NEW)


@pytest.mark.parametrize("place", ["file", "folder", "nothing"])
def test_a_folder_without_its_record_is_named(folder: Path, place: str) -> None:
    shutil.rmtree(folder / ".initializer")
    if place == "file":
        (folder / ".initializer").write_text("")
    if place == "folder":
        (folder / profile.RECORD).mkdir(parents=True)
    with pytest.raises(UsageError, match="cannot tell your changes") as caught:
        update.plan(folder, NEW)
    assert caught.value.next


def test_a_folder_that_is_not_empty_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "initializer.toml").write_text("format = 1\n")
    with pytest.raises(UsageError) as caught:
        profile.write(folder, NEW)
    assert "lab initialize update" in str(caught.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        profile.write(tmp_path / "file", NEW)


def test_an_update_could_not_lead_out_of_the_folder(folder: Path) -> None:
    # The record is a file of the folder, which a person gets from others.
    record = folder / profile.RECORD
    record.write_text('{"format": 1, "files": {"../outside": "x"}}')
    with pytest.raises(UsageError, match="is damaged"):
        update.plan(folder, NEW)
