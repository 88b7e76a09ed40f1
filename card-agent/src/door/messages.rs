//! What a person reads when an exchange fails: what happened, and what to do next.

use sekisho_protocol::door::ErrorCode;
use sekisho_protocol::request::Language;

use super::failure::Failure;

/// The sentences for a failure.
pub fn message(failure: Failure, language: Language) -> String {
    let Failure { code, tries_left, day } = failure;
    let (ja, en) = match code {
        ErrorCode::BadRequest => (
            "ページからの要求が正しくありません。ページを再読み込みしてください。",
            "The page's request is malformed. Reload the page.",
        ),
        ErrorCode::Replayed => (
            "この要求は一度使われています。もう一度はじめからお試しください。",
            "This request was used before. Start again.",
        ),
        ErrorCode::ClockOrExpired => (
            "要求の期限が切れているか、このPCの時計がずれています。時計を確認して、もう一度お試しください。",
            "The request is out of date, or this PC's clock is wrong. Check the clock and try again.",
        ),
        ErrorCode::AgentTooOld => (
            "このPCのカードプログラムが古いため利用できません。管理者に更新を依頼してください。",
            "The card program on this PC is too old. Ask the administrator to update it.",
        ),
        ErrorCode::AnotherTerminal => (
            "ブラウザーの証明書とこのPCの証明書が異なります。管理者に連絡してください。",
            "The browser's certificate is not this PC's. Contact the administrator.",
        ),
        ErrorCode::Busy => (
            "別のログインまたは署名が進行中です。それを終えるか中止してください。",
            "Another login or signature is running. Finish or cancel it.",
        ),
        ErrorCode::NoSuchExchange => (
            "この操作は終了しています。もう一度はじめからお試しください。",
            "This is over. Start again.",
        ),
        ErrorCode::Expired => {
            ("時間切れです。もう一度はじめからお試しください。", "The time is up. Start again.")
        }
        ErrorCode::Cancelled => ("中止しました。", "Cancelled."),
        ErrorCode::NoReader => (
            "カードリーダーが見つかりません。接続を確認してください。",
            "No card reader was found. Check that it is connected.",
        ),
        ErrorCode::CardRemoved => (
            "カードが抜かれました。カードを入れて、もう一度お試しください。",
            "The card was removed. Insert it and try again.",
        ),
        ErrorCode::CardNotAccepted => (
            "このカードは利用できません。登録されたHPKIカードまたはマイナンバーカードを入れてください。",
            "This card cannot be used here. Insert your registered HPKI or My Number card.",
        ),
        ErrorCode::CardUnknown => (
            "HPKIカードでもマイナンバーカードでもありません。登録されたカードを入れてください。",
            "This is neither an HPKI card nor a My Number card. Insert your registered card.",
        ),
        ErrorCode::CardNotSupported => (
            "このカードには、この操作に使える証明書がありません。別のカードを入れてください。マイナンバーカードの電子証明書は市区町村の窓口で発行されます。",
            "This card has no certificate that can be used for this. Insert another one; the certificates of a My Number card are issued at the municipal office.",
        ),
        ErrorCode::CertificateExpired => (
            "カードの証明書は期限が切れています。HPKIカードは発行機関に、マイナンバーカードは市区町村の窓口に更新を申し込んでください。",
            "The card's certificate has expired. Have an HPKI card renewed by its issuer, a My Number card at the municipal office.",
        ),
        ErrorCode::CertificateNotYetValid => (
            "カードの証明書はまだ有効ではありません。このPCの日付を確認してください。",
            "The card's certificate is not valid yet. Check this PC's date.",
        ),
        ErrorCode::AnotherPerson => (
            "別の人のカードです。ログイン中の本人のカードを入れてください。",
            "This is another person's card. Insert the card of the person who is logged in.",
        ),
        ErrorCode::PinWrong => ("暗証番号が違います。", "The PIN is wrong."),
        ErrorCode::PinBlocked => (
            "暗証番号がロックされています。HPKIカードは発行機関に再発行を申請してください。マイナンバーカードは市区町村の窓口で解除できます。",
            "The PIN is blocked. An HPKI card must be issued anew by its issuer; a My Number card is unlocked at the municipal office.",
        ),
        ErrorCode::PinGuarded => (
            "暗証番号の残り回数が少ないため中止しました。暗証番号を確かめてからお試しください。",
            "Few PIN tries are left, so nothing was tried. Make sure of the PIN first.",
        ),
        ErrorCode::CardFailed => (
            "カードを読み取れません。カードを入れ直してください。",
            "The card cannot be read. Take it out and insert it again.",
        ),
        ErrorCode::CardRefused => (
            "カードが処理を拒否しました。カードを入れ直してください。続くときは、カードの発行元を管理者に伝えてください。",
            "The card refused. Take it out and insert it again; if it stays, tell the administrator who issued it.",
        ),
        ErrorCode::CardHeld => (
            "ほかのプログラムがカードを使い続けています。そのプログラムを閉じてください。",
            "Another program keeps the card to itself. Close that program.",
        ),
        ErrorCode::ReaderFailed => (
            "カードリーダーが応答しません。カードリーダーをつなぎ直してください。",
            "The card reader does not respond. Unplug it and plug it in again.",
        ),
        ErrorCode::NoWindow => (
            "暗証番号の入力画面を表示できません。管理者に連絡してください。",
            "The PIN window cannot be shown. Contact the administrator.",
        ),
        ErrorCode::AgentFailed => (
            "カードプログラムに問題が起きました。PCを再起動しても続く場合は管理者に連絡してください。",
            "The card program failed. If a restart does not help, contact the administrator.",
        ),
    };
    let mut text = match language {
        Language::Ja => ja.to_owned(),
        Language::En => en.to_owned(),
    };
    if let Some(tries) = tries_left {
        text.push_str(&match language {
            Language::Ja => format!(" 残り{tries}回です。"),
            Language::En => format!(" {tries} tries left."),
        });
    }
    if let Some(day) = day {
        text.push_str(&match language {
            Language::Ja if code == ErrorCode::CertificateExpired => {
                format!(" 有効期限は{day}まででした。")
            }
            Language::Ja => format!(" {day}から有効です。"),
            Language::En if code == ErrorCode::CertificateExpired => {
                format!(" It was valid until {day}.")
            }
            Language::En => format!(" It is valid from {day}."),
        });
    }
    text
}
