//! The clients that every provider has registered, with the keys, secrets and certificates of each.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::Context;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject};
use sekisho::demo::process;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::jose::{Key, RsaKey, encode};

/// How a client proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    SecretBasic,
    SecretPost,
    PrivateKeyJwt,
    /// By a certificate of its own (RFC 8705 §2.2).
    Certificate,
}

impl Authentication {
    /// As in the registration of clients (RFC 7591 §2).
    pub fn method(self) -> &'static str {
        match self {
            Self::SecretBasic => "client_secret_basic",
            Self::SecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::Certificate => "self_signed_tls_client_auth",
        }
    }
}

/// What a client's tokens are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    Nothing,
    Dpop,
    Certificate,
}

/// Which rules hold for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Openid,
    Fapi2Security,
    Fapi2MessageSigning,
}

/// The choices that the Foundation's FAPI plans leave: `client_auth_type` and `sender_constrain`, and
/// which of the two plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    pub profile: Profile,
    pub authentication: Authentication,
    pub binding: Binding,
}

impl Variant {
    /// All of one plan.
    pub fn of(profile: Profile) -> [Self; 4] {
        let each = |authentication, binding| Self { profile, authentication, binding };
        [
            each(Authentication::PrivateKeyJwt, Binding::Dpop),
            each(Authentication::PrivateKeyJwt, Binding::Certificate),
            each(Authentication::Certificate, Binding::Dpop),
            each(Authentication::Certificate, Binding::Certificate),
        ]
    }

    /// In the suite's own words for the choices.
    pub fn name(self) -> &'static str {
        match (self.authentication, self.binding) {
            (Authentication::PrivateKeyJwt, Binding::Dpop) => "private_key_jwt+dpop",
            (Authentication::PrivateKeyJwt, _) => "private_key_jwt+mtls",
            (_, Binding::Dpop) => "mtls+dpop",
            (_, _) => "mtls+mtls",
        }
    }

    /// The `client_id` of the first or the second client of this variant.
    pub fn client_id(self, number: u8) -> String {
        let plan = if self.profile == Profile::Fapi2Security { "security" } else { "signing" };
        let name = self.name().replace(['_', '+'], "-");
        format!("{plan}-{name}-{number}")
    }
}

/// The clients of the plans of OpenID Connect.
pub const BASIC: &str = "basic";
/// Another of the same kind.
pub const SECOND: &str = "second";
/// One that sends its secret in the form.
pub const POST: &str = "post";

/// A client.
pub struct Client {
    pub id: String,
    pub profile: Profile,
    pub authentication: Authentication,
    pub binding: Binding,
    pub redirect_uri: String,
    pub post_logout_redirect_uri: String,
    /// Whether its requests bring a challenge.
    pub pkce: bool,
    /// With what its ID tokens and logout tokens are signed.
    pub id_token_algorithm: &'static str,
    /// Given by the provider, or chosen here.
    pub secret: String,
    /// Signs assertions and requests; its certificate is of the same key.
    pub key: Key,
    /// Registered as well, though nothing of FAPI 2.0 may be signed by RS256.
    pub rsa: Arc<RsaKey>,
    pub certificate_der: Vec<u8>,
    /// Certificate and key, as a TLS client reads them.
    pub identity_pem: Vec<u8>,
}

impl Client {
    async fn make(
        id: String,
        variant: Variant,
        rsa: Arc<RsaKey>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let key_file = folder.join(format!("{id}.p8"));
        let certificate_file = folder.join(format!("{id}.crt"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        openssl.args(["-noenc", "-days", "2", "-subj", &format!("/CN={id}"), "-keyout"]);
        openssl.arg(&key_file).arg("-out").arg(&certificate_file);
        process::run(openssl).await.context("Debian's openssl is needed")?;
        let key_pem = std::fs::read(&key_file)?;
        let certificate_pem = std::fs::read(&certificate_file)?;
        let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(&key_pem)?;
        Ok(Self {
            redirect_uri: format!("https://{id}.client.example/callback"),
            post_logout_redirect_uri: format!("https://{id}.client.example/post_logout_redirect"),
            secret: crate::jose::random()?,
            key: Key::of_pkcs8(pkcs8.secret_pkcs8_der())?,
            certificate_der: CertificateDer::from_pem_slice(&certificate_pem)?.to_vec(),
            identity_pem: [certificate_pem, key_pem].concat(),
            id,
            pkce: variant.profile != Profile::Openid,
            id_token_algorithm: "ES256",
            profile: variant.profile,
            authentication: variant.authentication,
            binding: variant.binding,
            rsa,
        })
    }

    /// Its public keys, as they are registered.
    pub fn jwks(&self) -> Value {
        let mut own = self.key.jwk();
        own["kid"] = "ec".into();
        if self.authentication == Authentication::Certificate {
            // RFC 7517 §4.7: plain base64 of the DER.
            use base64::engine::{Engine, general_purpose::STANDARD};
            own["x5c"] = json!([STANDARD.encode(&self.certificate_der)]);
        }
        let mut rsa = self.rsa.jwk();
        rsa["kid"] = "rsa".into();
        json!({ "keys": [own, rsa] })
    }

    /// Whether it shows its certificate where it is asked for one.
    pub fn shows_certificate(&self) -> bool {
        self.authentication == Authentication::Certificate || self.binding == Binding::Certificate
    }

    pub fn is_fapi(&self) -> bool {
        self.profile != Profile::Openid
    }

    /// `x5t#S256` of its certificate (RFC 8705 §3.1).
    pub fn certificate_thumbprint(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.certificate_der);
        encode(digest)
    }
}

/// What the clients' programs send requests with; each keeps its connections.
pub struct Programs {
    plain: reqwest::Client,
    with_certificate: BTreeMap<String, reqwest::Client>,
}

impl Programs {
    /// One without a certificate, and one for each client that shows its own. `make` makes one of an
    /// identity in PEM.
    pub fn make(
        clients: &[Client],
        make: impl Fn(Option<&[u8]>) -> anyhow::Result<reqwest::Client>,
    ) -> anyhow::Result<Self> {
        let showing = clients.iter().filter(|client| client.shows_certificate());
        let with_certificate = showing
            .map(|client| Ok((client.id.clone(), make(Some(&client.identity_pem))?)))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { plain: make(None)?, with_certificate })
    }

    /// The one with the certificate of this client, or the one without.
    pub fn of(&self, client: Option<&Client>) -> anyhow::Result<reqwest::Client> {
        let Some(client) = client else { return Ok(self.plain.clone()) };
        let found = self.with_certificate.get(&client.id);
        found.cloned().with_context(|| format!("{} shows no certificate", client.id))
    }
}

/// Makes all of them, with fresh keys.
pub async fn all(folder: &Path) -> anyhow::Result<Vec<Client>> {
    let rsa = Arc::new(RsaKey::generate()?);
    let openid = |authentication| Variant {
        profile: Profile::Openid,
        authentication,
        binding: Binding::Nothing,
    };
    let mut wanted = vec![
        (BASIC.to_owned(), openid(Authentication::SecretBasic)),
        (SECOND.to_owned(), openid(Authentication::SecretBasic)),
        (POST.to_owned(), openid(Authentication::SecretPost)),
    ];
    for profile in [Profile::Fapi2Security, Profile::Fapi2MessageSigning] {
        for variant in Variant::of(profile) {
            wanted.extend([1, 2].map(|number| (variant.client_id(number), variant)));
        }
    }
    let mut made = Vec::new();
    for (id, variant) in wanted {
        made.push(Client::make(id, variant, Arc::clone(&rsa), folder).await?);
    }
    Ok(made)
}
