"""Authlib in Flask, by the functions of `sso.py`, which is what the service's page in the console shows."""

import secrets

from flask import Flask, redirect, request, session
from joserfc.errors import JoseError

import sso
from service import page, serve, shown

app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)
sso.oauth.init_app(app)
# Flask's own session is a cookie, which nobody can take back: what it opens is kept here, by `sid`.
logged_in = {}


@app.get("/")
def home():
    token = logged_in.get(session.get("sid"))
    return page(token and shown(token["userinfo"], token["access_token"]))


@app.get("/login")
def login():
    return sso.begin()


@app.get("/callback")
def callback():
    token = sso.finish()
    session["sid"] = token["userinfo"]["sid"]
    logged_in[session["sid"]] = token
    return redirect("/")


@app.get("/refresh")
def refresh():
    token = logged_in[session["sid"]]
    fresh = sso.refresh(token)
    sso.network.userinfo(token=fresh)
    logged_in[session["sid"]] = {**token, **fresh}
    return redirect("/")


@app.get("/logout")
def logout():
    return sso.leave(logged_in.pop(session.pop("sid")))


@app.post("/backchannel-logout")
def backchannel_logout():
    try:
        logged_in.pop(sso.ended_session(request.form["logout_token"]), None)
    except (JoseError, ValueError):
        app.logger.exception("a logout token was refused")
        return "", 400
    return "", 200, {"Cache-Control": "no-store"}


serve(app)
