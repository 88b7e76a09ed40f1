//! Every module of the plans, by its published name: what tests it here, or why nothing does.
//!
//! `docs/conformance.md` shows this table; a case compares the two.

use std::{fmt::Write, sync::Arc};

use anyhow::Context;
use futures_util::future::BoxFuture;

use crate::{
    basic, browser_logout,
    client::{Authentication, Binding, Profile, Variant},
    discovery, dynamic, fapi,
    flow::RelyingParty,
    logout,
    provider::{Person, Provider, Whom},
};

/// One module at one provider.
pub struct Trial {
    pub provider: Arc<dyn Provider>,
    /// Of a FAPI plan: which of its choices.
    pub variant: Option<Variant>,
}

impl Trial {
    pub fn party(&self, client_id: &str) -> anyhow::Result<RelyingParty<'_>> {
        RelyingParty::new(&*self.provider, self.provider.client(client_id)?)
    }

    pub async fn person(&self, whom: Whom) -> anyhow::Result<Person<'_>> {
        Person::of(&*self.provider, whom).await
    }

    pub fn variant(&self) -> anyhow::Result<Variant> {
        self.variant.context("a module of a FAPI plan needs one of its variants")
    }
}

/// Plans of the OpenID Foundation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    Basic,
    Config,
    Dynamic,
    RpInitiatedLogout,
    Backchannel,
    Frontchannel,
    Session,
    FapiSecurity,
    FapiSigning,
}

impl Plan {
    pub const ALL: [Self; 9] = [
        Self::Basic,
        Self::Config,
        Self::Dynamic,
        Self::RpInitiatedLogout,
        Self::Backchannel,
        Self::Frontchannel,
        Self::Session,
        Self::FapiSecurity,
        Self::FapiSigning,
    ];

    /// Its published name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "oidcc-basic-certification-test-plan",
            Self::Config => "oidcc-config-certification-test-plan",
            Self::Dynamic => "oidcc-dynamic-certification-test-plan",
            Self::RpInitiatedLogout => "oidcc-rp-initiated-logout-certification-test-plan",
            Self::Backchannel => "oidcc-backchannel-rp-initiated-logout-certification-test-plan",
            Self::Frontchannel => "oidcc-frontchannel-rp-initiated-logout-certification-test-plan",
            Self::Session => "oidcc-session-management-certification-test-plan",
            Self::FapiSecurity => "fapi2-security-profile-final-test-plan",
            Self::FapiSigning => "fapi2-message-signing-final-test-plan",
        }
    }

    /// The variants that a module is played in.
    fn variants(self, on: On) -> Vec<Option<Variant>> {
        let profile = match self {
            Self::FapiSecurity => Profile::Fapi2Security,
            Self::FapiSigning => Profile::Fapi2MessageSigning,
            _ => return vec![None],
        };
        let fits = |variant: &Variant| match on {
            On::All => true,
            On::Dpop => variant.binding == Binding::Dpop,
            On::PrivateKeyJwt => variant.authentication == Authentication::PrivateKeyJwt,
        };
        Variant::of(profile).into_iter().filter(fits).map(Some).collect()
    }
}

/// In which of a FAPI plan's variants a module applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    All,
    Dpop,
    PrivateKeyJwt,
}

/// A module as a test.
pub type Check = for<'t> fn(&'t Trial) -> BoxFuture<'t, anyhow::Result<()>>;

/// What is done about a module.
#[derive(Clone, Copy)]
pub enum Standing {
    Tested {
        check: Check,
        /// Path of the function.
        function: &'static str,
        on: On,
        /// Why it is played at ours alone.
        ours_alone: Option<&'static str>,
    },
    /// Nothing here tests it, because.
    Untested(&'static str),
}

/// A module of a plan.
#[derive(Clone, Copy)]
pub struct Module {
    pub name: &'static str,
    pub plans: &'static [Plan],
    pub standing: Standing,
}

macro_rules! tested {
    ($plans:ident $name:literal $function:path) => {
        tested!($plans $name $function, On::All)
    };
    ($plans:ident $name:literal $function:path, $on:expr) => {
        tested!($plans $name $function, $on, None)
    };
    ($plans:ident $name:literal $function:path, $on:expr, $ours_alone:expr) => {
        Module {
            name: $name,
            plans: $plans,
            standing: Standing::Tested {
                check: |trial| Box::pin($function(trial)),
                function: stringify!($function),
                on: $on,
                ours_alone: $ours_alone,
            },
        }
    };
}

macro_rules! untested {
    ($plans:ident $name:literal $why:expr) => {
        Module { name: $name, plans: $plans, standing: Standing::Untested($why) }
    };
}

const BASIC: &[Plan] = &[Plan::Basic];
const BASIC_DYNAMIC: &[Plan] = &[Plan::Basic, Plan::Dynamic];
const CONFIG: &[Plan] = &[Plan::Config, Plan::Dynamic];
const DYNAMIC: &[Plan] = &[Plan::Dynamic];
const LOGOUT: &[Plan] = &[Plan::RpInitiatedLogout];
const BACK: &[Plan] = &[Plan::Backchannel];
const FRONT: &[Plan] = &[Plan::Frontchannel];
const SESSION: &[Plan] = &[Plan::Session];
const FAPI: &[Plan] = &[Plan::FapiSecurity, Plan::FapiSigning];
const SIGNING: &[Plan] = &[Plan::FapiSigning];

const REFERENCE: &str = "not offered: nothing that a stranger names is fetched; the refusal is shown by `metadata_with_a_fault_is_refused_by_its_code_and_member_and_registers_nothing`";
const BY_BROWSER: Option<&str> =
    Some("which has no logout by the browser and no `check_session_iframe`");
const KEYS_GIVEN: Option<&str> = Some("whose keys are given at its start");
const RP_PAGE: &str = "a person judges what the login page shows";
const FETCHED: &str =
    "not offered: a `request_uri` comes from PAR only, else `request_uri_not_supported`";
const OTHER_PROFILE: &str = "does not apply to the profile `plain_fapi`";

/// All of them, in the order of their plans.
pub const MODULES: &[Module] = &[
    tested!(BASIC_DYNAMIC "oidcc-server" basic::server),
    tested!(BASIC "oidcc-response-type-missing" basic::response_type_missing),
    tested!(BASIC "oidcc-idtoken-signature" dynamic::id_token_signature),
    tested!(BASIC_DYNAMIC "oidcc-idtoken-unsigned" dynamic::id_token_unsigned),
    tested!(BASIC "oidcc-userinfo-get" basic::userinfo_get),
    tested!(BASIC "oidcc-userinfo-post-header" basic::userinfo_post_header),
    tested!(BASIC "oidcc-userinfo-post-body" basic::userinfo_post_body),
    tested!(BASIC "oidcc-ensure-request-without-nonce-succeeds-for-code-flow" basic::without_nonce),
    tested!(BASIC "oidcc-scope-profile" basic::scope_profile),
    tested!(BASIC "oidcc-scope-email" basic::scope_email),
    tested!(BASIC "oidcc-scope-address" basic::scope_address),
    tested!(BASIC "oidcc-scope-phone" basic::scope_phone),
    tested!(BASIC "oidcc-scope-all" basic::scope_all),
    tested!(BASIC "oidcc-alternate-happy-flow" basic::alternate_happy_flow),
    tested!(BASIC "oidcc-display-page" basic::display_page),
    tested!(BASIC "oidcc-display-popup" basic::display_popup),
    tested!(BASIC "oidcc-prompt-login" basic::prompt_login),
    tested!(BASIC "oidcc-prompt-none-not-logged-in" basic::prompt_none_not_logged_in),
    tested!(BASIC "oidcc-prompt-none-logged-in" basic::prompt_none_logged_in),
    tested!(BASIC "oidcc-max-age-1" basic::max_age_1),
    tested!(BASIC "oidcc-max-age-10000" basic::max_age_10000),
    tested!(BASIC "oidcc-ensure-request-with-unknown-parameter-succeeds" basic::unknown_parameter),
    tested!(BASIC "oidcc-id-token-hint" basic::id_token_hint),
    tested!(BASIC "oidcc-login-hint" basic::login_hint),
    tested!(BASIC "oidcc-ui-locales" basic::ui_locales),
    tested!(BASIC "oidcc-claims-locales" basic::claims_locales),
    tested!(BASIC "oidcc-ensure-request-with-acr-values-succeeds" basic::acr_values),
    tested!(BASIC "oidcc-codereuse" basic::code_reuse),
    tested!(BASIC "oidcc-codereuse-30seconds" basic::code_reuse_30_seconds),
    tested!(BASIC "oidcc-ensure-registered-redirect-uri" basic::registered_redirect_uri),
    tested!(BASIC "oidcc-ensure-post-request-succeeds" basic::post_request),
    tested!(BASIC "oidcc-server-client-secret-post" basic::server_client_secret_post),
    tested!(BASIC "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported" basic::request_uri_unsigned),
    tested!(BASIC "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported" basic::unsigned_request_object),
    tested!(BASIC "oidcc-claims-essential" basic::claims_essential),
    tested!(BASIC_DYNAMIC "oidcc-ensure-request-object-with-redirect-uri" basic::request_object_with_redirect_uri),
    tested!(BASIC_DYNAMIC "oidcc-refresh-token" basic::refresh_token),
    tested!(BASIC "oidcc-ensure-request-with-valid-pkce-succeeds" basic::valid_pkce),
    tested!(CONFIG "oidcc-discovery-endpoint-verification" discovery::openid),
    tested!(DYNAMIC "oidcc-idtoken-rs256" dynamic::id_token_rs256),
    tested!(DYNAMIC "oidcc-userinfo-rs256" dynamic::userinfo_rs256),
    tested!(DYNAMIC "oidcc-ensure-redirect-uri-in-authorization-request" dynamic::redirect_uri_missing),
    tested!(DYNAMIC "oidcc-redirect-uri-query-OK" dynamic::redirect_uri_with_query),
    tested!(DYNAMIC "oidcc-redirect-uri-query-mismatch" dynamic::redirect_uri_with_other_query),
    tested!(DYNAMIC "oidcc-redirect-uri-query-added" dynamic::redirect_uri_with_query_added),
    tested!(DYNAMIC "oidcc-redirect-uri-regfrag" dynamic::redirect_uri_with_fragment),
    untested!(DYNAMIC "oidcc-registration-logo-uri" RP_PAGE),
    untested!(DYNAMIC "oidcc-registration-policy-uri" RP_PAGE),
    untested!(DYNAMIC "oidcc-registration-tos-uri" RP_PAGE),
    untested!(DYNAMIC "oidcc-registration-jwks-uri" REFERENCE),
    untested!(DYNAMIC "oidcc-registration-sector-uri" REFERENCE),
    tested!(DYNAMIC "oidcc-registration-sector-bad" dynamic::bad_sector),
    tested!(DYNAMIC "oidcc-server-rotate-keys" dynamic::rotated_keys, On::All, KEYS_GIVEN),
    tested!(DYNAMIC "oidcc-refresh-token-rp-key-rotation" dynamic::refresh_with_another_key),
    untested!(DYNAMIC "oidcc-request-uri-unsigned" FETCHED),
    untested!(DYNAMIC "oidcc-request-uri-signed-rs256" FETCHED),
    tested!(DYNAMIC "oidcc-ensure-client-assertion-with-iss-aud-succeeds" dynamic::assertion_for_the_issuer),
    tested!(LOGOUT "oidcc-rp-initiated-logout-discovery-endpoint-verification" discovery::rp_initiated_logout),
    tested!(LOGOUT "oidcc-rp-initiated-logout" logout::rp_initiated),
    tested!(LOGOUT "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri" logout::bad_address),
    tested!(LOGOUT "oidcc-rp-initiated-logout-modified-id-token-hint" logout::modified_hint),
    tested!(LOGOUT "oidcc-rp-initiated-logout-no-id-token-hint" logout::no_hint),
    tested!(LOGOUT "oidcc-rp-initiated-logout-no-params" logout::no_parameters),
    tested!(LOGOUT "oidcc-rp-initiated-logout-no-post-logout-redirect-uri" logout::no_address),
    tested!(LOGOUT "oidcc-rp-initiated-logout-no-state" logout::no_state),
    tested!(LOGOUT "oidcc-rp-initiated-logout-only-state" logout::only_state),
    tested!(LOGOUT "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri" logout::query_added),
    tested!(LOGOUT "oidcc-rp-initiated-logout-bad-id-token-hint" logout::bad_hint),
    tested!(BACK "oidcc-backchannel-logout-discovery-endpoint-verification" discovery::backchannel_logout),
    tested!(BACK "oidcc-backchannel-rp-initiated-logout" logout::backchannel),
    tested!(FRONT "oidcc-frontchannel-logout-discovery-endpoint-verification" discovery::frontchannel_logout, On::All, BY_BROWSER),
    tested!(FRONT "oidcc-frontchannel-rp-initiated-logout" browser_logout::frontchannel, On::All, BY_BROWSER),
    tested!(SESSION "oidcc-session-management-discovery-endpoint-verification" discovery::session_management, On::All, BY_BROWSER),
    tested!(SESSION "oidcc-session-management-rp-initiated-logout" browser_logout::session_management, On::All, BY_BROWSER),
    tested!(FAPI "fapi2-security-profile-final-discovery-end-point-verification" discovery::fapi),
    tested!(FAPI "fapi2-security-profile-final-happy-flow" fapi::happy_flow),
    tested!(FAPI "fapi2-security-profile-final-user-rejects-authentication" fapi::user_rejects),
    tested!(SIGNING "fapi2-security-profile-final-ensure-request-object-with-multiple-aud-succeeds" fapi::object::multiple_audiences),
    tested!(FAPI "fapi2-security-profile-final-ensure-authorization-request-without-state-success" fapi::request::without_state),
    tested!(FAPI "fapi2-security-profile-final-ensure-authorization-request-without-nonce-success" fapi::request::without_nonce),
    tested!(FAPI "fapi2-security-profile-final-ensure-authorization-request-with-64-char-nonce-success" fapi::request::nonce_of_64_characters),
    tested!(FAPI "fapi2-security-profile-final-ensure-other-scope-order-succeeds" fapi::request::other_scope_order),
    tested!(FAPI "fapi2-security-profile-final-test-claims-parameter-identity-claims" fapi::claims_parameter),
    tested!(FAPI "fapi2-security-profile-final-access-token-type-header-case-sensitivity" fapi::scheme_in_any_case),
    tested!(SIGNING "fapi2-security-profile-final-ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted" fapi::object::nbf_8_seconds_ahead),
    tested!(FAPI "fapi2-security-profile-final-check-dpop-proof-nbf-exp" fapi::dpop::with_nbf_and_exp, On::Dpop),
    tested!(FAPI "fapi2-security-profile-final-ensure-dpopproof-with-iat-10seconds-before-succeeds" fapi::dpop::iat_10_seconds_before, On::Dpop),
    tested!(FAPI "fapi2-security-profile-final-ensure-dpopproof-with-iat-10seconds-after-succeeds" fapi::dpop::iat_10_seconds_after, On::Dpop),
    tested!(FAPI "fapi2-security-profile-final-ensure-mismatched-dpop-jkt-fails" fapi::dpop::mismatched_at_par, On::Dpop),
    tested!(FAPI "fapi2-security-profile-final-ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt" fapi::dpop::mismatched_proof, On::Dpop),
    tested!(FAPI "fapi2-security-profile-final-ensure-token-endpoint-fails-with-mismatched-dpop-jkt" fapi::dpop::mismatched_parameter, On::Dpop),
    tested!(FAPI "fapi2-security-profile-final-ensure-dpopproof-at-par-endpoint-binding-success" fapi::dpop::bound_by_proof, On::Dpop),
    tested!(FAPI "fapi2-security-profile-final-ensure-dpop-auth-code-binding-success" fapi::dpop::bound_by_parameter, On::Dpop),
    tested!(FAPI "fapi2-security-profile-final-ensure-different-nonce-inside-and-outside-request-object" fapi::request::other_nonce_outside),
    tested!(FAPI "fapi2-security-profile-final-ensure-different-state-inside-and-outside-request-object" fapi::request::other_state_outside),
    tested!(FAPI "fapi2-security-profile-final-ensure-authorization-request-with-long-nonce" fapi::request::long_nonce),
    tested!(FAPI "fapi2-security-profile-final-ensure-authorization-request-with-long-state" fapi::request::long_state),
    tested!(SIGNING "fapi2-security-profile-final-ensure-request-object-without-exp-fails" fapi::object::without_exp),
    tested!(SIGNING "fapi2-security-profile-final-ensure-request-object-without-nbf-fails" fapi::object::without_nbf),
    tested!(FAPI "fapi2-security-profile-final-state-only-outside-request-object-not-used" fapi::request::state_only_outside),
    tested!(FAPI "fapi2-security-profile-final-ensure-request-object-without-redirect-uri-fails" fapi::request::without_redirect_uri),
    tested!(SIGNING "fapi2-security-profile-final-ensure-expired-request-object-fails" fapi::object::expired),
    tested!(SIGNING "fapi2-security-profile-final-ensure-request-object-with-bad-aud-fails" fapi::object::bad_audience),
    tested!(SIGNING "fapi2-security-profile-final-ensure-request-object-with-exp-over-60-fails" fapi::object::exp_over_60_minutes),
    untested!(SIGNING "fapi2-security-profile-final-australia-connectid-ensure-request-object-with-exp-over-10-fails" OTHER_PROFILE),
    tested!(SIGNING "fapi2-security-profile-final-ensure-request-object-with-nbf-over-60-fails" fapi::object::nbf_over_60_minutes),
    untested!(SIGNING "fapi2-security-profile-final-australia-connectid-ensure-request-object-with-nbf-over-15-fails" OTHER_PROFILE),
    tested!(SIGNING "fapi2-security-profile-final-ensure-signed-request-object-with-RS256-fails" fapi::object::signed_with_rs256),
    tested!(SIGNING "fapi2-security-profile-final-ensure-request-object-signature-algorithm-is-not-none" fapi::object::algorithm_none),
    tested!(SIGNING "fapi2-security-profile-final-ensure-request-object-with-invalid-signature-fails" fapi::object::invalid_signature),
    tested!(SIGNING "fapi2-security-profile-final-ensure-matching-key-in-authorization-request" fapi::object::signed_by_another_client),
    tested!(SIGNING "fapi2-security-profile-final-ensure-unsigned-request-at-par-endpoint-fails" fapi::request::unsigned_at_par),
    untested!(FAPI "fapi2-security-profile-final-ensure-registered-redirect-uri" OTHER_PROFILE),
    tested!(FAPI "fapi2-security-profile-final-plain-fapi-tolerate-unregistered-redirect-uri" fapi::request::unregistered_redirect_uri),
    tested!(FAPI "fapi2-security-profile-final-ensure-unsigned-authorization-request-without-using-par-fails" fapi::request::not_sent_ahead),
    tested!(FAPI "fapi2-security-profile-final-ensure-redirect-uri-in-authorization-request" fapi::request::without_redirect_uri),
    tested!(FAPI "fapi2-security-profile-final-ensure-response-type-code-idtoken-fails" fapi::request::response_type_code_id_token),
    untested!(FAPI "fapi2-security-profile-final-australia-connectid-ensure-invalid-purpose-fails" OTHER_PROFILE),
    tested!(FAPI "fapi2-security-profile-final-ensure-response-type-token-fails" fapi::request::response_type_token),
    tested!(FAPI "fapi2-security-profile-final-ensure-client-id-in-token-endpoint" fapi::token::client_id_of_another),
    tested!(FAPI "fapi2-security-profile-final-ensure-holder-of-key-required" fapi::token::holder_of_key_required),
    tested!(FAPI "fapi2-security-profile-final-ensure-authorization-code-is-bound-to-client" fapi::token::code_of_another_client),
    tested!(FAPI "fapi2-security-profile-final-attempt-reuse-authorization-code-after-one-second" fapi::token::code_reuse_after_one_second),
    tested!(FAPI "fapi2-security-profile-final-ensure-token-endpoint-fails-with-expired-auth-code" fapi::token::expired_code),
    tested!(FAPI "fapi2-security-profile-final-ensure-signed-client-assertion-with-RS256-fails" fapi::token::assertion_with_rs256, On::PrivateKeyJwt),
    tested!(FAPI "fapi2-security-profile-final-ensure-client-assertion-in-token-endpoint" fapi::token::assertion_missing, On::PrivateKeyJwt),
    tested!(FAPI "fapi2-security-profile-final-ensure-client-assertion-with-exp-is-5-minutes-in-past-fails" fapi::token::assertion_expired, On::PrivateKeyJwt),
    tested!(FAPI "fapi2-security-profile-final-ensure-client-assertion-with-wrong-aud-fails" fapi::token::assertion_for_another_server, On::PrivateKeyJwt),
    tested!(FAPI "fapi2-security-profile-final-ensure-client-assertion-with-no-sub-fails" fapi::token::assertion_without_sub, On::PrivateKeyJwt),
    tested!(FAPI "fapi2-security-profile-final-dpop-negative-tests" fapi::dpop::negative_tests, On::Dpop),
    tested!(FAPI "fapi2-security-profile-final-refresh-token" fapi::token::refresh_token),
    untested!(FAPI "fapi2-security-profile-final-ensure-server-handles-non-matching-intent-id" OTHER_PROFILE),
    untested!(FAPI "fapi2-security-profile-final-test-essential-acr-sca-claim" OTHER_PROFILE),
    untested!(FAPI "fapi2-security-profile-final-brazil-ensure-bad-payment-signature-fails" OTHER_PROFILE),
    untested!(FAPI "fapi2-security-profile-final-australia-connectid-test-claims-parameter-idtoken-identity-claims" OTHER_PROFILE),
    tested!(FAPI "fapi2-security-profile-final-par-ensure-reused-request-uri-prior-to-auth-completion-succeeds" fapi::pushed::reused_before_login),
    tested!(FAPI "fapi2-security-profile-final-par-attempt-reuse-request_uri" fapi::pushed::reused),
    tested!(FAPI "fapi2-security-profile-final-par-attempt-to-use-expired-request_uri" fapi::pushed::expired),
    tested!(FAPI "fapi2-security-profile-final-par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted" fapi::pushed::assertion_8_seconds_ahead, On::PrivateKeyJwt),
    tested!(FAPI "fapi2-security-profile-final-par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails" fapi::pushed::assertion_over_60_seconds_ahead, On::PrivateKeyJwt),
    tested!(FAPI "fapi2-security-profile-final-par-attempt-to-use-request_uri-for-different-client" fapi::pushed::of_another_client),
    tested!(FAPI "fapi2-security-profile-final-par-authorization-request-containing-request_uri-form-param" fapi::pushed::request_uri_in_form),
    tested!(FAPI "fapi2-security-profile-final-par-attempt-invalid-http-method" fapi::pushed::wrong_method),
    tested!(FAPI "fapi2-security-profile-final-par-ensure-pkce-required" fapi::request::pkce_required),
    tested!(FAPI "fapi2-security-profile-final-ensure-pkce-code-verifier-required" fapi::token::verifier_missing),
    tested!(FAPI "fapi2-security-profile-final-incorrect-pkce-code-verifier-rejected" fapi::token::verifier_wrong),
    tested!(FAPI "fapi2-security-profile-final-par-plain-pkce-rejected" fapi::request::plain_pkce),
    tested!(SIGNING "fapi2-security-profile-final-par-authorization-request-containing-request_uri" fapi::object::request_uri_inside),
    tested!(FAPI "fapi2-security-profile-final-par-without-duplicate-parameters" fapi::request::no_duplicate_parameters),
    tested!(FAPI "fapi2-security-profile-final-par-test-array-as-audience-fails" fapi::pushed::audience_as_list, On::PrivateKeyJwt),
    tested!(FAPI "fapi2-security-profile-final-par-test-par-endpoint-url-as-audience-fails" fapi::pushed::audience_is_par, On::PrivateKeyJwt),
    tested!(FAPI "fapi2-security-profile-final-par-test-token-endpoint-url-as-audience-fails" fapi::pushed::audience_is_token_endpoint, On::PrivateKeyJwt),
];

impl Module {
    /// The variants in which it is played. A module of two plans that has none is played once.
    pub fn variants(&self) -> Vec<Option<Variant>> {
        let Standing::Tested { on, .. } = self.standing else { return Vec::new() };
        let mut all: Vec<_> = self.plans.iter().flat_map(|plan| plan.variants(on)).collect();
        all.dedup();
        all
    }

    /// Whether only ours has what it is about.
    pub fn is_ours_alone(&self) -> bool {
        matches!(self.standing, Standing::Tested { ours_alone: Some(_), .. })
    }

    /// The module of this published name.
    pub fn of_name(name: &str) -> anyhow::Result<&'static Self> {
        let found = MODULES.iter().find(|module| module.name == name);
        found.with_context(|| format!("no module is called {name}"))
    }
}

/// The tables of the document, a plan each.
pub fn tables() -> String {
    let mut text = String::new();
    for plan in Plan::ALL {
        let _ = write!(text, "\n### `{}`\n\n", plan.name());
        text.push_str("| module | test |\n|---|---|\n");
        for module in MODULES.iter().filter(|module| module.plans.contains(&plan)) {
            let test = match module.standing {
                Standing::Tested { function, ours_alone: None, .. } => format!("`{function}`"),
                Standing::Tested { function, ours_alone: Some(why), .. } => {
                    format!("`{function}`, not at node-oidc-provider, {why}")
                }
                Standing::Untested(why) => format!("none; {why}"),
            };
            let _ = writeln!(text, "| `{}` | {test} |", module.name);
        }
    }
    text
}
