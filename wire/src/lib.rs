//! What stands on the wire, in certificates and in signed evidence for years.
//!
//! Every identifier that outlives a release is spelled here and nowhere else, so that a change is
//! one decision seen by all. None contains the product's name: certificates, tokens and stored
//! evidence must stay readable under any name the product may get.

/// Object identifiers of our own.
///
/// The arc is IANA's example enterprise number (RFC 5612 §3, 32473). An operating body replaces
/// [`oid::ARC`] by an arc of its own before its first ceremony; everything else is relative to it.
pub mod oid {
    use const_oid::ObjectIdentifier;

    const fn oid(text: &'static str) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(text)
    }

    /// The operating body's arc.
    pub const ARC: ObjectIdentifier = oid("1.3.6.1.4.1.32473");
    /// Certificate policy of terminal certificates (`docs/certificate-policy.md` §1.2).
    pub const POLICY_TERMINAL: ObjectIdentifier = oid("1.3.6.1.4.1.32473.1.1");
    /// Certificate policy of router certificates.
    pub const POLICY_ROUTER: ObjectIdentifier = oid("1.3.6.1.4.1.32473.1.2");
    /// Certificate policy of the network's own servers.
    pub const POLICY_SERVER: ObjectIdentifier = oid("1.3.6.1.4.1.32473.1.3");
    /// `assigner` of the permanentIdentifier (RFC 4043 §2) that carries a facility's identifier.
    pub const FACILITY_IDENTIFIER: ObjectIdentifier = oid("1.3.6.1.4.1.32473.2.1");
    /// Signed attribute (RFC 5652 §5.3) of a consent: SHA-256 of the occasion on which it was given, an
    /// OCTET STRING (`docs/card-login.md`).
    pub const CONSENT_OCCASION: ObjectIdentifier = oid("1.3.6.1.4.1.32473.4.1");
}

/// Authentication context class references: how a person proved themself (OIDC Core §2, `acr`).
///
/// `urn:oid` (RFC 3061) under [`oid::ARC`], so that no name has to be registered twice. Ordered
/// from weakest to strongest in [`acr::LEVELS`].
pub mod acr {
    /// Password alone, in a connection that the terminal of an accredited facility proved by its certificate. One factor of the person: the key is
    /// the facility's.
    pub const PASSWORD_AT_FACILITY: &str = "urn:oid:1.3.6.1.4.1.32473.3.5";
    /// The slip of a pass for a day and the PIN chosen with it, for somebody who left their card at home and for
    /// whom two colleagues stood up, at a terminal of that accredited facility.
    pub const DAY_PASS: &str = "urn:oid:1.3.6.1.4.1.32473.3.6";
    /// Password and time-based one-time password (RFC 6238).
    pub const PASSWORD_TOTP: &str = "urn:oid:1.3.6.1.4.1.32473.3.1";
    /// Passkey, user verified, that the person enrolled from a login by HPKI card, at a terminal of an
    /// accredited facility.
    pub const PASSKEY: &str = "urn:oid:1.3.6.1.4.1.32473.3.2";
    /// My Number card (JPKI certificate for user authentication, PIN-verified) that the person linked
    /// from a login by HPKI card, at a terminal of an accredited facility.
    pub const JPKI_CARD: &str = "urn:oid:1.3.6.1.4.1.32473.3.3";
    /// HPKI authentication certificate, PIN-verified, at a terminal of an accredited facility.
    pub const HPKI_CARD: &str = "urn:oid:1.3.6.1.4.1.32473.3.4";
    /// Weakest first; a rule that demands one accepts any later one.
    pub const LEVELS: [&str; 6] =
        [PASSWORD_AT_FACILITY, DAY_PASS, PASSWORD_TOTP, PASSKEY, JPKI_CARD, HPKI_CARD];
    /// The levels that stand for two factors of the person: what breaking the glass asks for. By name, so that a
    /// level that is added is not among them by accident.
    pub const TWO_FACTOR: [&str; 5] = [DAY_PASS, PASSWORD_TOTP, PASSKEY, JPKI_CARD, HPKI_CARD];
    /// What a rule demands that names no level.
    pub const STRONGEST: &str = LEVELS[LEVELS.len() - 1];
}

/// Authentication methods of our own beside those of RFC 8176 §2.
pub mod amr {
    /// The slip of a pass for a day was at hand. No registered value names paper.
    pub const DAY_PASS: &str = "daypass";
    /// The smart card was a My Number card. No registered value tells one card from another.
    pub const JPKI: &str = "jpki";
    /// A passkey signed. No registered value tells one from another key in hardware or software.
    pub const PASSKEY: &str = "passkey";
    /// Whoever logged in sat at a terminal that proved its key: registered at IANA as "Proof-of-possession of a key", beside the values
    /// of RFC 8176. Where the key lies is not known here, so neither `hwk` nor `swk` is said.
    pub const POP: &str = "pop";
}

/// `typ` header values of our signed objects (RFC 7515 §4.1.9, explicit typing of RFC 8725 §3.11).
pub mod typ {
    /// Login request that the portal signs for the agent (`docs/card-login.md`).
    pub const CARD_LOGIN_REQUEST: &str = "card-login-request+jwt";
    /// Proof by a terminal's key that its agent stands behind the loopback door.
    pub const TERMINAL_PROOF: &str = "terminal-proof+jwt";
    /// Proof by the page's own non-extractable key when it submits the card's answer.
    pub const PAGE_PROOF: &str = "page-proof+jwt";
    /// Signed checkpoint over the audit chain of a node.
    pub const AUDIT_CHECKPOINT: &str = "audit-checkpoint+jwt";
    /// Transcript of a key ceremony, by each key that signed in it.
    pub const CEREMONY_TRANSCRIPT: &str = "ceremony-transcript+json";
    /// Transcript of an authority's take-over from another system, by that authority's key.
    pub const CEREMONY_IMPORT: &str = "ceremony-import+json";
}

/// Domain-separation tags: the first bytes of everything that is signed or hashed for a purpose.
pub mod domain {
    /// What an HPKI or JPKI authentication key signs at login.
    pub const CARD_LOGIN: &[u8] = b"healthcare-card-login/1";
    /// What a consent is bound to beside its text: a digest inside what a signature key signs.
    pub const CARD_CONSENT: &[u8] = b"healthcare-card-consent/1";
    /// Leaf of the audit tree.
    pub const AUDIT_LEAF: &[u8] = b"healthcare-audit-leaf/1";
    /// Link of the audit chain.
    pub const AUDIT_LINK: &[u8] = b"healthcare-audit-link/1";
    /// Salted commitment to a personal field of an audit record.
    pub const AUDIT_PERSONAL: &[u8] = b"healthcare-audit-personal/1";
    /// Statement of what a key ceremony signs.
    pub const CEREMONY: &[u8] = b"healthcare-ceremony/1";
    /// Everything that is taken over with an authority of another system.
    pub const CEREMONY_IMPORT: &[u8] = b"healthcare-ceremony-import/1";
    /// Serial numbers of what a key ceremony signs.
    pub const CEREMONY_SERIAL: &[u8] = b"healthcare-ceremony-serial/1";
    /// Pairwise subject identifiers (OIDC Core §8.1).
    pub const PAIRWISE: &[u8] = b"healthcare-pairwise-sub/1";
    /// Keyed hash by which the serial number of a JPKI certificate is known again.
    pub const JPKI_SERIAL: &[u8] = b"healthcare-jpki-serial/1";
    /// Keyed hash by which authenticators know a person (WebAuthn Level 2 §5.4.3, user handle).
    pub const PASSKEY_USER: &[u8] = b"healthcare-passkey-user/1";
    /// The same where a passkey stands beside a password: an authenticator keeps both.
    pub const SECOND_FACTOR_USER: &[u8] = b"healthcare-second-factor-user/1";
    /// Nonces of ACME (RFC 8555 §6.5.1).
    pub const ACME_NONCE: &[u8] = b"healthcare-acme-nonce/1";
    /// Pairwise session identifiers (OIDC Back-Channel Logout 1.0 §2.1).
    pub const PAIRWISE_SESSION: &[u8] = b"healthcare-pairwise-sid/1";
}

/// Names of claims of our own in ID tokens and userinfo.
pub mod claim {
    /// Professional roles from the card's hcRole, verbatim, a list (ISO 17090-2).
    pub const HC_ROLE: &str = "hc_role";
    /// The facility's immutable identifier.
    pub const FACILITY_ID: &str = "facility_id";
    /// 医療機関コード, ten digits, a list: a hospital with dentistry has two.
    pub const FACILITY_CODE: &str = "facility_code";
    /// The facility's name as registered.
    pub const FACILITY_NAME: &str = "facility_name";
    /// The facility's kind, a token of `docs/tokens.md`.
    pub const FACILITY_KIND: &str = "facility_kind";
    /// The terminal's identifier and name.
    pub const TERMINAL: &str = "terminal";
    /// `true` where only an emergency access admitted the person; absent otherwise.
    pub const BREAK_GLASS: &str = "break_glass";
    /// The record of that emergency access, for the service to keep with what was done under it.
    pub const BREAK_GLASS_ID: &str = "break_glass_id";
    /// `false` where the person is no member of the facility whose terminal it is, and is there for an emergency
    /// alone; absent otherwise.
    pub const FACILITY_MEMBER: &str = "facility_member";
    /// For each claim above, what vouches for it: `card`, `facility_certificate` or `register`.
    pub const VOUCHED_BY: &str = "vouched_by";
}
