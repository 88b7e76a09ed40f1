//! Which module notices which mistake of the build with faults (`server/src/seeded.rs`).

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::ensure;
use sekisho::demo::process;
use sekisho_seeded::seeded;
use tokio::process::Command;

use crate::{
    catalogue::Module,
    client::{Authentication, Binding, Profile, Variant},
};

/// A mistake, and who must notice it.
#[derive(Clone, Copy)]
pub struct Seed {
    pub fault: &'static str,
    module: &'static str,
    pub variant: Option<Variant>,
}

const BASIC: Option<Variant> = None;
const DPOP: Option<Variant> = Some(Variant {
    profile: Profile::Fapi2Security,
    authentication: Authentication::PrivateKeyJwt,
    binding: Binding::Dpop,
});
const MTLS: Option<Variant> = Some(Variant {
    profile: Profile::Fapi2Security,
    authentication: Authentication::PrivateKeyJwt,
    binding: Binding::Certificate,
});
const SIGNED: Option<Variant> = Some(Variant {
    profile: Profile::Fapi2MessageSigning,
    authentication: Authentication::PrivateKeyJwt,
    binding: Binding::Dpop,
});

const fn seed(fault: &'static str, variant: Option<Variant>, module: &'static str) -> Seed {
    Seed { fault, module, variant }
}

/// All of them.
pub const SEEDS: &[Seed] = &[
    seed("RedirectUriByPrefix", BASIC, "oidcc-ensure-registered-redirect-uri"),
    seed("RedirectUriUnchecked", BASIC, "oidcc-ensure-registered-redirect-uri"),
    seed("ResponseTypeOptional", BASIC, "oidcc-response-type-missing"),
    seed(
        "ResponseTypeUnchecked",
        DPOP,
        "fapi2-security-profile-final-ensure-response-type-token-fails",
    ),
    seed("ScopeOrderCounts", BASIC, "oidcc-alternate-happy-flow"),
    seed("PkceOptional", DPOP, "fapi2-security-profile-final-par-ensure-pkce-required"),
    seed("PkcePlainTaken", DPOP, "fapi2-security-profile-final-par-plain-pkce-rejected"),
    seed("StateNotReturned", BASIC, "oidcc-server"),
    seed("IssNotReturned", DPOP, "fapi2-security-profile-final-happy-flow"),
    seed("MaxAgeIgnored", BASIC, "oidcc-max-age-1"),
    seed("PromptLoginIgnored", BASIC, "oidcc-prompt-login"),
    seed("PromptNoneAsks", BASIC, "oidcc-prompt-none-not-logged-in"),
    seed("ClaimsByNameForgotten", BASIC, "oidcc-claims-essential"),
    seed(
        "ForeignReferencePassedOver",
        BASIC,
        "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported",
    ),
    seed(
        "ObjectPassedOver",
        BASIC,
        "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported",
    ),
    seed(
        "UnsignedObjectTaken",
        SIGNED,
        "fapi2-security-profile-final-ensure-request-object-signature-algorithm-is-not-none",
    ),
    seed(
        "SignatureUnchecked",
        SIGNED,
        "fapi2-security-profile-final-ensure-request-object-with-invalid-signature-fails",
    ),
    seed(
        "ObjectAudienceUnchecked",
        SIGNED,
        "fapi2-security-profile-final-ensure-request-object-with-bad-aud-fails",
    ),
    seed(
        "ObjectExpiryUnchecked",
        SIGNED,
        "fapi2-security-profile-final-ensure-expired-request-object-fails",
    ),
    seed(
        "ObjectTimesOptional",
        SIGNED,
        "fapi2-security-profile-final-ensure-request-object-without-nbf-fails",
    ),
    seed(
        "ObjectLifetimeUnbounded",
        SIGNED,
        "fapi2-security-profile-final-ensure-request-object-with-exp-over-60-fails",
    ),
    seed(
        "ObjectLeewayMissing",
        SIGNED,
        "fapi2-security-profile-final-ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted",
    ),
    seed(
        "UnsignedRequestTaken",
        SIGNED,
        "fapi2-security-profile-final-ensure-unsigned-request-at-par-endpoint-fails",
    ),
    seed(
        "ReferenceWithinObject",
        SIGNED,
        "fapi2-security-profile-final-par-authorization-request-containing-request_uri",
    ),
    seed(
        "PushedRequestOptional",
        DPOP,
        "fapi2-security-profile-final-ensure-unsigned-authorization-request-without-using-par-fails",
    ),
    seed(
        "PushedRequestReusable",
        DPOP,
        "fapi2-security-profile-final-par-attempt-reuse-request_uri",
    ),
    seed(
        "PushedRequestNeverExpires",
        DPOP,
        "fapi2-security-profile-final-par-attempt-to-use-expired-request_uri",
    ),
    seed(
        "OuterStateCounts",
        DPOP,
        "fapi2-security-profile-final-ensure-different-state-inside-and-outside-request-object",
    ),
    seed(
        "ReferenceInPushedForm",
        DPOP,
        "fapi2-security-profile-final-par-authorization-request-containing-request_uri-form-param",
    ),
    seed(
        "ProofAtParIgnored",
        DPOP,
        "fapi2-security-profile-final-ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt",
    ),
    seed(
        "DpopJktAgainstProofUnchecked",
        DPOP,
        "fapi2-security-profile-final-ensure-mismatched-dpop-jkt-fails",
    ),
    seed(
        "DpopJktIgnored",
        DPOP,
        "fapi2-security-profile-final-ensure-token-endpoint-fails-with-mismatched-dpop-jkt",
    ),
    seed("CodeReusable", BASIC, "oidcc-codereuse"),
    seed(
        "ReplayWithdrawsNothing",
        DPOP,
        "fapi2-security-profile-final-attempt-reuse-authorization-code-after-one-second",
    ),
    seed(
        "CodeNeverExpires",
        DPOP,
        "fapi2-security-profile-final-ensure-token-endpoint-fails-with-expired-auth-code",
    ),
    seed(
        "CodeOfAnyClient",
        DPOP,
        "fapi2-security-profile-final-ensure-authorization-code-is-bound-to-client",
    ),
    seed(
        "VerifierUnchecked",
        DPOP,
        "fapi2-security-profile-final-incorrect-pkce-code-verifier-rejected",
    ),
    seed(
        "VerifierOptional",
        DPOP,
        "fapi2-security-profile-final-ensure-pkce-code-verifier-required",
    ),
    seed("ProofOptional", DPOP, "fapi2-security-profile-final-ensure-holder-of-key-required"),
    seed("CertificateOptional", MTLS, "fapi2-security-profile-final-ensure-holder-of-key-required"),
    seed("TokenUnbound", DPOP, "fapi2-security-profile-final-happy-flow"),
    seed(
        "ClientIdIgnored",
        DPOP,
        "fapi2-security-profile-final-ensure-client-id-in-token-endpoint",
    ),
    seed("RefreshTokenOfAnyClient", BASIC, "oidcc-refresh-token"),
    seed("TokensKept", BASIC, "oidcc-server"),
    seed(
        "AuthenticationOptional",
        DPOP,
        "fapi2-security-profile-final-ensure-client-assertion-in-token-endpoint",
    ),
    seed(
        "AssertionAudienceUnchecked",
        DPOP,
        "fapi2-security-profile-final-ensure-client-assertion-with-wrong-aud-fails",
    ),
    seed(
        "AssertionAudienceAsList",
        DPOP,
        "fapi2-security-profile-final-par-test-array-as-audience-fails",
    ),
    seed(
        "AssertionAudienceEndpoint",
        DPOP,
        "fapi2-security-profile-final-par-test-par-endpoint-url-as-audience-fails",
    ),
    seed(
        "AssertionNeverExpires",
        DPOP,
        "fapi2-security-profile-final-ensure-client-assertion-with-exp-is-5-minutes-in-past-fails",
    ),
    seed(
        "AssertionSubjectUnchecked",
        DPOP,
        "fapi2-security-profile-final-ensure-client-assertion-with-no-sub-fails",
    ),
    seed(
        "AssertionOfTheFuture",
        DPOP,
        "fapi2-security-profile-final-par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails",
    ),
    seed(
        "AssertionLeewayMissing",
        DPOP,
        "fapi2-security-profile-final-par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted",
    ),
    seed(
        "Rs256Taken",
        DPOP,
        "fapi2-security-profile-final-ensure-signed-client-assertion-with-RS256-fails",
    ),
    seed("ProofMethodUnchecked", DPOP, "fapi2-security-profile-final-dpop-negative-tests"),
    seed("ProofAddressUnchecked", DPOP, "fapi2-security-profile-final-dpop-negative-tests"),
    seed("ProofTimeUnchecked", DPOP, "fapi2-security-profile-final-dpop-negative-tests"),
    seed(
        "ProofLeewayMissing",
        DPOP,
        "fapi2-security-profile-final-ensure-dpopproof-with-iat-10seconds-after-succeeds",
    ),
    seed("ProofTokenUnchecked", DPOP, "fapi2-security-profile-final-dpop-negative-tests"),
    seed("ProofTypeUnchecked", DPOP, "fapi2-security-profile-final-dpop-negative-tests"),
    seed("ProofReplayed", DPOP, "fapi2-security-profile-final-dpop-negative-tests"),
    seed("ProofByAnyKey", DPOP, "fapi2-security-profile-final-dpop-negative-tests"),
    seed("ProofWithRs256", DPOP, "fapi2-security-profile-final-dpop-negative-tests"),
    seed("BoundTokenAlone", DPOP, "fapi2-security-profile-final-happy-flow"),
    seed(
        "SchemeInOneCase",
        DPOP,
        "fapi2-security-profile-final-access-token-type-header-case-sensitivity",
    ),
    seed("UserinfoOfAnother", BASIC, "oidcc-userinfo-get"),
    seed("IdTokenForAnother", BASIC, "oidcc-server"),
    seed("IdTokenWithoutNonce", BASIC, "oidcc-server"),
    seed("IdTokenWithoutAuthTime", BASIC, "oidcc-max-age-10000"),
    seed("IdTokenOfAnotherAccessToken", BASIC, "oidcc-server"),
    seed("IdTokenOver", BASIC, "oidcc-server"),
    seed("IssuerWithSlash", BASIC, "oidcc-server"),
    seed("MetadataOfAnotherIssuer", BASIC, "oidcc-discovery-endpoint-verification"),
    seed(
        "LogoutUriByPrefix",
        BASIC,
        "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri",
    ),
    seed("LogoutStateNotReturned", BASIC, "oidcc-rp-initiated-logout"),
    seed("SessionSurvivesLogout", BASIC, "oidcc-rp-initiated-logout-no-state"),
    seed("HintUnverified", BASIC, "oidcc-rp-initiated-logout-modified-id-token-hint"),
    seed("LogoutNotTold", BASIC, "oidcc-backchannel-rp-initiated-logout"),
    seed("LogoutTokenWithNonce", BASIC, "oidcc-backchannel-rp-initiated-logout"),
    seed("LogoutTokenWithoutEvent", BASIC, "oidcc-backchannel-rp-initiated-logout"),
    seed("LogoutTokenWithoutSession", BASIC, "oidcc-backchannel-rp-initiated-logout"),
    seed("LogoutTokenForAnother", BASIC, "oidcc-backchannel-rp-initiated-logout"),
    seed("AnybodyRegisters", BASIC, "oidcc-redirect-uri-query-OK"),
    seed("RegistrationOfAnother", BASIC, "oidcc-refresh-token-rp-key-rotation"),
    seed("ClientKeysKept", BASIC, "oidcc-refresh-token-rp-key-rotation"),
    seed("FragmentRegistered", BASIC, "oidcc-redirect-uri-regfrag"),
    seed("NoneRegistered", BASIC, "oidcc-idtoken-unsigned"),
    seed("ReferencesPassedOver", BASIC, "oidcc-registration-sector-bad"),
    seed("RedirectUriOptional", BASIC, "oidcc-ensure-redirect-uri-in-authorization-request"),
    seed("RedirectQueryUncompared", BASIC, "oidcc-redirect-uri-query-mismatch"),
    seed("RedirectQueryForgotten", BASIC, "oidcc-redirect-uri-query-OK"),
    seed("OneAlgorithmForAll", BASIC, "oidcc-idtoken-rs256"),
    seed("UserinfoUnsigned", BASIC, "oidcc-userinfo-rs256"),
    seed("UserinfoForAnother", BASIC, "oidcc-userinfo-rs256"),
    seed("KeyUnnamed", BASIC, "oidcc-idtoken-signature"),
    seed("OldKeyHidden", BASIC, "oidcc-server-rotate-keys"),
    seed("NextKeyHidden", BASIC, "oidcc-server-rotate-keys"),
    seed("IssuerIsNoAudience", BASIC, "oidcc-ensure-client-assertion-with-iss-aud-succeeds"),
    seed("SessionStateMissing", BASIC, "oidcc-session-management-rp-initiated-logout"),
    seed("SessionStateConstant", BASIC, "oidcc-session-management-rp-initiated-logout"),
    seed("SessionStateKept", BASIC, "oidcc-session-management-rp-initiated-logout"),
    seed("CheckedInNoFrame", BASIC, "oidcc-session-management-rp-initiated-logout"),
    seed("FrameNotLoaded", BASIC, "oidcc-frontchannel-rp-initiated-logout"),
    seed("FrameWithoutIss", BASIC, "oidcc-frontchannel-rp-initiated-logout"),
    seed("FrameWithoutSession", BASIC, "oidcc-frontchannel-rp-initiated-logout"),
    seed("FrameOfAnother", BASIC, "oidcc-frontchannel-rp-initiated-logout"),
];

impl Seed {
    /// The module that must notice.
    pub fn module(&self) -> anyhow::Result<&'static Module> {
        Module::of_name(self.module)
    }
}

/// The file that tells the running build which mistake to make.
pub struct Switch(PathBuf);

impl Switch {
    /// In `folder`; no mistake is on.
    pub fn off(folder: &Path) -> anyhow::Result<Self> {
        let switch = Self(folder.join("fault"));
        switch.set("")?;
        Ok(switch)
    }

    /// As the build wants it in its environment.
    pub fn environment(&self) -> (&'static str, &Path) {
        (seeded::FILE, &self.0)
    }

    /// Switches this mistake on, and every other off.
    pub fn set(&self, fault: &str) -> anyhow::Result<()> {
        // In one step: the build reads it all the time.
        let next = self.0.with_extension("next");
        std::fs::write(&next, fault)?;
        Ok(std::fs::rename(next, &self.0)?)
    }
}

/// Every mistake of the build has somebody here who must notice it.
pub fn all_are_listed() -> anyhow::Result<()> {
    for (name, _) in seeded::ALL {
        let times = SEEDS.iter().filter(|seed| seed.fault == *name).count();
        ensure!(times == 1, "{name} stands {times} times in the table");
    }
    ensure!(SEEDS.len() == seeded::ALL.len(), "the table names what the build does not have");
    SEEDS.iter().try_for_each(|seed| seed.module().map(drop))
}

/// The program that ships has none of them, not even by name; the build with faults has all.
pub async fn none_are_shipped(folder: &Path) -> anyhow::Result<()> {
    let names: Vec<&str> =
        seeded::ALL.iter().map(|(name, _)| *name).chain([seeded::FILE]).collect();
    let list = folder.join("names");
    std::fs::write(&list, names.join("\n"))?;
    let found = async |program: &str| -> anyhow::Result<BTreeSet<String>> {
        let mut grep = Command::new("grep");
        grep.args(["--text", "--only-matching", "--fixed-strings", "--file"]).arg(&list);
        grep.arg(process::sibling(program)?);
        let (status, stdout, stderr) = process::run_to_end(&mut grep).await?;
        // 1 is: nothing found.
        ensure!(matches!(status.code(), Some(0 | 1)), "grep: {status}: {stderr}");
        Ok(stdout.lines().map(str::to_owned).collect())
    };
    let shipped = found("sekisho").await?;
    ensure!(shipped.is_empty(), "the program that ships knows {shipped:?}");
    let seeded = found("sekisho-seeded").await?;
    let missing: Vec<_> = names.iter().filter(|name| !seeded.contains(**name)).collect();
    ensure!(missing.is_empty(), "the build with faults does not know {missing:?}");
    Ok(())
}
