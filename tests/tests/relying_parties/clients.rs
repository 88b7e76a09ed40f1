//! Who logs people in here, and how each is reached.

use crate::journey::Act;

/// What runs a client's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file of `tests/relying-parties/node`.
    Node(&'static str),
    /// A file of `tests/relying-parties/python`.
    Python(&'static str),
    /// Debian's Apache with mod_auth_openidc.
    Apache,
    /// Debian's nginx, which asks the portal about each request; the service behind it knows nothing.
    Nginx,
    /// Our own sample service, on the crate openidconnect.
    Sample,
}

/// How tokens are refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// By the element `refresh` of its page.
    Button,
    /// By a path that refreshes what is a second old.
    Page(&'static str),
    /// Its library has no such thing.
    Never,
}

/// A client and its paths.
#[derive(Debug)]
pub struct Client {
    /// `client_id` and first label of its host name.
    pub id: &'static str,
    pub kind: Kind,
    /// As its library does it unless told otherwise.
    pub authentication: &'static str,
    pub callback: &'static str,
    /// Begins a login, or has a button that does.
    pub login: &'static str,
    pub login_button: Option<&'static str>,
    /// Has the button that logs out.
    pub home: &'static str,
    /// Where the portal leads after a logout, with the element `login`.
    pub left: &'static str,
    /// Shows the claims as JSON, or nobody's.
    pub claims: &'static str,
    /// JSON pointer to the ID token's claims there.
    pub at: &'static str,
    /// JSON pointer to what tells one access token from another there.
    pub token: &'static str,
    pub refresh: Refresh,
    /// Takes logout tokens. A page without a server of its own cannot.
    pub backchannel_logout: Option<&'static str>,
    /// The element of its page in the console whose text it runs with, and how the file is called.
    pub ready: Option<(&'static str, &'static str)>,
    /// Is loaded by the portal's page after a logout, and says afterwards what it was told then.
    pub frontchannel_logout: Option<&'static str>,
}

/// What the programs have in common that set their paths themselves.
const COMMON: Client = Client {
    id: "",
    kind: Kind::Sample,
    authentication: "client_secret_basic",
    callback: "/callback",
    login: "/login",
    login_button: None,
    home: "/",
    left: "/",
    claims: "/",
    at: "",
    token: "/token",
    refresh: Refresh::Button,
    backchannel_logout: Some("/backchannel-logout"),
    ready: None,
    frontchannel_logout: None,
};

pub const CLIENTS: &[Client] = &[
    Client {
        id: "mod-auth-openidc",
        kind: Kind::Apache,
        login: "/records/",
        home: "/records/",
        claims: "/callback?info=json",
        at: "/id_token",
        token: "/access_token",
        refresh: Refresh::Page("/callback?info=json&access_token_refresh_interval=1"),
        backchannel_logout: Some("/callback?logout=backchannel"),
        ready: Some(("ready-mod-auth-openidc", "sso.conf")),
        ..COMMON
    },
    Client {
        id: "openid-client",
        kind: Kind::Node("openid-client.mjs"),
        authentication: "client_secret_post",
        ready: Some(("ready-openid-client", "sso.mjs")),
        ..COMMON
    },
    Client { id: "openid-client-5", kind: Kind::Node("openid-client-5.mjs"), ..COMMON },
    Client { id: "passport", kind: Kind::Node("passport.mjs"), ..COMMON },
    Client {
        id: "express-openid-connect",
        kind: Kind::Node("express-openid-connect.mjs"),
        ..COMMON
    },
    Client {
        id: "oidc-client-ts",
        kind: Kind::Node("oidc-client-ts.mjs"),
        authentication: "none",
        login: "/",
        login_button: Some("login"),
        backchannel_logout: None,
        frontchannel_logout: Some("/frontchannel-logout"),
        ..COMMON
    },
    Client {
        id: "authlib-flask",
        kind: Kind::Python("authlib_flask.py"),
        ready: Some(("ready-authlib", "sso.py")),
        ..COMMON
    },
    Client { id: "authlib-starlette", kind: Kind::Python("authlib_starlette.py"), ..COMMON },
    Client {
        id: "mozilla-django-oidc",
        kind: Kind::Python("mozilla_django.py"),
        authentication: "client_secret_post",
        callback: "/oidc/callback/",
        login: "/oidc/authenticate/",
        refresh: Refresh::Never,
        ..COMMON
    },
    Client {
        id: "social-auth-app-django",
        kind: Kind::Python("social_auth_django.py"),
        authentication: "client_secret_post",
        callback: "/complete/oidc/",
        login: "/",
        login_button: Some("login"),
        ..COMMON
    },
    Client {
        id: "nginx",
        kind: Kind::Nginx,
        ready: Some(("ready-nginx", "sso.conf")),
        callback: "/.sso/callback",
        login: "/",
        left: "/left",
        refresh: Refresh::Never,
        backchannel_logout: None,
        ..COMMON
    },
    Client {
        id: "openidconnect-rs",
        kind: Kind::Sample,
        claims: "/claims",
        token: "/at_hash",
        ..COMMON
    },
];

impl Client {
    /// Its name among the names of tests.
    pub fn module(&self) -> String {
        self.id.replace('-', "_")
    }

    /// What it can do, in the order in which one leads to the next.
    pub fn acts(&self) -> impl Iterator<Item = Act> {
        Act::ALL.into_iter().filter(|act| match act {
            Act::LogIn | Act::LogOut => true,
            Act::Refresh => self.refresh != Refresh::Never,
            Act::HearOfLogout => self.backchannel_logout.is_some(),
            Act::NoticeLogout => self.frontchannel_logout.is_some(),
            Act::LoseAccess => self.kind == Kind::Nginx,
        })
    }
}
