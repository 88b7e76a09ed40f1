//! What an authorization request wants, as far as its parameters say: one rule a function, in order.
//!
//! The same rules hold for a request that is sent ahead (RFC 9126 §2.1).

use sekisho_store::service::Service;
use serde_json::Value;
use time::Duration;

use super::reply::{RequestError, ResponseMode};
use crate::oidc::{
    claims,
    client::{ClientProfile, Metadata},
    parameters::{self, Parameters},
};

/// What the client allows or demands of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// Nothing said: as needed.
    AsNeeded,
    /// No page may be shown.
    None,
    /// A login just for this request.
    Login,
}

/// A request that keeps the rules.
#[derive(Debug)]
pub struct Wanted {
    /// Granted scopes, in our order.
    pub scopes: Vec<&'static str>,
    /// Claims that are asked for by name (OIDC Core §5.5).
    pub claims: Vec<&'static str>,
    /// PKCE, `S256`.
    pub code_challenge: Option<String>,
    /// `nonce`.
    pub nonce: Option<String>,
    /// `prompt`, but for consent.
    pub prompt: Prompt,
    /// Whether `prompt` wants the person asked for consent although they gave it before.
    pub consent_again: bool,
    /// `max_age`, or the client's own.
    pub max_age: Option<Duration>,
    /// What is demanded and not only preferred (OIDC Core §5.5.1.1): one level of each list.
    pub essential_acr: Vec<Vec<String>>,
    /// The person that the client expects, by its own name for them; as often as it says so.
    pub expected_subs: Vec<String>,
    /// Resources that the token is for.
    pub resources: Vec<String>,
    /// Thumbprint of the key that the code will be bound to (RFC 9449 §10).
    pub dpop_jkt: Option<String>,
    /// How the answer comes.
    pub response_mode: ResponseMode,
}

impl Wanted {
    /// Judges the parameters of a request of this client.
    ///
    /// # Errors
    /// [`RequestError`]: the first rule that is broken.
    pub fn of(
        parameters: &Parameters,
        client: &Service,
        metadata: &Metadata,
    ) -> Result<Self, RequestError> {
        nothing_repeated(parameters)?;
        nothing_invisible(parameters)?;
        no_registration(parameters)?;
        response_type_code(parameters)?;
        let response_mode = response_mode(parameters, metadata)?;
        let scopes = scope_with_openid(parameters, client)?;
        let code_challenge = pkce_s256(parameters, metadata)?;
        returned(parameters, "state")?;
        let nonce = returned(parameters, "nonce")?;
        let (prompt, consent_again) = known_prompt(parameters)?;
        let max_age = max_age(parameters, metadata)?;
        let requested = RequestedClaims::of(parameters)?;
        Ok(Self {
            claims: requested.approved(client),
            essential_acr: requested.essential_acr,
            expected_subs: requested.subs,
            scopes,
            code_challenge,
            nonce,
            prompt,
            consent_again,
            max_age,
            resources: parameters.all("resource").to_vec(),
            dpop_jkt: dpop_jkt(parameters)?,
            response_mode,
        })
    }
}

/// No parameter stands twice (RFC 6749 §3.1).
fn nothing_repeated(parameters: &Parameters) -> Result<(), RequestError> {
    match parameters.repeated() {
        None => Ok(()),
        Some(name) => Err(invalid(format!("the parameter {name} is repeated"))),
    }
}

/// What a client signed holds no character that a form could not carry (RFC 8259 §7 has them all).
fn nothing_invisible(parameters: &Parameters) -> Result<(), RequestError> {
    match parameters.invisible() {
        None => Ok(()),
        Some(name) => Err(invalid(format!("the parameter {name} holds a control character"))),
    }
}

/// Registration within a request is not supported (OIDC Core §3.1.2.6).
fn no_registration(parameters: &Parameters) -> Result<(), RequestError> {
    if parameters.has("registration") {
        let description = "the parameter registration is not supported";
        return Err(RequestError::new("registration_not_supported", description));
    }
    Ok(())
}

/// `response_type=code`.
fn response_type_code(parameters: &Parameters) -> Result<(), RequestError> {
    match parameters.get("response_type") {
        Some("code") => Ok(()),
        Some(_) if seeded!(ResponseTypeUnchecked) => Ok(()),
        None if seeded!(ResponseTypeOptional) => Ok(()),
        Some(_) => Err(RequestError::new("unsupported_response_type", "only code is supported")),
        None => Err(invalid("response_type is missing")),
    }
}

/// `response_mode` is one that we have; under FAPI 2.0 Message Signing a signed one (§5.4).
fn response_mode(
    parameters: &Parameters,
    metadata: &Metadata,
) -> Result<ResponseMode, RequestError> {
    let mode = ResponseMode::of(parameters).map_err(|UnknownMode| {
        let known = ResponseMode::NAMES.join(", ");
        invalid(format!("response_mode must be one of {known}"))
    })?;
    if metadata.profile == ClientProfile::Fapi2MessageSigning && !mode.signed {
        return Err(invalid("this client is answered signed: response_mode must be jwt"));
    }
    Ok(mode)
}

/// A `response_mode` that we do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnknownMode;

/// `scope` holds `openid`; what is unknown or not approved is left out (OIDC Core §3.1.2.1).
fn scope_with_openid(
    parameters: &Parameters,
    client: &Service,
) -> Result<Vec<&'static str>, RequestError> {
    parameters
        .get("scope")
        .and_then(|scope| claims::granted(client, scope))
        .ok_or_else(|| RequestError::new("invalid_scope", "the scope openid is required"))
}

/// PKCE with `S256` (RFC 7636 §4.3): a challenge is a SHA-256, 43 characters of base64url.
fn pkce_s256(parameters: &Parameters, metadata: &Metadata) -> Result<Option<String>, RequestError> {
    let Some(challenge) = parameters.get("code_challenge") else {
        let needed = metadata.require_pkce && !seeded!(PkceOptional);
        if needed || parameters.has("code_challenge_method") {
            return Err(invalid("code_challenge is missing"));
        }
        return Ok(None);
    };
    // Without a method RFC 7636 means `plain`, which protects nothing that leaks with the request.
    if parameters.get("code_challenge_method") != Some("S256") && !seeded!(PkcePlainTaken) {
        return Err(invalid("code_challenge_method must be S256"));
    }
    match sekisho_protocol::octets::decode(challenge) {
        Ok(octets) if octets.len() == 32 => Ok(Some(challenge.to_owned())),
        _ => Err(invalid("code_challenge is not a SHA-256 in base64url")),
    }
}

/// `state` and `nonce` come back octet by octet: they are of a length that an address can carry, and
/// without what a form would change on the way (RFC 6749 appendix A.5 has printable ASCII alone; what
/// lies beyond it arrives, and clients send it). Neither is a must (OIDC Core
/// §3.1.2.1), also for a client that brings no PKCE challenge and answers for injected codes itself.
fn returned(parameters: &Parameters, name: &str) -> Result<Option<String>, RequestError> {
    match parameters.get(name) {
        Some(value) => match parameters::unreturnable(value) {
            Some(why) => Err(invalid(format!("{name} {why}"))),
            None => Ok(Some(value.to_owned())),
        },
        None => Ok(None),
    }
}

/// `prompt` (OIDC Core §3.1.2.1), and whether `consent` is among its words. Choosing another account means another
/// card, so a login.
fn known_prompt(parameters: &Parameters) -> Result<(Prompt, bool), RequestError> {
    let words: Vec<&str> = parameters.get("prompt").unwrap_or_default().split(' ').collect();
    let consent = words.contains(&"consent");
    match words.as_slice() {
        [""] | ["consent"] => Ok((Prompt::AsNeeded, consent)),
        ["none"] => Ok((Prompt::None, false)),
        words if words.iter().all(|word| ["login", "select_account", "consent"].contains(word)) => {
            Ok((Prompt::Login, consent))
        }
        _ => Err(invalid("prompt must be none alone, or login, select_account and consent")),
    }
}

/// `max_age` is a number of seconds.
fn max_age(parameters: &Parameters, metadata: &Metadata) -> Result<Option<Duration>, RequestError> {
    let Some(text) = parameters.get("max_age") else {
        return Ok(metadata.default_max_age.map(|secs| Duration::seconds(secs.into())));
    };
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u32>() {
        Ok(seconds) if digits => Ok(Some(Duration::seconds(seconds.into()))),
        _ => Err(invalid("max_age must be a number of seconds")),
    }
}

/// `dpop_jkt` is a SHA-256 (RFC 9449 §10).
fn dpop_jkt(parameters: &Parameters) -> Result<Option<String>, RequestError> {
    let Some(thumbprint) = parameters.get("dpop_jkt") else { return Ok(None) };
    match sekisho_protocol::octets::decode(thumbprint) {
        Ok(octets) if octets.len() == 32 => Ok(Some(thumbprint.to_owned())),
        _ => Err(invalid("dpop_jkt is not a SHA-256 in base64url")),
    }
}

/// What `claims` and `acr_values` ask for (OIDC Core §5.5).
#[derive(Debug, Default)]
struct RequestedClaims {
    names: Vec<String>,
    essential_acr: Vec<Vec<String>>,
    subs: Vec<String>,
}

impl RequestedClaims {
    fn of(parameters: &Parameters) -> Result<Self, RequestError> {
        let mut requested = Self::default();
        let Some(text) = parameters.get("claims") else { return Ok(requested) };
        let malformed = || invalid("claims is not the JSON object of OIDC Core 5.5");
        let asked: Value = serde_json::from_str(text).map_err(|_| malformed())?;
        let asked = asked.as_object().ok_or_else(malformed)?;
        for place in ["userinfo", "id_token"] {
            let Some(members) = asked.get(place).filter(|members| !members.is_null()) else {
                continue;
            };
            for (name, demand) in members.as_object().ok_or_else(malformed)? {
                requested.names.push(name.clone());
                match name.as_str() {
                    // Without a value any level does.
                    "acr" if demand["essential"] == true && names_values(demand) => {
                        requested.essential_acr.push(values(demand));
                    }
                    "sub" => requested.subs.extend(values(demand)),
                    _ => {}
                }
            }
        }
        Ok(requested)
    }

    /// The claims among them that stand for a scope which this client was approved for.
    fn approved(&self, client: &Service) -> Vec<&'static str> {
        let scopes = claims::SCOPES.iter();
        scopes
            .filter(|scope| client.scopes.iter().any(|approved| approved == scope.name))
            .flat_map(|scope| scope.claims.iter().copied())
            .filter(|claim| self.names.iter().any(|name| name == claim))
            .collect()
    }
}

/// Whether only certain values of a claim do.
fn names_values(demand: &Value) -> bool {
    ["value", "values"].iter().any(|member| !demand[*member].is_null())
}

/// `value` or `values` of one claim that is asked for.
fn values(demand: &Value) -> Vec<String> {
    let list = demand["values"].as_array().cloned().unwrap_or_default();
    let each = list.into_iter().chain(std::iter::once(demand["value"].clone()));
    each.filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

fn invalid(description: impl Into<String>) -> RequestError {
    RequestError::new("invalid_request", description)
}
