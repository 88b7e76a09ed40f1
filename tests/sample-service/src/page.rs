//! The service's pages, in Japanese and English side by side.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::claims::Claims;

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn frame(name: &str, body: &str) -> String {
    let name = escape(name);
    format!(
        "<!doctype html><html lang=\"ja\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{name}</title><style>\
         body{{font-family:'Noto Sans CJK JP',sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#222}}\
         table{{border-collapse:collapse;width:100%}}th,td{{border-bottom:1px solid #ccc;padding:.5rem;text-align:left;vertical-align:top}}\
         .button{{display:inline-block;padding:.7rem 1.2rem;background:#0b5563;color:#fff;border:0;border-radius:.3rem;text-decoration:none;font-size:1rem}}\
         small{{color:#555}}</style></head><body><main><h1>{name}</h1>{body}</main></body></html>"
    )
}

/// The first page: log in, or who is logged in and what vouches for it.
pub fn home(name: &str, claims: Option<&Claims>) -> String {
    let Some(claims) = claims else {
        return frame(
            name,
            "<p>ログインしていません。<br><small>You are not logged in.</small></p>\
             <p><a class=\"button\" id=\"login\" href=\"/login\">ログイン / Log in</a></p>",
        );
    };
    let more = claims.additional_claims();
    let name_claim = claims.name().and_then(|name| name.get(None)).map(|name| name.as_str());
    let auth_time = claims.auth_time().map(|at| at.to_rfc3339());
    let terminal = more.terminal.as_ref().map(|t| format!("{} ({})", t.name, t.id));
    let join = |list: &[String]| (!list.is_empty()).then(|| list.join(", "));
    let amr = claims
        .auth_method_refs()
        .map(|refs| refs.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", "));
    let rows = [
        ("sub", "利用者（このサービスだけの識別子）", Some(claims.subject().to_string())),
        ("name", "氏名", name_claim.map(str::to_owned)),
        ("hc_role", "資格", join(&more.hc_role)),
        ("facility_id", "施設識別子", more.facility_id.clone()),
        ("facility_code", "医療機関コード", join(&more.facility_code)),
        ("facility_name", "施設名", more.facility_name.clone()),
        ("facility_kind", "施設の種類", more.facility_kind.clone()),
        ("terminal", "端末", terminal),
        ("acr", "認証の強さ", claims.auth_context_ref().map(|acr| acr.to_string())),
        ("amr", "認証の方法", amr),
        ("auth_time", "認証した時刻", auth_time),
    ];
    let mut table = String::from(
        "<table><thead><tr><th>項目 / Claim</th><th>値 / Value</th><th>根拠 / Vouched for by</th></tr></thead><tbody>",
    );
    for (claim, label, value) in rows {
        if let Some(value) = value {
            let vouchers = vouchers(&more.vouched_by, claim);
            let _ = write!(
                table,
                "<tr><th scope=\"row\">{label}<br><small>{claim}</small></th><td id=\"{claim}\">{}</td><td>{}</td></tr>",
                escape(&value),
                escape(&vouchers)
            );
        }
    }
    table.push_str("</tbody></table>");
    frame(
        name,
        &format!(
            "<p>ログインしました。<br><small>You are logged in.</small></p>{table}\
             <form method=\"post\" action=\"/refresh\"><p><button class=\"button\" id=\"refresh\">最新の情報にする / Refresh</button></p></form>\
             <form method=\"post\" action=\"/logout\"><p><button class=\"button\">このサービスからログアウト / Log out here</button></p></form>\
             <form method=\"post\" action=\"/logout/network\"><p><button class=\"button\" id=\"logout\">すべてのサービスからログアウト / Log out everywhere</button></p></form>"
        ),
    )
}

/// Who stands behind a claim, or behind each member of it.
fn vouchers(vouched_by: &BTreeMap<String, String>, claim: &str) -> String {
    let word = |source: &str| match source {
        "card" => "カード / card".to_owned(),
        "facility_certificate" => "施設証明書 / facility certificate".to_owned(),
        "register" => "施設台帳 / register".to_owned(),
        "login" => "ポータルでのログイン / login".to_owned(),
        other => other.to_owned(),
    };
    let parts = vouched_by.iter().filter_map(|(part, source)| {
        let member = part.strip_prefix(claim)?;
        match member.strip_prefix('.') {
            Some(member) => Some(format!("{member}: {}", word(source))),
            None => member.is_empty().then(|| word(source)),
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// The login did not succeed.
pub fn refused(name: &str, reason: &str) -> String {
    frame(
        name,
        &format!(
            "<p role=\"alert\">ログインできませんでした。<br><small>The login did not succeed.</small></p><p><code>{}</code></p>\
             <p><a class=\"button\" href=\"/\">最初の画面へ / Back to the start</a></p>",
            escape(reason)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_claim_is_shown_with_those_who_stand_behind_it() {
        let vouched_by = [
            ("sub", "card"),
            ("auth_time", "login"),
            ("terminal.id", "facility_certificate"),
            ("terminal.name", "register"),
        ];
        let vouched_by =
            vouched_by.map(|(part, source)| (part.to_owned(), source.to_owned())).into();
        for (claim, shown) in [
            ("sub", "カード / card"),
            ("auth_time", "ポータルでのログイン / login"),
            ("terminal", "id: 施設証明書 / facility certificate, name: 施設台帳 / register"),
            ("name", ""),
            ("auth", ""),
        ] {
            assert_eq!(vouchers(&vouched_by, claim), shown, "{claim}");
        }
    }
}
