"""Builds that upstream publishes, from a registry and a release server: everything there, and what can go wrong.

Each trouble ends in a clear error or in a build from packages of that one artifact, and never in a damaged entry.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from lab.artifacts.make import make
from lab.artifacts.resolver import Match, NotFound
from lab.artifacts.store import ArtifactStore
from lab.base.errors import ArtifactError, DigestError
from lab.lifecycle import artifacts as verbs
from tests.unit.artifacts.conftest import FakeDocker
from tests.unit.artifacts.site import PORTAL, Site, Trouble, digest, packed, serving
from tests.unit.artifacts.test_verbs import lab

PROGRAM = b"\x7fELF" + bytes(1000)
CTL = "/v2.0/ctl-linux-amd64"
PROXY = "/v2/mesh/proxy/manifests/2.0"
Open = Callable[..., ArtifactStore]


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as found:
        yield found


@pytest.fixture
def open_store(site: Site, make_store: Open, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Return a function that opens the store as the next command would."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    text = f"""
{site.catalog}
[proxy]
title = "the proxy"
kind = "image"
version = "1.9"
recipe = "assemble"
sources = ["parts/part.txt"]
estimate_s = 1
upstream = {{ version = "2.0", group = "mesh", image = "{site.host}/mesh/proxy:2.0" }}

[pilot]
title = "the pilot"
kind = "image"
version = "1.9"
recipe = "assemble"
sources = ["parts/part.txt"]
estimate_s = 1
upstream = {{ version = "2.0", group = "mesh", image = "{site.host}/mesh/pilot:2.0" }}

[parts]
title = "the parts"
kind = "files"
version = "1"
recipe = "write"
text = "part"
path = "part.txt"
estimate_s = 1
"""

    def again(source: str = "auto", **rest: str | None) -> ArtifactStore:
        return make_store(text, source=source, **rest)

    return again


@pytest.fixture
def everything(site: Site) -> Site:
    site.chart("one")
    site.release(PROGRAM)
    site.pages["/crds.yaml"] = b"kind: CustomResourceDefinition\n"
    site.image("mesh/proxy:2.0")
    site.image("mesh/pilot:2.0", b'{"schemaVersion": 2, "of": "pilot"}')
    return site


ALL = ("chart", "ctl", "crds", "proxy", "pilot")


def sources(store: ArtifactStore) -> dict[str, str]:
    return {name: store.source(name) for name in ALL}


# Everything is available


def test_where_everything_is_available_nothing_is_built(
    open_store: Open, everything: Site, built: list[str], docker: FakeDocker
) -> None:
    store = open_store()
    assert store.unobtainable(ALL) is None
    for name in ALL:
        make(store, name)
    assert built == []
    assert set(sources(store).values()) == {"upstream"}
    assert store.binary("ctl").read_bytes() == PROGRAM
    assert store.binary("ctl").stat().st_mode & 0o111
    assert store.file("chart", "chart/values.yaml").read_text() == "one"
    assert store.image("proxy") == f"{everything.host}/mesh/proxy:2.0"
    assert docker.pulled[0] == f"{everything.host}/mesh/proxy@{digest(everything.pages[PROXY])}"
    assert {row.source for row in verbs.listing(lab(store), ALL)} == {"upstream", ""}


def test_the_second_command_asks_nobody_and_works_without_a_network(
    open_store: Open, everything: Site, tmp_path: Path
) -> None:
    first = open_store()
    for name in ALL:
        make(first, name)
    keys = [first.keys[name] for name in ALL]
    lock = (tmp_path / "lab.lock").read_text()
    everything.asked.clear()
    everything.pages.clear()
    for later in (open_store(), open_store(), open_store("upstream")):
        assert [later.problem(name) for name in ALL] == [None] * len(ALL)
        assert [later.keys[name] for name in ALL] == keys
    assert everything.asked == []
    assert (tmp_path / "lab.lock").read_text() == lock


def test_lab_lock_has_the_digest_of_each_first_use(open_store: Open, everything: Site, tmp_path: Path) -> None:
    store = open_store()
    for name in ALL:
        make(store, name)
    lines = [line for line in (tmp_path / "lab.lock").read_text().splitlines() if line.startswith('"')]
    host = everything.host
    assert lines == sorted(lines)
    assert f'"http://{host}{CTL}" = "{digest(PROGRAM)}"' in lines
    assert f'"http://{host}/crds.yaml" = "{digest(everything.pages["/crds.yaml"])}"' in lines
    assert f'"{host}/mesh/proxy:2.0" = "{digest(everything.pages[PROXY])}"' in lines
    trusted = {row.name: row.trust for row in verbs.listing(lab(store), ALL)}
    assert trusted["ctl"] == f"http://{host}{CTL}.sha256"
    assert trusted["crds"] == trusted["proxy"] == "its first use"


def test_a_tag_that_moves_later_changes_nothing(open_store: Open, everything: Site) -> None:
    make(open_store(), "chart")
    everything.chart("two")
    later = open_store()
    assert later.problem("chart") is None
    assert later.file("chart", "chart/values.yaml").read_text() == "one"


def test_registries_are_asked_in_a_way_that_no_limit_of_pulls_counts(open_store: Open, everything: Site) -> None:
    open_store().unobtainable(["proxy"])
    manifests = [line for line in everything.asked if "/manifests/" in line]
    assert manifests
    assert all(line.startswith("HEAD ") for line in manifests)


# Settings


def test_packages_never_pulls_what_has_a_recipe(open_store: Open, everything: Site) -> None:
    store = open_store("packages")
    assert store.unobtainable(["ctl", "proxy", "pilot"]) is None
    assert everything.asked == []
    assert {store.source(name) for name in ("ctl", "proxy", "pilot")} == {"packages"}
    missing = store.unobtainable(["chart"])
    assert missing is not None
    assert "registries are not asked" in missing.what


def test_upstream_never_builds(open_store: Open, everything: Site) -> None:
    del everything.pages[CTL]
    store = open_store("upstream")
    missing = store.unobtainable(ALL)
    assert missing is not None
    assert len(missing.what.splitlines()) == 1
    assert f"the CLI 2.0 is unavailable here: http://{everything.host}{CTL}: HTTP 404" in missing.what
    assert 'it is not built, with `source = "upstream"`' in missing.what


def test_a_mirror_is_asked_instead_of_the_registry(open_store: Open, everything: Site, unused_tcp_port: int) -> None:
    del everything.pages[PROXY]
    everything.image("cache/mesh/proxy:2.0")
    store = open_store("upstream", mirror=f"{everything.host}/cache")
    found = store.resolver.find(store.catalog["proxy"])
    assert isinstance(found, Match)
    assert (found.source, found.name) == ("mirror", f"{everything.host}/mesh/proxy:2.0")
    make(store, "proxy")
    assert store.source("proxy") == "mirror"
    assert store.docker.pulled[-1].startswith(f"{everything.host}/cache/mesh/proxy@sha256:")
    silent = open_store("upstream", mirror=f"127.0.0.1:{unused_tcp_port}")
    not_found = silent.resolver.find(silent.catalog["pilot"])
    assert isinstance(not_found, NotFound)
    assert f"127.0.0.1:{unused_tcp_port} does not answer" in not_found.looked


# One is missing


def test_only_what_is_missing_is_built(open_store: Open, everything: Site, built: list[str]) -> None:
    del everything.pages[CTL]
    store = open_store()
    assert store.unobtainable(ALL) is None
    for name in ALL:
        make(store, name)
    assert built == ["ctl"]
    assert sources(store) == {name: "packages" if name == "ctl" else "upstream" for name in ALL}
    assert (store.entry("ctl") or pytest.fail("no entry")).version == "1.9"


def test_a_missing_image_has_its_whole_group_built(open_store: Open, everything: Site) -> None:
    del everything.pages[PROXY]
    store = open_store()
    assert store.unobtainable(ALL) is None
    assert {store.source(name) for name in ("proxy", "pilot")} == {"packages"}
    assert {store.source(name) for name in ("chart", "ctl", "crds")} == {"upstream"}


def test_where_nothing_can_be_built_exactly_the_missing_is_named_and_the_others_are_pulled(
    open_store: Open, everything: Site
) -> None:
    del everything.pages[PROXY]
    store = open_store(cannot_build="only root can build it from packages")
    missing = store.unobtainable(ALL)
    assert missing is not None
    assert len(missing.what.splitlines()) == 1
    assert "the proxy 2.0 is unavailable here: " in missing.what
    assert "(HTTP 404); only root can build it from packages" in missing.what
    assert missing.next == f"docker pull {everything.host}/mesh/proxy:2.0"
    for name in ("chart", "ctl", "crds", "pilot"):
        make(store, name)
        assert store.problem(name) is None
    with pytest.raises(ArtifactError, match=r"the proxy 2\.0 is unavailable here"):
        make(store, "proxy")


def test_the_decision_to_build_is_remembered_for_a_while(
    open_store: Open, everything: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    del everything.pages[CTL]
    assert open_store().source("ctl") == "packages"
    everything.asked.clear()
    everything.release(PROGRAM)
    assert open_store().source("ctl") == "packages"
    assert everything.asked == []
    later = open_store()
    now = later.decisions.memory.clock()
    monkeypatch.setattr(later.decisions.memory, "clock", lambda: now + 3600)
    assert later.source("ctl") == "upstream"


def test_a_lab_that_is_up_keeps_what_it_decided(
    open_store: Open, everything: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    del everything.pages[CTL]
    store = open_store()
    assert store.source("ctl") == "packages"
    everything.release(PROGRAM)
    store.paths.kubeconfig.parent.mkdir(parents=True)
    store.paths.kubeconfig.write_text("")
    later = open_store()
    monkeypatch.setattr(later.decisions.memory, "clock", lambda: 1e12)
    assert later.source("ctl") == "packages"


# A registry or server in trouble


@pytest.mark.parametrize("path", [CTL, f"{CTL}.sha256", PROXY, "/crds.yaml"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_as_it_says(
    open_store: Open, everything: Site, rests: list[float], path: str, status: int
) -> None:
    everything.troubles[path] = Trouble(status=status, headers={"Retry-After": "5"})
    store = open_store("upstream")
    assert store.unobtainable(ALL) is None
    assert rests == [5.0]


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_stays_busy_leaves_one_artifact_to_build(open_store: Open, everything: Site, status: int) -> None:
    everything.troubles[CTL] = Trouble(times=99, status=status)
    store = open_store()
    assert store.unobtainable(ALL) is None
    assert sources(store) == {name: "packages" if name == "ctl" else "upstream" for name in ALL}
    missing = open_store("upstream").unobtainable(ALL)
    assert missing is not None
    assert len(missing.what.splitlines()) == 1
    assert f"{CTL}: HTTP {status}, " in missing.what


def test_a_download_that_is_cut_is_resumed_and_whole(open_store: Open, everything: Site) -> None:
    everything.release(bytes(200_000))
    store = open_store("upstream")
    assert store.unobtainable(["ctl"]) is None
    everything.troubles[CTL] = Trouble(cut_after=100_000)
    make(store, "ctl")
    assert store.binary("ctl").read_bytes() == bytes(200_000)
    assert everything.ranges == ["bytes=65536-"]


def test_a_download_that_is_always_cut_is_an_error_and_the_next_run_builds(
    open_store: Open, everything: Site, built: list[str]
) -> None:
    store = open_store()
    assert store.unobtainable(["ctl"]) is None
    everything.troubles[CTL] = Trouble(times=99, cut_after=500)
    with pytest.raises(ArtifactError, match="the connection was cut after") as raised:
        make(store, "ctl")
    assert (raised.value.next or "").startswith("run the command again: it builds ctl from packages")
    assert store.entry("ctl") is None
    assert list((store.root / "work").iterdir()) == []
    again = open_store()
    make(again, "ctl")
    assert built == ["ctl"]


def test_a_login_page_is_never_an_artifact(open_store: Open, everything: Site) -> None:
    page = {"Content-Type": "text/html"}
    for path in ("/v2/", CTL, f"{CTL}.sha256", "/crds.yaml", PROXY, "/v2/mesh/pilot/manifests/2.0"):
        everything.troubles[path] = Trouble(times=99, body=PORTAL, headers=page)
    store = open_store("upstream")
    missing = store.unobtainable(["ctl", "crds", "proxy", "pilot"])
    assert missing is not None
    assert len(missing.what.splitlines()) == 4
    assert missing.what.count("answers with a web page instead of the file") == 2
    assert missing.what.count(f"{everything.host} does not answer") == 2


@pytest.mark.parametrize("headers", [{"Content-Type": "text/html"}, {"Content-Type": "application/json"}])
def test_a_login_page_behind_a_registrys_first_answer_is_not_a_manifest(
    open_store: Open, everything: Site, headers: dict[str, str]
) -> None:
    everything.troubles[PROXY] = Trouble(times=99, body=PORTAL, headers=headers)
    missing = open_store("upstream").unobtainable(["proxy"])
    assert missing is not None
    assert "web page instead" in missing.what or "the registry's answer is not a manifest" in missing.what


def test_a_login_page_that_appears_after_the_search_leaves_no_entry(open_store: Open, everything: Site) -> None:
    store = open_store("upstream")
    assert store.unobtainable(["crds"]) is None  # it has no digest yet: only its content can tell
    everything.troubles["/crds.yaml"] = Trouble(times=99, body=PORTAL)
    with pytest.raises(ArtifactError, match="answers with a web page instead of the file"):
        make(store, "crds")
    assert store.entry("crds") is None
    assert not store.pins.file.exists()


# Digests


def test_a_file_without_the_digest_of_its_checksum_file_is_refused_and_not_built_instead(
    open_store: Open, everything: Site, built: list[str]
) -> None:
    everything.release(b"something else", sha256="0" * 64)
    store = open_store()
    with pytest.raises(DigestError, match=r"has the digest sha256:.*, not sha256:0000.*\.sha256 says; it was deleted"):
        make(store, "ctl")
    assert store.entry("ctl") is None
    assert open_store().source("ctl") == "upstream"
    assert built == []


def test_a_chart_without_its_digest_is_refused(open_store: Open, everything: Site) -> None:
    everything.chart("one", content=packed({"ingress/Chart.yaml": "two"}))
    store = open_store()
    with pytest.raises(DigestError, match=r"does not have the digest sha256:.*it was deleted"):
        make(store, "chart")
    assert store.entry("chart") is None


def test_without_a_checksum_file_the_first_use_is_trusted_and_required_afterwards(
    open_store: Open, everything: Site
) -> None:
    del everything.pages[f"{CTL}.sha256"]
    store = open_store("upstream")
    make(store, "ctl")
    assert (store.entry("ctl") or pytest.fail("no entry")).notes["trusted by"] == "its first use"
    verbs_clean_all(store)
    everything.release(b"another program")
    with pytest.raises(DigestError, match=r"lab\.lock says; it was deleted") as raised:
        make(open_store("upstream"), "ctl")
    assert f"delete its line in {store.pins.file}" in (raised.value.next or "")


@pytest.mark.parametrize("content", [b"", b"not a checksum", b"abc  ctl\n", b"0" * 63])
def test_a_checksum_file_that_is_none_is_not_trusted(open_store: Open, everything: Site, content: bytes) -> None:
    everything.pages[f"{CTL}.sha256"] = content
    missing = open_store("upstream").unobtainable(["ctl"])
    assert missing is not None
    assert f"{CTL}.sha256 is not a checksum file: it begins with" in missing.what


def test_a_digest_in_lab_lock_is_required_of_a_registry(open_store: Open, everything: Site, tmp_path: Path) -> None:
    wanted = f"sha256:{'7' * 64}"
    (tmp_path / "lab.lock").write_text(f'[digests]\n"{everything.host}/mesh/proxy:2.0" = "{wanted}"\n')
    missing = open_store("upstream").unobtainable(["proxy"])
    assert missing is not None
    name = f"{everything.host}/mesh/proxy:2.0"
    assert f"the registry has no {name} with the digest {wanted}, as {tmp_path}" in missing.what
    assert "delete its line in" in (missing.next or "")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "refuses {name}: it does not exist, or needs `docker login {host}`"),
        (500, "does not return {name} (HTTP 500)"),
    ],
)
def test_a_registry_that_fails_is_no_reason_to_delete_a_digest(
    open_store: Open, everything: Site, tmp_path: Path, status: int, words: str
) -> None:
    name = f"{everything.host}/mesh/proxy:2.0"
    wanted = f"sha256:{'7' * 64}"
    (tmp_path / "lab.lock").write_text(f'[digests]\n"{name}" = "{wanted}"\n')
    everything.troubles[f"/v2/mesh/proxy/manifests/{wanted}"] = Trouble(times=9, status=status)
    missing = open_store("upstream").unobtainable(["proxy"])
    assert missing is not None
    asked = f"{everything.host}/mesh/proxy@{wanted}"
    assert f"{everything.host} {words.format(name=asked, host=everything.host)}" in missing.what
    assert "delete its line" not in (missing.next or "")


@pytest.mark.parametrize("manifest", [b"[]", b"{}", b'{"layers": [{"digest": "sha256:1"}]}', b'{"layers": 1}'])
def test_a_manifest_of_no_chart_is_an_error(open_store: Open, everything: Site, manifest: bytes) -> None:
    everything.image("charts/ingress:2.0", manifest)
    with pytest.raises(ArtifactError, match="is not a Helm chart"):
        make(open_store("upstream"), "chart")


@pytest.mark.parametrize(
    ("config", "helper"),
    [
        ("no JSON", None),
        ("[]", None),
        ('{"auths": null}', None),
        ('{"credsStore": "test"}', "#!/bin/sh\n"),
        ('{"credsStore": "test"}', "#!/bin/sh\necho '{}'\n"),
        ('{"credsStore": "test"}', "a program for another system"),
    ],
)
def test_without_readable_credentials_a_registry_is_asked_anonymously(  # noqa: PLR0917 - fixtures and one row of the table
    open_store: Open, everything: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, helper: str | None
) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(config)
    monkeypatch.setenv("HOME", str(tmp_path))
    if helper is not None:
        (tmp_path / "docker-credential-test").write_text(helper)
        (tmp_path / "docker-credential-test").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert open_store("upstream").source("proxy") == "upstream"
    assert f"HEAD {PROXY}" in everything.asked


def test_each_registry_is_tried_once_whatever_is_searched_at_once(open_store: Open, everything: Site) -> None:
    open_store("auto").decisions.prefetch(ALL)
    assert everything.asked.count("GET /v2/") == 1


def test_an_entry_that_does_not_say_what_it_was_taken_from_is_taken_again(open_store: Open, everything: Site) -> None:
    make(open_store("upstream"), "ctl")
    file = open_store("upstream").folder("ctl") / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "notes": {}}))
    shutil.rmtree(open_store("upstream").root / "decisions")
    before = len(everything.asked)
    assert open_store("upstream").problem("ctl") is not None
    make(open_store("upstream"), "ctl")
    assert f"GET {CTL}" in everything.asked[before:]
    assert open_store("upstream").problem("ctl") is None


@pytest.mark.parametrize("name", ["ctl", "proxy"])
def test_list_verify_compares_what_is_here_with_lab_lock(
    open_store: Open, everything: Site, tmp_path: Path, name: str
) -> None:
    make(open_store("upstream"), name)
    lock = tmp_path / "lab.lock"
    rows = {row.name: row for row in verbs.listing(lab(open_store("upstream")), [name], verify=True)}
    assert rows[name].there
    lock.write_text(lock.read_text().replace(rows[name].digest, f"sha256:{'7' * 64}"))
    state = {row.name: row for row in verbs.listing(lab(open_store("upstream")), [name], verify=True)}[name].state
    assert state == f"it has the digest {rows[name].digest}, not sha256:{'7' * 64} as {lock} says"


def test_a_damaged_archive_is_an_error(make_store: Open, everything: Site) -> None:
    whole = packed({"dist/tool": "".join(sha256(bytes([n])).hexdigest() for n in range(256)) * 8})
    middle = len(whole) // 2
    damaged = (
        *(b"no archive", packed({"dist/another": "x"})),
        *(whole[:middle], whole[:middle] + bytes(64) + whole[middle + 64 :]),
    )
    for content in damaged:
        everything.pages["/tool.tar.gz"] = content
        store = make_store(
            '[tool]\ntitle = "t"\nkind = "binaries"\nversion = "1"\nestimate_s = 1\n[tool.upstream]\n'
            f'url = "http://{everything.host}/tool.tar.gz"\nmember = "dist/tool"\nas_file = "bin/tool"\n',
            source="upstream",
        )
        with pytest.raises(ArtifactError, match="the download has no file dist/tool"):
            make(store, "tool")
        assert store.entry("tool") is None


def test_one_file_of_an_archive_is_kept(make_store: Open, everything: Site) -> None:
    everything.pages["/linux-amd64.tar.gz"] = packed({"linux-amd64/tool": "elf", "README": "x"})
    store = make_store(
        '[tool]\ntitle = "t"\nkind = "binaries"\nversion = "1"\nestimate_s = 1\n[tool.upstream]\n'
        f'url = "http://{everything.host}/{{platform}}.tar.gz"\nmember = "{{platform}}/tool"\nas_file = "bin/tool"\n',
        source="upstream",
    )
    make(store, "tool")
    assert store.binary("tool").read_text() == "elf"


# The engine's pulls


@pytest.mark.parametrize(
    "said",
    [
        "toomanyrequests: You have reached your pull rate limit",
        "received unexpected HTTP status: 503 Service Unavailable",
        'error parsing HTTP 429 response body: unexpected end of JSON input: ""',
        "unexpected EOF",
        "net/http: TLS handshake timeout",
    ],
)
def test_a_pull_is_repeated_where_that_may_help(
    open_store: Open, everything: Site, docker: FakeDocker, rests: list[float], said: str
) -> None:
    docker.answers = [said]
    make(open_store("upstream"), "proxy")
    assert len(docker.pulled) == 2
    assert rests == [2.0]


@pytest.mark.parametrize(
    ("said", "words", "tries", "distrusted"),
    [
        ("toomanyrequests: rate limit", "pulling .* failed: toomanyrequests", 3, False),
        ("error: unexpected EOF", "pulling .* failed: error: unexpected EOF", 3, False),
        ("layer verification failed for digest sha256:1", "does not have its digest; it was deleted", 1, True),
        ("manifest unknown: manifest unknown", "the registry does not have", 1, False),
        ("invalid character '<' looking for beginning of value", "answers with a web page", 1, False),
    ],
)
def test_a_pull_that_fails_is_a_clear_error(  # noqa: PLR0917 - fixtures and one row of the table
    open_store: Open, everything: Site, docker: FakeDocker, said: str, words: str, tries: int, distrusted: bool
) -> None:
    docker.answers = [said] * 9
    store = open_store()
    with pytest.raises(ArtifactError, match=words) as raised:
        make(store, "proxy")
    assert len(docker.pulled) == tries
    assert store.entry("proxy") is None
    assert raised.value.where == "proxy"
    assert isinstance(raised.value, DigestError) is distrusted
    again = open_store()
    assert {again.source(name) for name in ("proxy", "pilot")} == {"upstream" if distrusted else "packages"}


def verbs_clean_all(store: ArtifactStore) -> None:
    list(verbs.clean(lab(store), everything=True))
