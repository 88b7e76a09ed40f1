//! Whom a proposal concerns, on its page: numbers for the owner, groups for whoever decides.

use http::StatusCode;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    membership, person, sql, transaction,
};
use sekisho_wire::acr;

use super::{
    FACILITY, OFFICER, OPERATOR,
    rules::{Live, NURSES, live},
};
use crate::app::App;

/// A member of a facility who logged in by HPKI card with this profession.
pub(super) async fn member(app: &App, facility: &str, name: &str, roles: &[&str]) -> String {
    let at = app.now();
    transaction!(app.store(), StoreError, |tx| {
        let id = person::enter(tx, name, "", at).await?;
        let started = membership::start(tx, &id, facility, None, "test", at).await?;
        tx.execute(
            sql(
                "INSERT INTO session (id_hash, realm, person_id, membership_id, hc_roles, acr, amr,
                     auth_time, created_at, last_seen_at, expires_at)
                 VALUES ($1, 'portal', $2, $3, $4, $5, '[]', $6, $6, $6, $6)",
            )
            .bind(started.as_bytes())
            .bind(&id)
            .bind(&started)
            .bind(serde_json::Value::from(roles).to_string())
            .bind(acr::HPKI_CARD)
            .bind(at),
        )
        .await?;
        Ok(Audited::new(id, Entry::done("test", Actor::System, at)))
    })
    .unwrap()
}

async fn peopled() -> Live {
    let live = live().await;
    for (facility, name, roles) in [
        ("123456789007", "医師一", &["Medical Doctor"][..]),
        ("123456789007", "看護一", &["General Nurse"]),
        ("234567890101", "看護二", &["General Nurse"]),
        ("234567890101", "事務", &[]),
    ] {
        member(&live.test.app, facility, name, roles).await;
    }
    live
}

#[tokio::test]
async fn the_approver_sees_who_gains_and_the_owner_does_not() {
    let live = peopled().await;
    let proposal = live.propose(FACILITY, NURSES).await;
    let page = live.get(OPERATOR, &proposal).await.text;
    for shown in [
        "所属4件のすべてについて",
        "<tr><th scope=\"row\">HPKIカード</th><td>1</td><td>3</td><td><strong>2</strong></td><td>0</td></tr>",
        "<tr><th scope=\"row\">パスキー</th><td>0</td><td>0</td><td>0</td><td>0</td></tr>",
        "<tr><th scope=\"row\">看護師</th><td>2</td><td>利用できるようになる：HPKIカード<br></td></tr>",
        "時間の条件はない",
    ] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    let own = live.get(FACILITY, &proposal).await.text;
    assert!(!own.contains("所属4件") && !own.contains("id=\"levels\""), "{own}");
    assert!(own.contains("事業主体の管理者に表示されます"), "{own}");
    let english = live.get(OPERATOR, &format!("{proposal}?lang=en")).await.text;
    assert!(english.contains("Gain access: HPKI card"), "{english}");
    let beyond = live.get(OPERATOR, &format!("{proposal}?page=60000")).await;
    assert_eq!(beyond.status, StatusCode::OK);
    assert!(beyond.text.contains("このページに示すものはありません"), "{}", beyond.text);
}

#[tokio::test]
async fn hours_and_named_facilities_are_told_with_those_whom_they_concern() {
    let live = peopled().await;
    let rules = "[[rules]]\nid = \"physicians\"\nroles = [\"Medical Doctor\"]\nrelease = []\n\
        hours = [{ days = [\"mon\"], from = \"09:00\", to = \"17:00\" }]\n\
        [[rules]]\nid = \"named\"\nfacilities = [\"234567890101\"]\nminimum_acr = \"urn:oid:1.3.6.1.4.1.32473.3.1\"\n";
    let proposal = live.propose(OFFICER, rules).await;
    let page = live.get(OPERATOR, &proposal).await.text;
    for shown in [
        "1週間のどこかで変わる人を数えます",
        "利用できなくなる：HPKIカード（次の時間：",
        "渡される情報が減る：HPKIカード（次の時間：月 09:00～17:00）",
        "組織234567890101 234567890101",
        "利用できるようになる：パスワードとワンタイムパスワード、パスキー、マイナンバーカード、HPKIカード",
    ] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
}

#[tokio::test]
async fn a_change_that_concerns_nobody_says_so() {
    let live = peopled().await;
    let same = "[[rules]]\nid = \"doctors\"\nroles = [\"Medical Doctor\"]\nrelease = [\"name\"]\n";
    let proposal = live.propose(OFFICER, same).await;
    let page = live.get(OPERATOR, &proposal).await.text;
    assert!(page.contains("変わる人はいません"), "{page}");
    assert!(page.contains("なくなる決まり") && page.contains("追加される決まり"), "{page}");
}
