"""The endpoints of the initializer's page. They change nothing but the store of artifacts, which they fill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lab.base.errors import LabError, UsageError
from lab.base.names import Json
from lab.initialize.archive import as_tar_gz, as_zip
from lab.initialize.choices import FILE_NAME
from lab.initialize.preview import FOLDER
from lab.stage.initializer.described import described
from lab.stage.initializer.file_view import view
from lab.stage.initializer.previews import Files, NotYetError, Previews
from lab.stage.json_requests import BadRequestError, answered, read_object
from lab.stage.security import HOST, Door

PAGE = "/initialize"
_API = "/api/initialize"
_MOST_WAITING = 8
"""Requests that wait for a rendering; a page sends one or two at a time."""
R = TypeVar("R")


def routes(previews: Previews) -> Sequence[BaseRoute]:
    """Return the routes of the page."""
    page = _Page(previews)
    return [
        Route(PAGE, page.page),
        Route(f"{_API}/options", page.options),
        Route(f"{_API}/preview", answered(page.preview), methods=["POST"]),
        Route(f"{_API}/file", answered(page.file), methods=["POST"]),
        Route(f"{_API}/download/{{name}}", answered(page.download)),
    ]


class _Page:
    """The endpoints."""

    def __init__(self, previews: Previews) -> None:
        self._previews = previews
        self._waiting = 0
        self._archives: dict[str, Callable[[Files], tuple[bytes, str]]] = {
            FILE_NAME: lambda files: (files[FILE_NAME].encode(), "application/toml"),
            f"{FOLDER}.zip": lambda files: (as_zip(FOLDER, files), "application/zip"),
            f"{FOLDER}.tar.gz": lambda files: (as_tar_gz(FOLDER, files), "application/gzip"),
        }

    async def page(self, request: Request) -> Response:
        """Return the page; what its URL says is read by its script."""
        door: Door = request.app.state.door
        if request.url.hostname != HOST:  # the cookie belongs to one name
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{door.url.rstrip('/')}{PAGE}{query}")
        file: Path = request.app.state.static / "initialize.html"
        if not file.is_file():
            raise HTTPException(404, f"{file.name} is missing")
        return FileResponse(file)

    async def options(self, _: Request) -> Response:
        """Return all categories and options."""
        return JSONResponse(described())

    async def preview(self, request: Request) -> Response:
        """Return what the page shows of a query: `{"query": …, "again": …}`; for one that is not valid, why."""
        body = await read_object(request)
        query, again = _text(body, "query"), body.get("again") is True

        def show() -> Json:
            try:
                return self._previews.show(query, again=again)
            except UsageError as error:  # an answer like others: a person who types an address needs no status
                return {"invalid": {"what": error.what, "where": error.where, "next": error.next}}

        return JSONResponse(await self._answer(show))

    async def file(self, request: Request) -> Response:
        """Return a file: `{"query": …, "path": …, "since": the query of the choices before, "whole": …}`."""
        body = await read_object(request)
        query, path, whole = _text(body, "query"), _text(body, "path"), body.get("whole") is True
        since = _text(body, "since") if "since" in body else None

        def read() -> Response:
            files = self._previews.files(query)
            before = self._previews.files(since) if since is not None else {}
            if path not in files and path not in before:
                raise BadRequestError(f"there is no file {path}", next_step="choose one of the list", status=404)
            known = None if since is None else before.get(path, "")
            return JSONResponse({"path": path, **view(files.get(path, ""), known, whole=whole)})

        return await self._answer(read)

    async def download(self, request: Request) -> Response:
        """Return the folder as an archive, or initializer.toml; the URL's query has the choices."""
        name = str(request.path_params["name"])
        if name not in self._archives:
            what = f"there is no download {name}"
            raise BadRequestError(what, next_step=f"one of: {', '.join(self._archives)}", status=404)
        query = request.url.query

        def make() -> Response:
            content, kind = self._archives[name](self._previews.files(query))
            headers = {"content-disposition": f'attachment; filename="{name}"'}
            return Response(content, media_type=kind, headers=headers)

        return await self._answer(make)

    async def _answer(self, work: Callable[[], R]) -> R:
        """Do the work in a thread; errors of choices are answers of this server."""
        if self._waiting >= _MOST_WAITING:
            raise BadRequestError("too many requests wait", next_step="wait a moment", status=503)
        self._waiting += 1
        try:
            return await asyncio.to_thread(work)
        except NotYetError:
            raise BadRequestError("the files are not there yet", next_step="wait a moment", status=409) from None
        except LabError as error:
            raise BadRequestError(error.what, next_step=error.next or "choose something else") from error
        finally:
            self._waiting -= 1


def _text(body: dict[str, object], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise BadRequestError(f"`{key}` is missing", next_step="send it as text")
    return value
