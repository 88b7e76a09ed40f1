//! What a person needs to log in and what expires soon, announced on the page that a login leads to;
//! and that a card was linked or a passkey enrolled, to whoever may not have done it.
//!
//! From 90 days before the end on, in a louder voice from 30 and from 7; with what to do. A PC's own
//! certificate is renewed by its agent: only where that has not happened a week before the end somebody
//! has to know.

use std::collections::BTreeSet;

use sekisho_pki::encoding::instant;
use sekisho_store::{
    StoreError, card, jpki_link,
    news::{self, News},
    passkey::Passkey,
};
use time::{Duration, OffsetDateTime};
use x509_cert::{Certificate, der::Decode};

use super::when;
use crate::{
    app::App, catalogue::Text, listener::FacilityConnection, login::session::PortalSession,
};

/// For how long a person is told that a card was linked or a passkey enrolled in their name.
const NEWS: Duration = Duration::days(7);

/// What expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// The certificate of the HPKI card that this login is by.
    HpkiCard,
    /// The certificate of the linked My Number card.
    MyNumberCard,
    /// The HPKI certificate that vouches for it.
    Voucher,
    /// The HPKI certificate that vouches for a passkey.
    PasskeyVoucher,
    /// The certificate of this PC.
    Terminal,
}

impl What {
    #[cfg(test)]
    const ALL: [Self; 5] =
        [Self::HpkiCard, Self::MyNumberCard, Self::Voucher, Self::PasskeyVoucher, Self::Terminal];

    /// Days before the end from which on it is announced.
    const fn days_ahead(self) -> i64 {
        match self {
            Self::HpkiCard | Self::MyNumberCard | Self::Voucher | Self::PasskeyVoucher => 90,
            Self::Terminal => 7,
        }
    }

    /// Key of its name; with `-help` that of what to do.
    const fn key(self) -> &'static str {
        match self {
            Self::HpkiCard => "expiry-hpki-card",
            Self::MyNumberCard => "expiry-my-number-card",
            Self::Voucher => "expiry-voucher",
            Self::PasskeyVoucher => "expiry-passkey-voucher",
            Self::Terminal => "expiry-terminal",
        }
    }
}

/// How loud it is said, by the days that are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// More than 30.
    Early,
    /// More than 7.
    Soon,
    /// At most 7.
    Urgent,
}

/// One sentence on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// How loud.
    pub voice: Voice,
    /// What ends or was done, and when.
    pub text: String,
    /// What to do.
    pub help: String,
}

/// What is to be announced to the person of a session who has these passkeys, the nearest end first.
///
/// # Errors
/// [`StoreError`].
pub async fn of(
    app: &App,
    session: &PortalSession,
    facility: &FacilityConnection,
    passkeys: &[Passkey],
    text: &Text,
) -> Result<Vec<Announcement>, StoreError> {
    let (mut reader, now) = (app.store().read(), app.now());
    let mut ends = Vec::new();
    let of_card = card::expiry_of_evidence(&mut reader, &session.evidence_id).await?;
    ends.extend(of_card.map(|until| (What::HpkiCard, until)));
    if let Some(link) = jpki_link::of_person(&mut reader, &session.person_id).await? {
        ends.push((What::MyNumberCard, link.not_after));
        // The same certificate is not announced twice.
        let voucher = Some(link.voucher.not_after).filter(|until| of_card != Some(*until));
        ends.extend(voucher.map(|until| (What::Voucher, until)));
    }
    // Several passkeys are mostly vouched for by one certificate.
    let vouchers: BTreeSet<_> = passkeys.iter().map(|passkey| passkey.voucher.not_after).collect();
    let vouchers = vouchers.into_iter().filter(|until| of_card != Some(*until));
    ends.extend(vouchers.map(|until| (What::PasskeyVoucher, until)));
    if let Ok(certificate) = Certificate::from_der(&facility.certificate_der) {
        let until = instant::from_time(&certificate.tbs_certificate().validity().not_after);
        ends.push((What::Terminal, until));
    }
    ends.sort_by_key(|(_, until)| *until);
    let said = ends.into_iter().filter_map(|(what, until)| {
        let (voice, days) = soon(what, until, now)?;
        let left = match days {
            0 => text.t("expiry-today"),
            _ => text.t1("expiry-left", "days", days.to_string()),
        };
        let day = when::day(until, text.lang());
        let args = [("what", text.t(what.key())), ("day", day), ("left", left)];
        let help = text.t(&format!("{}-help", what.key()));
        Some(Announcement { voice, text: text.with("expiry-announcement", &args), help })
    });
    let since = now - NEWS;
    let news = news::of_person(&mut reader, &session.person_id, since).await?;
    let news = news.iter().flat_map(|news| told(news, since, text));
    Ok(news.chain(said).collect())
}

/// That something was linked or enrolled, and that it ended: whoever did both in somebody else's name
/// took away with the thing what the person could have seen of it.
fn told(news: &News, since: OffsetDateTime, text: &Text) -> Vec<Announcement> {
    let kind = if news.passkey.is_some() { "passkey" } else { "card" };
    let name = news.passkey.clone().unwrap_or_default();
    let moments = [("began", Some(news.began)), ("ended", news.ended)];
    let moments =
        moments.into_iter().filter_map(|(turn, at)| Some((turn, at.filter(|at| *at > since)?)));
    moments
        .map(|(turn, at)| {
            // What has ended cannot be ended.
            let still = if news.ended.is_none() { "" } else { "-ended" };
            let what = text.with(&format!("news-{kind}-{turn}"), &[("name", name.clone())]);
            let args = [("at", when::shown(at, text.lang())), ("what", what)];
            Announcement {
                voice: Voice::Soon,
                text: text.with("news-announcement", &args),
                help: text.t(&format!("news-{kind}-help{still}")),
            }
        })
        .collect()
}

/// Whether it is announced now, how loud, and how many days are left by the calendar of Japan. What is
/// over is told of where it is refused.
fn soon(what: What, until: OffsetDateTime, now: OffsetDateTime) -> Option<(Voice, i64)> {
    let date = |at: OffsetDateTime| at.to_offset(when::JST).date();
    let days = (date(until) - date(now)).whole_days();
    let voice = match days {
        _ if until < now || days > what.days_ahead() => return None,
        ..=7 => Voice::Urgent,
        8..=30 => Voice::Soon,
        _ => Voice::Early,
    };
    Some((voice, days))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::catalogue::{Catalogue, Lang};

    /// Eleven in the evening in Japan.
    const NOW: OffsetDateTime = datetime!(2026-11-21 14:00 UTC);

    #[test]
    fn an_end_is_announced_from_ninety_days_on_and_louder_from_thirty_and_seven() {
        for (days, expected) in [
            (91, None),
            (90, Some(Voice::Early)),
            (31, Some(Voice::Early)),
            (30, Some(Voice::Soon)),
            (8, Some(Voice::Soon)),
            (7, Some(Voice::Urgent)),
            (0, Some(Voice::Urgent)),
        ] {
            let said = soon(What::HpkiCard, NOW + Duration::days(days), NOW);
            assert_eq!(said, expected.map(|voice| (voice, days)), "{days}");
            let of_terminal = soon(What::Terminal, NOW + Duration::days(days), NOW);
            assert_eq!(of_terminal, said.filter(|_| days <= 7), "{days}");
        }
        assert_eq!(soon(What::HpkiCard, NOW - Duration::SECOND, NOW), None);
    }

    #[test]
    fn days_are_those_of_the_calendar_in_japan() {
        let after_midnight = NOW + Duration::hours(2);
        assert_eq!(soon(What::HpkiCard, after_midnight, NOW), Some((Voice::Urgent, 1)));
        assert_eq!(
            soon(What::HpkiCard, NOW + Duration::minutes(59), NOW),
            Some((Voice::Urgent, 0))
        );
    }

    #[test]
    fn every_piece_of_news_has_words_in_both_languages() {
        let catalogue = Catalogue::load().unwrap();
        for (kind, lang) in ["card", "passkey"].into_iter().flat_map(|k| Lang::ALL.map(|l| (k, l)))
        {
            for what in ["began", "ended", "help", "help-ended"] {
                let key = format!("news-{kind}-{what}");
                assert!(catalogue.has(lang, &key), "{key} in {}", lang.tag());
            }
        }
    }

    #[test]
    fn everything_that_expires_has_a_name_and_what_to_do_in_both_languages() {
        let catalogue = Catalogue::load().unwrap();
        for (what, lang) in What::ALL.into_iter().flat_map(|w| Lang::ALL.map(|lang| (w, lang))) {
            for key in [what.key().to_owned(), format!("{}-help", what.key())] {
                assert!(catalogue.has(lang, &key), "{key} in {}", lang.tag());
            }
        }
    }
}
