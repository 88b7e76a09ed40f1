//! What the network's ID tokens say beyond OpenID Connect's own claims (docs/tokens.md).

use std::collections::BTreeMap;

use openidconnect::{
    AdditionalClaims, Client, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IdToken, IdTokenClaims, IdTokenFields, StandardErrorResponse, StandardTokenResponse,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
        CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken,
        CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
    },
};
use serde::{Deserialize, Serialize};

/// Every one is absent unless its scope was asked for, approved, and released by the rule that
/// admitted the person.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct NetworkClaims {
    /// Session at the provider, for back-channel logout.
    pub sid: Option<String>,
    /// Professional roles, verbatim from the card. Authorise only by names you know.
    #[serde(default)]
    pub hc_role: Vec<String>,
    /// The facility's immutable identifier.
    pub facility_id: Option<String>,
    /// 医療機関コード; a hospital with dentistry has two.
    #[serde(default)]
    pub facility_code: Vec<String>,
    /// The facility's registered name.
    pub facility_name: Option<String>,
    /// The facility's kind.
    pub facility_kind: Option<String>,
    /// The PC at which the person sits.
    pub terminal: Option<Terminal>,
    /// What vouches for each claim: `card`, `facility_certificate`, `register` or `login`. Members of
    /// `terminal` stand apart, as `terminal.id` and `terminal.name`.
    #[serde(default)]
    pub vouched_by: BTreeMap<String, String>,
}

/// Identifier and name of a PC.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Terminal {
    /// Identifier, as in the facility certificate.
    pub id: String,
    /// Name that the facility gave it.
    pub name: String,
}

impl AdditionalClaims for NetworkClaims {}

/// Verified claims of an ID token.
pub type Claims = IdTokenClaims<NetworkClaims, CoreGenderClaim>;

/// An ID token as it came: the hint of a logout.
pub type NetworkIdToken = IdToken<
    NetworkClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

/// The answer of the token endpoint.
pub type TokenResponse = StandardTokenResponse<
    IdTokenFields<
        NetworkClaims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

/// The library's client with our claims in its ID tokens, made from discovered metadata.
pub type ServiceClient = Client<
    NetworkClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    TokenResponse,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;
