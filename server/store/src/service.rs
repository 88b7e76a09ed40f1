//! Relying services: OIDC clients with their addresses and their rules.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment, moment_opt},
    sql,
};

/// How a client proves itself at the token endpoint (OIDC Core §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// Shared secret in the `Authorization` header.
    ClientSecretBasic,
    /// Shared secret in the body.
    ClientSecretPost,
    /// Assertion signed by the client's own key (RFC 7523).
    PrivateKeyJwt,
    /// A TLS certificate of a known issuer with a registered name in it (RFC 8705 §2.1).
    TlsClientAuth,
    /// A TLS certificate that was registered itself (RFC 8705 §2.2).
    SelfSignedTlsClientAuth,
    /// Nothing: a public client, held by PKCE alone.
    None,
}

impl AuthMethod {
    /// All.
    pub const ALL: [Self; 6] = [
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::PrivateKeyJwt,
        Self::TlsClientAuth,
        Self::SelfSignedTlsClientAuth,
        Self::None,
    ];

    /// As stored and as registered with IANA.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            Self::None => "none",
        }
    }

    /// From its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == word)
    }

    /// Whether it needs a secret that both sides know.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// A relying service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `client_id`.
    pub id: String,
    /// Who runs it.
    pub organisation_id: Option<String>,
    /// Japanese name.
    pub name_ja: String,
    /// English name.
    pub name_en: String,
    /// What it is for, in Japanese.
    pub description_ja: String,
    /// What it is for, in English.
    pub description_en: String,
    /// Where the portal's link leads.
    pub home_url: String,
    /// Sector identifier of pairwise subjects (OIDC Core §8.1).
    pub sector: String,
    /// How it authenticates.
    pub auth_method: AuthMethod,
    /// SHA-256 of its secret, for the two methods that have one.
    pub secret_hash: Option<[u8; 32]>,
    /// Its public keys (RFC 7517).
    pub jwks: Option<String>,
    /// Where it hears of ended sessions (OIDC Back-Channel Logout 1.0 §2.2).
    pub backchannel_logout_uri: Option<String>,
    /// JSON object of further client metadata, the caller's.
    pub metadata: String,
    /// JSON object of what it says about personal data that leave the facility's purpose, the caller's.
    pub personal_data: Option<String>,
    /// Scopes it was approved for.
    pub scopes: Vec<String>,
    /// Registered redirect URIs, compared octet by octet.
    pub redirect_uris: Vec<String>,
    /// Registered addresses to return to after a logout.
    pub logout_uris: Vec<String>,
    /// When it was registered.
    pub created_at: OffsetDateTime,
    /// When the operating body approved it; until then it is in the sandbox.
    pub live_at: Option<OffsetDateTime>,
    /// When its approval was taken back.
    pub withdrawn_at: Option<OffsetDateTime>,
}

/// Registers a service without rules: nobody may use it until [`add_rules`].
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the `client_id` is taken, for ever.
pub async fn add(tx: &mut Tx, service: &Service) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO service (id, organisation_id, name_ja, name_en, description_ja,
                 description_en, home_url, sector, auth_method, secret_hash, jwks,
                 backchannel_logout_uri, metadata, scopes, created_at, live_at, personal_data)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)")
        .bind(&service.id)
        .bind(service.organisation_id.as_deref())
        .bind(&service.name_ja)
        .bind(&service.name_en)
        .bind(&service.description_ja)
        .bind(&service.description_en)
        .bind(&service.home_url)
        .bind(&service.sector)
        .bind(service.auth_method.as_str())
        .bind(service.secret_hash.map(|hash| hash.to_vec()))
        .bind(service.jwks.as_deref())
        .bind(service.backchannel_logout_uri.as_deref())
        .bind(&service.metadata)
        .bind(service.scopes.join(" "))
        .bind(service.created_at)
        .bind(service.live_at)
        .bind(service.personal_data.as_deref()),
    )
    .await?;
    add_uris(tx, service).await
}

/// Keeps the addresses of a service that has none yet.
pub(crate) async fn add_uris(tx: &mut Tx, service: &Service) -> Result<(), StoreError> {
    let uris = service.redirect_uris.iter().map(|uri| (uri, "login"));
    for (uri, kind) in uris.chain(service.logout_uris.iter().map(|uri| (uri, "logout"))) {
        tx.execute(
            sql("INSERT INTO service_redirect_uri (service_id, uri, kind) VALUES ($1, $2, $3)")
                .bind(&service.id)
                .bind(uri)
                .bind(kind),
        )
        .await?;
    }
    Ok(())
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    organisation_id: Option<String>,
    name_ja: String,
    name_en: String,
    description_ja: String,
    description_en: String,
    home_url: String,
    sector: String,
    auth_method: String,
    secret_hash: Option<Vec<u8>>,
    jwks: Option<String>,
    backchannel_logout_uri: Option<String>,
    metadata: String,
    personal_data: Option<String>,
    scopes: String,
    created_at: i64,
    live_at: Option<i64>,
    withdrawn_at: Option<i64>,
}

impl Row {
    fn with(self, uris: Vec<(String, String)>) -> Result<Service, StoreError> {
        let of = |kind: &str| {
            uris.iter().filter(|(_, k)| k == kind).map(|(uri, _)| uri.clone()).collect()
        };
        Ok(Service {
            redirect_uris: of("login"),
            logout_uris: of("logout"),
            auth_method: AuthMethod::parse(&self.auth_method).ok_or_else(|| {
                StoreError::Corrupt { what: "auth_method", detail: self.auth_method.clone() }
            })?,
            secret_hash: self.secret_hash.map(|hash| digest("secret_hash", hash)).transpose()?,
            scopes: self.scopes.split_ascii_whitespace().map(str::to_owned).collect(),
            created_at: moment("service", self.created_at)?,
            live_at: moment_opt("service", self.live_at)?,
            withdrawn_at: moment_opt("service", self.withdrawn_at)?,
            id: self.id,
            organisation_id: self.organisation_id,
            name_ja: self.name_ja,
            name_en: self.name_en,
            description_ja: self.description_ja,
            description_en: self.description_en,
            home_url: self.home_url,
            sector: self.sector,
            jwks: self.jwks,
            backchannel_logout_uri: self.backchannel_logout_uri,
            metadata: self.metadata,
            personal_data: self.personal_data,
        })
    }
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_service {
    ($condition:literal) => {
        concat!(
            "SELECT id, organisation_id, name_ja, name_en, description_ja, description_en, home_url,
                    sector, auth_method, secret_hash, jwks, backchannel_logout_uri, metadata,
                    personal_data, scopes, created_at, live_at, withdrawn_at
             FROM service WHERE ",
            $condition
        )
    };
}

/// The service of this `client_id`, unless it was withdrawn.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(queries: &mut impl Queries, id: &str) -> Result<Option<Service>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(sql(select_service!("id = $1 AND withdrawn_at IS NULL")).bind(id))
        .await?;
    match row {
        None => Ok(None),
        Some(row) => {
            let uris = uris(queries, id).await?;
            row.with(uris).map(Some)
        }
    }
}

/// Every service that was not withdrawn, by identifier.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn list(queries: &mut impl Queries) -> Result<Vec<Service>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(sql(select_service!("withdrawn_at IS NULL ORDER BY id LIMIT 1000")))
        .await?;
    with_uris(queries, rows).await
}

/// The services that say something about personal data leaving the facility's purpose, by Japanese name, but for
/// those in the sandbox and those that were withdrawn.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn declaring(queries: &mut impl Queries) -> Result<Vec<Service>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(sql(select_service!(
            "personal_data IS NOT NULL AND live_at IS NOT NULL AND withdrawn_at IS NULL
             ORDER BY name_ja, id LIMIT 1000"
        )))
        .await?;
    with_uris(queries, rows).await
}

/// What a service is called.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct ServiceName {
    /// `client_id`.
    pub id: String,
    /// Japanese name.
    pub name_ja: String,
    /// English name.
    pub name_en: String,
}

/// The names of all services, also of those that were withdrawn.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn names(queries: &mut impl Queries) -> Result<Vec<ServiceName>, StoreError> {
    queries.fetch_all(sql("SELECT id, name_ja, name_en FROM service ORDER BY id")).await
}

/// Every service that was ever registered, by identifier: `limit` of them after the first `offset`.
/// With `organisation_id` only those that this organisation runs.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn registered(
    queries: &mut impl Queries,
    organisation_id: Option<&str>,
    offset: i64,
    limit: i64,
) -> Result<Vec<Service>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_service!(
                "CAST($1 AS TEXT) IS NULL OR organisation_id = $1 ORDER BY id LIMIT $3 OFFSET $2"
            ))
            .bind(organisation_id)
            .bind(offset)
            .bind(limit),
        )
        .await?;
    with_uris(queries, rows).await
}

async fn with_uris(queries: &mut impl Queries, rows: Vec<Row>) -> Result<Vec<Service>, StoreError> {
    let mut services = Vec::with_capacity(rows.len());
    for row in rows {
        let uris = uris(queries, &row.id).await?;
        services.push(row.with(uris)?);
    }
    Ok(services)
}

async fn uris(queries: &mut impl Queries, id: &str) -> Result<Vec<(String, String)>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT uri, kind FROM service_redirect_uri WHERE service_id = $1 ORDER BY uri")
                .bind(id)
                .short(),
        )
        .await
}

/// Puts new rules into force; answers their version.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: another version came in between.
pub async fn add_rules(
    tx: &mut Tx,
    service_id: &str,
    rules_json: &str,
    by: Option<&str>,
    at: OffsetDateTime,
) -> Result<i64, StoreError> {
    let version = rules(tx, service_id).await?.map_or(0, |(version, _)| version) + 1;
    tx.execute(
        sql("INSERT INTO service_rules (service_id, version, rules, created_at, created_by)
             VALUES ($1, $2, $3, $4, $5)")
        .bind(service_id)
        .bind(version)
        .bind(rules_json)
        .bind(at)
        .bind(by),
    )
    .await?;
    Ok(version)
}

/// Version and JSON of the rules in force; `None` admits nobody.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn rules(
    queries: &mut impl Queries,
    service_id: &str,
) -> Result<Option<(i64, String)>, StoreError> {
    queries
        .fetch_optional(
            sql("SELECT version, rules FROM service_rules
                 WHERE service_id = $1 ORDER BY version DESC LIMIT 1")
            .bind(service_id),
        )
        .await
}

/// Notes a client's assertion, so that it is accepted once (RFC 7523 §3, item 7).
///
/// # Errors
/// [`StoreError::AlreadyExists`]: it was presented before.
pub async fn consume_assertion(
    tx: &mut Tx,
    service_id: &str,
    jti_hash: &[u8; 32],
    expires_at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO client_assertion (service_id, jti_hash, expires_at) VALUES ($1, $2, $3)")
            .bind(service_id)
            .bind(jti_hash)
            .bind(expires_at),
    )
    .await?;
    Ok(())
}

/// What the register says about a facility now, for claims and rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacilityFacts {
    /// Kind, a token.
    pub kind: String,
    /// Current name.
    pub name: String,
    /// Number of the prefecture of its registered address (JIS X 0401).
    pub prefecture: i64,
    /// Current codes: scheme and value.
    pub codes: Vec<(String, String)>,
}

impl FacilityFacts {
    /// The prefecture as rules write it, two digits; empty for a number that none has.
    #[must_use]
    pub fn prefecture_code(&self) -> String {
        match self.prefecture {
            number @ 1..=47 => format!("{number:02}"),
            _ => String::new(),
        }
    }
}

/// Kind, name, prefecture and codes of an organisation as registered now.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn facility_facts(
    queries: &mut impl Queries,
    organisation_id: &str,
) -> Result<Option<FacilityFacts>, StoreError> {
    let row: Option<(String, String, i64)> = queries
        .fetch_optional(
            sql("SELECT o.kind, n.name, o.prefecture FROM organisation o
                 JOIN organisation_name n ON n.organisation_id = o.id AND n.valid_until IS NULL
                 WHERE o.id = $1")
            .bind(organisation_id),
        )
        .await?;
    let Some((kind, name, prefecture)) = row else { return Ok(None) };
    let codes = queries
        .fetch_all(
            sql("SELECT scheme, value FROM organisation_code
                 WHERE organisation_id = $1 AND valid_until IS NULL ORDER BY scheme, value")
            .bind(organisation_id)
            .short(),
        )
        .await?;
    Ok(Some(FacilityFacts { kind, name, prefecture, codes }))
}
