"""social-auth-app-django, with the general OpenID Connect backend of social-auth-core."""

import django_site
from service import CLIENT_ID, CLIENT_SECRET, ISSUER, SCOPE, shown
from social_core.pipeline import DEFAULT_AUTH_PIPELINE

django_site.configure(
    ["social_django"],
    AUTHENTICATION_BACKENDS=["social_core.backends.open_id_connect.OpenIdConnectAuth"],
    SOCIAL_AUTH_OIDC_OIDC_ENDPOINT=ISSUER,
    SOCIAL_AUTH_OIDC_KEY=CLIENT_ID,
    SOCIAL_AUTH_OIDC_SECRET=CLIENT_SECRET,
    # Refreshing, it sends the secret in the body whatever stands here; a client has one way.
    SOCIAL_AUTH_OIDC_TOKEN_ENDPOINT_AUTH_METHOD="client_secret_post",
    SOCIAL_AUTH_OIDC_SCOPE=SCOPE.split(),
    SOCIAL_AUTH_OIDC_IGNORE_DEFAULT_SCOPE=True,
    SOCIAL_AUTH_OIDC_USE_PKCE=True,
    SOCIAL_AUTH_OIDC_JWT_ALGORITHMS=["ES256"],
    SOCIAL_AUTH_OIDC_USERNAME_KEY="sub",
    SOCIAL_AUTH_PIPELINE=[*DEFAULT_AUTH_PIPELINE, "__main__.keep_claims"],
)

from django.contrib import auth
from django.shortcuts import redirect
from django.urls import include, path
from django.views.decorators.http import require_POST
from social_django.utils import load_strategy


def keep_claims(backend, response, **_):
    """The last step of a login: what the page shows."""
    backend.strategy.session_set("claims", shown(backend.id_token, response["access_token"]))


@require_POST
def refresh(request):
    association = request.user.social_auth.get(provider="oidc")
    strategy = load_strategy(request)
    association.refresh_token(strategy)
    token = association.extra_data["access_token"]
    backend = association.get_backend_instance(strategy)
    backend.get_json(backend.userinfo_url(), headers={"Authorization": f"Bearer {token}"})
    request.session["claims"] = shown(request.session["claims"], token)
    return redirect("/")


@require_POST
def logout(request):
    association = request.user.social_auth.get(provider="oidc")
    address = django_site.end_session_address(association.extra_data["id_token"])
    auth.logout(request)
    return redirect(address)


def home(request):
    acts = {"login": "/login/oidc/", "refresh": "/refresh", "logout": "/logout"}
    forms = {act: django_site.form(request, act, action) for act, action in acts.items()}
    return django_site.home(request, **forms)


urlpatterns = [
    path("", home),
    path("", include("social_django.urls", namespace="social")),
    path("refresh", refresh),
    path("logout", logout),
    path("backchannel-logout", django_site.backchannel_logout),
]

django_site.run()
