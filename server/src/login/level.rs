//! The levels that a login reaches, and the least that one is asked for (`docs/levels.md`).

use sekisho_authz::Decision;
use sekisho_wire::acr;
use url::form_urlencoded::Serializer;

use crate::config::{Config, JpkiSource};

/// The levels that a login at the portal reaches, of those that rules know; the weakest first.
#[must_use]
pub fn levels(config: &Config) -> Vec<&'static str> {
    let jpki = match config.jpki().source() {
        JpkiSource::Nobody => None,
        JpkiSource::Files(_) | JpkiSource::Responder { .. } => Some(acr::JPKI_CARD),
    };
    let card_login = config.card_login();
    let alone = card_login.password_with_facility_certificate();
    [
        alone.then_some(acr::PASSWORD_AT_FACILITY),
        card_login.day_passes().then_some(acr::DAY_PASS),
        card_login.passwords().then_some(acr::PASSWORD_TOTP),
        card_login.passkeys().then_some(acr::PASSKEY),
        jpki,
        Some(acr::HPKI_CARD),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The place of a level among all, weakest first; before them one that is not ours.
pub(super) fn strength(level: &str) -> Option<usize> {
    acr::LEVELS.iter().position(|known| *known == level)
}

/// A level that somebody asks a login to reach at least; one that a login here reaches.
///
/// It chooses what a page offers and what an agent is asked for. Whether a login came to enough is
/// judged where the session is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Least {
    level: &'static str,
}

impl Least {
    /// The HPKI card, which every instance takes.
    pub const HPKI_CARD: Self = Self { level: acr::HPKI_CARD };

    /// The weakest login here that is no weaker than `level`; `None` where that is no level, or none
    /// reaches it.
    #[must_use]
    pub fn of(config: &Config, level: &str) -> Option<Self> {
        let asked = strength(level)?;
        Self::such_that(config, |reached| strength(reached) >= Some(asked))
    }

    /// The weakest login here that does.
    #[must_use]
    pub fn such_that(config: &Config, mut does: impl FnMut(&str) -> bool) -> Option<Self> {
        levels(config).into_iter().find(|level| does(level)).map(|level| Self { level })
    }

    /// The level that alone keeps a person out who is refused.
    #[must_use]
    pub fn lacking(config: &Config, decision: &Decision) -> Option<Self> {
        Self::of(config, decision.level_lacking()?)
    }

    /// The stronger of both.
    #[must_use]
    pub fn stronger(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        one.into_iter().chain(other).max_by_key(|least| strength(least.level))
    }

    /// Whether a login here may be too weak.
    #[must_use]
    pub fn excludes_any(self, config: &Config) -> bool {
        levels(config).first() != Some(&self.level)
    }

    /// The level (`sekisho_wire::acr`).
    #[must_use]
    pub fn level(self) -> &'static str {
        self.level
    }

    /// Whether a login of this level is enough.
    #[must_use]
    pub fn admits(self, level: &str) -> bool {
        strength(level) >= strength(self.level)
    }

    /// The login page that asks for it and then leads to `return_to`, a path of the same name.
    #[must_use]
    pub fn address(self, return_to: &str) -> String {
        login_address(return_to, Some(self))
    }
}

/// The login page that leads to `return_to` afterwards.
#[must_use]
pub fn login_address(return_to: &str, least: Option<Least>) -> String {
    let mut query = Serializer::new(String::new());
    query.append_pair("return_to", return_to);
    if let Some(least) = least {
        query.append_pair("level", least.level);
    }
    format!("/login?{}", query.finish())
}
