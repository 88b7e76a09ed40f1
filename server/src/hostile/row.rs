//! A route with a good request, and each way to spoil one part of it.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use serde_json::Value;

use super::{
    ask::{Ask, FORM, pair},
    judge::Expect,
};
use crate::{app::App, names::NameRole};

/// What a field must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Something that is judged.
    Required,
    /// It may be missing or empty; what is there is judged.
    Optional,
    /// Any readable text: who reads it takes what is of use, or nothing.
    Free,
}

/// A parameter of a query or a field of a form.
#[derive(Debug, Clone)]
pub struct Field {
    pub name: &'static str,
    pub good: String,
    pub need: Need,
    /// Values of somebody or something else.
    pub foreign: Vec<String>,
}

pub fn required(name: &'static str, good: &str) -> Field {
    Field { name, good: good.to_owned(), need: Need::Required, foreign: Vec::new() }
}

pub fn optional(name: &'static str, good: &str) -> Field {
    Field { need: Need::Optional, ..required(name, good) }
}

pub fn free(name: &'static str, good: &str) -> Field {
    Field { need: Need::Free, ..required(name, good) }
}

impl Field {
    pub fn foreign(mut self, value: &str) -> Self {
        self.foreign.push(value.to_owned());
        self
    }
}

/// The body of a good request.
#[derive(Debug, Clone)]
pub enum Payload {
    /// Not read.
    None,
    /// A button: a form without fields.
    NoFields,
    Form(Vec<Field>),
    /// JSON: an object, and which of its members must be there.
    Json(Value, Vec<&'static str>),
    /// Another media type, and the most octets that are read.
    Octets(&'static str, Vec<u8>, usize),
}

/// A line of the table.
pub struct Row {
    pub role: NameRole,
    pub method: &'static str,
    pub path: &'static str,
    /// Good value and values of something else for the path's parameter.
    pub parameter: Option<(String, Vec<String>)>,
    pub cookies: Vec<String>,
    /// Cookies of somebody else, of the same kind.
    pub foreign_cookies: Vec<String>,
    /// Headers that the good request has beside or instead of the usual ones.
    pub headers: Vec<(&'static str, String)>,
    pub chain: Arc<[CertificateDer<'static>]>,
    /// Certificates that must not do.
    pub foreign_chains: Vec<Arc<[CertificateDer<'static>]>>,
    pub query: Vec<Field>,
    pub payload: Payload,
    /// Good value and values of somebody else for `Authorization`.
    pub authorization: Option<(String, Vec<String>)>,
    /// What becomes of a spoilt parameter or field.
    pub spoilt: Expect,
    /// Status of the good request, sent after all others.
    pub good: Option<u16>,
    /// Tables that a spoilt request changes by design.
    pub touches: &'static [&'static str],
}

impl Row {
    pub fn new(role: NameRole, method: &'static str, path: &'static str) -> Self {
        Self {
            role,
            method,
            path,
            parameter: None,
            cookies: Vec::new(),
            foreign_cookies: Vec::new(),
            headers: Vec::new(),
            chain: Arc::new([]),
            foreign_chains: Vec::new(),
            query: Vec::new(),
            payload: Payload::None,
            authorization: None,
            spoilt: Expect::Refused,
            good: None,
            touches: &[],
        }
    }

    pub fn parameter(mut self, good: &str, foreign: &[&str]) -> Self {
        self.parameter =
            Some((good.to_owned(), foreign.iter().map(|text| (*text).to_owned()).collect()));
        self
    }

    pub fn cookie(mut self, good: &str, foreign: &[&str]) -> Self {
        self.cookies.push(good.to_owned());
        self.foreign_cookies.extend(foreign.iter().map(|text| (*text).to_owned()));
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn foreign_cookie(mut self, foreign: &str) -> Self {
        self.foreign_cookies.push(foreign.to_owned());
        self
    }

    pub fn query(mut self, fields: impl Into<Vec<Field>>) -> Self {
        self.query = fields.into();
        self
    }

    pub fn form(mut self, fields: impl Into<Vec<Field>>) -> Self {
        self.payload = Payload::Form(fields.into());
        self
    }

    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    pub fn authorization(mut self, good: &str, foreign: &[&str]) -> Self {
        self.authorization =
            Some((good.to_owned(), foreign.iter().map(|text| (*text).to_owned()).collect()));
        self
    }

    pub fn chain(
        mut self,
        good: &Arc<[CertificateDer<'static>]>,
        foreign: &[&Arc<[CertificateDer<'static>]>],
    ) -> Self {
        self.chain = Arc::clone(good);
        self.foreign_chains = foreign.iter().map(|chain| Arc::clone(chain)).collect();
        self
    }

    pub fn spoilt(mut self, expect: Expect) -> Self {
        self.spoilt = expect;
        self
    }

    pub fn touches(mut self, tables: &'static [&'static str]) -> Self {
        self.touches = tables;
        self
    }

    pub fn good(mut self, status: u16) -> Self {
        self.good = Some(status);
        self
    }

    /// The good request.
    pub fn ask(&self, app: &App) -> Ask {
        let mut ask = Ask::new(app, self.role, self.method, self.path);
        if let Some((good, _)) = &self.parameter {
            ask.path = self.path_with(good);
        }
        for cookie in &self.cookies {
            ask.add("cookie", cookie);
        }
        for (name, value) in &self.headers {
            ask.set(name, value);
        }
        if let Some((good, _)) = &self.authorization {
            ask.set("authorization", good);
        }
        ask.chain = Arc::clone(&self.chain);
        ask.query = self.query.iter().map(|field| pair(field.name, &field.good)).collect();
        match &self.payload {
            Payload::None => {}
            Payload::NoFields => ask.set("content-type", FORM),
            Payload::Form(fields) => {
                ask.set("content-type", FORM);
                ask.form = fields.iter().map(|field| pair(field.name, &field.good)).collect();
            }
            Payload::Json(value, _) => {
                ask.set("content-type", "application/json");
                ask.octets = value.to_string().into_bytes();
            }
            Payload::Octets(media_type, octets, _) => {
                ask.set("content-type", media_type);
                ask.octets.clone_from(octets);
            }
        }
        ask
    }

    /// The path with `value`, as it stands on the wire, in the place of its parameter.
    pub fn path_with(&self, value: &str) -> String {
        let (before, rest) = self.path.split_once('{').unwrap();
        let (_, after) = rest.split_once('}').unwrap();
        format!("{before}{value}{after}")
    }
}
