//! A request for the door as it stands on the wire, to be spoilt in one place.

use sekisho_protocol::request::LoginRequest;
use serde_json::json;

use crate::world::{ORIGIN, World};

pub const BEGIN: &str = "/v1/card-login/begin";
pub const NAVIGATE: &str = "/v1/card-login/navigate";

/// Request line, header fields, body.
#[derive(Clone)]
pub struct Ask {
    pub line: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub port: u16,
}

impl Ask {
    fn post(world: &World, path: &str, fields: &[(&str, &str)], body: Vec<u8>) -> Self {
        let mut ask = Self {
            line: format!("POST {path} HTTP/1.1"),
            fields: Vec::new(),
            body,
            port: world.port,
        };
        ask.host("127.0.0.1");
        ask.set("Origin", ORIGIN);
        for (name, value) in fields {
            ask.set(name, value);
        }
        ask
    }

    /// What the page's script sends, with a fresh request of the portal.
    pub fn begin(world: &World) -> Self {
        let body = json!({ "request": world.sign(&world.request()) }).to_string();
        Self::script(world, BEGIN, body.into_bytes())
    }

    /// What the page's script sends.
    pub fn script(world: &World, path: &str, body: Vec<u8>) -> Self {
        let fields = [
            ("X-Card-Login", "1"),
            ("Content-Type", "application/json"),
            ("Sec-Fetch-Mode", "cors"),
            ("Sec-Fetch-Dest", "empty"),
            ("Sec-Fetch-Site", "cross-site"),
        ];
        Self::post(world, path, &fields, body)
    }

    /// What the browser asks ahead of [`Self::begin`].
    pub fn preflight(world: &World) -> Self {
        let fields = [
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "content-type,x-card-login"),
            ("Sec-Fetch-Mode", "cors"),
            ("Sec-Fetch-Dest", "empty"),
            ("Sec-Fetch-Site", "cross-site"),
        ];
        let mut ask = Self::post(world, BEGIN, &fields, Vec::new());
        ask.line = format!("OPTIONS {BEGIN} HTTP/1.1");
        ask
    }

    /// What the portal's form sends to the second door.
    pub fn navigate(world: &World) -> Self {
        let return_address = Some(format!("{ORIGIN}/login/return"));
        let request = LoginRequest { return_address, ..world.request() };
        let form = format!("request={}", world.sign(&request));
        let fields = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-Dest", "document"),
            ("Sec-Fetch-Site", "cross-site"),
        ];
        Self::post(world, NAVIGATE, &fields, form.into_bytes())
    }

    /// The one value of a field.
    pub fn set(&mut self, name: &str, value: &str) {
        self.drop(name);
        self.add(name, value);
    }

    /// One more field, whatever is there.
    pub fn add(&mut self, name: &str, value: &str) {
        self.fields.push((name.to_owned(), value.to_owned()));
    }

    pub fn drop(&mut self, name: &str) {
        self.fields.retain(|(held, _)| !held.eq_ignore_ascii_case(name));
    }

    /// `Host` with this name and the right port.
    pub fn host(&mut self, name: &str) {
        let host = format!("{name}:{}", self.port);
        self.set("Host", &host);
    }

    /// Another method, path or version.
    pub fn change_line(&mut self, from: &str, to: &str) {
        assert!(self.line.contains(from), "{}", self.line);
        self.line = self.line.replacen(from, to, 1);
    }

    pub fn head(&self) -> String {
        let fields: String =
            self.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{}\r\n{fields}", self.line)
    }

    /// With the body's true length, unless the fields tell one.
    pub fn octets(&self) -> Vec<u8> {
        let told = |name: &str| self.fields.iter().any(|(held, _)| held.eq_ignore_ascii_case(name));
        let mut head = self.head();
        if !told("content-length")
            && !told("transfer-encoding")
            && !self.line.starts_with("OPTIONS")
        {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}
