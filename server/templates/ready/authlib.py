"""Authlib in Flask: the login of {{ v.client_id }}. Needs: pip install Authlib Flask requests

From the environment come {% if v.has_secret %}CLIENT_SECRET, the shared secret, and {% endif %}REQUESTS_CA_BUNDLE, file of the network's root
certificate. The application says `oauth.init_app(app)`.
"""

{% if v.has_secret %}import os

{% endif %}{% if v.backchannel_logout_uri.is_some() %}import requests
{% endif %}from authlib.integrations.flask_client import OAuth
{% if v.backchannel_logout_uri.is_some() %}from joserfc import jwt
from joserfc.jwk import KeySet
{% endif %}
ISSUER = "{{ v.provider.issuer }}"
CLIENT_ID = "{{ v.client_id }}"
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"

oauth = OAuth()
network = oauth.register(
    "network",
    server_metadata_url=DISCOVERY,
    client_id=CLIENT_ID,
{% if v.has_secret %}    client_secret=os.environ["CLIENT_SECRET"],
{% endif %}    client_kwargs={
        "scope": "{{ v.scope }}",
        "code_challenge_method": "S256",
        "token_endpoint_auth_method": "{{ v.method }}",
    },
)


def begin():
    """Begins a login: the answer to the request for it."""
    return network.authorize_redirect("{{ v.redirect_uri }}")


def finish():
    """Ends it, within the request to the redirect URI: the tokens, whose `userinfo` says who it is."""
    return network.authorize_access_token()
{% if v.refreshes %}

def refresh(token):
    """Fresh tokens. Keep the new refresh token: the old one is used up."""
    return network.fetch_access_token(
        grant_type="refresh_token", refresh_token=token["refresh_token"]
    )
{% endif %}{% if let Some(uri) = v.logout_uri %}

def leave(token):
    """Logs the person out everywhere: the answer to the request for it."""
    return network.logout_redirect(
        post_logout_redirect_uri="{{ uri }}", id_token_hint=token["id_token"]
    )
{% endif %}{% if let Some(uri) = v.backchannel_logout_uri %}

def ended_session(logout_token):
    """For what is posted to {{ uri }}

    Reads its `logout_token` and answers the `sid` of the session to end. Raises a `ValueError` or one of joserfc's
    where nobody is to be believed: answer 400 then, and 200 else, both with `Cache-Control: no-store`.
    """
    jwks_uri = requests.get(DISCOVERY, timeout=10).json()["jwks_uri"]
    keys = KeySet.import_key_set(requests.get(jwks_uri, timeout=10).json())
    token = jwt.decode(logout_token, keys, algorithms=["{{ v.algorithm }}"])
    rules = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": CLIENT_ID},
        exp={"essential": True},
        iat={"essential": True},
        jti={"essential": True},
        sid={"essential": True},
    )
    rules.validate(token.claims)
    event = "http://schemas.openid.net/event/backchannel-logout"
    told = token.claims.get("events", {})
    if token.header.get("typ") != "logout+jwt" or event not in told or "nonce" in token.claims:
        raise ValueError("not a logout token")
    return token.claims["sid"]
{% endif %}
