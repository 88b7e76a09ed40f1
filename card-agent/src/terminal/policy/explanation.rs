//! What the policy does, in words: for whoever is asked to put it onto hundreds of PCs.

pub use sekisho_protocol::request::Language;
use serde_json::Value;

use super::{LOOPBACK, SELECT};

/// A paragraph for each policy.
pub fn explanation(policy: &Value, language: Language) -> String {
    let texts = |name: &str| -> Vec<&str> {
        policy[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let mut text = String::new();
    for item in texts(SELECT) {
        let Ok(item) = serde_json::from_str::<Value>(item) else { continue };
        let page = item["pattern"].as_str().unwrap_or_default();
        let (member, attribute) = match item["filter"]["ISSUER"]["O"].as_str() {
            Some(organisation) => (true, organisation),
            None => (false, item["filter"]["SUBJECT"]["CN"].as_str().unwrap_or_default()),
        };
        text.push_str(&match (language, member) {
            (Language::Ja, true) => format!(
                "{SELECT}\n  {page} には、証明書を選ぶ画面を出さずに、「{attribute}」が発行したこのPCの証明書を示します。\n"
            ),
            (Language::Ja, false) => format!(
                "{SELECT}\n  {page} には、証明書を選ぶ画面を出さずに、端末「{attribute}」の証明書を示します。\n"
            ),
            (Language::En, true) => format!(
                "{SELECT}\n  {page} is shown this PC's certificate that \"{attribute}\" issued, without a window to choose from.\n"
            ),
            (Language::En, false) => format!(
                "{SELECT}\n  {page} is shown the certificate of the terminal \"{attribute}\", without a window to choose from.\n"
            ),
        });
    }
    for page in texts(LOOPBACK) {
        text.push_str(&match language {
            Language::Ja => format!(
                "{LOOPBACK}\n  {page} のページは、確認の画面なしに、このPCのカードログインのプログラムを呼び出せます。ほかのサイトのページには許可しません。\n"
            ),
            Language::En => format!(
                "{LOOPBACK}\n  Pages of {page} may call the card login program on this PC without a question. Pages of other sites may not.\n"
            ),
        });
    }
    text
}
