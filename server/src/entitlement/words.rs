//! What was decided, in words: reasons, help, and what rules speak of.

use sekisho_authz::{Day, Decision, Hours, Message, Rule, Values};
use sekisho_pki::national::hc_role;
use sekisho_wire::acr;

use crate::{
    catalogue::{Lang, Text},
    register::prefecture,
};

/// Why somebody is refused, and what would help: a sentence for each condition that failed.
#[derive(Debug, Default)]
pub struct Explanation {
    /// Why.
    pub reasons: Vec<String>,
    /// What would help.
    pub help: Vec<String>,
}

impl Explanation {
    /// Of a decision, in words.
    #[must_use]
    pub fn of(decision: &Decision, text: &Text) -> Self {
        let besides = &decision.besides;
        let reasons = besides.iter().map(|besides| &besides.reason);
        let mut help: Vec<String> = Vec::new();
        for message in decision.help.iter().chain(besides.iter().map(|besides| &besides.help)) {
            // Two conditions may be helped by one and the same.
            let said = words(message, text);
            if !help.contains(&said) {
                help.push(said);
            }
        }
        let reasons = std::iter::once(&decision.reason).chain(reasons);
        Self { reasons: reasons.map(|message| words(message, text)).collect(), help }
    }
}

/// A decision's message in words.
#[must_use]
pub fn words(message: &Message, text: &Text) -> String {
    let args: Vec<(&str, String)> = message
        .args
        .iter()
        .map(|argument| (argument.name, values(&argument.values, text)))
        .collect();
    text.with(message.key, &args)
}

fn values(values: &Values, text: &Text) -> String {
    let joint = text.t("authz-list-joint");
    match values {
        Values::Roles(roles) => {
            let shown: Vec<_> = roles.iter().map(|role| role_name(role, text)).collect();
            shown.join(&joint)
        }
        Values::Kinds(kinds) => {
            let shown: Vec<_> = kinds.iter().map(|kind| kind_name(kind, text)).collect();
            shown.join(&joint)
        }
        Values::Groups(groups) => groups.join(&joint),
        Values::Level(level) => level_name(level, text),
        Values::Prefectures(codes) => {
            let shown: Vec<_> = codes.iter().map(|code| prefecture_name(code, text)).collect();
            shown.join(&joint)
        }
        Values::Hours(hours) => hours_name(hours, text),
        Values::Patients(true) => text.t("authz-who-patients"),
        Values::Patients(false) => text.t("authz-who-facilities"),
    }
}

/// A kind of organisation as people call it.
#[must_use]
pub fn kind_name(kind: &str, text: &Text) -> String {
    text.t(&format!("authz-kind-{}", kind.replace('_', "-")))
}

/// A prefecture as people call it, by the number in a rule.
#[must_use]
pub fn prefecture_name(code: &str, text: &Text) -> String {
    let number = prefecture::parse(code).unwrap_or_default();
    prefecture::name(number, text.lang()).to_owned()
}

/// Hours of the week in words.
#[must_use]
pub fn hours_name(hours: &[Hours], text: &Text) -> String {
    let joint = text.t("authz-list-joint");
    let day = |day: Day| text.t(&format!("authz-day-{}", day.code()));
    let shown = hours.iter().map(|hours| {
        let days = match &hours.days {
            None => text.t("authz-day-every"),
            Some(_) => hours.days().map(day).collect::<Vec<_>>().join(&text.t("authz-day-joint")),
        };
        let told = [("days", days), ("from", hours.from.to_string()), ("to", hours.to.to_string())];
        text.with("authz-hours", &told)
    });
    shown.collect::<Vec<_>>().join(&joint)
}

/// A level of authentication in words; one that is not ours verbatim.
#[must_use]
pub fn level_name(level: &str, text: &Text) -> String {
    match level {
        acr::HPKI_CARD => text.t("authz-level-hpki"),
        acr::JPKI_CARD => text.t("authz-level-jpki"),
        acr::PASSKEY => text.t("authz-level-passkey"),
        acr::PASSWORD_TOTP => text.t("authz-level-password"),
        acr::DAY_PASS => text.t("authz-level-day-pass"),
        acr::PASSWORD_AT_FACILITY => text.t("authz-level-password-alone"),
        other => other.to_owned(),
    }
}

/// How a person has to prove themself to a rule, in words.
#[must_use]
pub fn proof_name(rule: &Rule, text: &Text) -> String {
    match rule.minimum_acr.as_deref().unwrap_or(acr::STRONGEST) {
        // The words of the level speak of a card that somebody's licence vouches for.
        acr::JPKI_CARD if rule.patients => text.t("authz-level-patients-card"),
        level => level_name(level, text),
    }
}

/// A role as people call it in the page's language; an unknown one verbatim.
#[must_use]
pub fn role_name(role: &str, text: &Text) -> String {
    match (text.lang(), hc_role::known(role)) {
        (Lang::Ja, Some(known)) => known.japanese.to_owned(),
        _ => role.to_owned(),
    }
}
