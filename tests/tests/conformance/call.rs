//! A form that a client's program sends, right or wrong on purpose.

use serde_json::json;

use crate::{
    client::{Authentication, Binding},
    flow::{Answer, RelyingParty, now},
    jose::{self, Changes},
};

/// A form that a client's program sends.
pub struct Call<'a> {
    party: &'a RelyingParty<'a>,
    endpoint: &'a str,
    form: Vec<(String, String)>,
    authenticated: bool,
    assertion: Changes<'a>,
    proof: Option<Changes<'a>>,
    certificate: bool,
}

impl<'a> Call<'a> {
    /// Without the secret or the assertion.
    #[must_use]
    pub fn unauthenticated(mut self) -> Self {
        self.authenticated = false;
        self
    }

    #[must_use]
    pub fn assertion(mut self, changes: Changes<'a>) -> Self {
        self.assertion = changes;
        self
    }

    #[must_use]
    pub fn proof(mut self, changes: Changes<'a>) -> Self {
        self.proof = Some(changes);
        self
    }

    /// Without whatever would bind the tokens.
    #[must_use]
    pub fn without_binding(mut self) -> Self {
        self.proof = None;
        self.certificate = false;
        self
    }

    /// With one field more.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<String>) -> Self {
        self.form.retain(|(key, _)| key != name);
        self.form.push((name.to_owned(), value.into()));
        self
    }

    pub async fn send(self) -> anyhow::Result<Answer> {
        let Self { party, endpoint, mut form, authenticated, assertion, proof, certificate } = self;
        let client = party.client;
        let url = party.endpoint(endpoint, certificate)?;
        let mut request = party.http(certificate)?.post(url);
        let mut add = |name: &str, value: String| {
            if !form.iter().any(|(key, _)| key == name) {
                form.push((name.to_owned(), value));
            }
        };
        match client.authentication {
            Authentication::SecretBasic if authenticated => {
                request = request.basic_auth(&client.id, Some(&client.secret));
            }
            Authentication::SecretPost => {
                add("client_id", client.id.clone());
                if authenticated {
                    add("client_secret", client.secret.clone());
                }
            }
            Authentication::PrivateKeyJwt => {
                add("client_id", client.id.clone());
                if authenticated {
                    let name = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                    add("client_assertion_type", name.to_owned());
                    add("client_assertion", party.assertion(&assertion)?);
                }
            }
            Authentication::Certificate | Authentication::SecretBasic => {
                add("client_id", client.id.clone());
            }
        }
        if let Some(changes) = &proof {
            request = request.header("DPoP", party.proof("POST", url, None, changes)?);
        }
        Answer::of(request.form(&form)).await
    }
}

impl RelyingParty<'_> {
    /// A request of this client's program, authenticated, with proof, as it should be.
    pub fn call<'a>(&'a self, endpoint: &'a str, form: Vec<(String, String)>) -> Call<'a> {
        Call {
            party: self,
            endpoint,
            form,
            authenticated: true,
            assertion: Changes::none(),
            proof: (self.client.binding == Binding::Dpop && endpoint == "token_endpoint")
                .then(Changes::none),
            certificate: self.client.shows_certificate(),
        }
    }

    /// An assertion of the client about itself (RFC 7523 §3), for the issuer.
    pub fn assertion(&self, changes: &Changes<'_>) -> anyhow::Result<String> {
        let kid = if matches!(changes.signer, jose::Signer::Rsa(_)) { "rsa" } else { "ec" };
        let claims = json!({
            "iss": self.client.id,
            "sub": self.client.id,
            "aud": self.issuer()?,
            "jti": jose::random()?,
            "iat": now(),
            "nbf": now(),
            "exp": now() + 60,
        });
        jose::signed(&self.client.key, json!({ "kid": kid }), claims, changes)
    }
}
