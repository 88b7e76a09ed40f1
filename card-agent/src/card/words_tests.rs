use std::collections::BTreeSet;

use time::macros::date;

use super::*;

const KINDS: [Option<PinKind>; 5] = [
    None,
    Some(PinKind::HpkiAuthentication),
    Some(PinKind::HpkiSignature),
    Some(PinKind::JpkiAuthentication),
    Some(PinKind::JpkiSignature),
];

fn errors() -> Vec<CardError> {
    let mut errors = vec![
        CardError::NoService("x".into()),
        CardError::Removed,
        CardError::Reset,
        CardError::Held,
        CardError::Reader("x".into()),
        CardError::Malformed,
        CardError::UnknownCard,
        CardError::NoSignatureKey,
        CardError::UnknownCertificate { issuer: "CN=x".into() },
        CardError::AnotherUse("logging in"),
        CardError::NotAccepted,
        CardError::AnotherPerson,
        CardError::NotYetValid { from: date!(2027 - 1 - 1) },
        CardError::Expired { since: date!(2026 - 1 - 31) },
        CardError::Signature("x".into()),
        CardError::UnsupportedKey { algorithm: "1.2.840.10045.2.1".into() },
        CardError::Structure("EF.OD"),
        CardError::PinWrong { tries_left: Some(2) },
        CardError::PinWrong { tries_left: None },
        CardError::PinMalformed,
        CardError::PinLength { tries_left: Some(14) },
        CardError::PinPad("nothing was typed"),
        CardError::GivenUp,
        CardError::PinBlocked,
    ];
    use Token::{Android, Iphone, MyNumberCard, ResidentCard, Unknown};
    for token in [MyNumberCard, ResidentCard, Android, Iphone, Unknown] {
        errors.extend([CardError::NotForLogin(token), CardError::NotForDocuments(token)]);
    }
    errors
}

#[test]
fn every_reason_has_its_own_words_in_both_languages_and_they_do_not_mix() {
    for language in [Language::Ja, Language::En] {
        for kind in KINDS {
            let all: Vec<String> = errors().iter().map(|error| of(error, kind, language)).collect();
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{kind:?}");
            for text in &all {
                // A word that has no other.
                let text = text.replace("(住基カード) ", "");
                assert_eq!(text.is_ascii(), language == Language::En, "{text}");
                assert!(language == Language::En || text.ends_with('。'), "{text}");
            }
        }
    }
}

#[test]
fn every_status_word_that_a_card_refuses_with_says_what_to_do() {
    for word in [
        0x6283, 0x6400, 0x6581, 0x6700, 0x6881, 0x6882, 0x6884, 0x6981, 0x6982, 0x6983, 0x6984,
        0x6985, 0x6986, 0x6a80, 0x6a81, 0x6a82, 0x6a85, 0x6a86, 0x6a87, 0x6a88, 0x6b00, 0x6d00,
        0x6e00, 0x6f00, 0x6f12,
    ] {
        let status = StatusWord(word);
        let known = word == 0x6f12 || Refusal::of(status) != Refusal::Other;
        assert!(known || status.tries_left() == Some(0), "{word:04x}");
        let error = CardError::Refused { step: "the signature", status };
        let ja = of(&error, None, Language::Ja);
        assert!(ja.contains("ください。") || ja.contains("解除できます"), "{ja}");
        let en = of(&error, None, Language::En);
        assert!(en.contains(&format!("{word:04X}")) && en.contains(". "), "{en}");
    }
}

#[test]
fn a_blocked_pin_names_who_gives_it_back() {
    for (kind, ja, en) in [
        (PinKind::HpkiAuthentication, "発行元", "issuer"),
        (PinKind::HpkiSignature, "発行元", "issuer"),
        (PinKind::JpkiAuthentication, "利用者証明用暗証番号の初期化", "municipal office"),
        (PinKind::JpkiSignature, "署名用パスワードの初期化", "password for signatures"),
    ] {
        let blocked = |language| of(&CardError::PinBlocked, Some(kind), language);
        assert!(blocked(Language::Ja).contains(ja), "{}", blocked(Language::Ja));
        assert!(blocked(Language::En).contains(en), "{}", blocked(Language::En));
    }
    let expired = CardError::Expired { since: date!(2026 - 1 - 31) };
    assert!(of(&expired, None, Language::Ja).contains("2026-01-31で有効期限が切れています"));
    assert!(of(&expired, None, Language::En).contains("expired on 2026-01-31"));
}
