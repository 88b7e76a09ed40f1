//! The stopwatch of a login: how long agent, card, PIN, card again, portal and first service took, and the code by
//! which the help desk finds it. A page's measures are a page's word: they are shown, and decide nothing.

pub mod console;
pub mod page;

use sekisho_key::{Randomness, RandomnessError};
use sekisho_protocol::answer::LoginTimes;
use sekisho_store::{
    StoreError, Tx,
    login_time::{self, LoginTime, Measured, Of},
    service,
};

use crate::catalogue::{Lang, Text};

/// Digits of a code: enough for a country's logins of a week, and few enough to read to somebody on the telephone.
const DIGITS: usize = 10;
/// Codes that are drawn for one login, should one be somebody's already.
const DRAWS: usize = 3;
/// The longest part of a login that is believed, in milliseconds: challenges do not live as long.
const LONGEST: u32 = 600_000;

/// What a page measured of the login that is to be opened.
#[derive(Debug)]
pub struct Stopwatch {
    measured: Measured,
    codes: [String; DRAWS],
}

impl Stopwatch {
    /// `None` for more than a login takes, and where there is no randomness for a code.
    #[must_use]
    pub fn of(random: &dyn Randomness, times: LoginTimes) -> Option<Self> {
        let LoginTimes { agent, card, pin, sign } = times;
        if [agent, card, pin, sign].into_iter().any(|part| part > LONGEST) {
            return None;
        }
        let mut codes = <[String; DRAWS]>::default();
        for code in &mut codes {
            *code = draw(random).ok()?;
        }
        Some(Self { measured: Measured { agent, card, pin, sign }, codes })
    }

    /// Notes it beside the session. Where all codes are somebody's it is not noted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note(&self, tx: &mut Tx, of: Of<'_>) -> Result<(), StoreError> {
        for code in &self.codes {
            if login_time::note(tx, of, code, self.measured).await? {
                break;
            }
        }
        Ok(())
    }
}

fn draw(random: &dyn Randomness) -> Result<String, RandomnessError> {
    let mut octets = [0; 8];
    random.fill(&mut octets)?;
    Ok(format!("{:0width$}", u64::from_be_bytes(octets) % 10_u64.pow(10), width = DIGITS))
}

/// A code as people read it: in two groups.
fn grouped(code: &str) -> String {
    let (first, second) = code.split_at_checked(DIGITS / 2).unwrap_or((code, ""));
    format!("{first}-{second}")
}

/// A code however it was typed: in any width, with hyphens and spaces anywhere; `None` for what is none.
fn typed(text: &str) -> Option<String> {
    let key = sekisho_store::search::key(text);
    let digits: String = key.chars().filter(|c| !matches!(c, '-' | 'ー' | '‐' | '−')).collect();
    (digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

/// One part of a login.
pub(crate) struct Part {
    /// Message key of its name.
    pub(crate) name: &'static str,
    /// Message key of what it depends on.
    pub(crate) help: &'static str,
    /// Seconds, to a tenth; absent while it is not over.
    pub(crate) seconds: Option<String>,
    /// Of the longest part, in hundredths: how long its bar is.
    pub(crate) share: u32,
}

/// The parts of a login in their order, and their sum.
pub(crate) struct Parts {
    pub(crate) parts: Vec<Part>,
    pub(crate) sum: String,
}

impl Parts {
    pub(crate) fn of(time: &LoginTime) -> Self {
        let Measured { agent, card, pin, sign } = time.measured;
        let service = time.service.as_ref().and_then(|(_, took)| *took);
        let all = [
            ("login-time-agent", "login-time-agent-help", Some(agent)),
            ("login-time-card", "login-time-card-help", Some(card)),
            ("login-time-pin", "login-time-pin-help", Some(pin)),
            ("login-time-sign", "login-time-sign-help", Some(sign)),
            ("login-time-portal", "login-time-portal-help", time.portal),
            ("login-time-service", "login-time-service-help", service),
        ];
        let longest = all.iter().filter_map(|(_, _, took)| *took).max().unwrap_or(0).max(1);
        let sum = all.iter().filter_map(|(_, _, took)| took.map(u64::from)).sum();
        let part = |(name, help, took): (&'static str, &'static str, Option<u32>)| Part {
            name,
            help,
            seconds: took.map(|took| seconds(took.into())),
            share: took.map_or(0, |took| {
                u32::try_from(u64::from(took) * 100 / u64::from(longest)).unwrap_or(100)
            }),
        };
        Self { parts: all.map(part).into(), sum: seconds(sum) }
    }
}

fn seconds(milliseconds: u64) -> String {
    let tenths = (milliseconds + 50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// What the first service of a login is called.
///
/// # Errors
/// [`StoreError`].
async fn service_name(
    queries: &mut impl sekisho_store::Queries,
    time: &LoginTime,
    text: &Text,
) -> Result<Option<String>, StoreError> {
    let Some((id, _)) = &time.service else { return Ok(None) };
    let found = service::find(queries, id).await?;
    Ok(found.map(|service| match text.lang() {
        Lang::Ja => service.name_ja,
        Lang::En => service.name_en,
    }))
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn a_code_is_read_however_it_was_typed() {
        let read = [
            "1234567890",
            "12345-67890",
            " 12345 67890 ",
            "１２３４５－６７８９０",
            "12345ー67890",
        ];
        for text in read {
            assert_eq!(typed(text).as_deref(), Some("1234567890"), "{text}");
        }
        for text in ["", "123456789", "12345678901", "123456789a", "🔟🔟🔟"] {
            assert_eq!(typed(text), None, "{text}");
        }
        assert_eq!(grouped("1234567890"), "12345-67890");
    }

    #[test]
    fn parts_are_told_in_tenths_of_a_second_and_the_longest_fills_its_bar() {
        let time = LoginTime {
            code: "1234567890".into(),
            session_hash: [0; 32],
            organisation_id: String::new(),
            terminal_id: String::new(),
            at: OffsetDateTime::UNIX_EPOCH,
            measured: Measured { agent: 49, card: 450, pin: 3_000, sign: 500 },
            portal: Some(150),
            service: Some(("s".into(), None)),
        };
        let Parts { parts, sum } = Parts::of(&time);
        let told: Vec<_> = parts.iter().map(|part| (part.seconds.as_deref(), part.share)).collect();
        let expected = [
            (Some("0.0"), 1),
            (Some("0.5"), 15),
            (Some("3.0"), 100),
            (Some("0.5"), 16),
            (Some("0.2"), 5),
            (None, 0),
        ];
        assert_eq!(told, expected);
        assert_eq!(sum, "4.1");
    }
}
