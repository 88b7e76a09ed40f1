//! Why a login is refused: one variant a reason, each with a code for the audit trail.

use sekisho_key::RandomnessError;
use sekisho_protocol::request::RequestError;
use sekisho_store::{MayConflict, StoreError, world::World};
use webauthn_rs::prelude::WebauthnError;

use crate::{
    own_keys::OwnKeyError,
    people::{
        factors::{FactorsError, StoreFactorsError},
        password::HashError,
        proof::ProofError,
    },
    sealing::SealingError,
};

/// A reason that a person can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The browser sent no cookie of the login page.
    BrowserUnknown,
    /// The body is not what the path takes.
    Malformed,
    /// More than any request of ours holds.
    TooLarge,
    /// The body is announced as something else than the form that the path takes.
    NotAForm,
    /// Login by navigation is not allowed here.
    NavigationOff,
    /// An answer that some other page than the agent's sent the browser here with.
    NotFromAgent,
    /// The page's key is not a P-256 key.
    PageKey,
    /// Too many challenges wait at this terminal.
    TooManyChallenges,
    /// No card issuer is configured, so that no card could be judged.
    NotConfigured,
    /// The challenge was never given out, or long ago.
    ChallengeUnknown,
    /// The challenge was used before.
    ChallengeReplayed,
    /// The challenge is older than it may be.
    ChallengeExpired,
    /// The challenge was given to another browser.
    OtherBrowser,
    /// The challenge was given to another terminal certificate than this connection's.
    OtherTerminal,
    /// The agent's proof is not by the key of this terminal, or not over this request.
    TerminalProof,
    /// The page's proof is not by the key that the challenge was given to, or over something else.
    PageProof,
    /// The card's signature does not verify over what we rebuilt.
    CardSignature,
    /// The card's certificate cannot be read.
    CertificateMalformed,
    /// A signing certificate, which must not log anybody in.
    SigningCertificate,
    /// The certificate's policy or purpose is not accepted for login.
    CertificatePurpose,
    /// No configured authority issued the card.
    ForeignIssuer,
    /// A card of an invented person, at a facility that is real.
    SandboxCard,
    /// A real card, at a test facility.
    RealCard,
    /// The card names a person whom a card of the other world named before.
    OtherWorld,
    /// The certification path does not hold.
    CertificatePath,
    /// The validity has not begun.
    CertificateNotYetValid,
    /// The validity is over.
    CertificateExpired,
    /// The issuer revoked it.
    CertificateRevoked,
    /// No current revocation list says whether it was revoked.
    RevocationUnknown,
    /// The subject has no serialNumber, so that nobody is named.
    NoSerialNumber,
    /// The hcRole attribute cannot be read.
    HcRoleUnreadable,
    /// Another person's card than the one whose session this is.
    AnotherPerson,
    /// The person has no membership at this facility.
    NotAMember,
    /// The same of a licensed person, where an emergency needs no membership: they read where that is.
    NoMemberLicensed,
    /// Somebody who is no member came for an emergency, without a licence that counts or too weakly.
    NoMemberUnlicensed,
    /// The person's claim waits for the administrator.
    ClaimWaiting,
    /// The invitation names somebody else; the administrator has been told.
    InvitationMismatch,
    /// The invitation is no longer open.
    InvitationClosed,
    /// The person is a member here already; the invitation stays open.
    AlreadyMember,
    /// The text is no invitation code.
    NotACode,
    /// No invitation has this code.
    CodeUnknown,
    /// The code is for another facility.
    CodeOtherFacility,
    /// The code's time is over.
    CodeExpired,
    /// The code was mistyped too often.
    CodeOverused,
    /// The code was used.
    CodeUsed,
    /// The administrator took the invitation back.
    CodeWithdrawn,
    /// The card's answer is to a challenge of another purpose.
    OtherPurpose,
    /// The challenge was given to another session, or the session changed since.
    OtherSession,
    /// What was asked needs a login by HPKI card of these minutes.
    CardLevelNeeded,
    /// A My Number card where only an HPKI card does.
    HpkiCardNeeded,
    /// Another card than a My Number card, which is to be linked.
    MyNumberCardNeeded,
    /// The My Number card is linked to nobody.
    NotLinked,
    /// The My Number card is linked to another person.
    LinkedToAnother,
    /// Nobody tells whether the My Number card's certificate was revoked.
    JpkiStatusUnknown,
    /// Nobody logs in by passkey here.
    PasskeysOff,
    /// The passkey is nobody's, or its answer is worth nothing: one answer for both.
    PasskeyUnknown,
    /// The passkey's counter went back: there are two of it.
    PasskeyCopied,
    /// A passkey within a session that a card opened.
    CardOfSessionNeeded,
    /// The name of a new passkey is no line of text.
    PasskeyName,
    /// The person has as many passkeys as there may be.
    TooManyPasskeys,
    /// The passkey was enrolled before, by this person or another.
    PasskeyEnrolled,
    /// The new passkey's answer does not hold, or nobody was verified by it.
    PasskeyUnsound,
    /// Nobody logs in by password here.
    PasswordsOff,
    /// Login name, password or code is wrong, the code was used, or the person is no member here: one answer
    /// for all.
    PasswordWrong,
    /// A password without a one-time password, where that is asked for.
    CodeNeeded,
    /// A passkey for an account wants both its factors of these minutes.
    BothFactorsNeeded,
    /// Too many wrong tries of this name, terminal or network: no other is judged for a while.
    Resting,
    /// A password within a session that a card or passkey opened.
    PasswordTooWeak,
    /// Nobody logs in by a pass for a day here.
    DayPassesOff,
    /// Nobody has a pass with this code here, or its PIN is another.
    DayPassWrong,
    /// The pass is over, was taken back, or was guessed at too often.
    DayPassOver,
    /// A pass for a day where more is asked for, or within a session that something stronger opened.
    DayPassTooWeak,
}

impl Refusal {
    /// Of whom a facility of this world does not admit: invented people and real ones never meet.
    pub(super) const fn of_other_world(here: World) -> Self {
        match here {
            World::Real => Self::SandboxCard,
            World::Sandbox => Self::RealCard,
        }
    }

    /// Every refusal, for the test that each has words.
    #[cfg(test)]
    pub const ALL: [Self; 72] = [
        Self::BrowserUnknown,
        Self::Malformed,
        Self::TooLarge,
        Self::NotAForm,
        Self::NavigationOff,
        Self::NotFromAgent,
        Self::PageKey,
        Self::TooManyChallenges,
        Self::NotConfigured,
        Self::ChallengeUnknown,
        Self::ChallengeReplayed,
        Self::ChallengeExpired,
        Self::OtherBrowser,
        Self::OtherTerminal,
        Self::TerminalProof,
        Self::PageProof,
        Self::CardSignature,
        Self::CertificateMalformed,
        Self::SigningCertificate,
        Self::CertificatePurpose,
        Self::ForeignIssuer,
        Self::SandboxCard,
        Self::RealCard,
        Self::OtherWorld,
        Self::CertificatePath,
        Self::CertificateNotYetValid,
        Self::CertificateExpired,
        Self::CertificateRevoked,
        Self::RevocationUnknown,
        Self::NoSerialNumber,
        Self::HcRoleUnreadable,
        Self::AnotherPerson,
        Self::NotAMember,
        Self::NoMemberLicensed,
        Self::NoMemberUnlicensed,
        Self::ClaimWaiting,
        Self::InvitationMismatch,
        Self::InvitationClosed,
        Self::AlreadyMember,
        Self::NotACode,
        Self::CodeUnknown,
        Self::CodeOtherFacility,
        Self::CodeExpired,
        Self::CodeOverused,
        Self::CodeUsed,
        Self::CodeWithdrawn,
        Self::OtherPurpose,
        Self::OtherSession,
        Self::CardLevelNeeded,
        Self::HpkiCardNeeded,
        Self::MyNumberCardNeeded,
        Self::NotLinked,
        Self::LinkedToAnother,
        Self::JpkiStatusUnknown,
        Self::PasskeysOff,
        Self::PasskeyUnknown,
        Self::PasskeyCopied,
        Self::CardOfSessionNeeded,
        Self::PasskeyName,
        Self::TooManyPasskeys,
        Self::PasskeyEnrolled,
        Self::PasskeyUnsound,
        Self::PasswordsOff,
        Self::PasswordWrong,
        Self::CodeNeeded,
        Self::BothFactorsNeeded,
        Self::Resting,
        Self::PasswordTooWeak,
        Self::DayPassesOff,
        Self::DayPassWrong,
        Self::DayPassOver,
        Self::DayPassTooWeak,
    ];

    /// The constant code: in audit records, in problem details, and in message keys
    /// (`login-refused-CODE`, `login-help-CODE`).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::BrowserUnknown => "browser-unknown",
            Self::Malformed => "malformed",
            Self::TooLarge => "too-large",
            Self::NotAForm => "not-a-form",
            Self::NavigationOff => "navigation-off",
            Self::NotFromAgent => "not-from-agent",
            Self::PageKey => "page-key",
            Self::TooManyChallenges => "too-many-challenges",
            Self::NotConfigured => "not-configured",
            Self::ChallengeUnknown => "challenge-unknown",
            Self::ChallengeReplayed => "challenge-replayed",
            Self::ChallengeExpired => "challenge-expired",
            Self::OtherBrowser => "other-browser",
            Self::OtherTerminal => "other-terminal",
            Self::TerminalProof => "terminal-proof",
            Self::PageProof => "page-proof",
            Self::CardSignature => "card-signature",
            Self::CertificateMalformed => "certificate-malformed",
            Self::SigningCertificate => "signing-certificate",
            Self::CertificatePurpose => "certificate-purpose",
            Self::ForeignIssuer => "foreign-issuer",
            Self::SandboxCard => "sandbox-card",
            Self::RealCard => "real-card",
            Self::OtherWorld => "other-world",
            Self::CertificatePath => "certificate-path",
            Self::CertificateNotYetValid => "certificate-not-yet-valid",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateRevoked => "certificate-revoked",
            Self::RevocationUnknown => "revocation-unknown",
            Self::NoSerialNumber => "no-serial-number",
            Self::HcRoleUnreadable => "hc-role-unreadable",
            Self::AnotherPerson => "another-person",
            Self::NotAMember => "not-a-member",
            Self::NoMemberLicensed => "no-member-licensed",
            Self::NoMemberUnlicensed => "no-member-unlicensed",
            Self::ClaimWaiting => "claim-waiting",
            Self::InvitationMismatch => "invitation-mismatch",
            Self::InvitationClosed => "invitation-closed",
            Self::AlreadyMember => "already-member",
            Self::NotACode => "not-a-code",
            Self::CodeUnknown => "code-unknown",
            Self::CodeOtherFacility => "code-other-facility",
            Self::CodeExpired => "code-expired",
            Self::CodeOverused => "code-overused",
            Self::CodeUsed => "code-used",
            Self::CodeWithdrawn => "code-withdrawn",
            Self::OtherPurpose => "other-purpose",
            Self::OtherSession => "other-session",
            Self::CardLevelNeeded => "card-level-needed",
            Self::HpkiCardNeeded => "hpki-card-needed",
            Self::MyNumberCardNeeded => "my-number-card-needed",
            Self::NotLinked => "not-linked",
            Self::LinkedToAnother => "linked-to-another",
            Self::JpkiStatusUnknown => "jpki-status-unknown",
            Self::PasskeysOff => "passkeys-off",
            Self::PasskeyUnknown => "passkey-unknown",
            Self::PasskeyCopied => "passkey-copied",
            Self::CardOfSessionNeeded => "card-of-session-needed",
            Self::PasskeyName => "passkey-name",
            Self::TooManyPasskeys => "too-many-passkeys",
            Self::PasskeyEnrolled => "passkey-enrolled",
            Self::PasskeyUnsound => "passkey-unsound",
            Self::PasswordsOff => "passwords-off",
            Self::PasswordWrong => "password-wrong",
            Self::CodeNeeded => "code-needed",
            Self::BothFactorsNeeded => "both-factors-needed",
            Self::Resting => "resting",
            Self::PasswordTooWeak => "password-too-weak",
            Self::DayPassesOff => "day-passes-off",
            Self::DayPassWrong => "day-pass-wrong",
            Self::DayPassOver => "day-pass-over",
            Self::DayPassTooWeak => "day-pass-too-weak",
        }
    }
}

/// Why a step of a login did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Refused, for a reason that the person is told.
    #[error("the login was refused: {}", .0.code())]
    Refused(Refusal),
    /// Another login by the same card was first to make its holder known: asked again, this one finds them.
    #[error("another login by the same card was first")]
    Overtaken,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys that sign login requests.
    #[error("the login request could not be signed")]
    OwnKeys(#[from] OwnKeyError),
    /// What a passkey is asked for.
    #[error("the question to a passkey could not be laid out")]
    Passkey(#[from] WebauthnError),
    /// A factor could not be prepared.
    #[error(transparent)]
    Factors(#[from] FactorsError),
    /// A factor could not be stored.
    #[error(transparent)]
    StoreFactors(SealingError),
    /// A password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No randomness for a nonce or identifier.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The request that we laid out breaks a rule of its own protocol.
    #[error("the login request could not be laid out")]
    Request(#[from] RequestError),
}

impl From<Refusal> for LoginError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreFactorsError> for LoginError {
    fn from(error: StoreFactorsError) -> Self {
        match error {
            StoreFactorsError::Sealing(error) => Self::StoreFactors(error),
            StoreFactorsError::Store(error) => Self::Store(error),
        }
    }
}

impl From<ProofError> for LoginError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Hash(error) => Self::Hash(error),
            ProofError::Store(error) => Self::Store(error),
        }
    }
}

impl MayConflict for LoginError {
    fn is_conflict(&self) -> bool {
        match self {
            Self::Overtaken => true,
            Self::Store(error) => error.is_conflict(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use super::*;
    use crate::catalogue::{Catalogue, Lang};

    #[test]
    fn every_refusal_has_its_own_code_and_words_in_both_languages() {
        let catalogue = Arc::new(Catalogue::load().unwrap());
        let mut codes = BTreeSet::new();
        for refusal in Refusal::ALL {
            let code = refusal.code();
            assert!(codes.insert(code), "{code} stands for two refusals");
            for lang in Lang::ALL {
                for key in [format!("login-refused-{code}"), format!("login-help-{code}")] {
                    assert!(catalogue.has(lang, &key), "{key} is missing in {}", lang.tag());
                }
            }
        }
    }
}
