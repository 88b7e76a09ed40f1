//! A request in parts that can be spoilt one by one.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt;
use rustls_pki_types::CertificateDer;
use tower::ServiceExt;

use crate::{app::App, listener::Peer, names::NameRole, router};

pub const FORM: &str = "application/x-www-form-urlencoded";

/// The routers of all names, made once.
pub struct Routers(Vec<(NameRole, Router)>);

impl Routers {
    pub fn new(app: &App) -> Self {
        Self(vec![
            (NameRole::Terminal, router::terminal(app)),
            (NameRole::Public, router::public(app)),
            (NameRole::Mtls, router::mtls(app)),
            (NameRole::Enrol, router::enrol(app)),
            (NameRole::Plain, router::plain(app)),
        ])
    }

    fn of(&self, role: NameRole) -> Router {
        self.0.iter().find(|(known, _)| *known == role).unwrap().1.clone()
    }
}

/// What is sent. `query` and `form` hold pairs as they stand on the wire.
#[derive(Clone, Debug)]
pub struct Ask {
    pub role: NameRole,
    pub method: String,
    pub path: String,
    pub query: Vec<String>,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub form: Vec<String>,
    pub octets: Vec<u8>,
    pub chain: Arc<[CertificateDer<'static>]>,
    /// Another network for each request, so that no case rests because of an earlier one.
    pub network: u16,
    /// Which address of the network.
    pub host_number: u16,
}

impl Ask {
    /// What a browser or program of ours sends at least.
    pub fn new(app: &App, role: NameRole, method: &str, path: &str) -> Self {
        let mut ask = Self {
            role,
            method: method.to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            form: Vec::new(),
            octets: Vec::new(),
            chain: Arc::new([]),
            network: 0,
            host_number: 1,
        };
        ask.set("host", app.names().authority(role));
        ask.set("accept", "text/html,application/json");
        if method == "POST" {
            ask.set("origin", app.names().origin(role));
            ask.set("sec-fetch-site", "same-origin");
        }
        ask
    }

    /// One header with one value.
    pub fn set(&mut self, name: &'static str, value: impl AsRef<[u8]>) {
        self.without(name);
        self.add(name, value);
    }

    /// One more header.
    pub fn add(&mut self, name: &'static str, value: impl AsRef<[u8]>) {
        self.headers.push((name, value.as_ref().to_vec()));
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    /// None of these headers.
    pub fn without(&mut self, name: &str) {
        self.headers.retain(|(known, _)| *known != name);
    }

    pub fn with_form(mut self, pairs: &[(&str, &str)]) -> Self {
        self.set("content-type", FORM);
        self.form = pairs.iter().map(|(name, value)| pair(name, value)).collect();
        self
    }

    pub fn with_cookie(mut self, cookie: &str) -> Self {
        self.add("cookie", cookie);
        self
    }

    pub fn uri(&self) -> String {
        if self.query.is_empty() {
            return self.path.clone();
        }
        format!("{}?{}", self.path, self.query.join("&"))
    }

    pub async fn send(&self, routers: &Routers) -> Answer {
        let mut request = Request::builder().method(self.method.as_str()).uri(self.uri());
        for (name, value) in &self.headers {
            request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let mut segments = [0; 8];
        (segments[0], segments[1], segments[2]) = (0x2001, 0xdb8, self.network);
        segments[7] = self.host_number;
        let addr = SocketAddr::from((segments, 50_000));
        let peer = Peer { addr, role: self.role, chain: Arc::clone(&self.chain) };
        let body =
            if self.form.is_empty() { self.octets.clone() } else { self.form.join("&").into() };
        let request = request.extension(peer).body(Body::from(body)).unwrap();
        let (parts, body) = routers.of(self.role).oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

/// `name=value`, percent-encoded.
pub fn pair(name: &str, value: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What stands between two texts of the page.
    pub fn between(&self, before: &str, after: &str) -> String {
        let text = self.text();
        let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before}: {text}"));
        rest.split_once(after).unwrap().0.to_owned()
    }

    /// The pair of a cookie that was set.
    pub fn cookie(&self, name: &str) -> String {
        self.headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|line| line.to_str().unwrap().split(';').next().unwrap().to_owned())
            .find(|pair| pair.starts_with(&format!("{name}=")))
            .unwrap_or_else(|| panic!("no cookie {name}"))
    }
}
