import stat
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.base.errors import ClusterError, LabError, WaitTimeout
from lab.base.paths import Paths
from lab.clusters import kubeconfig
from lab.kube import manifests
from lab.lab import Lab


def from_kind(name: str, server: str = "https://127.0.0.1:1") -> str:
    full = f"kind-dev-{name}"
    return manifests.dump(
        {
            "clusters": [{"name": full, "cluster": {"server": server, "certificate-authority-data": "Q0E="}}],
            "contexts": [{"name": full, "context": {"cluster": full, "user": full}}],
            "current-context": full,
            "users": [{"name": full, "user": {"client-key-data": "S0VZ"}}],
        }
    )


def read(file: Path) -> Any:
    return manifests.load_document(file.read_text())


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(
        spec=config.parse('name = "dev"'),
        paths=Paths(cache=tmp_path / "cache", state=tmp_path / "state"),
        artifacts=None,  # type: ignore[arg-type]
    )
    for name in ("east", "west"):
        kubeconfig.adopt(made.paths.kubeconfig, name=name, from_kind=from_kind(name))
    return made


def test_contexts_are_named_like_the_clusters_and_none_is_current(lab: Lab) -> None:
    assert kubeconfig.contexts(lab.paths.kubeconfig) == ("east", "west")
    assert "current-context" not in read(lab.paths.kubeconfig)
    assert stat.S_IMODE(lab.paths.kubeconfig.stat().st_mode) == 0o600


def test_adopting_the_same_again_changes_nothing_and_new_credentials_do(lab: Lab) -> None:
    file = lab.paths.kubeconfig
    assert kubeconfig.adopt(file, name="east", from_kind=from_kind("east")) is False
    assert kubeconfig.adopt(file, name="east", from_kind=from_kind("east", "https://127.0.0.1:2")) is True
    assert [c["cluster"]["server"] for c in read(file)["clusters"]] == ["https://127.0.0.1:2", "https://127.0.0.1:1"]


def test_merging_keeps_everything_of_the_users_and_unmerging_brings_it_back(lab: Lab, tmp_path: Path) -> None:
    mine = tmp_path / "config"
    before = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "work",
        "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
        "clusters": [{"name": "work", "cluster": {"server": "https://work.example"}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
    }
    mine.write_text(manifests.dump(before))
    mine.chmod(0o640)
    assert kubeconfig.merge(lab, mine) == f"contexts east, west are in {mine}"
    merged = read(mine)
    assert merged["current-context"] == "work"
    assert [c["name"] for c in merged["contexts"]] == ["work", "east", "west"]
    assert merged["contexts"][1]["context"]["cluster"] == "dev-east"
    assert kubeconfig.merge(lab, mine) == f"contexts east, west are in {mine}"
    assert read(mine) == merged
    assert kubeconfig.unmerge(lab, mine) == f"contexts east, west are no longer in {mine}"
    assert read(mine) == before
    assert stat.S_IMODE(mine.stat().st_mode) == 0o640
    assert not mine.with_name("config.lock").exists()


def test_a_context_of_somebody_elses_gets_the_longer_name_beside_it(lab: Lab, tmp_path: Path) -> None:
    mine = tmp_path / "config"
    mine.write_text(manifests.dump({"contexts": [{"name": "east", "context": {"cluster": "x", "user": "y"}}]}))
    assert kubeconfig.merge(lab, mine) == f"contexts dev-east, west are in {mine}"
    assert kubeconfig.merged(lab, mine) == ("dev-east", "west")
    kubeconfig.unmerge(lab, mine)
    assert [c["name"] for c in read(mine)["contexts"]] == ["east"]


def test_names_that_are_all_taken_are_an_error_and_change_nothing(lab: Lab, tmp_path: Path) -> None:
    mine = tmp_path / "config"
    text = manifests.dump({"clusters": [{"name": "dev-east", "cluster": {"server": "https://x.example"}}]})
    mine.write_text(text)
    with pytest.raises(ClusterError, match="dev-east"):
        kubeconfig.merge(lab, mine)
    assert mine.read_text() == text


def test_a_file_that_only_the_lab_was_in_goes_with_it(lab: Lab, tmp_path: Path) -> None:
    mine = tmp_path / "kube" / "config"
    kubeconfig.merge(lab, mine)
    assert stat.S_IMODE(mine.stat().st_mode) == 0o600
    kubeconfig.unmerge(lab, mine)
    assert not mine.exists()
    assert "has no contexts" in kubeconfig.unmerge(lab, mine)


def test_a_link_to_the_file_stays_a_link(lab: Lab, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text(manifests.dump({"current-context": "work"}))
    link.symlink_to(real)
    kubeconfig.merge(lab, link)
    assert link.is_symlink()
    assert len(read(real)["contexts"]) == 2


BROKEN = {
    "no YAML": b"clusters: [\n :::",
    "UTF-16": "apiVersion: v1\n".encode("utf-16"),
    "a word": b"hello\n",
    "a list": b"- east\n",
    "no names": b"clusters:\n- cluster: {}\n",
    "a mapping of clusters": b"clusters:\n  east: {}\n",
    "a control character": b"a: \x00b\n",
    "a date that does not exist": b"a: 2026-13-45\n",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_not_a_kubeconfig_is_named_and_left(lab: Lab, tmp_path: Path, content: bytes) -> None:
    mine = tmp_path / "config"
    mine.write_bytes(content)
    for change in (kubeconfig.merge, kubeconfig.unmerge):
        with pytest.raises(LabError, match="config: is not ") as raised:
            change(lab, mine)
        assert raised.value.exit_code == 3
        assert raised.value.next is not None
    assert mine.read_bytes() == content
    assert [path.name for path in tmp_path.glob("config*")] == ["config"]


def test_a_read_only_file_stays_as_it_is(lab: Lab, tmp_path: Path) -> None:
    mine = tmp_path / "config"
    kubeconfig.merge(lab, mine)
    before = mine.read_bytes()
    mine.chmod(0o400)
    for change in (kubeconfig.merge, kubeconfig.unmerge):
        with pytest.raises(LabError, match="read-only"):
            change(lab, mine)
    assert mine.read_bytes() == before


def test_a_place_that_cannot_be_written_is_an_error_as_text(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="cannot be written"):
        kubeconfig.merge(lab, tmp_path / "file" / "config")


def test_a_byte_order_mark_is_read(lab: Lab, tmp_path: Path) -> None:
    mine = tmp_path / "config"
    mine.write_text("current-context: work\n", encoding="utf-8-sig")
    kubeconfig.merge(lab, mine)
    assert read(mine)["current-context"] == "work"


def test_kubectls_lock_is_respected(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lab.base import wait

    def at_once(what: str, probe: Any, **_: Any) -> Any:
        return until(what, probe, timeout_s=0)

    until = wait.until
    monkeypatch.setattr(wait, "until", at_once)
    (tmp_path / "config.lock").touch()
    with pytest.raises(WaitTimeout, match=r"config\.lock exists"):
        kubeconfig.merge(lab, tmp_path / "config")


def test_the_users_file_is_the_one_that_kubectl_writes_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    assert kubeconfig.user_file() == tmp_path / "a"
    (tmp_path / "b").touch()
    assert kubeconfig.user_file() == tmp_path / "b"
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kubeconfig.user_file() == tmp_path / ".kube" / "config"
