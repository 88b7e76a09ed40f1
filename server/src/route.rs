//! The paths of one name as a list that can be read: what is served is what is listed.

use std::sync::Arc;

use axum::{Router, extract::MatchedPath, handler::Handler, routing};
use http::{Extensions, Method};

use crate::{app::App, error::Dialect};

/// One way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Whether `HEAD` is answered as `GET` is, without the content: not where `GET` changes something.
    pub takes_head: bool,
    /// Template of the path, with `{parameters}`.
    pub path: &'static str,
    /// The form in which it refuses.
    pub dialect: Dialect,
    /// From where a `POST` may come.
    pub senders: Senders,
    /// Who judges its query.
    pub query: QueryRule,
    /// Which pages' scripts may read its answers.
    pub readers: Readers,
}

/// From where a `POST` may come (`middleware/same_origin.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Senders {
    /// Our own page, and it must say so: every form of a page.
    OwnPage,
    /// Our own page, or a program that sends no cookie of ours and names no page.
    OwnPageOrProgram,
    /// Anybody, as long as no cookie of ours comes with it.
    AnybodyWithoutCookie,
    /// Anybody: the handler judges by [`crate::middleware::is_same_origin`] what may come of it.
    Judged,
}

impl Senders {
    fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Page => Self::OwnPage,
            Dialect::Problem => Self::OwnPageOrProgram,
            Dialect::OAuth | Dialect::Acme | Dialect::Est | Dialect::Ocsp | Dialect::Plain => {
                Self::AnybodyWithoutCookie
            }
        }
    }
}

/// Scripts of which pages may read the answers (`middleware/cross_origin.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readers {
    /// Our own.
    OwnPages,
    /// Of any page: it is a public document.
    AnyPage,
    /// Of services that log in by a script and have no secret: of the origins of their redirect URIs.
    PublicClients,
}

/// Who judges the query of a request, before its handler or in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueryRule {
    /// There is none: every path for programs that does not say otherwise.
    Nothing,
    /// Nothing but the language, once and one of ours: every page that does not say otherwise.
    LanguageOnly,
    /// The language likewise; the rest is the handler's, by [`crate::form::StrictQuery`].
    OfPage,
    /// The protocol of the path has its own rule: RFC 6749 §3.1 wants the unknown ignored.
    OfProtocol,
}

impl QueryRule {
    fn of(dialect: Dialect) -> Self {
        if dialect == Dialect::Page { Self::LanguageOnly } else { Self::Nothing }
    }
}

/// Paths with their handlers, in the order of writing. [`Self::speaking`] sets the dialect of the
/// paths that follow it.
pub struct Routes {
    router: Router<App>,
    listed: Vec<Route>,
    elsewhere: Dialect,
    dialect: Dialect,
}

impl Routes {
    /// No path yet. A path that nobody serves is refused in the dialect `elsewhere`.
    #[must_use]
    pub fn new(elsewhere: Dialect) -> Self {
        Self { router: Router::new(), listed: Vec::new(), elsewhere, dialect: elsewhere }
    }

    /// The dialect of the paths that follow.
    #[must_use]
    pub fn speaking(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// `GET path`, and so `HEAD path`: it changes nothing.
    #[must_use]
    pub fn get<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("GET", path, routing::get(handler))
    }

    /// `GET path?…`, whose handler reads a query of its own by the rule `query`.
    #[must_use]
    pub fn get_with_query<H: Handler<T, App>, T: 'static>(
        self,
        path: &'static str,
        query: QueryRule,
        handler: H,
    ) -> Self {
        self.get(path, handler).but(|added| added.query = query)
    }

    /// `GET path?…` that changes something, as a protocol of redirects wants it. `HEAD`, which must
    /// not (RFC 9110 §9.2.1), is refused.
    #[must_use]
    pub fn get_with_effect<H: Handler<T, App>, T: 'static>(
        self,
        path: &'static str,
        query: QueryRule,
        handler: H,
    ) -> Self {
        self.get_with_query(path, query, handler).but(|added| added.takes_head = false)
    }

    /// `POST path`.
    #[must_use]
    pub fn post<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("POST", path, routing::post(handler))
    }

    /// `PUT path`: for programs, since no form of a page sends it.
    #[must_use]
    pub fn put<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("PUT", path, routing::put(handler))
    }

    /// `DELETE path`, likewise.
    #[must_use]
    pub fn delete<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("DELETE", path, routing::delete(handler))
    }

    /// `POST path` that pages of other sites lead to: these `senders` may.
    #[must_use]
    pub fn post_from<H: Handler<T, App>, T: 'static>(
        self,
        senders: Senders,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.post(path, handler).but(|added| added.senders = senders)
    }

    /// The path that was added last may be read by `readers`.
    #[must_use]
    pub fn read_by(self, readers: Readers) -> Self {
        self.but(|added| added.readers = readers)
    }

    /// The query of the path that was added last is judged by `query`.
    #[must_use]
    pub fn but_query(self, query: QueryRule) -> Self {
        self.but(|added| added.query = query)
    }

    fn add(
        mut self,
        method: &'static str,
        path: &'static str,
        handler: routing::MethodRouter<App>,
    ) -> Self {
        self.router = self.router.route(path, handler);
        let dialect = self.dialect;
        let (senders, query) = (Senders::of(dialect), QueryRule::of(dialect));
        let takes_head = method == "GET";
        let readers = Readers::OwnPages;
        self.listed.push(Route { method, path, takes_head, dialect, senders, query, readers });
        self
    }

    /// The route that was added last, but for this.
    fn but(mut self, change: impl FnOnce(&mut Route)) -> Self {
        if let Some(added) = self.listed.last_mut() {
            change(added);
        }
        self
    }

    /// These and those.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.listed.extend(other.listed);
        self
    }

    /// Every way in.
    #[must_use]
    pub fn listed(&self) -> &[Route] {
        &self.listed
    }

    /// The router, and what says how a request is judged before and after its handler.
    pub fn into_parts(self) -> (Router<App>, Manners) {
        let manners = Manners { listed: self.listed.into(), elsewhere: self.elsewhere };
        (self.router, manners)
    }
}

/// How requests are judged around the handlers, by the path that the router matched.
#[derive(Debug, Clone)]
pub struct Manners {
    listed: Arc<[Route]>,
    elsewhere: Dialect,
}

impl Manners {
    /// The ways in at the path that the router matched, which is among the request's extensions.
    fn at(&self, extensions: &Extensions) -> impl Iterator<Item = &Route> {
        let path = extensions.get::<MatchedPath>().map(MatchedPath::as_str);
        self.listed.iter().filter(move |route| path == Some(route.path))
    }

    /// The dialect in which a request is refused.
    #[must_use]
    pub fn dialect(&self, extensions: &Extensions) -> Dialect {
        self.at(extensions).next().map_or(self.elsewhere, |route| route.dialect)
    }

    /// Who judges the query. `None` where nothing takes this method, which is refused as that.
    #[must_use]
    pub fn query_rule(&self, method: &Method, extensions: &Extensions) -> Option<QueryRule> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let route = self.at(extensions).find(|route| route.method == method.as_str());
        route.map(|route| route.query)
    }

    /// From where a `POST` may come. What posts where nothing takes it is refused as that.
    #[must_use]
    pub fn senders(&self, extensions: &Extensions) -> Senders {
        let mut posts = self.at(extensions).filter(|route| route.method == "POST");
        posts.next().map_or(Senders::AnybodyWithoutCookie, |route| route.senders)
    }

    /// Whose scripts may read the answers at the path that the router matched.
    #[must_use]
    pub fn readers(&self, extensions: &Extensions) -> Readers {
        self.at(extensions).next().map_or(Readers::OwnPages, |route| route.readers)
    }

    /// The methods that are taken at the path that the router matched.
    #[must_use]
    pub fn allowed(&self, extensions: &Extensions) -> Vec<&'static str> {
        let methods = |route: &Route| [Some(route.method), route.takes_head.then_some("HEAD")];
        self.at(extensions).flat_map(methods).flatten().collect()
    }
}
