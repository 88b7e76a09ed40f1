//! Client metadata as a client writes it itself (RFC 7591 §2, OIDC Registration §2), to and from what is
//! registered.

use std::collections::{BTreeMap, BTreeSet};

use sekisho_store::{
    StoreError,
    service::{AuthMethod, Service},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::{
    GrantType, Metadata, PersonalData, RegistrationError, ServiceFile, SubjectType,
    file::InLanguages,
};
use crate::{config::Config, jose::Algorithm, oidc::claims::SCOPES};

/// What a client sends. What is not listed is ignored (RFC 7591 §2), `null` is as if it were not there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Document {
    /// Only with a change (RFC 7592 §2.2).
    pub client_id: Option<String>,
    /// Likewise: the one that the client has.
    pub client_secret: Option<String>,
    redirect_uris: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    token_endpoint_auth_signing_alg: Option<String>,
    grant_types: Option<BTreeSet<String>>,
    response_types: Option<BTreeSet<String>>,
    client_name: Option<String>,
    #[serde(rename = "client_name#ja")]
    client_name_ja: Option<String>,
    #[serde(rename = "client_name#en")]
    client_name_en: Option<String>,
    client_uri: Option<String>,
    scope: Option<String>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    sector_identifier_uri: Option<String>,
    subject_type: Option<String>,
    post_logout_redirect_uris: Option<Vec<String>>,
    backchannel_logout_uri: Option<String>,
    frontchannel_logout_uri: Option<String>,
    id_token_signed_response_alg: Option<String>,
    userinfo_signed_response_alg: Option<String>,
    authorization_signed_response_alg: Option<String>,
    introspection_signed_response_alg: Option<String>,
    request_object_signing_alg: Option<String>,
    id_token_encrypted_response_alg: Option<String>,
    userinfo_encrypted_response_alg: Option<String>,
    authorization_encrypted_response_alg: Option<String>,
    introspection_encrypted_response_alg: Option<String>,
    request_object_encryption_alg: Option<String>,
    require_pushed_authorization_requests: Option<bool>,
    require_signed_request_object: Option<bool>,
    dpop_bound_access_tokens: Option<bool>,
    tls_client_certificate_bound_access_tokens: Option<bool>,
    tls_client_auth_san_dns: Option<String>,
    default_max_age: Option<u32>,
    logout_on_card_removal: Option<bool>,
    personal_data: Option<Value>,
    software_statement: Option<Value>,
    registration_access_token: Option<Value>,
    registration_client_uri: Option<Value>,
    client_secret_expires_at: Option<Value>,
    client_id_issued_at: Option<Value>,
}

/// Why a document is refused.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not a JSON object, or a member of another type, or one twice.
    #[error("the metadata does not read")]
    Malformed(#[source] serde_json::Error),
    /// A statement of somebody whom nobody here has approved (RFC 7591 §3.2.2).
    #[error("no software statement is approved here; leave software_statement out")]
    SoftwareStatement,
    /// What was registered before does not read back.
    #[error("what is registered does not read")]
    Store(#[from] StoreError),
    /// A member out of bounds.
    #[error(transparent)]
    Member(#[from] RegistrationError),
}

/// Whose registration a document becomes.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    /// `client_id`.
    pub client_id: &'a str,
    /// Who runs it.
    pub organisation_id: Option<&'a str>,
    /// What is registered now, where a document replaces it.
    pub before: Option<&'a Service>,
}

impl Document {
    /// Reads a body.
    ///
    /// # Errors
    /// [`DocumentError::Malformed`].
    pub fn parse(octets: &[u8]) -> Result<Self, DocumentError> {
        serde_json::from_slice(octets).map_err(DocumentError::Malformed)
    }

    /// Holds every member against the rules for a service's file, and makes the row of it. Without
    /// secret; what the operating body alone grants stays as it was.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn into_service(
        self,
        config: &Config,
        whose: Whose<'_>,
        now: OffsetDateTime,
    ) -> Result<Service, DocumentError> {
        if self.software_statement.is_some() {
            return Err(DocumentError::SoftwareStatement);
        }
        self.refuse_what_is_not_offered()?;
        let before = whose.before.map(Metadata::of).transpose()?;
        let protocol = self.protocol(before.unwrap_or_default())?;
        let authentication = self.token_endpoint_auth_method.clone();
        let names = self.names(whose.client_id);
        let personal_data = self.personal_data.clone().map(serde_json::from_value).transpose();
        let home_url = match self.client_uri.clone() {
            Some(uri) => uri,
            None => self.origin_of_redirect()?,
        };
        let all_scopes = || SCOPES.map(|scope| scope.name).join(" ");
        let scope = self.scope.clone().unwrap_or_else(all_scopes);
        let file = ServiceFile {
            id: whose.client_id.to_owned(),
            operated_by: whose.organisation_id.map(str::to_owned),
            description: names.clone(),
            name: names,
            home_url,
            sector: None,
            redirect_uris: self.redirect_uris.unwrap_or_default(),
            logout_uris: self.post_logout_redirect_uris.unwrap_or_default(),
            backchannel_logout_uri: self.backchannel_logout_uri,
            // RFC 7591 §2: that is the default.
            authentication: authentication
                .unwrap_or_else(|| AuthMethod::ClientSecretBasic.as_str().to_owned()),
            jwks: self.jwks,
            protocol,
            scopes: scope.split_ascii_whitespace().map(str::to_owned).collect(),
            personal_data: personal_data
                .map_err(|error| invalid("personal_data", error.to_string()))?,
            rules: Vec::new(),
            groups: BTreeMap::new(),
        };
        let (service, _) = file.validate(config, now)?;
        Ok(service)
    }

    /// What would be ignored at the client's cost is refused: it would rely on it.
    fn refuse_what_is_not_offered(&self) -> Result<(), RegistrationError> {
        let by_reference = "nothing that a stranger names is fetched; ";
        for (key, given, instead) in [
            ("jwks_uri", &self.jwks_uri, "send the keys themselves as jwks"),
            (
                "sector_identifier_uri",
                &self.sector_identifier_uri,
                "give redirect_uris of one host, or have the service registered by its file",
            ),
        ] {
            if given.is_some() && !seeded!(ReferencesPassedOver) {
                return Err(invalid(key, format!("{by_reference}{instead}")));
            }
        }
        for (key, given) in [
            ("id_token_encrypted_response_alg", &self.id_token_encrypted_response_alg),
            ("userinfo_encrypted_response_alg", &self.userinfo_encrypted_response_alg),
            ("authorization_encrypted_response_alg", &self.authorization_encrypted_response_alg),
            ("introspection_encrypted_response_alg", &self.introspection_encrypted_response_alg),
            ("request_object_encryption_alg", &self.request_object_encryption_alg),
        ] {
            if given.is_some() {
                return Err(invalid(key, "nothing is encrypted beside TLS; leave it out"));
            }
        }
        // RFC 7592 §2.2: the client must not send what is ours to give.
        for (key, given) in [
            ("registration_access_token", &self.registration_access_token),
            ("registration_client_uri", &self.registration_client_uri),
            ("client_secret_expires_at", &self.client_secret_expires_at),
            ("client_id_issued_at", &self.client_id_issued_at),
        ] {
            if given.is_some() {
                return Err(invalid(key, "we give it; leave it out"));
            }
        }
        Ok(())
    }

    /// `[protocol]` of a file that says the same.
    fn protocol(&self, before: Metadata) -> Result<Metadata, RegistrationError> {
        let grant_types = match &self.grant_types {
            None => BTreeSet::from([GrantType::AuthorizationCode]),
            Some(names) => {
                names.iter().map(|name| GrantType::parse(name)).collect::<Option<_>>().ok_or_else(
                    || {
                        let all = GrantType::ALL.map(GrantType::as_str).join(", ");
                        invalid("grant_types", format!("any of {all}"))
                    },
                )?
            }
        };
        // RFC 7591 §2.1: the two go together.
        let by_code = grant_types.contains(&GrantType::AuthorizationCode);
        let types: BTreeSet<_> = self.response_types.iter().flatten().map(String::as_str).collect();
        let fits = match &self.response_types {
            None => true,
            Some(_) if by_code => types == BTreeSet::from(["code"]),
            Some(_) => types.is_empty(),
        };
        if !fits {
            let fault = "code with the grant authorization_code, none without";
            return Err(invalid("response_types", fault));
        }
        let subject_type = match self.subject_type.as_deref() {
            None | Some("pairwise") => SubjectType::Pairwise,
            Some("public") => SubjectType::Public,
            Some(_) => return Err(invalid("subject_type", "pairwise or public")),
        };
        let algorithm = |key, name: &Option<String>| {
            let of = |name: &String| {
                let all = Algorithm::ALL.map(Algorithm::as_str).join(", ");
                let known = if name == "none" && seeded!(NoneRegistered) { "ES256" } else { name };
                Algorithm::parse(known).ok_or_else(|| invalid(key, format!("one of {all}")))
            };
            name.as_ref().map(of).transpose()
        };
        Ok(Metadata {
            grant_types,
            subject_type,
            require_pushed_authorization_requests: self.require_pushed_authorization_requests,
            require_signed_request_object: self.require_signed_request_object.unwrap_or_default(),
            request_object_signing_alg: algorithm(
                "request_object_signing_alg",
                &self.request_object_signing_alg,
            )?,
            token_endpoint_auth_signing_alg: algorithm(
                "token_endpoint_auth_signing_alg",
                &self.token_endpoint_auth_signing_alg,
            )?,
            id_token_signed_response_alg: algorithm(
                "id_token_signed_response_alg",
                &self.id_token_signed_response_alg,
            )?
            .unwrap_or(Algorithm::Es256),
            userinfo_signed_response_alg: algorithm(
                "userinfo_signed_response_alg",
                &self.userinfo_signed_response_alg,
            )?,
            authorization_signed_response_alg: algorithm(
                "authorization_signed_response_alg",
                &self.authorization_signed_response_alg,
            )?
            .unwrap_or(Algorithm::Es256),
            introspection_signed_response_alg: algorithm(
                "introspection_signed_response_alg",
                &self.introspection_signed_response_alg,
            )?
            .unwrap_or(Algorithm::Es256),
            dpop_bound_access_tokens: self.dpop_bound_access_tokens.unwrap_or_default(),
            tls_client_certificate_bound_access_tokens: self
                .tls_client_certificate_bound_access_tokens
                .unwrap_or_default(),
            tls_client_auth_san_dns: self.tls_client_auth_san_dns.clone(),
            frontchannel_logout_uri: self.frontchannel_logout_uri.clone(),
            default_max_age: self.default_max_age,
            logout_on_card_removal: self.logout_on_card_removal.unwrap_or_default(),
            ..before
        })
    }

    /// RFC 7591 §2.2: by language, else the one for all; a client without a name is called by its
    /// identifier.
    fn names(&self, client_id: &str) -> InLanguages {
        let any = self.client_name.as_ref();
        let ja = self.client_name_ja.as_ref().or(any).or(self.client_name_en.as_ref());
        let en = self.client_name_en.as_ref().or(any).or(self.client_name_ja.as_ref());
        let or_identifier =
            |name: Option<&String>| name.map_or(client_id, String::as_str).to_owned();
        InLanguages { ja: or_identifier(ja), en: or_identifier(en) }
    }

    /// Where the portal's entry leads when the client does not say.
    fn origin_of_redirect(&self) -> Result<String, RegistrationError> {
        let first = self.redirect_uris.as_ref().and_then(|uris| uris.first());
        let url = first.and_then(|uri| url::Url::parse(uri).ok());
        let at = url.filter(url::Url::has_host).and_then(|url| url.join("/").ok());
        match (at, first) {
            (Some(url), _) => Ok(url.into()),
            (None, Some(_)) => Err(invalid("redirect_uris", "addresses that begin with https://")),
            (None, None) => Err(invalid("client_uri", "needed without redirect_uris")),
        }
    }
}

/// All that is registered for a service, as RFC 7591 §3.2.1 and RFC 7592 §3 answer it.
///
/// # Errors
/// [`StoreError::Corrupt`]: it does not read back.
pub fn told(service: &Service) -> Result<Map<String, Value>, StoreError> {
    let metadata = Metadata::of(service)?;
    let by_code = metadata.grant_types.contains(&GrantType::AuthorizationCode);
    let grant_types: Vec<_> = metadata.grant_types.iter().map(|grant| grant.as_str()).collect();
    let jwks = service.jwks.as_deref().map(serde_json::from_str::<Value>).transpose();
    let jwks =
        jwks.map_err(|error| StoreError::Corrupt { what: "jwks", detail: error.to_string() })?;
    let all = json!({
        "client_id": service.id,
        "client_id_issued_at": service.created_at.unix_timestamp(),
        "client_name": service.name_ja,
        "client_name#ja": service.name_ja,
        "client_name#en": service.name_en,
        "client_uri": service.home_url,
        "redirect_uris": service.redirect_uris,
        "post_logout_redirect_uris": service.logout_uris,
        "backchannel_logout_uri": service.backchannel_logout_uri,
        "backchannel_logout_session_required": service.backchannel_logout_uri.as_ref().map(|_| true),
        "frontchannel_logout_uri": metadata.frontchannel_logout_uri,
        "token_endpoint_auth_method": service.auth_method.as_str(),
        "token_endpoint_auth_signing_alg": metadata.token_endpoint_auth_signing_alg,
        "tls_client_auth_san_dns": metadata.tls_client_auth_san_dns,
        "grant_types": grant_types,
        "response_types": if by_code { vec!["code"] } else { Vec::new() },
        "scope": service.scopes.join(" "),
        "jwks": jwks,
        "subject_type": metadata.subject_type,
        "id_token_signed_response_alg": metadata.id_token_signed_response_alg,
        "userinfo_signed_response_alg": metadata.userinfo_signed_response_alg,
        "authorization_signed_response_alg": metadata.authorization_signed_response_alg,
        "introspection_signed_response_alg": metadata.introspection_signed_response_alg,
        "request_object_signing_alg": metadata.request_object_signing_alg,
        "require_pushed_authorization_requests": metadata.requires_pushed_requests(),
        "require_signed_request_object": metadata.require_signed_request_object,
        "dpop_bound_access_tokens": metadata.dpop_bound_access_tokens,
        "tls_client_certificate_bound_access_tokens":
            metadata.tls_client_certificate_bound_access_tokens,
        "default_max_age": metadata.default_max_age,
        "logout_on_card_removal": metadata.logout_on_card_removal,
        "personal_data": PersonalData::of(service)?,
    });
    let Value::Object(all) = all else { return Ok(Map::new()) };
    Ok(all.into_iter().filter(|(_, value)| !value.is_null()).collect())
}

/// The member of a document that a key of a service's file stands for.
#[must_use]
pub fn member(key: &'static str) -> &'static str {
    match key {
        "authentication" => "token_endpoint_auth_method",
        "name" | "description" => "client_name",
        "home_url" => "client_uri",
        "logout_uris" => "post_logout_redirect_uris",
        "scopes" => "scope",
        "sector" => "redirect_uris",
        key => key.strip_prefix("protocol.").unwrap_or(key),
    }
}

fn invalid(key: &'static str, fault: impl Into<String>) -> RegistrationError {
    RegistrationError::Invalid { key, fault: fault.into() }
}
