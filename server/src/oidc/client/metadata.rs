//! What a client is held to, beyond its addresses and its secret (RFC 7591 §2 and its extensions).

use std::collections::BTreeSet;

use sekisho_store::{
    StoreError,
    service::{AuthMethod, Service},
};
use serde::{Deserialize, Serialize};

use super::RegistrationError;
use crate::jose::Algorithm;

/// A set of rules that switches everything else off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientProfile {
    /// OpenID Connect with what the client registers.
    #[default]
    Openid,
    /// FAPI 2.0 Security Profile.
    Fapi2Security,
    /// FAPI 2.0 Message Signing on top: signed requests, signed answers, signed introspection.
    Fapi2MessageSigning,
}

impl ClientProfile {
    /// Whether the rules of the FAPI 2.0 Security Profile hold.
    #[must_use]
    pub const fn is_fapi2(self) -> bool {
        !matches!(self, Self::Openid)
    }
}

/// What a client may exchange for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GrantType {
    /// RFC 6749 §4.1.
    #[serde(rename = "authorization_code")]
    AuthorizationCode,
    /// RFC 6749 §6.
    #[serde(rename = "refresh_token")]
    RefreshToken,
    /// RFC 6749 §4.4.
    #[serde(rename = "client_credentials")]
    ClientCredentials,
    /// RFC 8693.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
}

impl GrantType {
    /// All.
    pub const ALL: [Self; 4] =
        [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::TokenExchange];

    /// As registered with IANA.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    /// From its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == name)
    }
}

/// How people are named to a client (OIDC Core §8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectType {
    /// By a name that services of other sectors cannot compare.
    #[default]
    Pairwise,
    /// By one name for all services that registered so.
    Public,
}

/// `[protocol]` of a service's file, and the column of it in the database. `docs/services.md`
/// documents every key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metadata {
    /// Which set of rules it follows.
    pub profile: ClientProfile,
    /// What it may exchange.
    pub grant_types: BTreeSet<GrantType>,
    /// How it knows people.
    pub subject_type: SubjectType,
    /// Whether a request must bring a PKCE challenge; where not, it should bring a `nonce`.
    pub require_pkce: bool,
    /// Whether a request must be sent ahead (RFC 9126 §6), as far as it was said;
    /// [`Self::requires_pushed_requests`] is what holds.
    pub require_pushed_authorization_requests: Option<bool>,
    /// Whether a request must be signed (RFC 9101 §10.5).
    pub require_signed_request_object: bool,
    /// The only algorithm of its request objects.
    pub request_object_signing_alg: Option<Algorithm>,
    /// The only algorithm of its assertions.
    pub token_endpoint_auth_signing_alg: Option<Algorithm>,
    /// With what its ID tokens and logout tokens are signed (OIDC Registration §2).
    pub id_token_signed_response_alg: Algorithm,
    /// With what the userinfo is signed; plain without (OIDC Registration §2).
    pub userinfo_signed_response_alg: Option<Algorithm>,
    /// With what answers of the authorization endpoint are signed (JARM §3).
    pub authorization_signed_response_alg: Algorithm,
    /// With what answers to introspection are signed (RFC 9701 §6).
    pub introspection_signed_response_alg: Algorithm,
    /// Whether its access tokens are bound to a key of its own (RFC 9449 §5.2).
    pub dpop_bound_access_tokens: bool,
    /// Whether its access tokens are bound to its TLS certificate (RFC 8705 §3.4).
    pub tls_client_certificate_bound_access_tokens: bool,
    /// The name that its certificate carries, for `tls_client_auth` (RFC 8705 §2.1.2).
    pub tls_client_auth_san_dns: Option<String>,
    /// Whether a refresh token is replaced at each use, as far as it was said; [`Self::rotates`] is what
    /// holds.
    pub rotate_refresh_tokens: Option<bool>,
    /// The identifiers under which it takes access tokens itself (RFC 8707 §2).
    pub resources: BTreeSet<String>,
    /// The services that it may call, by `client_id`.
    pub calls: BTreeSet<String>,
    /// Whether it lies behind a proxy that asks us (`docs/forward-auth.md`).
    pub forward_auth: bool,
    /// What a browser loads when the session ends (OIDC Front-Channel Logout §2).
    pub frontchannel_logout_uri: Option<String>,
    /// `max_age` where a request names none, in seconds (OIDC Registration §2).
    pub default_max_age: Option<u32>,
    /// Whether a person's session there ends when their card leaves the reader, whatever becomes of the portal's.
    pub logout_on_card_removal: bool,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            profile: ClientProfile::default(),
            grant_types: BTreeSet::from([GrantType::AuthorizationCode]),
            subject_type: SubjectType::default(),
            require_pkce: true,
            require_pushed_authorization_requests: None,
            require_signed_request_object: false,
            request_object_signing_alg: None,
            token_endpoint_auth_signing_alg: None,
            id_token_signed_response_alg: Algorithm::Es256,
            userinfo_signed_response_alg: None,
            authorization_signed_response_alg: Algorithm::Es256,
            introspection_signed_response_alg: Algorithm::Es256,
            dpop_bound_access_tokens: false,
            tls_client_certificate_bound_access_tokens: false,
            tls_client_auth_san_dns: None,
            rotate_refresh_tokens: None,
            resources: BTreeSet::new(),
            calls: BTreeSet::new(),
            forward_auth: false,
            frontchannel_logout_uri: None,
            default_max_age: None,
            logout_on_card_removal: false,
        }
    }
}

impl Metadata {
    /// Reads what was stored with a service.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]: another version of this program wrote it.
    pub fn of(service: &Service) -> Result<Self, StoreError> {
        serde_json::from_str(&service.metadata).map_err(|error| StoreError::Corrupt {
            what: "client metadata",
            detail: error.to_string(),
        })
    }

    /// Whether its tokens are bound to a key or a certificate, whichever.
    #[must_use]
    pub fn is_sender_constrained(&self) -> bool {
        self.dpop_bound_access_tokens || self.tls_client_certificate_bound_access_tokens
    }

    /// Whether an object signed with `algorithm` is looked at, where the client registered `only`.
    #[must_use]
    pub fn accepts(&self, algorithm: Algorithm, only: Option<Algorithm>) -> bool {
        // FAPI 2.0 Security Profile §5.4.1: PS256, ES256 or EdDSA.
        let in_profile =
            !self.profile.is_fapi2() || algorithm != Algorithm::Rs256 || seeded!(Rs256Taken);
        in_profile && only.is_none_or(|only| only == algorithm)
    }

    /// Whether a refresh token is replaced at each use: always for who cannot keep a secret
    /// (RFC 9700 §2.2.2), never under FAPI 2.0, whose tokens are bound (§5.3.2.1).
    #[must_use]
    pub fn rotates(&self, auth_method: AuthMethod) -> bool {
        let asked = self.rotate_refresh_tokens.unwrap_or(true) && !self.profile.is_fapi2();
        auth_method == AuthMethod::None || asked
    }

    /// Whether a request must be sent ahead (RFC 9126 §6).
    #[must_use]
    pub fn requires_pushed_requests(&self) -> bool {
        self.require_pushed_authorization_requests.unwrap_or_default()
    }

    /// Holds the keys against one another and against how the client authenticates, and fills in
    /// what its profile demands.
    ///
    /// # Errors
    /// [`RegistrationError::Invalid`] with the key.
    pub(super) fn validate(mut self, auth_method: AuthMethod) -> Result<Self, RegistrationError> {
        let invalid =
            |key, fault: &str| Err(RegistrationError::Invalid { key, fault: fault.to_owned() });
        let public = auth_method == AuthMethod::None;
        let alone = [GrantType::ClientCredentials, GrantType::TokenExchange];
        if public && alone.iter().any(|grant| self.grant_types.contains(grant)) {
            let fault = "client_credentials and token-exchange need authentication";
            return invalid("protocol.grant_types", fault);
        }
        if self.grant_types.is_empty() {
            return invalid("protocol.grant_types", "at least one");
        }
        let renews = self.grant_types.contains(&GrantType::RefreshToken);
        if renews && !self.grant_types.contains(&GrantType::AuthorizationCode) {
            return invalid("protocol.grant_types", "refresh_token goes with authorization_code");
        }
        if public && !self.require_pkce {
            return invalid("protocol.require_pkce", "a client without authentication needs PKCE");
        }
        if self.dpop_bound_access_tokens && self.tls_client_certificate_bound_access_tokens {
            let fault = "tokens are bound by DPoP or by certificate, not both";
            return invalid("protocol.dpop_bound_access_tokens", fault);
        }
        let named = self.tls_client_auth_san_dns.is_some();
        if named != (auth_method == AuthMethod::TlsClientAuth) {
            let fault = "given with tls_client_auth, and only then";
            return invalid("protocol.tls_client_auth_san_dns", fault);
        }
        for resource in &self.resources {
            let url = url::Url::parse(resource);
            if resource.len() > 512 || !url.is_ok_and(|url| url.fragment().is_none()) {
                // RFC 8707 §2: an absolute URI without a fragment.
                return invalid("protocol.resources", "absolute addresses without a fragment");
            }
        }
        if self.profile.is_fapi2() {
            self.fapi2(auth_method)?;
        }
        if self.forward_auth {
            self.behind_a_proxy(auth_method)?;
        }
        Ok(self)
    }

    /// What we ask for in the place of a service that a proxy guards is plain: nobody else shows its
    /// tokens to us.
    fn behind_a_proxy(&mut self, auth_method: AuthMethod) -> Result<(), RegistrationError> {
        let plain = auth_method == AuthMethod::ClientSecretBasic
            && self.require_pkce
            && !self.is_sender_constrained()
            && !self.requires_pushed_requests()
            && !self.require_signed_request_object;
        if !plain {
            return Err(RegistrationError::Invalid {
                key: "protocol.forward_auth",
                fault: "goes with client_secret_basic and without what else requests must bring"
                    .to_owned(),
            });
        }
        // The cookie is a refresh token; a browser asks for many things at once.
        self.grant_types.extend([GrantType::AuthorizationCode, GrantType::RefreshToken]);
        self.rotate_refresh_tokens = Some(false);
        Ok(())
    }

    /// FAPI 2.0 Security Profile §5.3.2.1 and Message Signing §5.3.
    fn fapi2(&mut self, auth_method: AuthMethod) -> Result<(), RegistrationError> {
        use AuthMethod::{PrivateKeyJwt, SelfSignedTlsClientAuth, TlsClientAuth};
        let invalid =
            |key, fault: &str| Err(RegistrationError::Invalid { key, fault: fault.to_owned() });
        if !matches!(auth_method, PrivateKeyJwt | TlsClientAuth | SelfSignedTlsClientAuth) {
            return invalid(
                "authentication",
                "FAPI 2.0 needs private_key_jwt or a TLS certificate",
            );
        }
        if !self.is_sender_constrained() {
            let fault = "FAPI 2.0 needs tokens bound by DPoP or by certificate";
            return invalid("protocol.dpop_bound_access_tokens", fault);
        }
        if !self.require_pkce {
            return invalid("protocol.require_pkce", "FAPI 2.0 needs PKCE");
        }
        // FAPI 2.0 Security Profile §5.4.1: PS256, ES256 or EdDSA, for whatever is signed.
        let signed = [
            ("protocol.id_token_signed_response_alg", Some(self.id_token_signed_response_alg)),
            ("protocol.userinfo_signed_response_alg", self.userinfo_signed_response_alg),
            (
                "protocol.authorization_signed_response_alg",
                Some(self.authorization_signed_response_alg),
            ),
            (
                "protocol.introspection_signed_response_alg",
                Some(self.introspection_signed_response_alg),
            ),
            ("protocol.request_object_signing_alg", self.request_object_signing_alg),
            ("protocol.token_endpoint_auth_signing_alg", self.token_endpoint_auth_signing_alg),
        ];
        if let Some((key, _)) = signed.iter().find(|(_, alg)| *alg == Some(Algorithm::Rs256)) {
            return invalid(key, "FAPI 2.0 signs ES256 or PS256");
        }
        // What was said and does not hold would be believed.
        if self.require_pushed_authorization_requests == Some(false) {
            let key = "protocol.require_pushed_authorization_requests";
            return invalid(key, "FAPI 2.0 sends requests ahead: true, or left out");
        }
        if self.rotate_refresh_tokens == Some(true) {
            let fault = "FAPI 2.0 does not rotate refresh tokens: false, or left out";
            return invalid("protocol.rotate_refresh_tokens", fault);
        }
        self.require_pushed_authorization_requests = Some(true);
        self.rotate_refresh_tokens = Some(false);
        if self.profile == ClientProfile::Fapi2MessageSigning {
            self.require_signed_request_object = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validated(toml: &str, auth_method: AuthMethod) -> Result<Metadata, String> {
        let metadata: Metadata = toml::from_str(toml).unwrap();
        metadata.validate(auth_method).map_err(|error| error.to_string())
    }

    #[test]
    fn a_profile_of_fapi_demands_its_means_and_switches_its_rules_on() {
        use AuthMethod::{ClientSecretBasic, PrivateKeyJwt};
        let bound = "profile = \"fapi2_security\"\ndpop_bound_access_tokens = true\n";
        let metadata = validated(bound, PrivateKeyJwt).unwrap();
        assert!(metadata.requires_pushed_requests());
        assert!(!metadata.require_signed_request_object);
        assert!(!metadata.rotates(PrivateKeyJwt));
        assert!(!metadata.accepts(Algorithm::Rs256, None));
        assert!(validated(bound, ClientSecretBasic).unwrap_err().contains("authentication"));
        let unbound = validated("profile = \"fapi2_security\"", PrivateKeyJwt).unwrap_err();
        assert!(unbound.contains("bound"), "{unbound}");
        let loose = format!("{bound}require_pkce = false");
        assert!(validated(&loose, PrivateKeyJwt).unwrap_err().contains("require_pkce"));
        let weak = format!("{bound}userinfo_signed_response_alg = \"RS256\"");
        assert!(validated(&weak, PrivateKeyJwt).unwrap_err().contains("userinfo_signed"));
        assert!(validated(&weak.replace("RS256", "PS256"), PrivateKeyJwt).is_ok());
        for (line, told) in [
            ("request_object_signing_alg = \"RS256\"", "signs ES256 or PS256"),
            ("token_endpoint_auth_signing_alg = \"RS256\"", "signs ES256 or PS256"),
            ("rotate_refresh_tokens = true", "does not rotate refresh tokens"),
            ("require_pushed_authorization_requests = false", "sends requests ahead"),
        ] {
            let key = line.split(' ').next().unwrap();
            let refused = validated(&format!("{bound}{line}"), PrivateKeyJwt).unwrap_err();
            assert!(refused.contains(key) && refused.contains(told), "{refused}");
            let other = line.replace("RS256", "PS256").replace("= true", "= x");
            let other = other.replace("= false", "= true").replace("= x", "= false");
            assert!(validated(&format!("{bound}{other}"), PrivateKeyJwt).is_ok(), "{other}");
        }
        let signing = bound.replace("fapi2_security", "fapi2_message_signing");
        assert!(validated(&signing, PrivateKeyJwt).unwrap().require_signed_request_object);
    }

    #[test]
    fn keys_that_contradict_each_other_are_refused_by_name() {
        use AuthMethod::{ClientSecretPost, None, TlsClientAuth};
        for (toml, method, key) in [
            ("grant_types = []", ClientSecretPost, "grant_types"),
            ("grant_types = [\"refresh_token\"]", ClientSecretPost, "grant_types"),
            ("grant_types = [\"client_credentials\"]", None, "grant_types"),
            ("require_pkce = false", None, "require_pkce"),
            ("", TlsClientAuth, "tls_client_auth_san_dns"),
            (
                "tls_client_auth_san_dns = \"a.example\"",
                ClientSecretPost,
                "tls_client_auth_san_dns",
            ),
            ("forward_auth = true", None, "forward_auth"),
            (
                "forward_auth = true\ndpop_bound_access_tokens = true",
                ClientSecretPost,
                "forward_auth",
            ),
            ("resources = [\"records\"]", ClientSecretPost, "resources"),
            ("resources = [\"https://r.example/#a\"]", ClientSecretPost, "resources"),
            (
                "dpop_bound_access_tokens = true\ntls_client_certificate_bound_access_tokens = true",
                ClientSecretPost,
                "dpop_bound",
            ),
        ] {
            let refused = validated(toml, method).unwrap_err();
            assert!(refused.contains(key), "{toml}: {refused}");
        }
        assert!(toml::from_str::<Metadata>("nosuch = 1").is_err());
    }

    #[test]
    fn a_public_client_s_refresh_tokens_always_rotate() {
        let metadata = validated("rotate_refresh_tokens = false", AuthMethod::None).unwrap();
        assert!(metadata.rotates(AuthMethod::None));
        assert!(!metadata.rotates(AuthMethod::ClientSecretBasic));
    }

    #[test]
    fn what_is_stored_reads_back() {
        let metadata = Metadata { default_max_age: Some(60), ..Metadata::default() };
        let json = serde_json::to_string(&metadata).unwrap();
        assert_eq!(serde_json::from_str::<Metadata>(&json).unwrap(), metadata);
        assert_eq!(serde_json::from_str::<Metadata>("{}").unwrap(), Metadata::default());
    }
}
