//! The login request: what the portal signs, and what the agent makes of it.
//!
//! A request travels through a web page, so the agent treats it as a stranger's text until
//! [`UnverifiedLoginRequest::verify`] has proved it. Only a [`VerifiedLoginRequest`] reaches a
//! window or a reader.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{Duration, OffsetDateTime};

use crate::consent::ConsentText;
use crate::jwk::{Jwk, JwkSet};
use crate::jws::{self, JwsError};
use crate::octets::{ChallengeNonce, Sha256Digest};
use crate::trust::CardIssuer;

/// `aud` of every login request: the program that reads it, under any product's name.
pub const AUDIENCE: &str = "card-agent";

/// The longest time between `iat` and `exp`, and the nonce's life at the portal, where somebody logs in.
pub const LIFETIME: Duration = Duration::seconds(60);

/// The same for a consent: a person reads a page of text in it, and looks for a password.
pub const CONSENT_LIFETIME: Duration = Duration::minutes(10);

/// How far the agent's corrected clock may be off when it judges `iat` and `exp`. The portal alone
/// enforces [`LIFETIME`]; the agent keeps `jti` for as long as this lets a request live.
pub const CLOCK_LEEWAY: Duration = Duration::minutes(5);

/// The longest text of a name or address in a request, in octets.
const MAX_TEXT: usize = 512;
/// The most accepted issuers or policies in a request.
const MAX_LIST: usize = 64;

/// Why the portal asks for the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Starts a session.
    Login,
    /// Raises the level of a running session; names the person expected.
    Stepup,
    /// Shows that the same card is still here.
    Presence,
    /// Links a second card to the person of a running session, whose own card vouches for it.
    Link,
    /// Signs a text that is shown (signature key, not the authentication key).
    Consent,
}

impl Purpose {
    /// The longest time between `iat` and `exp`.
    pub fn lifetime(self) -> Duration {
        match self {
            Self::Login | Self::Stepup | Self::Presence | Self::Link => LIFETIME,
            Self::Consent => CONSENT_LIFETIME,
        }
    }
}

/// What happens to the session when the card leaves the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemovalPolicy {
    /// The session ends, at every service.
    Logout,
    /// The session waits for the same card: the default on shared terminals.
    Lock,
    /// Nothing: the default on personal terminals.
    Keep,
}

/// Language of the agent's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Japanese.
    #[default]
    Ja,
    /// English.
    En,
}

/// Two digits that the page and the agent's window both show, so that a person sees that the
/// window belongs to the page.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConfirmationCode(u8);

/// Not two decimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a confirmation code has two decimal digits")]
pub struct NotTwoDigits;

impl ConfirmationCode {
    /// Takes a number below 100, as a random source gave it.
    pub fn new(number: u8) -> Result<Self, NotTwoDigits> {
        if number < 100 { Ok(Self(number)) } else { Err(NotTwoDigits) }
    }
}

impl fmt::Display for ConfirmationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

impl fmt::Debug for ConfirmationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfirmationCode({self})")
    }
}

impl FromStr for ConfirmationCode {
    type Err = NotTwoDigits;

    fn from_str(text: &str) -> Result<Self, NotTwoDigits> {
        match text.as_bytes() {
            [tens @ b'0'..=b'9', units @ b'0'..=b'9'] => {
                Ok(Self((tens - b'0') * 10 + (units - b'0')))
            }
            _ => Err(NotTwoDigits),
        }
    }
}

impl Serialize for ConfirmationCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ConfirmationCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A version of the agent: three numbers, compared in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentVersion {
    /// Incompatible change.
    pub major: u32,
    /// Something new.
    pub minor: u32,
    /// Something mended.
    pub patch: u32,
}

/// Not three numbers separated by dots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version has the form 1.2.3")]
pub struct NotAVersion;

impl FromStr for AgentVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let mut numbers = text.split('.').map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
            if digits { part.parse().map_err(|_| NotAVersion) } else { Err(NotAVersion) }
        });
        let mut next = || numbers.next().unwrap_or(Err(NotAVersion));
        let version = Self { major: next()?, minor: next()?, patch: next()? };
        if numbers.next().is_some() { Err(NotAVersion) } else { Ok(version) }
    }
}

impl fmt::Display for AgentVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Serialize for AgentVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AgentVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The facility, as the portal saw it in TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestFacility {
    /// The immutable identifier.
    pub id: String,
    /// The registered name, shown in the agent's window.
    pub name: String,
    /// SHA-256 of the terminal's certificate of *this* TLS connection (`x5t#S256`).
    #[serde(rename = "x5t#S256")]
    pub x5t_s256: Sha256Digest,
}

/// The person whose card must answer (step-up and presence).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedSubject {
    /// SHA-256 of the DER of the card certificate's issuer name.
    pub issuer_name_sha256: Sha256Digest,
    /// The subject's `serialNumber` attribute.
    pub serial_number: String,
}

/// What the portal asks, and signs.
///
/// Members that an agent doesn't know are ignored, so that older agents live on; a portal for which
/// a new member is essential raises [`Self::minimum_agent_version`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRequest {
    /// Issuer identifier of the identity provider.
    pub iss: String,
    /// Always [`AUDIENCE`].
    pub aud: String,
    /// Origin of the page that may carry this request: scheme, host and port as browsers write them.
    pub origin: String,
    /// Unique name of this request.
    pub jti: String,
    /// Made at, seconds since 1970 UTC.
    pub iat: i64,
    /// Dead from, seconds since 1970 UTC; at most [`Purpose::lifetime`] after `iat`.
    pub exp: i64,
    /// The challenge.
    pub nonce: ChallengeNonce,
    /// The facility and its certificate.
    pub facility: RequestFacility,
    /// Thumbprint (RFC 7638) of the page's non-extractable key.
    pub page_key: Sha256Digest,
    /// Why.
    pub purpose: Purpose,
    /// The level that the login shall reach; with a consent, that of the session which asks for it.
    pub acr: String,
    /// The person expected, where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_subject: Option<ExpectedSubject>,
    /// SHA-256 of the DER of another certificate that the person expected may answer with: the linked
    /// one, whose subject has no `serialNumber`. Only beside [`Self::expected_subject`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_certificate: Option<Sha256Digest>,
    /// With [`Purpose::Link`], and only then: SHA-256 of the login request (compact JWS) that the vouching
    /// card signed in this session. So the linked card's signature answers for the other one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vouching_request: Option<Sha256Digest>,
    /// Issuers whose cards are of use here.
    pub card_issuers: Vec<CardIssuer>,
    /// Certificate policies of which a card's certificate must assert one; dotted decimal. Empty:
    /// the issuer decides alone.
    pub accepted_policies: Vec<String>,
    /// Shown by the page and by the agent.
    pub confirmation_code: ConfirmationCode,
    /// Older agents refuse, and say so.
    pub minimum_agent_version: AgentVersion,
    /// What the person may expect when pulling the card.
    pub removal: RemovalPolicy,
    /// Language of the window.
    pub language: Language,
    /// Where the answer goes when the page cannot reach the agent by script (navigation door);
    /// same origin as [`Self::origin`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_address: Option<String>,
    /// What is to be signed: with [`Purpose::Consent`], and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentText>,
}

impl LoginRequest {
    /// Lays the request out for signing by the portal's key named `kid`.
    ///
    /// # Errors
    /// [`RequestError::Shape`]: the agent would refuse it. [`RequestError::Jws`]: it cannot be
    /// laid out.
    pub fn prepare(&self, kid: &str) -> Result<jws::UnsignedJws, RequestError> {
        self.check_shape()?;
        Ok(jws::prepare(sekisho_wire::typ::CARD_LOGIN_REQUEST, Some(kid), self)?)
    }

    /// Lengths, lists and the inner agreement of the members.
    fn check_shape(&self) -> Result<(), RequestError> {
        let texts = [
            ("iss", &self.iss),
            ("origin", &self.origin),
            ("jti", &self.jti),
            ("facility.id", &self.facility.id),
            ("facility.name", &self.facility.name),
            ("acr", &self.acr),
        ];
        for (member, text) in texts {
            if text.is_empty() || text.len() > MAX_TEXT {
                return Err(RequestError::Shape(member));
            }
        }
        // A name is shown in a window: no line of it may pass for one of ours.
        if self.facility.name.chars().any(char::is_control) {
            return Err(RequestError::Shape("facility.name"));
        }
        if self.card_issuers.is_empty() || self.card_issuers.len() > MAX_LIST {
            return Err(RequestError::Shape("card_issuers"));
        }
        let policies = &self.accepted_policies;
        if policies.len() > MAX_LIST || policies.iter().any(|policy| policy.len() > MAX_TEXT) {
            return Err(RequestError::Shape("accepted_policies"));
        }
        let lifetime = self.exp.checked_sub(self.iat);
        let most = self.purpose.lifetime().whole_seconds();
        if !lifetime.is_some_and(|secs| (1..=most).contains(&secs)) {
            return Err(RequestError::Shape("exp"));
        }
        if self.purpose == Purpose::Stepup && self.expected_subject.is_none() {
            return Err(RequestError::Shape("expected_subject"));
        }
        if self.expected_certificate.is_some() && self.expected_subject.is_none() {
            return Err(RequestError::Shape("expected_certificate"));
        }
        if (self.purpose == Purpose::Link) != self.vouching_request.is_some() {
            return Err(RequestError::Shape("vouching_request"));
        }
        match (self.purpose, &self.consent) {
            (Purpose::Consent, Some(text)) => text.check().map_err(RequestError::Shape)?,
            (Purpose::Consent, None)
            | (Purpose::Login | Purpose::Stepup | Purpose::Presence | Purpose::Link, Some(_)) => {
                return Err(RequestError::Shape("consent"));
            }
            (Purpose::Login | Purpose::Stepup | Purpose::Presence | Purpose::Link, None) => {}
        }
        if let Some(address) = &self.return_address {
            let same_origin = url::Url::parse(address)
                .is_ok_and(|url| url.origin().ascii_serialization() == self.origin);
            if address.len() > MAX_TEXT || !same_origin {
                return Err(RequestError::Shape("return_address"));
            }
        }
        Ok(())
    }
}

/// Why a request is not served.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The signed object itself is unsound.
    #[error("the login request is not soundly signed")]
    Jws(#[from] JwsError),
    /// A member is missing its meaning, too long, or contradicts another.
    #[error("the member {0} of the login request is not acceptable")]
    Shape(&'static str),
    /// `aud` names somebody else.
    #[error("the login request is not addressed to this program")]
    Audience,
    /// `iss` is not the pinned one.
    #[error("the login request comes from an issuer that is not pinned")]
    Issuer,
    /// The signed origin is not the caller's.
    #[error("the login request was made for {signed:?}")]
    Origin {
        /// What the portal signed.
        signed: String,
    },
    /// `iat` lies in the future, even with leeway.
    #[error("the login request is dated {seconds} seconds in the future")]
    NotYet {
        /// Distance from the corrected clock.
        seconds: i64,
    },
    /// `exp` has passed, even with leeway.
    #[error("the login request expired {seconds} seconds ago")]
    Expired {
        /// Distance from the corrected clock.
        seconds: i64,
    },
}

impl RequestError {
    /// Whether the portal's signature over the request held before this went wrong. Only then may
    /// an answer say more than no: anybody can send the rest.
    pub fn is_from_the_portal(&self) -> bool {
        !matches!(self, Self::Jws(_))
    }
}

/// What the verifier compares a request with.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// Pinned issuer identifier.
    pub issuer: &'a str,
    /// The caller's origin, already known to be a pinned one.
    pub origin: &'a str,
    /// The corrected time.
    pub now: OffsetDateTime,
    /// Leeway on `iat` and `exp`.
    pub leeway: Duration,
}

/// A text that claims to be a login request.
///
/// Offers nothing but its digest and its verification.
#[derive(Clone)]
pub struct UnverifiedLoginRequest {
    jws: String,
}

impl UnverifiedLoginRequest {
    /// Takes a caller's text.
    pub fn new(jws: impl Into<String>) -> Self {
        Self { jws: jws.into() }
    }

    /// Proves signature, type, addressee, issuer, origin, shape and time, in this order.
    ///
    /// Whether `jti` was seen, whether this PC holds the named key and whether this agent is new
    /// enough, the caller asks: it needs memory and keys for that.
    ///
    /// # Errors
    /// [`RequestError`], the first rule broken.
    pub fn verify(
        self,
        keys: &JwkSet,
        expected: &Expectation<'_>,
    ) -> Result<VerifiedLoginRequest, RequestError> {
        let claims: LoginRequest =
            jws::verify(&self.jws, sekisho_wire::typ::CARD_LOGIN_REQUEST, keys)?;
        if claims.aud != AUDIENCE {
            return Err(RequestError::Audience);
        }
        if claims.iss != expected.issuer {
            return Err(RequestError::Issuer);
        }
        if claims.origin != expected.origin {
            return Err(RequestError::Origin { signed: claims.origin });
        }
        claims.check_shape()?;
        let now = expected.now.unix_timestamp();
        let leeway = expected.leeway.whole_seconds();
        let ahead = claims.iat.saturating_sub(now);
        if ahead > leeway {
            return Err(RequestError::NotYet { seconds: ahead });
        }
        let behind = now.saturating_sub(claims.exp);
        if behind >= leeway.max(1) {
            return Err(RequestError::Expired { seconds: behind });
        }
        Ok(VerifiedLoginRequest { claims, digest: Sha256Digest::of(&self.jws) })
    }
}

impl fmt::Debug for UnverifiedLoginRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnverifiedLoginRequest({} octets)", self.jws.len())
    }
}

/// A request that the portal made, for this program and the calling page, now.
#[derive(Debug, Clone)]
pub struct VerifiedLoginRequest {
    claims: LoginRequest,
    digest: Sha256Digest,
}

impl VerifiedLoginRequest {
    /// What the portal asks.
    pub fn claims(&self) -> &LoginRequest {
        &self.claims
    }

    /// SHA-256 of the compact JWS as it was sent.
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// Whether `key` is the page key that the portal named.
    pub fn names_page_key(&self, key: &Jwk) -> bool {
        key.thumbprint() == self.claims.page_key
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::jws::tests::TestKey;

    pub(crate) const NOW: i64 = 1_795_000_000;
    pub(crate) const ORIGIN: &str = "https://terminal.example";
    pub(crate) const ISSUER: &str = "https://login.example";

    pub(crate) fn sample(page_key: Sha256Digest) -> LoginRequest {
        LoginRequest {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            origin: ORIGIN.into(),
            jti: "0199-1".into(),
            iat: NOW,
            exp: NOW + 60,
            nonce: ChallengeNonce::new([7; 32]),
            facility: RequestFacility {
                id: "123456789015".into(),
                name: "架空クリニック".into(),
                x5t_s256: Sha256Digest::of(b"terminal certificate"),
            },
            page_key,
            purpose: Purpose::Login,
            acr: sekisho_wire::acr::HPKI_CARD.into(),
            expected_subject: None,
            expected_certificate: None,
            vouching_request: None,
            card_issuers: vec![CardIssuer {
                subject_der: vec![0x30, 0].into(),
                spki_sha256: Sha256Digest::of(b"key"),
            }],
            accepted_policies: vec!["1.2.392.100495.1.5.1.2.1".into()],
            confirmation_code: "07".parse().unwrap(),
            minimum_agent_version: "0.1.0".parse().unwrap(),
            removal: RemovalPolicy::Lock,
            language: Language::Ja,
            return_address: None,
            consent: None,
        }
    }

    pub(crate) fn signed(request: &LoginRequest, key: &TestKey) -> String {
        let typ = sekisho_wire::typ::CARD_LOGIN_REQUEST;
        jws::sign(typ, Some("portal-1"), request, |m| key.sign(m)).unwrap()
    }

    pub(crate) fn expectation(now: i64) -> Expectation<'static> {
        Expectation {
            issuer: ISSUER,
            origin: ORIGIN,
            now: OffsetDateTime::from_unix_timestamp(now).unwrap(),
            leeway: CLOCK_LEEWAY,
        }
    }

    fn judge_at(request: &LoginRequest, now: i64) -> Result<VerifiedLoginRequest, RequestError> {
        let key = TestKey::generate();
        let keys = JwkSet::new(vec![key.public().with_kid("portal-1")]).unwrap();
        UnverifiedLoginRequest::new(signed(request, &key)).verify(&keys, &expectation(now))
    }

    fn judge(request: &LoginRequest) -> Result<VerifiedLoginRequest, RequestError> {
        judge_at(request, NOW + 1)
    }

    fn plain() -> LoginRequest {
        sample(Sha256Digest::of(b"page key"))
    }

    #[test]
    fn a_request_of_the_portal_for_this_page_now_is_accepted() {
        let request = plain();
        assert_eq!(judge(&request).unwrap().claims(), &request);
    }

    #[test]
    fn a_request_signed_by_another_key_is_refused() {
        let keys = JwkSet::new(vec![TestKey::generate().public().with_kid("portal-1")]).unwrap();
        let text = signed(&plain(), &TestKey::generate());
        let error = UnverifiedLoginRequest::new(text).verify(&keys, &expectation(NOW)).unwrap_err();
        assert!(matches!(error, RequestError::Jws(JwsError::Signature)));
        assert!(!error.is_from_the_portal());
    }

    #[test]
    fn a_token_signed_by_the_same_key_for_another_purpose_is_refused() {
        let key = TestKey::generate();
        let keys = JwkSet::new(vec![key.public().with_kid("portal-1")]).unwrap();
        let text = jws::sign("JWT", Some("portal-1"), &plain(), |m| key.sign(m)).unwrap();
        let error = UnverifiedLoginRequest::new(text).verify(&keys, &expectation(NOW)).unwrap_err();
        assert!(matches!(error, RequestError::Jws(JwsError::Type { .. })));
    }

    #[test]
    fn a_request_for_somebody_else_is_refused() {
        let other = |change: fn(&mut LoginRequest)| {
            let mut request = plain();
            change(&mut request);
            judge(&request).unwrap_err()
        };
        assert!(matches!(other(|r| r.aud = "browser".into()), RequestError::Audience));
        assert!(matches!(other(|r| r.iss = "https://x".into()), RequestError::Issuer));
        assert!(matches!(
            other(|r| r.origin = "https://phish.example".into()),
            RequestError::Origin { .. }
        ));
    }

    #[test]
    fn time_is_judged_with_leeway_and_no_more() {
        let request = plain();
        assert!(judge_at(&request, NOW - 300).is_ok());
        assert!(matches!(
            judge_at(&request, NOW - 301),
            Err(RequestError::NotYet { seconds: 301 })
        ));
        assert!(judge_at(&request, NOW + 60 + 299).is_ok());
        assert!(matches!(
            judge_at(&request, NOW + 60 + 300),
            Err(RequestError::Expired { seconds: 300 })
        ));
    }

    #[test]
    fn a_request_that_would_live_longer_than_a_minute_is_refused() {
        for (iat, exp) in [(NOW, NOW + 61), (NOW, NOW), (NOW, NOW - 1), (i64::MIN, i64::MAX)] {
            let request = LoginRequest { iat, exp, ..plain() };
            assert!(matches!(judge(&request), Err(RequestError::Shape("exp"))), "{iat} {exp}");
        }
    }

    #[test]
    fn a_facility_name_cannot_draw_lines_in_the_window() {
        let mut request = plain();
        request.facility.name = "架空クリニック\nPIN OK".into();
        assert!(matches!(judge(&request), Err(RequestError::Shape("facility.name"))));
    }

    #[test]
    fn a_step_up_names_its_person() {
        let request = LoginRequest { purpose: Purpose::Stepup, ..plain() };
        assert!(matches!(judge(&request), Err(RequestError::Shape("expected_subject"))));
    }

    #[test]
    fn a_link_names_the_login_that_vouches_and_nothing_else_does() {
        let link =
            |vouching_request| LoginRequest { purpose: Purpose::Link, vouching_request, ..plain() };
        let vouching = Some(Sha256Digest::of("request of the login"));
        assert!(judge(&link(vouching)).is_ok());
        let shape = |request| judge(&request).unwrap_err();
        let refused = RequestError::Shape("vouching_request");
        assert_eq!(shape(link(None)).to_string(), refused.to_string());
        let login = LoginRequest { vouching_request: vouching, ..plain() };
        assert_eq!(shape(login).to_string(), refused.to_string());
    }

    #[test]
    fn a_certificate_is_expected_beside_a_person_only() {
        let expected_certificate = Some(Sha256Digest::of("certificate"));
        let request = LoginRequest { expected_certificate, ..plain() };
        assert!(matches!(judge(&request), Err(RequestError::Shape("expected_certificate"))));
    }

    #[test]
    fn the_return_address_stays_at_the_origin() {
        let at = |address: &str| {
            judge(&LoginRequest { return_address: Some(address.into()), ..plain() }).is_ok()
        };
        assert!(at("https://terminal.example/login/return"));
        assert!(!at("https://terminal.example.evil.example/"));
        assert!(!at("http://terminal.example/"));
        assert!(!at("https://terminal.example:8443/"));
        assert!(!at("javascript:alert(1)"));
    }

    #[test]
    fn a_member_we_do_not_know_is_ignored() {
        let key = TestKey::generate();
        let keys = JwkSet::new(vec![key.public().with_kid("portal-1")]).unwrap();
        let mut claims = serde_json::to_value(plain()).unwrap();
        claims["from_the_future"] = true.into();
        let typ = sekisho_wire::typ::CARD_LOGIN_REQUEST;
        let text = jws::sign(typ, Some("portal-1"), &claims, |m| key.sign(m)).unwrap();
        assert!(UnverifiedLoginRequest::new(text).verify(&keys, &expectation(NOW)).is_ok());
    }

    #[test]
    fn versions_compare_by_number() {
        let version = |text: &str| text.parse::<AgentVersion>();
        assert!(version("0.10.0").unwrap() > version("0.9.9").unwrap());
        for text in ["", "1", "1.2", "1.2.3.4", "1.2.x", "+1.2.3", "1..3", "1.2.99999999999"] {
            assert_eq!(version(text), Err(NotAVersion), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_request_with_any_octet_changed_is_refused(at in 0usize..2000, with in any::<u8>()) {
            let key = TestKey::generate();
            let keys = JwkSet::new(vec![key.public().with_kid("portal-1")]).unwrap();
            let text = signed(&plain(), &key);
            let at = at % text.len();
            let mut octets = text.clone().into_bytes();
            octets[at] = with % 128;
            let changed = String::from_utf8(octets).unwrap();
            let accepted = UnverifiedLoginRequest::new(changed.clone())
                .verify(&keys, &expectation(NOW))
                .is_ok();
            prop_assert_eq!(accepted, changed == text);
        }

        #[test]
        fn a_confirmation_code_is_two_digits(text in "\\PC{0,4}") {
            let two_digits = text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_digit());
            prop_assert_eq!(text.parse::<ConfirmationCode>().is_ok(), two_digits);
        }
    }
}
