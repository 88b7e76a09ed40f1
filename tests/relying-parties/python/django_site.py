"""A Django site of one file, its database in memory of this process."""

import secrets
from urllib.parse import urlencode

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from joserfc.errors import JoseError

from service import ORIGIN, ended_session, page, provider, serve

PROVIDER = provider()


def configure(apps, **more):
    """Before anything of Django that needs settings is imported."""
    settings.configure(
        SECRET_KEY=secrets.token_hex(32),
        ALLOWED_HOSTS=[".localhost"],
        ROOT_URLCONF="__main__",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": "file:site?mode=memory&cache=shared",
            }
        },
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", *apps],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        # What went wrong belongs into the log, with its place.
        LOGGING={
            "version": 1,
            "handlers": {"log": {"class": "logging.StreamHandler"}},
            "loggers": {"django.request": {"handlers": ["log"], "propagate": False}},
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LOGIN_REDIRECT_URL="/",
        LOGOUT_REDIRECT_URL="/",
        **more,
    )
    django.setup()


def form(request, act, action):
    """A button that posts, as Django wants it of what changes something."""
    from django.middleware.csrf import get_token

    return (
        f'<form method="post" action="{action}"><button id="{act}">{act}</button>'
        f'<input type="hidden" name="csrfmiddlewaretoken" value="{get_token(request)}"></form>'
    )


def home(request, **acts):
    """The page of whoever is logged in."""
    from django.http import HttpResponse

    claims = request.session.get("claims") if request.user.is_authenticated else None
    return HttpResponse(page(claims, **acts))


def end_session_address(id_token):
    """Where a browser goes to log out at the provider, and comes back from."""
    asked = {"id_token_hint": id_token, "post_logout_redirect_uri": f"{ORIGIN}/"}
    return f"{PROVIDER['end_session_endpoint']}?{urlencode(asked)}"


def backchannel_logout(request):
    """Ends the sessions that a logout token names."""
    from django.contrib.sessions.models import Session
    from django.http import HttpResponse

    try:
        sid = ended_session(request.POST["logout_token"])
    except (JoseError, ValueError):
        return HttpResponse(status=400)
    for session in Session.objects.all():
        if session.get_decoded().get("claims", {}).get("sid") == sid:
            session.delete()
    return HttpResponse(headers={"Cache-Control": "no-store"})


backchannel_logout.csrf_exempt = True


def run():
    """Makes the tables and serves the site."""
    call_command("migrate", verbosity=0)
    serve(get_wsgi_application())
