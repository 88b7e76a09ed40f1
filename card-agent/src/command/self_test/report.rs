//! What a self-test found, for programs and in a person's language.

use sekisho_protocol::request::Language;
use serde::Serialize;

use crate::card::reader::CardError;
use crate::card::words;
use crate::command::cards;
use crate::platform::Program;

#[derive(Serialize)]
pub(super) struct Report {
    pub(super) reader: String,
    pub(super) family: String,
    pub(super) holder: String,
    pub(super) certificate_sha256: String,
    pub(super) not_before: String,
    pub(super) not_after: String,
    /// `in_force`, `not_yet` or `expired`.
    pub(super) validity: &'static str,
    /// The same, with the day in Japan.
    #[serde(skip)]
    pub(super) in_force: Result<(), CardError>,
    pub(super) tries_left: Option<u8>,
    pub(super) phases: Vec<Phase>,
    pub(super) apdus: u32,
    pub(super) octets: u64,
    /// Always `verified`: there is no report of another end.
    pub(super) signature: &'static str,
    pub(super) issuer: Issuer,
    /// Who kept us waiting, as far as that can be known.
    pub(super) waited_for: Vec<Program>,
}

#[derive(Serialize)]
pub(super) struct Phase {
    pub(super) name: &'static str,
    pub(super) milliseconds: u64,
    #[serde(flatten)]
    pub(super) traffic: Traffic,
}

/// What went between us and the card.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Traffic {
    pub(super) apdus: u32,
    pub(super) octets_sent: u64,
    pub(super) octets_received: u64,
}

/// Whether this PC's portal takes cards of this issuer. By name: only the portal validates.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Issuer {
    Accepted,
    NotAccepted,
    /// This PC is not enrolled, so no portal told what it accepts.
    NotJudged,
}

impl Report {
    pub(super) fn text(&self, language: Language) -> String {
        let of = |japanese, english| match language {
            Language::Ja => japanese,
            Language::En => english,
        };
        let validity = match (&self.in_force, language) {
            (Ok(()), Language::Ja) => format!("{}まで有効", self.not_after),
            (Ok(()), Language::En) => format!("until {}", self.not_after),
            (Err(error), _) => {
                let mark = of("有効ではありません", "NOT IN FORCE");
                format!("{mark}: {}", words::of(error, None, language))
            }
        };
        let untold = of("カードが答えません", "not told");
        let tries = self.tries_left.map_or(untold.to_owned(), |tries| tries.to_string());
        let mut lines = vec![
            (of("カード", "card"), format!("{}, {}", self.family, self.holder)),
            (of("カードリーダー", "reader"), self.reader.clone()),
            (of("証明書", "certificate"), validity),
            (of("残り回数", "tries left"), tries),
        ];
        lines.extend(self.phases.iter().map(|phase| phase.line(language)));
        if !self.waited_for.is_empty() {
            lines.push((of("待った相手", "waited for"), cards::in_words(&self.waited_for)));
        }
        lines.push((of("署名", "signature"), of("検証できました", "verifies").to_owned()));
        let issuer = match self.issuer {
            Issuer::Accepted => of(
                "名前は、このPCのポータルが受け入れる発行元です",
                "by name one that this PC's portal accepts",
            ),
            Issuer::NotAccepted => of(
                "このPCのポータルが受け入れる発行元ではありません",
                "NONE that this PC's portal accepts",
            ),
            Issuer::NotJudged => {
                of("判定していません（このPCは未登録です）", "not judged: this PC is not enrolled")
            }
        };
        lines.push((of("発行元", "issuer"), issuer.to_owned()));
        let line = |(label, text): (&str, String)| match language {
            // Columns of wide characters stand under each other on no two terminals alike.
            Language::Ja => format!("{label}: {text}\n"),
            Language::En => format!("{label:<12} {text}\n"),
        };
        lines.into_iter().map(line).collect()
    }
}

impl Phase {
    fn line(&self, language: Language) -> (&'static str, String) {
        let Traffic { apdus, octets_sent, octets_received } = self.traffic;
        let label = match (language, self.name) {
            (Language::Ja, "read") => "読み取り",
            (Language::Ja, "pin") => "暗証番号の入力",
            (Language::Ja, "sign") => "暗証番号の照合と署名",
            (Language::Ja, "pin and sign") => "暗証番号の入力と署名",
            (Language::Ja, "verify") => "署名の検証",
            (_, name) => name,
        };
        let mut text = format!("{} ms", self.milliseconds);
        if apdus > 0 {
            text.push_str(&match language {
                Language::Ja => {
                    format!(
                        ", APDU {apdus}回, 送信{octets_sent}バイト, 受信{octets_received}バイト"
                    )
                }
                Language::En => {
                    format!(", {apdus} APDUs, {octets_sent} octets out, {octets_received} in")
                }
            });
        }
        (label, text)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    fn report(in_force: Result<(), CardError>, issuer: Issuer) -> Report {
        let traffic = Traffic { apdus: 5, octets_sent: 60, octets_received: 1500 };
        let phase = |name| Phase { name, milliseconds: 7, traffic };
        Report {
            reader: "ACS ACR39U 00 00".into(),
            family: "HPKI".into(),
            holder: "Hanako Kakuu".into(),
            certificate_sha256: String::new(),
            not_before: "2026-01-01T00:00:00Z".into(),
            not_after: "2028-01-01T00:00:00Z".into(),
            validity: "in_force",
            in_force,
            tries_left: None,
            phases: ["read", "pin", "sign", "pin and sign", "verify"].map(phase).into(),
            apdus: 25,
            octets: 7800,
            signature: "verified",
            issuer,
            waited_for: vec![],
        }
    }

    #[test]
    fn a_report_is_of_one_language_and_says_since_when_a_certificate_has_expired() {
        for issuer in [Issuer::Accepted, Issuer::NotAccepted, Issuer::NotJudged] {
            let expired = || Err(CardError::Expired { since: date!(2026 - 1 - 31) });
            let english = report(expired(), issuer).text(Language::En);
            assert!(english.is_ascii(), "{english}");
            assert!(english.contains("NOT IN FORCE: ") && english.contains("2026-01-31"));
            assert!(english.contains("signature    verifies\n"), "{english}");
            let japanese = report(expired(), issuer).text(Language::Ja);
            assert!(japanese.contains("2026-01-31で有効期限が切れています"), "{japanese}");
            for line in japanese.lines() {
                assert!(!line.split(':').next().unwrap().is_ascii(), "{line}");
            }
            assert_eq!(japanese.lines().count(), english.lines().count());
        }
        assert!(report(Ok(()), Issuer::Accepted).text(Language::Ja).contains("まで有効"));
    }
}
