import re
from pathlib import Path

import frontend

from .conftest import podinfo

STATIC = Path(frontend.__file__).parent / "static"


def test_every_file_that_the_page_names_is_served(serve):
    with serve(lambda _: podinfo("east", "p")) as client:
        page = client.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        paths = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text))
        assert {"/static/css/page.css", "/static/js/main.js", "/static/js/old-browser.js"} <= paths
        for path in paths:
            assert client.get(path).status_code == 200, path


def test_every_module_that_a_script_imports_is_there():
    for script in (STATIC / "js").glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', script.read_text()):
            assert (STATIC / "js" / name).is_file(), f"{script.name} imports {name}"


def test_every_element_that_a_script_looks_for_is_on_the_page():
    known = set(re.findall(r'id="([^"]+)"', (STATIC / "index.html").read_text()))
    for script in (STATIC / "js").glob("*.js"):
        wanted = set(re.findall(r'(?:byId|getElementById)\("([\w-]+)"', script.read_text()))
        assert wanted <= known, f"{script.name} looks for {wanted - known}"


def test_the_page_needs_nothing_from_elsewhere():
    for file in STATIC.rglob("*"):
        if file.is_file():
            addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", file.read_text()))
            assert addresses <= {"http://www.w3.org"}, file.name  # the name space of SVG, never fetched


def test_every_class_and_id_in_the_styles_is_on_the_page_or_made_by_a_script():
    sources = "".join(file.read_text() for file in [STATIC / "index.html", *(STATIC / "js").glob("*.js")])
    for sheet in (STATIC / "css").glob("*.css"):
        text = re.sub(r"/\*.*?\*/|\{[^}]*\}", " ", sheet.read_text(), flags=re.DOTALL)
        names = set(re.findall(r"[.#]([a-z][\w-]*)", text))
        unused = {name for name in names if not re.search(rf"\b{name}\b", sources)}
        assert unused == set(), sheet.name


def test_text_of_the_page_is_plain_english():
    from tests.unit.test_words import found

    for file in [STATIC / "index.html", *(STATIC / "js").glob("*.js")]:
        assert list(found(file.read_text())) == [], file.name


def test_the_page_obeys_its_own_security_policy():
    page = (STATIC / "index.html").read_text()

    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))


def test_security_headers_are_on_every_response(serve):
    with serve(lambda _: podinfo("east", "p")) as client:
        for path in ("/", "/api/info", "/api/nope", "/static/css/page.css", "/api/stream?count=1"):
            headers = client.get(path).headers
            assert "default-src 'none'" in headers["content-security-policy"], path
            assert "script-src 'self'" in headers["content-security-policy"], path
            assert headers["x-content-type-options"] == "nosniff", path
            assert headers["referrer-policy"] == "no-referrer", path


def test_the_static_folder_is_all_that_is_served(serve):
    with serve(lambda _: podinfo("east", "p")) as client:
        for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/js", "/static/"):
            assert client.get(path).status_code == 404, path
