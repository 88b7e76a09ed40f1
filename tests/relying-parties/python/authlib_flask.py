"""Authlib in Flask."""

import secrets

from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, request, session
from joserfc.errors import JoseError

from service import (
    CLIENT_ID,
    CLIENT_SECRET,
    DISCOVERY,
    ORIGIN,
    SCOPE,
    ended_session,
    page,
    serve,
    shown,
)

app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)
oauth = OAuth(app)
network = oauth.register(
    "network",
    server_metadata_url=DISCOVERY,
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
    client_kwargs={"scope": SCOPE, "code_challenge_method": "S256"},
)
# Flask's own session is a cookie, which nobody can take back: what it opens is kept here, by `sid`.
logged_in = {}


@app.get("/")
def home():
    token = logged_in.get(session.get("sid"))
    return page(token and shown(token["userinfo"], token["access_token"]))


@app.get("/login")
def login():
    return network.authorize_redirect(f"{ORIGIN}/callback")


@app.get("/callback")
def callback():
    token = network.authorize_access_token()
    session["sid"] = token["userinfo"]["sid"]
    logged_in[session["sid"]] = token
    return redirect("/")


@app.get("/refresh")
def refresh():
    token = logged_in[session["sid"]]
    fresh = network.fetch_access_token(grant_type="refresh_token", refresh_token=token["refresh_token"])
    network.userinfo(token=fresh)
    logged_in[session["sid"]] = {**token, **fresh}
    return redirect("/")


@app.get("/logout")
def logout():
    token = logged_in.pop(session.pop("sid"))
    return network.logout_redirect(
        post_logout_redirect_uri=f"{ORIGIN}/", id_token_hint=token["id_token"]
    )


@app.post("/backchannel-logout")
def backchannel_logout():
    try:
        logged_in.pop(ended_session(request.form["logout_token"]), None)
    except (JoseError, ValueError):
        app.logger.exception("a logout token was refused")
        return "", 400
    return "", 200, {"Cache-Control": "no-store"}


serve(app)
