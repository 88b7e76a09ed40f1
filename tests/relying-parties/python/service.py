"""What the services here have in common: where they stand, their one page, and logout tokens."""

import json
import os
from html import escape

import requests
from joserfc import jwt
from joserfc.jwk import KeySet
from werkzeug.serving import WSGIRequestHandler, make_server

ISSUER, CLIENT_ID, CLIENT_SECRET, ORIGIN = (
    os.environ[name] for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "ORIGIN")
)
PORT = int(os.environ["PORT"])
SCOPE = "openid profile hc_role facility"
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


def provider():
    """The provider's metadata, for libraries that do not discover them."""
    return requests.get(DISCOVERY, timeout=10).json()


def link(act, path):
    return f'<a id="{act}" href="{path}">{act}</a>'


def shown(claims, access_token):
    """What a page shows: the claims, and enough of the access token to tell it from another."""
    return {**claims, "token": access_token[-12:]}


def page(claims, **acts):
    """Who is logged in, and what they can do; or nobody."""
    acts = {act: link(act, f"/{act}") for act in ("login", "refresh", "logout")} | acts
    body = acts["login"]
    if claims:
        body = f"<pre>{escape(json.dumps(claims))}</pre>{acts['refresh']}{acts['logout']}"
    return f'<!doctype html><html lang="ja"><meta charset="utf-8"><title>{CLIENT_ID}</title>{body}'


def ended_session(logout_token):
    """The `sid` of a logout token (OIDC Back-Channel Logout 1.0 §2.6).

    Raises a `ValueError` or one of joserfc's where it is none for us.
    """
    keys = KeySet.import_key_set(requests.get(provider()["jwks_uri"], timeout=10).json())
    token = jwt.decode(logout_token, keys, algorithms=["ES256"])
    rules = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": CLIENT_ID},
        exp={"essential": True},
        iat={"essential": True},
        jti={"essential": True},
        sid={"essential": True},
    )
    rules.validate(token.claims)
    events = token.claims.get("events", {})
    if token.header.get("typ") != "logout+jwt" or EVENT not in events or "nonce" in token.claims:
        raise ValueError("not a logout token")
    return token.claims["sid"]


class Quiet(WSGIRequestHandler):
    """Tells the log the path of a request without its query: that holds codes and tokens."""

    def log_request(self, code="-", size="-"):
        self.log("info", "%s %s", self.path.split("?")[0], code)


def serve(app):
    """Serves a WSGI application until the process is ended."""
    server = make_server("127.0.0.1", PORT, app, threaded=True, request_handler=Quiet)
    print("ready", flush=True)
    server.serve_forever()
