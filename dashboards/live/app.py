"""The web application: middleware, routes, and errors as one clear line."""

from __future__ import annotations

import secrets
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_csrf import CSRFMiddleware

from dashboards.live import branching, comparing, drawing, driving, running, socket, training, views
from dashboards.live.refusal import Refusal, status
from dashboards.live.site import Site, language_of
from twin.errors import BatchtwinError
from twin.version import VERSION

STATIC = Path(__file__).parent / "static"
# Scripts come from our own files only; Plotly and the mimic set styles on elements, which CSP counts as inline.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Headers:
    """Adds the security headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


class Csrf(CSRFMiddleware):
    """The library's, for requests only: it takes every scope for one. A WebSocket is held to its origin instead."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def application(site: Site, port: int, hosts: list[str]) -> FastAPI:
    """The application of a site.

    Args:
        port: it is served on; cookies are told apart by it, as browsers do not.
        hosts: names by which it may be called; `["*"]` for any. On loopback, without a login, a name that somebody else made point here is refused.
    """
    app = FastAPI(
        title="batchtwin",
        version=VERSION,
        description="A live batching plant: watch it, drive it, train on it.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.site = site
    for module in (views, driving, running, training, branching, drawing, comparing, socket):
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_exception_handler(BatchtwinError, _told)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _no_page)
    app.add_middleware(Csrf, secret=secrets.token_hex(32), cookie_samesite="strict", cookie_name=f"batchtwin_csrf_{port}")
    app.add_middleware(
        SessionMiddleware, secret_key=secrets.token_hex(32), session_cookie=f"batchtwin_{port}", same_site="strict", max_age=12 * 3600
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    app.add_middleware(Headers)
    return app


def _answer(code: int, error: str, text: str) -> JSONResponse:
    return JSONResponse({"error": error, "text": text}, status_code=code)


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, BatchtwinError)
    if isinstance(error, Refusal) and error.status == 401 and not request.url.path.startswith("/api"):
        return Response(status_code=303, headers={"Location": "/login"})
    return _answer(status(error), error.code, error.text(language_of(request)))


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "body"
    zh = language_of(request) == "zh"
    return _answer(422, "E101", f"{where}：{first['msg']}；请更正后重试" if zh else f"{where}: {first['msg']}; correct it and try again")


async def _no_page(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    zh = language_of(request) == "zh"
    known = {404: ("no such page", "没有该页面"), 405: ("not allowed here", "不允许的操作")}
    en, cn = known.get(error.status_code, (str(error.detail), str(error.detail)))
    return _answer(error.status_code, str(error.status_code), cn if zh else en)
