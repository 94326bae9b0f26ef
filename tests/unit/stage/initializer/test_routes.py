"""The page's endpoints give what the command writes, name what is wrong, and admit only their own page."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import httpx2
import pytest

from lab.initialize import folder as profile
from lab.initialize.alternatives import check
from lab.initialize.choices import parse_query, parse_toml
from lab.initialize.options import CATEGORIES
from lab.initialize.render import render
from tests.unit.stage.initializer.kit import SMALL, ServedPage, previews, served, sources

API = "/api/initialize"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedPage]:
    with served(previews(tmp_path_factory.mktemp("page"))) as found:
        yield found


def ask(here: ServedPage, query: str, **more: object) -> dict[str, object]:
    answer = here.client.post(f"{API}/preview", json={"query": query, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_page_tells_every_option(here: ServedPage) -> None:
    told = here.client.get(f"{API}/options").json()
    assert [one["id"] for one in told["categories"]] == [category.id for category in CATEGORIES]
    retired = next(one for one in told["categories"][3]["options"] if one["id"] == "ingress-nginx")
    assert (retired["upkeep"], retired["instead"]) == ("retired", ["Envoy Gateway", "Contour"])
    assert "March 2026" in retired["why"]


def test_a_choice_shows_its_files_and_its_address(here: ServedPage) -> None:
    shown = ask(here, SMALL)
    assert shown["query"] == parse_query(SMALL).query()
    assert shown["selected"]["apps"] == ["podinfo"]  # type: ignore[index]
    assert shown["command"] == (
        "lab initialize my-clusters --mesh none --ingress none --observability prometheus --apps podinfo"
    )
    assert {"README.md", "initializer.toml"} <= {one["path"] for one in shown["files"]}  # type: ignore[attr-defined]
    assert ask(here, str(shown["query"])) == shown


@pytest.mark.parametrize(
    "query", [SMALL, f"{SMALL}&clusters=single&as=helmfile", f"{SMALL}&registry=registry.example:5000/mirror"]
)
def test_the_downloads_are_what_the_command_writes(here: ServedPage, tmp_path: Path, query: str) -> None:
    profile.write(tmp_path / "folder", render(parse_query(query), sources(tmp_path)).files)
    written = {
        path.relative_to(tmp_path / "folder").as_posix(): path.read_bytes()
        for path in (tmp_path / "folder").rglob("*")
        if path.is_file()
    }
    packed = here.client.get(f"{API}/download/my-clusters.zip?{query}")
    assert packed.headers["content-disposition"] == 'attachment; filename="my-clusters.zip"'
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert {name.removeprefix("my-clusters/"): archive.read(name) for name in archive.namelist()} == written
    rolled = here.client.get(f"{API}/download/my-clusters.tar.gz?{query}").content
    with tarfile.open(fileobj=io.BytesIO(rolled)) as archive:
        found = {one.name: archive.extractfile(one) for one in archive.getmembers()}
        assert {name.removeprefix("my-clusters/"): file.read() for name, file in found.items() if file} == written
    toml = here.client.get(f"{API}/download/initializer.toml?{query}").text
    assert toml.encode() == written["initializer.toml"]
    assert parse_toml(toml) == parse_query(query)


def test_a_file_shows_what_the_last_choice_changed(here: ServedPage) -> None:
    before, now = parse_query("mesh=none&ingress=none").query(), parse_query(SMALL).query()
    asked = {"query": now, "path": "initializer.toml"}
    plain = here.client.post(f"{API}/file", json=asked).json()
    assert [chunk["mark"] for chunk in plain["chunks"]] == ["same"]
    compared = here.client.post(f"{API}/file", json={**asked, "since": before}).json()
    marked = {(chunk["mark"], chunk["text"]) for chunk in compared["chunks"]}
    assert ("gone", "apps = []") in marked
    assert ("new", 'apps = ["podinfo"]') in marked
    new = here.client.post(
        f"{API}/file", json={**asked, "since": before, "path": "base/podinfo/4-objects/objects.yaml"}
    )
    assert {chunk["mark"] for chunk in new.json()["chunks"]} == {"new"}
    gone = {"query": before, "since": now, "path": "base/podinfo/4-objects/objects.yaml"}
    assert {chunk["mark"] for chunk in here.client.post(f"{API}/file", json=gone).json()["chunks"]} == {"gone"}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("mesh=linkered", "did you mean linkerd"),
        ("mash=istio", "unknown category; did you mean mesh"),
        ("ingress=ingress-nginx", "retired it in March 2026. Use envoy-gateway or contour"),
        ("format=2", "this version of the lab reads format 1"),
        (f"mesh={'a' * 3000}", "at most 2000 are read"),
        ("registry=https://x", "is not a registry"),
        ("&&=", "is not valid"),
        ("mesh=%00", "unknown choice"),
    ],
)
def test_a_wrong_address_is_named_and_shows_nothing(here: ServedPage, query: str, said: str) -> None:
    shown = ask(here, query)
    assert {*shown} == {"invalid"}
    assert said in shown["invalid"]["what"]  # type: ignore[index]
    assert shown["invalid"]["next"]  # type: ignore[index]
    download = here.client.get(f"{API}/download/my-clusters.zip?{query}")
    assert (download.status_code, said in download.json()["error"]["what"]) == (400, True)


def test_an_impossible_combination_has_no_files_but_ways_out(here: ServedPage) -> None:
    shown = ask(here, "mesh=none")
    assert shown["files"] is None
    (problem,) = shown["problems"]  # type: ignore[misc]
    assert "the mesh is not Istio" in problem["reason"]
    assert len(problem["alternatives"]) == 2
    for one in problem["alternatives"]:
        assert check(parse_query(one["query"]))
    answer = here.client.get(f"{API}/download/my-clusters.zip?mesh=none")
    assert (answer.status_code, "impossible" in answer.json()["error"]["what"]) == (400, True)


def test_every_pair_of_the_query_survives(here: ServedPage) -> None:
    """Also in the form in which a browser writes it."""
    query = parse_query(f"{SMALL},frontend&source=https://git.example/x.git").query()
    assert ask(here, urlencode(parse_qsl(query)))["query"] == query


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("preview", {}, 400),
        ("preview", {"query": 3}, 400),
        ("preview", [], 400),
        ("file", {"query": SMALL}, 400),
        ("file", {"query": SMALL, "path": "../secret"}, 404),
        ("file", {"query": SMALL, "path": "/etc/passwd"}, 404),
        ("file", {"query": SMALL, "path": "README.md", "since": 1}, 400),
        ("file", {"query": SMALL, "path": "README.md", "since": "mesh=x"}, 400),
        ("file", {"query": "mesh=none", "path": "README.md"}, 400),
    ],
)
def test_a_request_of_another_form_is_refused(here: ServedPage, path: str, body: object, status: int) -> None:
    answer = here.client.post(f"{API}/{path}", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]["next"]


def test_other_names_are_not_downloads(here: ServedPage) -> None:
    answer = here.client.get(f"{API}/download/passwd?{SMALL}")
    assert (answer.status_code, answer.json()["error"]["what"]) == (404, "there is no download passwd")


def test_without_the_cookie_nothing_is_told(tmp_path: Path) -> None:
    with served(previews(tmp_path), signed_in=False) as found:
        for answer in (
            found.client.get(f"{API}/options"),
            found.client.post(f"{API}/preview", json={"query": SMALL}),
            found.client.post(f"{API}/file", json={"query": SMALL, "path": "README.md"}),
            found.client.get(f"{API}/download/my-clusters.zip?{SMALL}"),
        ):
            assert answer.status_code == 401
            assert answer.json()["error"]["next"] == "open the URL that `lab initialize page` printed"
        wrong = found.client.post("/api/session", json={"token": "wrong"})
        assert (wrong.status_code, wrong.json()["error"]["next"]) == (
            403,
            "open the URL that `lab initialize page` printed last",
        )


def test_other_pages_and_names_are_refused(here: ServedPage) -> None:
    body = {"query": SMALL}
    other = here.client.post(f"{API}/preview", json=body, headers={"origin": "http://127.0.0.1:1"})
    assert (other.status_code, other.json()["error"]["what"]) == (403, "this page is not the initializer's")
    link = here.client.get(f"{API}/download/my-clusters.zip?{SMALL}", headers={"sec-fetch-site": "cross-site"})
    assert link.status_code == 403
    for path in ("/initialize", f"{API}/options"):
        answer = here.client.get(path, headers={"host": "rebound.example", "origin": "http://rebound.example"})
        assert answer.status_code == 421


def test_the_page_has_the_stages_headers_and_keeps_the_address(here: ServedPage) -> None:
    page = here.client.get(f"/initialize?{SMALL}")
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self';" in page.headers["content-security-policy"]
    with httpx2.Client(trust_env=False) as plain:
        named = plain.get(f"{here.url}/initialize?{SMALL}", headers={"host": f"localhost:{here.door.port}"})
        assert (named.status_code, named.headers["location"]) == (307, f"{here.url}/initialize?{SMALL}")
        assert plain.get(here.url).headers["location"] == "/initialize"
        assert plain.get(f"{here.url}/nope").json()["error"]["next"] == "open /initialize"
    assert here.client.post("/initialize").status_code == 405


def test_the_start_url_has_the_choices(tmp_path: Path) -> None:
    with served(previews(tmp_path), query=SMALL) as found:
        assert found.door.start_url == f"{found.url}/initialize?{SMALL}#token={found.door.token}"
