//! What pages say of models, proofs, results and certifications.

use sekisho_store::{
    router_certification::{Certification, Standing},
    router_model::{Description, Door},
    router_test::{Judged, Proof, RouterTest, Source},
};
use time::{Duration, OffsetDateTime};

use crate::{catalogue::Text, network::family, portal::when};

/// A label with the class that it is shown with.
pub(in crate::console) struct Tag {
    pub(in crate::console) label: String,
    pub(in crate::console) class: &'static str,
}

/// What people call a proof.
pub(super) fn proof(proof: Proof, text: &Text) -> String {
    text.t(match proof {
        Proof::P256 => "models-proof-p256",
        Proof::Rsa3072 => "models-proof-rsa3072",
        Proof::Psk => "models-proof-psk",
        Proof::HpkiLike => "models-proof-hpki-like",
        Proof::HpkiLikeNamed => "models-proof-hpki-like-named",
    })
}

pub(super) fn judged(judged: Judged, text: &Text) -> String {
    text.t(match judged {
        Judged::IkeAuth => "models-judged-ike-auth",
        Judged::Packet => "models-judged-packet",
    })
}

pub(super) fn source(source: Source, text: &Text) -> String {
    text.t(match source {
        Source::Matrix => "models-source-matrix",
        Source::Bench => "models-source-bench",
    })
}

/// What people call a family; its profile where this program does not know it.
pub(super) fn family_name(profile: &str) -> String {
    family::find(profile).map_or_else(|| profile.to_owned(), |family| family.name.clone())
}

pub(super) fn doors(is: &Description, text: &Text) -> String {
    let name = |door: &Door| match door {
        Door::Est => "EST".to_owned(),
        Door::Scep => "SCEP".to_owned(),
        Door::Cmp => "CMP".to_owned(),
        Door::Psk => text.t("models-door-psk"),
    };
    is.doors.iter().map(name).collect::<Vec<_>>().join(text.t("models-comma").as_str())
}

/// For which proofs a model is certified now, as tags; empty where it is for none.
pub(in crate::console) fn certified_today(
    latest: &[Certification],
    model_id: &str,
    now: OffsetDateTime,
    text: &Text,
) -> Vec<Tag> {
    let in_force = |of: &Proof| {
        let counts = |one: &&Certification| {
            one.model_id == model_id && one.proof == *of && one.standing(now) == Standing::InForce
        };
        latest.iter().find(counts)
    };
    Proof::ALL
        .iter()
        .filter_map(in_force)
        .map(|one| Tag {
            label: text.t1("models-certified-for", "proof", proof(one.proof, text)),
            class: "tag tag-good",
        })
        .collect()
}

/// How it stands with a decision, in words and as a class.
pub(super) fn standing(
    one: &Certification,
    now: OffsetDateTime,
    text: &Text,
) -> (String, &'static str) {
    let lang = text.lang();
    let from = when::day(one.valid_from, lang);
    // The end is the first moment after the last day.
    let until = when::day(one.valid_until - Duration::SECOND, lang);
    match one.standing(now) {
        Standing::InForce => (text.t1("models-standing-in-force", "until", until), "tag tag-good"),
        Standing::Ahead => {
            (text.with("models-standing-ahead", &[("from", from), ("until", until)]), "tag")
        }
        Standing::Over => (text.t1("models-standing-over", "until", until), "tag tag-error"),
        Standing::Withdrawn => {
            let at = when::day(one.decided_at, lang);
            (text.t1("models-standing-withdrawn", "at", at), "tag tag-error")
        }
    }
}

/// How the tests by one proof came out.
pub(super) struct Summary {
    pub(super) proof: String,
    pub(super) counts: String,
    pub(super) class: &'static str,
    /// Why some failed, each reason once.
    pub(super) reasons: String,
}

/// The results that count, proof by proof.
pub(super) fn summaries(tests: &[RouterTest], text: &Text) -> Vec<Summary> {
    let of = |one: Proof| {
        let of_proof = || tests.iter().filter(move |test| test.proof == one);
        let all = of_proof().count();
        let mut reasons: Vec<&str> =
            of_proof().filter_map(|test| test.failure.as_deref()).collect();
        let good = all - reasons.len();
        reasons.sort_unstable();
        reasons.dedup();
        let numbers = [("good", good.to_string()), ("all", all.to_string())];
        (all > 0).then(|| Summary {
            proof: proof(one, text),
            counts: text.with("models-counts", &numbers),
            class: if good == all { "tag tag-good" } else { "tag tag-error" },
            reasons: reasons.join(" / "),
        })
    };
    Proof::ALL.into_iter().filter_map(of).collect()
}
