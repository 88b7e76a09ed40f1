//! What a PIN window says, for every kind of window: Japanese and English, for a person in a hurry.

use sekisho_protocol::request::Language;

use super::{Document, Occasion, Page, Prompt, Source};
use crate::card::pin_kind::PinKind;

/// The most of a document that one window shows, in octets: a line of Assuan holds 1,000.
const MOST_OF_PAGE: usize = 600;
/// And in lines.
const MOST_LINES: usize = 16;

/// The window's texts, in the order in which they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Over all of them.
    pub title: &'static str,
    /// To be confirmed first: few tries are left.
    pub warning: Option<String>,
    /// The document, page by page; each to be confirmed.
    pub pages: Vec<String>,
    /// On the button that leads to the next page.
    pub next: &'static str,
    /// Beside the field for the PIN: who asks, for what, whose card.
    pub description: String,
    /// Before the field.
    pub label: &'static str,
    /// On the button that goes on.
    pub ok: &'static str,
    /// On the button that ends it.
    pub cancel: &'static str,
}

impl Words {
    /// For a question.
    pub fn of(prompt: &Prompt) -> Self {
        let of = |ja, en| match prompt.language {
            Language::Ja => ja,
            Language::En => en,
        };
        let document = match &prompt.occasion {
            Occasion::Login(_) | Occasion::Link(_) => None,
            Occasion::Document(document) => Some(document),
        };
        let mut description = match &prompt.occasion {
            Occasion::Login(page) => login(page, prompt.language),
            Occasion::Link(page) => link(page, prompt.language),
            Occasion::Document(document) => signature(document, prompt),
        };
        if prompt.at_reader {
            description.push_str(of(
                "\n暗証番号はカードリーダーのキーで入力してください。",
                "\nEnter the PIN on the card reader's own keys.",
            ));
        }
        description.push_str(&tail(prompt));
        Self {
            title: title(prompt.kind, prompt.language),
            warning: prompt.is_guarded().then(|| warning(prompt)),
            pages: document.map(|document| pages(document, prompt.language)).unwrap_or_default(),
            next: of("次へ", "Next"),
            description,
            label: match prompt.kind {
                PinKind::JpkiSignature => of("パスワード:", "Password:"),
                _ => of("暗証番号:", "PIN:"),
            },
            ok: match &prompt.occasion {
                Occasion::Document(_) => of("署名", "Sign"),
                Occasion::Link(_) => of("紐付け", "Link"),
                Occasion::Login(_) => of("ログイン", "Log in"),
            },
            cancel: of("中止", "Cancel"),
        }
    }
}

/// The texts of a question for yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmation<'a> {
    /// Over all of them.
    pub title: &'static str,
    /// The question.
    pub text: &'a str,
    /// On the button for yes.
    pub ok: &'static str,
    /// On the button for no.
    pub cancel: &'static str,
}

impl<'a> Confirmation<'a> {
    /// Whether to go on to what comes next before the PIN is asked for.
    pub fn on_the_way(words: &Words, text: &'a str) -> Self {
        Self { title: words.title, text, ok: words.next, cancel: words.cancel }
    }

    /// The question of [`which_card`].
    pub fn of_card(language: Language, text: &'a str) -> Self {
        match language {
            Language::Ja => {
                Self { title: "カードの選択", text, ok: "はい", cancel: "いいえ" }
            }
            Language::En => Self { title: "Choose a card", text, ok: "Yes", cancel: "No" },
        }
    }
}

/// Whether the card of this name is meant, where several are in.
pub fn which_card(language: Language, name: &str) -> String {
    match language {
        Language::Ja => format!("このカードを使いますか。\n{name}"),
        Language::En => format!("Use this card?\n{name}"),
    }
}

fn title(kind: PinKind, language: Language) -> &'static str {
    match (language, kind) {
        (Language::Ja, PinKind::HpkiAuthentication) => "HPKIカードの暗証番号（PIN）",
        (Language::Ja, PinKind::HpkiSignature) => "HPKIカードの署名用暗証番号（PIN）",
        (Language::Ja, PinKind::JpkiAuthentication) => {
            "マイナンバーカードの利用者証明用暗証番号（数字4桁）"
        }
        (Language::Ja, PinKind::JpkiSignature) => {
            "マイナンバーカードの署名用パスワード（英数字6～16文字）"
        }
        (Language::En, PinKind::HpkiAuthentication) => "PIN of the HPKI card",
        (Language::En, PinKind::HpkiSignature) => "PIN for signatures of the HPKI card",
        (Language::En, PinKind::JpkiAuthentication) => {
            "PIN for user authentication of the My Number card (4 digits)"
        }
        (Language::En, PinKind::JpkiSignature) => {
            "Password for signatures of the My Number card (6 to 16 letters and digits)"
        }
    }
}

/// What is lost with the last tries, and who gives it back.
fn warning(prompt: &Prompt) -> String {
    let tries = prompt.tries_left.unwrap_or(0);
    let jpki = matches!(prompt.kind, PinKind::JpkiAuthentication | PinKind::JpkiSignature);
    match (prompt.language, jpki) {
        (Language::Ja, false) => {
            format!(
                "残り{tries}回です。間違えるとカードは使えなくなり、再発行が必要です。続けますか。"
            )
        }
        (Language::Ja, true) => format!(
            "残り{tries}回です。間違えるとロックされ、市区町村の窓口での解除が必要です。続けますか。"
        ),
        (Language::En, false) => format!(
            "{tries} tries are left. If they fail the card is blocked and must be issued anew. Go on?"
        ),
        (Language::En, true) => format!(
            "{tries} tries are left. If they fail it is blocked until the municipal office unlocks it. Go on?"
        ),
    }
}

fn login(page: &Page, language: Language) -> String {
    let origin = &page.origin;
    match language {
        Language::Ja => format!("{}\n{origin} にログインします。", asks(page, language)),
        Language::En => format!("{}\nLogging in to {origin}.", asks(page, language)),
    }
}

fn link(page: &Page, language: Language) -> String {
    let (asks, origin) = (asks(page, language), &page.origin);
    match language {
        Language::Ja => {
            format!("{asks}\n{origin} で、ログイン中の方にこのカードを紐付けます。")
        }
        Language::En => {
            format!("{asks}\nLinking this card to the person who is logged in at {origin}.")
        }
    }
}

/// The code to compare with the page, and the facility.
fn asks(Page { facility, code, .. }: &Page, language: Language) -> String {
    match language {
        Language::Ja => format!("確認番号 {code}\n{facility}"),
        Language::En => format!("Confirmation code {code}\n{facility}"),
    }
}

fn signature(document: &Document, prompt: &Prompt) -> String {
    let language = prompt.language;
    let mut text = match (&document.source, language) {
        (Source::File(name), Language::Ja) => format!("ファイル {name} に署名します。"),
        (Source::File(name), Language::En) => format!("Signing the file {name}."),
        (Source::Page(page), Language::Ja) => {
            format!("{}\n{} の求めにより署名します。", asks(page, language), page.origin)
        }
        (Source::Page(page), Language::En) => {
            format!("{}\nSigning at the request of {}.", asks(page, language), page.origin)
        }
    };
    text.push_str(match (document.text.is_some(), language) {
        (true, Language::Ja) => "\n内容は前の画面のとおりです。",
        (true, Language::En) => "\nIts text is what was shown before.",
        (false, Language::Ja) => "\n内容は表示できません。署名の前に必ず確認してください。",
        (false, Language::En) => "\nIt cannot be shown here: be sure of it before you sign.",
    });
    text.push_str(&format!("\nSHA-256 {}", hex::encode(document.sha256.as_bytes())));
    if prompt.kind == PinKind::JpkiSignature {
        text.push_str(match language {
            Language::Ja => "\n署名には氏名・生年月日・性別・住所が含まれます。",
            Language::En => "\nThe signature will hold name, date of birth, sex and address.",
        });
    }
    text
}

/// Whose card, whether the last PIN was wrong, how many tries are left.
fn tail(prompt: &Prompt) -> String {
    let Prompt { holder, again, tries_left, .. } = prompt;
    let mut text = match prompt.language {
        Language::Ja => format!("\nカード: {holder}"),
        Language::En => format!("\nCard: {holder}"),
    };
    if *again {
        text.push_str(match (prompt.language, prompt.kind) {
            (Language::Ja, PinKind::JpkiSignature) => "\n\nパスワードが違います。",
            (Language::Ja, _) => "\n\n暗証番号が違います。",
            (Language::En, PinKind::JpkiSignature) => "\n\nThe password was wrong.",
            (Language::En, _) => "\n\nThe PIN was wrong.",
        });
    }
    if let Some(tries) = tries_left {
        text.push_str(&match prompt.language {
            Language::Ja => format!("\n残り{tries}回"),
            Language::En => format!("\n{tries} tries left"),
        });
    }
    text
}

/// A document's text in pieces that a window can show, each with its number; the first with the digest.
fn pages(document: &Document, language: Language) -> Vec<String> {
    let Some(text) = &document.text else { return Vec::new() };
    let pieces = pieces(text);
    let all = pieces.len();
    let head = |number| match language {
        Language::Ja => format!("署名する内容（{number}/{all}）"),
        Language::En => format!("What is signed ({number} of {all})"),
    };
    let pages = pieces.into_iter().zip(1..);
    pages.map(|(piece, number)| format!("{}\n\n{piece}", head(number))).collect()
}

/// Whole lines as far as they fit; a line that is too long is cut.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut lines = 0;
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        while !rest.is_empty() {
            let piece = pieces.last_mut().filter(|piece| {
                piece.is_empty() || (piece.len() + rest.len() <= MOST_OF_PAGE && lines < MOST_LINES)
            });
            let Some(piece) = piece else {
                pieces.push(String::new());
                lines = 0;
                continue;
            };
            let (part, left) = rest.split_at(rest.floor_char_boundary(MOST_OF_PAGE));
            piece.push_str(part);
            lines += 1;
            rest = left;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sekisho_protocol::Sha256Digest;

    use super::*;

    fn page() -> Page {
        Page {
            origin: "https://terminal.example".into(),
            facility: "架空 100%クリニック".into(),
            code: "07".parse().unwrap(),
        }
    }

    fn prompt(occasion: Occasion, kind: PinKind) -> Prompt {
        let language = Language::Ja;
        let holder = "架空 花子".into();
        let (tries_left, again, at_reader) = (Some(15), false, false);
        Prompt { occasion, kind, holder, tries_left, again, at_reader, language }
    }

    fn document(text: Option<&str>, source: Source) -> Occasion {
        let sha256 = Sha256Digest::of(text.unwrap_or_default());
        Occasion::Document(Document { sha256, text: text.map(Into::into), source })
    }

    #[test]
    fn a_signature_shows_text_digest_and_who_asks() {
        let occasion = document(Some("同意します。"), Source::Page(page()));
        let words = Words::of(&prompt(occasion, PinKind::JpkiSignature));
        assert_eq!(words.pages, ["署名する内容（1/1）\n\n同意します。"]);
        let digest = hex::encode(Sha256Digest::of("同意します。").as_bytes());
        for part in
            ["確認番号 07", "架空 100%クリニック", "https://terminal.example", &digest, "住所"]
        {
            assert!(words.description.contains(part), "{part}: {}", words.description);
        }
        assert_eq!((words.ok, words.label), ("署名", "パスワード:"));
    }

    #[test]
    fn linking_a_card_is_named_so_that_nobody_takes_it_for_a_login() {
        let asked = prompt(Occasion::Link(page()), PinKind::JpkiAuthentication);
        let words = Words::of(&asked);
        assert!(words.description.contains("このカードを紐付けます"), "{}", words.description);
        assert_eq!(words.ok, "紐付け");
        let words = Words::of(&Prompt { language: Language::En, ..asked });
        assert!(words.description.contains("Linking this card"), "{}", words.description);
        assert_eq!(words.ok, "Link");
    }

    #[test]
    fn a_reader_with_keys_is_named_as_the_place_for_the_pin() {
        let asked = prompt(Occasion::Login(page()), PinKind::HpkiAuthentication);
        assert!(!Words::of(&asked).description.contains("カードリーダーのキー"));
        let asked = Prompt { at_reader: true, ..asked };
        assert!(Words::of(&asked).description.contains("カードリーダーのキー"));
    }

    #[test]
    fn what_cannot_be_shown_is_said_so() {
        let occasion = document(None, Source::File("scan.pdf".into()));
        let words = Words::of(&prompt(occasion, PinKind::HpkiSignature));
        assert!(words.pages.is_empty());
        assert!(
            words.description.contains("scan.pdf") && words.description.contains("表示できません")
        );
    }

    #[test]
    fn the_warning_says_who_unlocks_the_card() {
        let cases = [
            (PinKind::HpkiAuthentication, 3, "再発行が必要"),
            (PinKind::HpkiSignature, 3, "再発行が必要"),
            (PinKind::JpkiAuthentication, 2, "市区町村の窓口"),
            (PinKind::JpkiSignature, 3, "市区町村の窓口"),
        ];
        for (kind, tries, part) in cases {
            let asked = Prompt { tries_left: Some(tries), ..prompt(Occasion::Login(page()), kind) };
            assert!(Words::of(&asked).warning.unwrap().contains(part));
            let asked = Prompt { tries_left: Some(tries + 1), ..asked };
            assert_eq!(Words::of(&asked).warning, None);
        }
    }

    #[test]
    fn every_kind_has_its_words_in_both_languages() {
        use PinKind::*;
        let mut titles = std::collections::BTreeSet::new();
        for kind in [HpkiAuthentication, HpkiSignature, JpkiAuthentication, JpkiSignature] {
            for language in [Language::Ja, Language::En] {
                let asked =
                    Prompt { language, again: true, ..prompt(Occasion::Login(page()), kind) };
                let words = Words::of(&asked);
                titles.insert(words.title);
                let ascii = |text: &str| {
                    text.replace("架空 100%クリニック", "").replace("架空 花子", "").is_ascii()
                };
                let all = [words.title, words.label, words.ok, words.cancel, &words.description];
                assert!(
                    all.iter().all(|text| ascii(text) == (language == Language::En)),
                    "{all:?}"
                );
            }
        }
        assert_eq!(titles.len(), 8);
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_whole_text_and_each_fits(text in "[\\PC\n]{0,3000}") {
            let all = pieces(&text);
            prop_assert!(all.iter().all(|piece| piece.len() <= MOST_OF_PAGE));
            prop_assert!(all.iter().all(|piece| piece.lines().count() <= MOST_LINES));
            prop_assert_eq!(all.concat(), text);
        }
    }
}
