//! What a card's refusal means to the person before it, and what to do next: a sentence or two for each
//! reason and each status word, Japanese and English.

use sekisho_protocol::request::Language;

use super::apdu::StatusWord;
use super::jpki::Token;
use super::pin_kind::PinKind;
use super::reader::CardError;

/// The sentences for an error. `kind` is the PIN that was asked for, where one was: it decides who gives
/// a blocked one back.
pub fn of(error: &CardError, kind: Option<PinKind>, language: Language) -> String {
    match language {
        Language::Ja => japanese(error, kind),
        Language::En => {
            // What it is stands in the error itself.
            let next = english_next(error, kind);
            format!("{error}. {next}")
        }
    }
}

/// Who gives a blocked PIN back.
pub fn unlocking(kind: Option<PinKind>, language: Language) -> &'static str {
    use PinKind::{HpkiAuthentication, HpkiSignature, JpkiAuthentication, JpkiSignature};
    match (kind, language) {
        (Some(HpkiAuthentication | HpkiSignature), Language::Ja) => {
            "HPKIカードの発行元に再発行を申し込んでください。"
        }
        (Some(HpkiAuthentication | HpkiSignature), Language::En) => {
            "The issuer of the HPKI card has to issue it anew"
        }
        (Some(JpkiAuthentication), Language::Ja) => {
            "住民票のある市区町村の窓口で、利用者証明用暗証番号の初期化を申し込んでください。"
        }
        (Some(JpkiAuthentication), Language::En) => {
            "The municipal office unlocks the My Number card's PIN for user authentication"
        }
        (Some(JpkiSignature), Language::Ja) => {
            "住民票のある市区町村の窓口で、署名用パスワードの初期化を申し込んでください。"
        }
        (Some(JpkiSignature), Language::En) => {
            "The municipal office unlocks the My Number card's password for signatures"
        }
        (None, Language::Ja) => {
            "HPKIカードは発行元に再発行を申し込んでください。マイナンバーカードは市区町村の窓口で解除できます。"
        }
        (None, Language::En) => {
            "An HPKI card has to be issued anew by its issuer; the municipal office unlocks a My Number card"
        }
    }
}

/// What a PIN of this kind looks like.
fn form(kind: Option<PinKind>, language: Language) -> &'static str {
    use PinKind::{HpkiAuthentication, HpkiSignature, JpkiAuthentication, JpkiSignature};
    match (kind, language) {
        (Some(HpkiAuthentication | HpkiSignature), Language::Ja) => {
            "4～16文字の半角英数字・記号です（カードの発行元からの通知を確かめてください）。"
        }
        (Some(HpkiAuthentication | HpkiSignature), Language::En) => {
            "It has 4 to 16 characters; the letter of the card's issuer has it"
        }
        (Some(JpkiAuthentication), Language::Ja) => "数字4桁です。",
        (Some(JpkiAuthentication), Language::En) => "It is of 4 digits",
        (Some(JpkiSignature), Language::Ja) => "6～16文字の英数字です。",
        (Some(JpkiSignature), Language::En) => "It has 6 to 16 letters and digits",
        (None, Language::Ja) => "カードの種類に合った暗証番号を入力してください。",
        (None, Language::En) => "Enter the one that belongs to this card",
    }
}

const OTHER_CARD_JA: &str = "HPKIカードかマイナンバーカードを入れてください。";
const OTHER_CARD_EN: &str = "Insert an HPKI card or a My Number card";
const AGAIN_JA: &str = "カードを入れ直して、もう一度試してください。";
const AGAIN_EN: &str = "Take the card out, insert it again and start over";

fn japanese(error: &CardError, kind: Option<PinKind>) -> String {
    match error {
        CardError::NoService(why) => format!(
            "スマートカードのサービスが動いていません（{why}）。`sekisho-agent doctor` が対処を示します。"
        ),
        CardError::Removed => format!("カードが途中で抜かれました。{AGAIN_JA}"),
        CardError::Reset => {
            format!("ほかのソフトウェアがカードをリセットしました。それを閉じ、{AGAIN_JA}")
        }
        CardError::Held => "ほかのプログラムがカードを占有しています。それを閉じてください。".into(),
        CardError::Reader(why) => format!(
            "カードリーダーが応答しません（{why}）。カードリーダーをつなぎ直してください。"
        ),
        CardError::Malformed => format!("カードの応答を読み取れません。{AGAIN_JA}"),
        CardError::UnknownCard => {
            format!("HPKIカードでもマイナンバーカードでもありません。{OTHER_CARD_JA}")
        }
        CardError::NoSignatureKey => format!(
            "このカードには署名用の鍵がありません。署名用電子証明書のある{OTHER_CARD_JA}"
        ),
        CardError::UnknownCertificate { issuer } => format!(
            "このカードの証明書（発行者 {issuer}）は、HPKIのものでも公的個人認証のものでもありません。{OTHER_CARD_JA}"
        ),
        CardError::NotForLogin(token) => {
            format!("これは{}です。ログインには使えません。{}", token_ja(*token), token_next_ja(*token))
        }
        CardError::NotForDocuments(token) => {
            format!("これは{}です。文書の署名には使えません。{}", token_ja(*token), token_next_ja(*token))
        }
        CardError::AnotherUse(_) => {
            "このカードの証明書は、この用途のものではありません。カードの発行元を管理者に伝えてください。".into()
        }
        CardError::NotAccepted => {
            "このカードの発行元は、ここでは受け入れられていません。管理者に連絡してください。".into()
        }
        CardError::AnotherPerson => "別の方のカードです。ご本人のカードを入れてください。".into(),
        CardError::NotYetValid { from } => format!(
            "カードの証明書は{from}から有効です。このPCの日付を確認してください。"
        ),
        CardError::Expired { since } => format!(
            "カードの証明書は{since}で有効期限が切れています。HPKIカードは発行元に、マイナンバーカードは市区町村の窓口に、更新を申し込んでください。"
        ),
        CardError::Signature(_) => format!(
            "カードの署名が証明書と合いません。{AGAIN_JA}続くときは、カードの発行元に問い合わせてください。"
        ),
        CardError::UnsupportedKey { algorithm } => format!(
            "このカードの鍵の種類（{algorithm}）には対応していません。エージェントの更新があるか管理者に確認し、それまでは別のカードを使ってください。"
        ),
        CardError::Structure(_) => format!(
            "カードの中のファイルを読み取れません。{AGAIN_JA}続くときは、カードの発行元に問い合わせてください。"
        ),
        CardError::Refused { step, status } => refused_ja(step, *status, kind),
        CardError::PinWrong { tries_left: Some(tries) } => format!(
            "暗証番号が違います。残り{tries}回です。続けて間違えるとロックされます。"
        ),
        CardError::PinWrong { tries_left: None } => {
            "暗証番号が違います。残りの回数は、カードが答えません。".into()
        }
        CardError::PinMalformed => format!(
            "この形の暗証番号はありません。カードには送っていないので、残りの回数は減っていません。{}",
            form(kind, Language::Ja)
        ),
        CardError::PinLength { .. } => format!(
            "カードは、この長さの暗証番号を受け付けません。{}",
            form(kind, Language::Ja)
        ),
        CardError::PinPad(_) => {
            "カードリーダーのキーで暗証番号が入力されませんでした。残りの回数は減っていません。もう一度試してください。".into()
        }
        CardError::GivenUp => "中止しました。署名はしていません。".into(),
        CardError::PinBlocked => {
            format!("暗証番号がロックされています。{}", unlocking(kind, Language::Ja))
        }
    }
}

fn english_next(error: &CardError, kind: Option<PinKind>) -> String {
    match error {
        CardError::NoService(_) => "`sekisho-agent doctor` says what helps".into(),
        CardError::Removed | CardError::Malformed => AGAIN_EN.into(),
        CardError::Reset => format!("Close that software. {AGAIN_EN}"),
        CardError::Held => "Close it".into(),
        CardError::Reader(_) => "Unplug the reader and plug it in again".into(),
        CardError::UnknownCard | CardError::UnknownCertificate { .. } => OTHER_CARD_EN.into(),
        CardError::NoSignatureKey => format!("{OTHER_CARD_EN} that has one"),
        CardError::NotForLogin(token) | CardError::NotForDocuments(token) => {
            token_next_en(*token).into()
        }
        CardError::AnotherUse(_) => "Tell the administrator who issued the card".into(),
        CardError::NotAccepted => "Ask the administrator whose cards are".into(),
        CardError::AnotherPerson => "Insert your own".into(),
        CardError::NotYetValid { .. } => "Nothing is wrong with the card if the clock is".into(),
        CardError::Expired { .. } => {
            "That is its issuer for an HPKI card, the municipal office for a My Number card".into()
        }
        CardError::Signature(_) | CardError::Structure(_) => {
            format!("{AGAIN_EN}; if it stays, ask the card's issuer")
        }
        CardError::UnsupportedKey { .. } => {
            "Ask the administrator for a newer agent, and use another card until then".into()
        }
        CardError::Refused { step, status } => refused_en(step, *status, kind),
        CardError::PinWrong { tries_left: Some(tries) } => {
            format!("{tries} tries are left; wrong ones in a row block it")
        }
        CardError::PinWrong { tries_left: None } => "The card does not tell how often yet".into(),
        CardError::PinMalformed => {
            format!("It was not sent, and cost no try. {}", form(kind, Language::En))
        }
        CardError::PinLength { .. } => form(kind, Language::En).into(),
        CardError::PinPad(_) => "It cost no try: start over".into(),
        CardError::GivenUp => "Nothing was signed".into(),
        CardError::PinBlocked => unlocking(kind, Language::En).into(),
    }
}

fn token_ja(token: Token) -> &'static str {
    match token {
        Token::MyNumberCard => "この用途の電子証明書がないマイナンバーカード",
        Token::ResidentCard => "住民基本台帳カード",
        Token::Android => "Androidスマートフォンの電子証明書",
        Token::Iphone => "iPhoneの電子証明書",
        Token::Unknown => "このプログラムが知らない公的個人認証の媒体",
    }
}

fn token_next_ja(token: Token) -> &'static str {
    match token {
        Token::MyNumberCard => "電子証明書は、市区町村の窓口で発行されます。",
        Token::ResidentCard | Token::Android | Token::Iphone => {
            "マイナンバーカードを使ってください。"
        }
        Token::Unknown => "エージェントの更新があるか、管理者に確認してください。",
    }
}

fn token_next_en(token: Token) -> &'static str {
    match token {
        Token::MyNumberCard => "The municipal office issues the certificate",
        Token::ResidentCard | Token::Android | Token::Iphone => "Use the My Number card itself",
        Token::Unknown => "Ask the administrator for a newer agent",
    }
}

/// What became of a command that a card refused, by what the person can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The PIN was not verified, or is verified no longer.
    WantsPin,
    /// What belongs to such a card is not on this one.
    NotOnCard,
    /// It does not know the command, or not in this form.
    NotSupported,
    /// It is deactivated, or not in the state for it.
    NotInForce,
    /// Its own memory or processor.
    Failed,
    Other,
}

impl Refusal {
    fn of(status: StatusWord) -> Self {
        match status.0 {
            0x6982 => Self::WantsPin,
            0x6283 | 0x6985 => Self::NotInForce,
            0x6400 | 0x6581 | 0x6f00 => Self::Failed,
            0x6a82 | 0x6a88 => Self::NotOnCard,
            0x6700 | 0x6881 | 0x6882 | 0x6884 | 0x6981 | 0x6986 | 0x6a80 | 0x6a81 | 0x6a85
            | 0x6a86 | 0x6a87 | 0x6b00 | 0x6d00 | 0x6e00 => Self::NotSupported,
            _ => Self::Other,
        }
    }
}

fn refused_ja(step: &str, status: StatusWord, kind: Option<PinKind>) -> String {
    if status.tries_left() == Some(0) {
        return japanese(&CardError::PinBlocked, kind);
    }
    let what = match step {
        "the PIN" => "暗証番号の確認",
        "the signature" => "署名",
        "the choice of the key" => "鍵の選択",
        "selection of the application" => "アプリケーションの選択",
        "selection of a file" => "ファイルの選択",
        _ => "読み取り",
    };
    let next = match Refusal::of(status) {
        Refusal::WantsPin => {
            format!("暗証番号が確認されていないか、ほかのソフトウェアが取り消しました。{AGAIN_JA}")
        }
        Refusal::NotOnCard => {
            format!("この用途のカードではありません。{OTHER_CARD_JA}")
        }
        Refusal::NotSupported => {
            "この命令に対応していないカードです。カードの発行元とこの番号を管理者に伝えてください。"
                .into()
        }
        Refusal::NotInForce => {
            "この鍵はいま使えない状態です。カードの発行元に問い合わせてください。".into()
        }
        Refusal::Failed => format!(
            "カード自身の故障です。{AGAIN_JA}続くときは、カードの発行元に交換を申し込んでください。"
        ),
        Refusal::Other => {
            format!("{AGAIN_JA}続くときは、この番号を管理者に伝えてください。")
        }
    };
    format!("カードが{what}を拒否しました（{:04X}）。{next}", status.0)
}

fn refused_en(step: &str, status: StatusWord, kind: Option<PinKind>) -> String {
    if status.tries_left() == Some(0) {
        return unlocking(kind, Language::En).into();
    }
    match Refusal::of(status) {
        Refusal::WantsPin if step == "the PIN" => AGAIN_EN.into(),
        Refusal::WantsPin => format!("Other software may have taken the PIN back. {AGAIN_EN}"),
        Refusal::NotOnCard => format!("It is not a card for this. {OTHER_CARD_EN}"),
        Refusal::NotSupported => {
            "Tell the administrator this number and who issued the card".into()
        }
        Refusal::NotInForce => "Ask the card's issuer: the key cannot be used now".into(),
        Refusal::Failed => format!("{AGAIN_EN}; if it stays, its issuer replaces the card"),
        Refusal::Other => format!("{AGAIN_EN}; if it stays, tell the administrator this number"),
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
