//! The request that this portal signs for an agent, whatever the card is asked for: laid out, signed,
//! remembered.

use sekisho_key::{KeyError, Randomness, RandomnessError};
use sekisho_protocol::{
    ChallengeNonce, Jwk, Sha256Digest,
    request::{
        AUDIENCE, ConfirmationCode, ExpectedSubject, LoginRequest, Purpose, RequestFacility,
    },
    trust::CardIssuer,
};
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    challenge::{self, Challenge},
    transaction,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use time::Duration;

use super::{
    call::Call,
    challenge::{browser_hash, purpose_word, random_octets, terminal_key},
    navigation,
    refusal::{LoginError, Refusal},
    session,
};
use crate::{catalogue::Lang, config, jose::Algorithm, own_keys::OwnKeyError};

/// How many unanswered challenges of the last minute a terminal may have.
pub(super) const MOST_UNANSWERED: i64 = 30;

/// What the page gets.
#[derive(Debug, Serialize)]
pub struct ChallengeReply {
    /// The signed request, compact JWS, for the agent.
    pub request: String,
    /// The challenge within it, for the page's proof.
    pub nonce: ChallengeNonce,
    /// Two digits that page and agent both show.
    pub confirmation_code: ConfirmationCode,
    /// The key of this connection's terminal certificate: the agent must prove that it holds it.
    pub terminal_key: Jwk,
    /// Seconds until the challenge dies.
    pub expires_in_secs: i64,
}

/// A page that may ask for a card at this terminal.
pub(super) struct Asking {
    /// SHA-256 of the browser's cookie.
    pub(super) browser_hash: [u8; 32],
    page_key: Jwk,
    terminal_key: Jwk,
    /// Whether the page goes to the agent by top-level navigation.
    navigation: bool,
}

/// What the card is asked for.
pub(super) struct What {
    pub(super) purpose: Purpose,
    pub(super) acr: &'static str,
    pub(super) expected_subject: Option<ExpectedSubject>,
    pub(super) expected_certificate: Option<Sha256Digest>,
    pub(super) vouching_request: Option<Sha256Digest>,
    pub(super) card_issuers: Vec<CardIssuer>,
    pub(super) accepted_policies: Vec<String>,
    pub(super) invitation_id: Option<String>,
    pub(super) return_to: Option<String>,
    /// The living session for which alone the answer counts.
    pub(super) session_hash: Option<[u8; 32]>,
}

impl Asking {
    /// Checks browser, page, terminal, and how often this terminal asked.
    ///
    /// # Errors
    /// [`LoginError::Refused`], or the database.
    pub(super) async fn begin(
        call: &Call,
        page_key: serde_json::Value,
        navigation: bool,
    ) -> Result<Self, LoginError> {
        let Call { app, facility, headers, .. } = call;
        let browser_hash = browser_hash(headers).ok_or(Refusal::BrowserUnknown)?;
        let page_key: Jwk = serde_json::from_value(page_key).map_err(|_| Refusal::PageKey)?;
        if navigation && !app.config().card_login().navigation() {
            return Err(Refusal::NavigationOff.into());
        }
        let since = app.now() - Duration::minutes(1);
        let waiting =
            challenge::unanswered(&mut app.store().read(), &facility.fingerprint, since).await?;
        if waiting >= MOST_UNANSWERED {
            return Err(Refusal::TooManyChallenges.into());
        }
        let terminal_key = terminal_key(facility).ok_or(Refusal::OtherTerminal)?;
        Ok(Self { browser_hash, page_key, terminal_key, navigation })
    }

    /// Signs the request and remembers the challenge.
    ///
    /// # Errors
    /// [`Refusal::NotConfigured`]; the database, randomness or the keys.
    pub(super) async fn sign(self, call: &Call, what: What) -> Result<ChallengeReply, LoginError> {
        let Call { app, peer, facility, .. } = call;
        if what.card_issuers.is_empty() {
            return Err(Refusal::NotConfigured.into());
        }
        let lang = call.text.lang();
        let (settings, now) = (app.config().card_login(), app.now());
        let lifetime = settings.request_lifetime();
        let nonce = ChallengeNonce::new(random_octets(app.random())?);
        let jti: [u8; 16] = random_octets(app.random())?;
        let confirmation_code = confirmation_code(app.random())?;
        let mut reader = app.store().read();
        let removal = session::card_removal(app, &mut reader, &facility.organisation_id).await?;
        let request = LoginRequest {
            iss: app.names().public.clone(),
            aud: AUDIENCE.to_owned(),
            origin: app.names().terminal.clone(),
            jti: sekisho_protocol::octets::encode(jti),
            iat: now.unix_timestamp(),
            exp: (now + lifetime).unix_timestamp(),
            nonce,
            facility: RequestFacility {
                id: facility.organisation_id.clone(),
                name: facility.organisation_name.clone(),
                x5t_s256: Sha256Digest::new(facility.fingerprint),
            },
            page_key: self.page_key.thumbprint(),
            purpose: what.purpose,
            acr: what.acr.to_owned(),
            expected_subject: what.expected_subject,
            expected_certificate: what.expected_certificate,
            vouching_request: what.vouching_request,
            card_issuers: what.card_issuers,
            accepted_policies: what.accepted_policies,
            confirmation_code,
            minimum_agent_version: settings
                .minimum_agent_version()
                .parse()
                .map_err(|_| Refusal::NotConfigured)?,
            removal: removal_on_the_wire(removal),
            language: match lang {
                Lang::Ja => sekisho_protocol::request::Language::Ja,
                Lang::En => sekisho_protocol::request::Language::En,
            },
            return_address: self.navigation.then(|| {
                let origin = &app.names().terminal;
                // The cookie of the language does not come along with a post from another site.
                format!("{origin}{}?lang={}", navigation::RETURN_PATH, lang.tag())
            }),
            consent: None,
        };
        let key = app.login_request_keys().signer(app, Algorithm::Es256).await?;
        let unsigned = request.prepare(key.kid())?;
        let signature: [u8; 64] = key
            .sign_octets(unsigned.signing_input())?
            .try_into()
            .map_err(|_| OwnKeyError::from(KeyError::MalformedSignature))?;
        let request_jws = unsigned.attach(signature);
        let stored = Challenge {
            nonce_hash: Sha256::digest(nonce.as_bytes()).into(),
            browser_hash: self.browser_hash,
            terminal_fingerprint: facility.fingerprint,
            page_thumbprint: self.page_key.thumbprint().to_string(),
            request_jws: request_jws.clone(),
            purpose: purpose_word(what.purpose).to_owned(),
            session_hash: what.session_hash,
            invitation_id: what.invitation_id,
            return_to: what.return_to,
            created_at: now,
            expires_at: now + lifetime,
        };
        let entry = facility
            .place(Entry::done("login.challenge.issue", facility.actor(), now), peer)
            .on("request", request.jti)
            .fact("purpose", purpose_word(what.purpose))
            .fact("door", if self.navigation { "navigation" } else { "script" });
        transaction!(app.store(), StoreError, |tx| {
            challenge::remember(tx, &stored).await?;
            Ok(Audited::new((), entry.clone()))
        })?;
        Ok(ChallengeReply {
            request: request_jws,
            nonce,
            confirmation_code,
            terminal_key: self.terminal_key,
            expires_in_secs: lifetime.whole_seconds(),
        })
    }
}

fn removal_on_the_wire(policy: config::RemovalPolicy) -> sekisho_protocol::request::RemovalPolicy {
    match policy {
        config::RemovalPolicy::Logout => sekisho_protocol::request::RemovalPolicy::Logout,
        config::RemovalPolicy::Lock => sekisho_protocol::request::RemovalPolicy::Lock,
        config::RemovalPolicy::Keep => sekisho_protocol::request::RemovalPolicy::Keep,
    }
}

fn confirmation_code(random: &dyn Randomness) -> Result<ConfirmationCode, RandomnessError> {
    loop {
        let [octet] = random_octets(random)?;
        // 200 is a multiple of 100, so that each code is equally likely.
        if let (0..200, Ok(code)) = (octet, ConfirmationCode::new(octet % 100)) {
            return Ok(code);
        }
    }
}
