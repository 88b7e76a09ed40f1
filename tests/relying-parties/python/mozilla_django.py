"""mozilla-django-oidc."""

import django_site
from django_site import PROVIDER
from service import CLIENT_ID, CLIENT_SECRET, SCOPE, link

django_site.configure(
    ["mozilla_django_oidc"],
    AUTHENTICATION_BACKENDS=["__main__.People"],
    OIDC_RP_CLIENT_ID=CLIENT_ID,
    OIDC_RP_CLIENT_SECRET=CLIENT_SECRET,
    OIDC_RP_SCOPES=SCOPE,
    OIDC_RP_SIGN_ALGO="ES256",
    OIDC_USE_PKCE=True,
    OIDC_STORE_ID_TOKEN=True,
    OIDC_OP_AUTHORIZATION_ENDPOINT=PROVIDER["authorization_endpoint"],
    OIDC_OP_TOKEN_ENDPOINT=PROVIDER["token_endpoint"],
    OIDC_OP_USER_ENDPOINT=PROVIDER["userinfo_endpoint"],
    OIDC_OP_JWKS_ENDPOINT=PROVIDER["jwks_uri"],
    OIDC_OP_LOGOUT_URL_METHOD="__main__.end_session_address",
)

from django.urls import include, path
from mozilla_django_oidc.auth import OIDCAuthenticationBackend


class People(OIDCAuthenticationBackend):
    """The network knows people by `sub`, not by an address for mail."""

    def verify_claims(self, claims):
        return "sub" in claims

    def filter_users_by_claims(self, claims):
        return self.UserModel.objects.filter(username=claims["sub"])

    def get_username(self, claims):
        return claims["sub"]

    def get_userinfo(self, access_token, id_token, payload):
        claims = super().get_userinfo(access_token, id_token, payload)
        self.request.session["claims"] = {**claims, "sid": payload["sid"]}
        return claims


def end_session_address(request):
    return django_site.end_session_address(request.session["oidc_id_token"])


def home(request):
    logout = django_site.form(request, "logout", "/oidc/logout/")
    login = link("login", "/oidc/authenticate/")
    return django_site.home(request, login=login, refresh="", logout=logout)


urlpatterns = [
    path("", home),
    path("oidc/", include("mozilla_django_oidc.urls")),
    path("backchannel-logout", django_site.backchannel_logout),
]

django_site.run()
