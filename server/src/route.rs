//! The paths of one name as a list that can be read: what is served is what is listed.

use std::sync::Arc;

use axum::{Router, extract::MatchedPath, handler::Handler, routing};
use http::{Extensions, Method};

use crate::{app::App, error::Dialect};

/// One way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// `GET` (which answers `HEAD` too) or `POST`.
    pub method: &'static str,
    /// Template of the path, with `{parameters}`.
    pub path: &'static str,
    /// The form in which it refuses.
    pub dialect: Dialect,
    /// Whether pages of other sites may send here, without a cookie of ours.
    pub from_elsewhere: bool,
    /// Who judges its query.
    pub query: QueryRule,
}

/// Who judges the query of a request, before its handler or in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueryRule {
    /// Nothing but the language, once and one of ours: every page that does not say otherwise.
    LanguageOnly,
    /// The language likewise; the rest is the handler's, by [`crate::form::StrictQuery`].
    OfPage,
    /// The protocol of the path has its own rule: RFC 6749 §3.1 wants the unknown ignored.
    OfProtocol,
}

impl QueryRule {
    fn of(dialect: Dialect) -> Self {
        if dialect == Dialect::Page { Self::LanguageOnly } else { Self::OfProtocol }
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

    /// `GET path`, and so `HEAD path`.
    #[must_use]
    pub fn get<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add("GET", path, routing::get(handler), true)
    }

    /// `GET path?…`, whose handler reads a query of its own by the rule `query`.
    #[must_use]
    pub fn get_with_query<H: Handler<T, App>, T: 'static>(
        self,
        path: &'static str,
        query: QueryRule,
        handler: H,
    ) -> Self {
        let mut routes = self.get(path, handler);
        if let Some(added) = routes.listed.last_mut() {
            added.query = query;
        }
        routes
    }

    /// `POST path`.
    #[must_use]
    pub fn post<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        let for_people = matches!(self.dialect, Dialect::Page | Dialect::Problem);
        self.add("POST", path, routing::post(handler), !for_people)
    }

    /// `POST path` that a page of another site leads to: the handler judges where it comes from.
    #[must_use]
    pub fn post_from_elsewhere<H: Handler<T, App>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.add("POST", path, routing::post(handler), true)
    }

    fn add(
        mut self,
        method: &'static str,
        path: &'static str,
        handler: routing::MethodRouter<App>,
        from_elsewhere: bool,
    ) -> Self {
        self.router = self.router.route(path, handler);
        let (dialect, query) = (self.dialect, QueryRule::of(self.dialect));
        self.listed.push(Route { method, path, dialect, from_elsewhere, query });
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

    /// Whether pages of other sites may post here. Nobody posts where nothing is.
    #[must_use]
    pub fn takes_from_elsewhere(&self, extensions: &Extensions) -> bool {
        let mut posts = self.at(extensions).filter(|route| route.method == "POST");
        posts.next().is_none_or(|route| route.from_elsewhere)
    }
}
