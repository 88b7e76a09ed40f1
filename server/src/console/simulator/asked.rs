//! What is asked: who, where, how they logged in, when.

use std::collections::BTreeSet;

use sekisho_pki::national::hc_role;
use sekisho_wire::acr;
use serde::Deserialize;

use crate::{catalogue::Text, console::service::rules::level_short, entitlement, form::Sure};

/// The question, as it is typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowForm {
    /// Who; empty for somebody without a name.
    #[serde(default)]
    pub(super) person: String,
    /// Identifier of the facility.
    pub(super) facility: String,
    /// Of somebody without a name: what their card says.
    #[serde(default)]
    pub(super) roles: BTreeSet<String>,
    /// Of somebody without a name: whether they are a member there.
    #[serde(default)]
    pub(super) member: Option<Sure>,
    /// How they logged in; the HPKI card, if nothing is said.
    #[serde(default)]
    pub(super) acr: String,
    /// When, in Japan's time; now, if nothing is said.
    #[serde(default)]
    pub(super) at: String,
}

/// One of several.
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) label: String,
    pub(super) chosen: bool,
}

/// What can be chosen.
pub(super) struct Choices {
    pub(super) roles: Vec<Choice>,
    pub(super) levels: Vec<Choice>,
}

impl Choices {
    pub(super) fn of(typed: &ShowForm, text: &Text) -> Self {
        let level = if typed.acr.is_empty() { acr::HPKI_CARD } else { &typed.acr };
        Self {
            roles: hc_role::known_roles()
                .map(|role| Choice {
                    value: role.name,
                    label: entitlement::role_name(role.name, text),
                    chosen: typed.roles.contains(role.name),
                })
                .collect(),
            levels: acr::LEVELS
                .into_iter()
                .rev()
                .map(|acr| Choice {
                    value: acr,
                    label: level_short(acr, text),
                    chosen: acr == level,
                })
                .collect(),
        }
    }
}
