"""Authlib in Starlette: the asynchronous half of the library."""

import secrets
import socket

import uvicorn
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from service import (
    CLIENT_ID,
    CLIENT_SECRET,
    DISCOVERY,
    ORIGIN,
    PORT,
    SCOPE,
    ended_session,
    page,
    shown,
)

oauth = OAuth()
network = oauth.register(
    "network",
    server_metadata_url=DISCOVERY,
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
    client_kwargs={"scope": SCOPE, "code_challenge_method": "S256"},
)
# Starlette's own session is a cookie, which nobody can take back: what it opens is kept here, by `sid`.
logged_in = {}


async def home(request):
    token = logged_in.get(request.session.get("sid"))
    return HTMLResponse(page(token and shown(token["userinfo"], token["access_token"])))


async def login(request):
    return await network.authorize_redirect(request, f"{ORIGIN}/callback")


async def callback(request):
    token = await network.authorize_access_token(request)
    request.session["sid"] = token["userinfo"]["sid"]
    logged_in[request.session["sid"]] = token
    return RedirectResponse("/", 303)


async def refresh(request):
    token = logged_in[request.session["sid"]]
    fresh = await network.fetch_access_token(
        grant_type="refresh_token", refresh_token=token["refresh_token"]
    )
    await network.userinfo(token=fresh)
    logged_in[request.session["sid"]] = {**token, **fresh}
    return RedirectResponse("/", 303)


async def logout(request):
    token = logged_in.pop(request.session.pop("sid"))
    return await network.logout_redirect(
        request, post_logout_redirect_uri=f"{ORIGIN}/", id_token_hint=token["id_token"]
    )


async def backchannel_logout(request):
    form = await request.form()
    try:
        logged_in.pop(await run_in_threadpool(ended_session, form["logout_token"]), None)
    except (JoseError, ValueError):
        return Response(status_code=400)
    return Response(headers={"Cache-Control": "no-store"})


app = Starlette(
    routes=[
        Route("/", home),
        Route("/login", login),
        Route("/callback", callback),
        Route("/refresh", refresh),
        Route("/logout", logout),
        Route("/backchannel-logout", backchannel_logout, methods=["POST"]),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key=secrets.token_hex(32))],
)

listener = socket.create_server(("127.0.0.1", PORT))
print("ready", flush=True)
uvicorn.Server(uvicorn.Config(app, access_log=False)).run(sockets=[listener])
