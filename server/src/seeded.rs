//! Mistakes on purpose: what the conformance modules must notice (`docs/conformance.md`).
//!
//! Each place that checks something asks `seeded!` whether it is to be wrong. In every build but that
//! of `tests/seeded`, which alone sets the cfg `seeded_faults`, the answer is the constant `false`, and
//! nothing of this file but the macro is compiled.

/// Whether a mistake is switched on.
#[cfg(not(seeded_faults))]
macro_rules! seeded {
    ($fault:ident) => {
        false
    };
}

/// Whether a mistake is switched on.
#[cfg(seeded_faults)]
macro_rules! seeded {
    ($fault:ident) => {
        $crate::seeded::is_on($crate::seeded::Fault::$fault)
    };
}

#[cfg(seeded_faults)]
pub use faults::*;

#[cfg(seeded_faults)]
mod faults {
    use sekisho_protocol::octets::decode;
    use serde::de::DeserializeOwned;
    use serde_json::{Map, Value, json};

    /// The environment variable that names the file with the mistake's name.
    pub const FILE: &str = "SEKISHO_SEEDED_FAULT";

    macro_rules! faults {
        ($($(#[$told:meta])* $fault:ident,)*) => {
            /// A mistake.
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum Fault {
                $($(#[$told])* $fault,)*
            }

            /// Every mistake by its name.
            pub const ALL: &[(&str, Fault)] = &[$((stringify!($fault), Fault::$fault),)*];
        };
    }

    faults! {
        /// A redirect URI counts that begins with a registered one.
        RedirectUriByPrefix,
        /// Any redirect URI counts.
        RedirectUriUnchecked,
        /// A request needs no `response_type`.
        ResponseTypeOptional,
        /// Any `response_type` is taken for `code`.
        ResponseTypeUnchecked,
        /// `openid` must be the first scope.
        ScopeOrderCounts,
        /// A challenge may be missing where the client must bring one.
        PkceOptional,
        /// The method `plain` is taken.
        PkcePlainTaken,
        /// `state` does not come back.
        StateNotReturned,
        /// `iss` does not come back.
        IssNotReturned,
        /// `max_age` is passed over.
        MaxAgeIgnored,
        /// `prompt=login` is passed over.
        PromptLoginIgnored,
        /// `prompt=none` leads to the login page.
        PromptNoneAsks,
        /// Claims asked for by name are forgotten.
        ClaimsByNameForgotten,
        /// A reference to an address of the client's is passed over.
        ForeignReferencePassedOver,
        /// A request object is passed over.
        ObjectPassedOver,
        /// A request object without a signature is taken.
        UnsignedObjectTaken,
        /// No signature is verified.
        SignatureUnchecked,
        /// A request object may be for another server.
        ObjectAudienceUnchecked,
        /// An expired request object counts.
        ObjectExpiryUnchecked,
        /// A request object may come without `exp` or `nbf`.
        ObjectTimesOptional,
        /// A request object may live as long as it says.
        ObjectLifetimeUnbounded,
        /// A clock that runs ahead by seconds is not borne in a request object.
        ObjectLeewayMissing,
        /// A client that must sign its requests need not.
        UnsignedRequestTaken,
        /// A request object may refer to another request.
        ReferenceWithinObject,
        /// A client that must send its requests ahead need not.
        PushedRequestOptional,
        /// A request that was sent ahead can be answered twice.
        PushedRequestReusable,
        /// A request that was sent ahead never expires.
        PushedRequestNeverExpires,
        /// `state` beside a reference counts.
        OuterStateCounts,
        /// A request that is sent ahead may refer to another.
        ReferenceInPushedForm,
        /// A proof beside a request that is sent ahead binds nothing.
        ProofAtParIgnored,
        /// `dpop_jkt` may name another key than the proof beside it.
        DpopJktAgainstProofUnchecked,
        /// `dpop_jkt` binds nothing.
        DpopJktIgnored,
        /// A code can be exchanged twice.
        CodeReusable,
        /// A code's second use takes nothing back.
        ReplayWithdrawsNothing,
        /// A code never expires.
        CodeNeverExpires,
        /// A code of another client counts.
        CodeOfAnyClient,
        /// Any verifier counts.
        VerifierUnchecked,
        /// A verifier may be missing.
        VerifierOptional,
        /// Tokens that are bound by DPoP are had without a proof.
        ProofOptional,
        /// Tokens that are bound to a certificate are had without one.
        CertificateOptional,
        /// An access token does not say what it is bound to.
        TokenUnbound,
        /// `client_id` beside another client's proof is passed over.
        ClientIdIgnored,
        /// A refresh token of another client counts.
        RefreshTokenOfAnyClient,
        /// Answers with tokens may be kept.
        TokensKept,
        /// A client need not authenticate.
        AuthenticationOptional,
        /// An assertion may be for another server.
        AssertionAudienceUnchecked,
        /// Under FAPI 2.0 an assertion's audience may be a list.
        AssertionAudienceAsList,
        /// Under FAPI 2.0 an assertion's audience may be an endpoint.
        AssertionAudienceEndpoint,
        /// An assertion never expires.
        AssertionNeverExpires,
        /// An assertion needs no subject.
        AssertionSubjectUnchecked,
        /// An assertion may come from the future.
        AssertionOfTheFuture,
        /// A clock that runs ahead by seconds is not borne in an assertion.
        AssertionLeewayMissing,
        /// RS256 is taken under FAPI 2.0.
        Rs256Taken,
        /// A proof may be for another method.
        ProofMethodUnchecked,
        /// A proof may be for another address.
        ProofAddressUnchecked,
        /// A proof may be of any time.
        ProofTimeUnchecked,
        /// A clock that runs ahead by seconds is not borne in a proof.
        ProofLeewayMissing,
        /// A proof need not name the access token.
        ProofTokenUnchecked,
        /// A proof may be any kind of object.
        ProofTypeUnchecked,
        /// A proof counts twice.
        ProofReplayed,
        /// A proof may be by another key than the token's.
        ProofByAnyKey,
        /// A proof may be signed with RS256.
        ProofWithRs256,
        /// A bound token is good alone.
        BoundTokenAlone,
        /// The scheme before a token must be written in one way.
        SchemeInOneCase,
        /// The userinfo is another person's.
        UserinfoOfAnother,
        /// An ID token is for another client.
        IdTokenForAnother,
        /// An ID token has no `nonce`.
        IdTokenWithoutNonce,
        /// An ID token has no `auth_time`.
        IdTokenWithoutAuthTime,
        /// An ID token's `at_hash` is that of another token.
        IdTokenOfAnotherAccessToken,
        /// An ID token is over when it is made.
        IdTokenOver,
        /// An ID token's issuer is written otherwise.
        IssuerWithSlash,
        /// The metadata names another issuer.
        MetadataOfAnotherIssuer,
        /// A person is led back after a logout to what begins with a registered address.
        LogoutUriByPrefix,
        /// `state` does not come back after a logout.
        LogoutStateNotReturned,
        /// A logout ends nothing.
        SessionSurvivesLogout,
        /// A hint counts that somebody else signed, or nobody.
        HintUnverified,
        /// Services are not told of a logout.
        LogoutNotTold,
        /// A logout token has a `nonce`.
        LogoutTokenWithNonce,
        /// A logout token does not say that it is one.
        LogoutTokenWithoutEvent,
        /// A logout token does not name the session.
        LogoutTokenWithoutSession,
        /// A logout token is for another client.
        LogoutTokenForAnother,
        /// Whoever brings any token registers a client.
        AnybodyRegisters,
        /// A client's registration token reaches every registration.
        RegistrationOfAnother,
        /// New keys of a client are not taken over.
        ClientKeysKept,
        /// A redirect URI with a fragment is registered.
        FragmentRegistered,
        /// Unsigned ID tokens are registered.
        NoneRegistered,
        /// What a registration only refers to is passed over.
        ReferencesPassedOver,
        /// A request without a redirect URI is answered at the first that is registered.
        RedirectUriOptional,
        /// The query of a redirect URI is not compared.
        RedirectQueryUncompared,
        /// The query of a redirect URI is forgotten in the answer.
        RedirectQueryForgotten,
        /// ID tokens are signed with one algorithm, whatever is registered.
        OneAlgorithmForAll,
        /// The userinfo is plain, whatever is registered.
        UserinfoUnsigned,
        /// A signed userinfo is for another client.
        UserinfoForAnother,
        /// What we sign does not name the key.
        KeyUnnamed,
        /// The key that signs is published no more once it has a successor.
        OldKeyHidden,
        /// A key is published only when it signs.
        NextKeyHidden,
        /// An assertion for the issuer is for somebody else.
        IssuerIsNoAudience,
        /// No `session_state` comes with a code.
        SessionStateMissing,
        /// `session_state` is not of the session.
        SessionStateConstant,
        /// A logout leaves the browser's state as it was.
        SessionStateKept,
        /// The frame that pages ask may stand in no page.
        CheckedInNoFrame,
        /// The last page loads no service's address.
        FrameNotLoaded,
        /// The address that it loads does not say who ended a session.
        FrameWithoutIss,
        /// The address that it loads does not say which session ended.
        FrameWithoutSession,
        /// The address that it loads names another session.
        FrameOfAnother,
    }

    /// Whether the file names this mistake now.
    #[must_use]
    pub fn is_on(fault: Fault) -> bool {
        let Some(file) = std::env::var_os(FILE) else { return false };
        let wanted = std::fs::read_to_string(file).unwrap_or_default();
        ALL.iter().any(|(name, known)| *known == fault && *name == wanted)
    }

    /// Makes an ID token wrong.
    pub fn spoil_id_token(claims: &mut Map<String, Value>) {
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        if seeded!(IdTokenForAnother) {
            set("aud", "another".into());
        }
        if seeded!(IdTokenOfAnotherAccessToken) {
            set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA".into());
        }
        if seeded!(IdTokenOver) {
            set("exp", 1.into());
        }
        if seeded!(IssuerWithSlash) {
            let iss = claims["iss"].as_str().unwrap_or_default();
            claims["iss"] = format!("{iss}/").into();
        }
        if seeded!(IdTokenWithoutNonce) {
            claims.remove("nonce");
        }
        if seeded!(IdTokenWithoutAuthTime) {
            claims.remove("auth_time");
        }
    }

    /// A logout token, wrong.
    #[must_use]
    pub fn spoiled_logout_token(mut claims: Value) -> Value {
        if seeded!(LogoutTokenWithNonce) {
            claims["nonce"] = "n".into();
        }
        if seeded!(LogoutTokenWithoutEvent) {
            claims["events"] = json!({});
        }
        if seeded!(LogoutTokenWithoutSession) {
            claims["sid"] = Value::Null;
        }
        if seeded!(LogoutTokenForAnother) {
            claims["aud"] = "another".into();
        }
        claims
    }

    /// The claims of an object whose signature nobody looks at.
    #[must_use]
    pub fn unverified<C: DeserializeOwned>(jws: &str) -> Option<C> {
        serde_json::from_slice(&decode(jws.split('.').nth(1)?).ok()?).ok()
    }
}
