//! The file that registers a service.

use std::collections::{BTreeMap, BTreeSet};

use sekisho_authz::{Rule, Rules};
use sekisho_pki::national::facility_identifier::FacilityIdentifier;
use sekisho_store::service::{AuthMethod, Service};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use url::Url;

use super::{GrantType, Metadata, PersonalData, RegistrationError, SubjectType, address};
use crate::{
    catalogue::Lang,
    config::Config,
    form,
    jose::ClientKeys,
    oidc::{claims::SCOPES, forward_auth::CALLBACK},
};

/// As written. `docs/services.md` documents every key, `docs/tokens.md` scopes and claims; the rules are
/// those of the authz crate.
///
/// ```toml
/// id = "referral"
/// name = { ja = "紹介状", en = "Referral letters" }
/// description = { ja = "紹介状を書き、読む。", en = "Write and read referral letters." }
/// home_url = "https://referral.example/"
/// redirect_uris = ["https://referral.example/callback"]
/// logout_uris = ["https://referral.example/"]
/// backchannel_logout_uri = "https://referral.example/backchannel-logout"
/// authentication = "client_secret_basic"
/// scopes = ["openid", "profile", "hc_role", "facility"]
///
/// [[rules]]
/// id = "physicians"
/// roles = ["Medical Doctor"]
/// kinds = ["hospital", "clinic"]
/// release = ["name", "hc_role", "facility_id", "facility_name"]
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceFile {
    /// `client_id`: lower-case letters, digits and hyphens.
    pub(super) id: String,
    /// Identifier of the organisation that runs it.
    pub(super) operated_by: Option<String>,
    pub(super) name: InLanguages,
    pub(super) description: InLanguages,
    pub(super) home_url: String,
    /// Sector of pairwise subjects; the host of the first redirect URI unless given.
    pub(super) sector: Option<String>,
    pub(super) redirect_uris: Vec<String>,
    #[serde(default)]
    pub(super) logout_uris: Vec<String>,
    pub(super) backchannel_logout_uri: Option<String>,
    /// How it authenticates, by the names of [`AuthMethod`].
    pub(super) authentication: String,
    /// Public keys (RFC 7517), for `private_key_jwt`, `self_signed_tls_client_auth` and signed
    /// requests.
    pub(super) jwks: Option<serde_json::Value>,
    /// What else it is held to.
    #[serde(default)]
    pub(super) protocol: Metadata,
    pub(super) scopes: BTreeSet<String>,
    /// What it says about personal data that leave the facility's purpose, if they do.
    pub(super) personal_data: Option<PersonalData>,
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    #[serde(default)]
    pub(super) groups: BTreeMap<String, BTreeSet<String>>,
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InLanguages {
    /// Japanese.
    pub ja: String,
    /// English.
    pub en: String,
}

impl ServiceFile {
    /// Checks every value and makes the row of it.
    pub(super) fn validate(
        self,
        config: &Config,
        now: OffsetDateTime,
    ) -> Result<(Service, Rules), RegistrationError> {
        let fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.id.is_empty() || self.id.len() > 64 || !self.id.chars().all(fit) {
            return Err(invalid("id", "1 to 64 lower-case letters, digits and hyphens"));
        }
        if let Some(organisation) = &self.operated_by
            && let Err(fault) = organisation.parse::<FacilityIdentifier>()
        {
            return Err(invalid("operated_by", fault.to_string()));
        }
        self.name.check("name", 100)?;
        self.description.check("description", 500)?;
        if let Some(declared) = &self.personal_data {
            declared.validate()?;
        }
        let auth_method = AuthMethod::parse(&self.authentication).ok_or_else(|| {
            let all = AuthMethod::ALL.map(AuthMethod::as_str).join(", ");
            invalid("authentication", format!("one of {all}"))
        })?;
        let metadata = self.protocol.validate(auth_method)?;
        check_keys(self.jwks.as_ref(), auth_method, &metadata)?;
        let by_code = metadata.grant_types.contains(&GrantType::AuthorizationCode);
        if self.redirect_uris.is_empty() == by_code || self.redirect_uris.len() > 20 {
            let fault = "1 to 20 addresses with authorization_code, none without";
            return Err(invalid("redirect_uris", fault));
        }
        if self.logout_uris.len() > 20 {
            return Err(invalid("logout_uris", "at most 20 addresses"));
        }
        let known = |scope: &String| SCOPES.iter().any(|known| known.name == scope);
        if !self.scopes.contains("openid") || !self.scopes.iter().all(known) {
            let all = SCOPES.map(|scope| scope.name).join(", ");
            return Err(invalid("scopes", format!("openid and any of {all}")));
        }
        let check = |key: &'static str, text: &str| {
            address::check(config, text).map_err(|source| RegistrationError::Address {
                key,
                address: text.to_owned(),
                source,
            })
        };
        // Before the address that may have been taken from the first of them.
        let (mut hosts, mut origins) = (BTreeSet::new(), BTreeSet::new());
        for uri in &self.redirect_uris {
            let url = check("redirect_uris", uri)?;
            origins.insert(url.origin().ascii_serialization());
            hosts.extend(url.host_str().map(str::to_owned));
        }
        check("home_url", &self.home_url)?;
        for uri in &self.logout_uris {
            check("logout_uris", uri)?;
        }
        if let Some(uri) = &self.backchannel_logout_uri {
            check("backchannel_logout_uri", uri)?;
        }
        if metadata.logout_on_card_removal && self.backchannel_logout_uri.is_none() {
            let fault = "false, unless there is a backchannel_logout_uri, by which it hears of it";
            return Err(invalid("protocol.logout_on_card_removal", fault));
        }
        if let Some(uri) = &metadata.frontchannel_logout_uri {
            let key = "protocol.frontchannel_logout_uri";
            let origin = check(key, uri)?.origin().ascii_serialization();
            // OIDC Front-Channel Logout §2.
            if !origins.contains(&origin) {
                return Err(invalid(key, "scheme, host and port of one of the redirect_uris"));
            }
        }
        let at_callback = |uri: &String| Url::parse(uri).is_ok_and(|uri| uri.path() == CALLBACK);
        if metadata.forward_auth && !matches!(&self.redirect_uris[..], [one] if at_callback(one)) {
            let fault = format!("with forward_auth the one address {CALLBACK} of its host");
            return Err(invalid("redirect_uris", fault));
        }
        let sector = match (self.sector, hosts.len(), hosts.pop_first()) {
            // One for all public names: no host is empty.
            (None, _, _) if metadata.subject_type == SubjectType::Public => String::new(),
            (Some(_), _, _) if metadata.subject_type == SubjectType::Public => {
                return Err(invalid("sector", "left out with public subjects"));
            }
            (Some(sector), _, _) if is_host(&sector) => sector,
            (None, 1, Some(host)) => host,
            // It names nobody.
            (None, 0, _) => self.id.clone(),
            (None, _, _) => {
                // OIDC Core §8.1: several hosts have no sector of their own accord.
                return Err(invalid("sector", "needed when redirect_uris name several hosts"));
            }
            (Some(_), _, _) => return Err(invalid("sector", "a host name in lower case")),
        };
        let jwks = self
            .jwks
            .as_ref()
            .map(serde_json::to_string)
            .transpose()
            .map_err(|error| invalid("jwks", error.to_string()))?;
        let service = Service {
            id: self.id,
            organisation_id: self.operated_by,
            name_ja: self.name.ja,
            name_en: self.name.en,
            description_ja: self.description.ja,
            description_en: self.description.en,
            home_url: self.home_url,
            sector,
            auth_method,
            secret_hash: None,
            jwks,
            backchannel_logout_uri: self.backchannel_logout_uri,
            metadata: serde_json::to_string(&metadata)
                .map_err(|error| invalid("protocol", error.to_string()))?,
            personal_data: self
                .personal_data
                .map(|declared| declared.to_column())
                .transpose()
                .map_err(|error| invalid("personal_data", error.to_string()))?,
            scopes: self.scopes.into_iter().collect(),
            redirect_uris: self.redirect_uris,
            logout_uris: self.logout_uris,
            created_at: now,
            live_at: None,
            withdrawn_at: None,
        };
        let rules = Rules { rules: self.rules, groups: self.groups };
        for (key, id) in facilities(&rules) {
            if let Err(fault) = id.parse::<FacilityIdentifier>() {
                return Err(invalid(key, format!("{id}: {fault}")));
            }
        }
        Ok((service, rules))
    }
}

/// The set is there where it is needed, it reads, and it holds what it is needed for.
fn check_keys(
    jwks: Option<&serde_json::Value>,
    auth_method: AuthMethod,
    metadata: &Metadata,
) -> Result<(), RegistrationError> {
    let by_certificate = auth_method == AuthMethod::SelfSignedTlsClientAuth;
    let signs = auth_method == AuthMethod::PrivateKeyJwt || metadata.require_signed_request_object;
    let Some(jwks) = jwks else {
        if signs || by_certificate {
            return Err(invalid("jwks", "needed for what this client signs or shows"));
        }
        return Ok(());
    };
    let keys = ClientKeys::read(jwks).map_err(|error| invalid("jwks", error.to_string()))?;
    if by_certificate && keys.certificates().is_empty() {
        return Err(invalid("jwks", "self_signed_tls_client_auth needs a certificate as x5c"));
    }
    Ok(())
}

/// The facilities that rules name, themselves or in their groups, each with the key that it stands under.
pub(super) fn facilities(rules: &Rules) -> impl Iterator<Item = (&'static str, &String)> {
    let of_rules = rules.rules.iter().filter_map(|rule| rule.facilities.as_ref()).flatten();
    let of_groups = rules.groups.values().flatten();
    of_rules.map(|id| ("facilities", id)).chain(of_groups.map(|id| ("groups", id)))
}

impl InLanguages {
    /// In one of them.
    #[must_use]
    pub fn of(&self, lang: Lang) -> &str {
        match lang {
            Lang::Ja => &self.ja,
            Lang::En => &self.en,
        }
    }

    pub(super) fn check(&self, key: &'static str, most: usize) -> Result<(), RegistrationError> {
        for words in [&self.ja, &self.en] {
            let length = words.chars().count();
            if words.trim().is_empty() || length > most || form::holds_invisible(words) {
                let fault = format!("1 to {most} characters in each language, none invisible");
                return Err(invalid(key, fault));
            }
        }
        Ok(())
    }
}

fn is_host(text: &str) -> bool {
    let fit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    !text.is_empty() && text.len() <= 253 && text.bytes().all(fit)
}

fn invalid(key: &'static str, fault: impl Into<String>) -> RegistrationError {
    RegistrationError::Invalid { key, fault: fault.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys that a table may have, by what the parser says of one that it may not.
    fn keys(fault: &str) -> impl Iterator<Item = &str> {
        let (_, keys) = fault.split_once("expected one of ").unwrap();
        keys.split('`').skip(1).step_by(2)
    }

    #[test]
    fn every_key_of_the_file_and_of_a_rule_is_documented() {
        let page = include_str!("../../../../docs/services.md");
        let (of_file, of_rule) = page.split_once("| key of a rule |").unwrap();
        let (of_rule, _) = of_rule.split_once("| member |").unwrap();
        let (of_file, of_protocol) = of_file.split_once("| key of `[protocol]` |").unwrap();
        let protocol = toml::from_str::<Metadata>("nosuch = 1").unwrap_err().to_string();
        let file = toml::from_str::<ServiceFile>("nosuch = 1").unwrap_err().to_string();
        let rule = toml::from_str::<Rule>("nosuch = 1").unwrap_err().to_string();
        for (fault, table) in [(file, of_file), (protocol, of_protocol), (rule, of_rule)] {
            let documented = table.lines().filter(|line| line.starts_with("| `")).count();
            assert_eq!(keys(&fault).count(), documented);
            for key in keys(&fault) {
                assert!(table.contains(&format!("\n| `{key}` |")), "{key}");
            }
        }
        let example = page.split("```").nth(1).unwrap().strip_prefix("toml").unwrap();
        toml::from_str::<ServiceFile>(example).unwrap();
    }
}
