//! Other rules for a live service: written, proposed, published by somebody else, taken back.

use http::StatusCode;
use sekisho_store::{
    StoreError, account,
    audit::{Actor, Audited, Entry},
    role_grant, rules_proposal, rules_version, service, service_change, transaction,
};

use super::{COLLEAGUE, ELSEWHERE, FACILITY, OFFICER, OPERATOR, registration};
use crate::{
    console::{
        scene::{Answer, acts, form, post_from_elsewhere, send, signed_in},
        tests::service::{approve as go_live, asked, seen},
    },
    notice,
    outbox::{Deliverers, deliver_due},
    people::role::Role,
    testing::TestApp,
};

pub(super) const FIRST: &str =
    "[[rules]]\nid = \"physicians\"\nroles = [\"Medical Doctor\"]\nrelease = [\"name\"]\n";
pub(super) const NURSES: &str = "[[rules]]\nid = \"physicians\"\nroles = [\"Medical Doctor\", \"General Nurse\"]\nrelease = [\"name\"]\n";

/// A live service of ours: the path of its rules, and its identifier.
pub(super) struct Live {
    pub(super) test: TestApp,
    pub(super) path: String,
    pub(super) id: String,
}

/// With a second administrator of the operating body under `OFFICER`.
pub(super) async fn live() -> Live {
    let test = registration::owners().await;
    let path = asked(&test).await;
    let done = go_live(&test, &path, FIRST, &seen(&test, &path).await).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    signed_in(&test.app, "第二管理者", &[Role::OperatingAdministrator], OFFICER).await;
    let id = path.rsplit_once('/').unwrap().1.to_owned();
    Live { path: format!("{path}/rules"), id, test }
}

impl Live {
    pub(super) async fn get(&self, cookie: &str, path: &str) -> Answer {
        send(&self.test.app, "GET", path, cookie, "").await
    }

    pub(super) async fn post(&self, cookie: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        send(&self.test.app, "POST", path, cookie, &form(fields)).await
    }

    /// Writes these rules as a text; the answer.
    pub(super) async fn write(&self, cookie: &str, rules: &str) -> Answer {
        let base = self.base(cookie).await;
        let fields = [("base", base.as_str()), ("rules", rules)];
        self.post(cookie, &format!("{}/draft/text", self.path), &fields).await
    }

    pub(super) async fn seen(&self, cookie: &str) -> String {
        self.hidden(cookie, "seen").await
    }

    /// The version that the draft's page is made for.
    pub(super) async fn base(&self, cookie: &str) -> String {
        let base = self.hidden(cookie, "base").await;
        if base.is_empty() { "1".to_owned() } else { base }
    }

    async fn hidden(&self, cookie: &str, name: &str) -> String {
        let page = self.get(cookie, &format!("{}/draft", self.path)).await;
        let Some((_, rest)) = page.text.split_once(&format!("name=\"{name}\" value=\"")) else {
            return String::new();
        };
        rest.split('"').next().unwrap().to_owned()
    }

    pub(super) async fn propose_written(&self, cookie: &str, reason: &str) -> Answer {
        let seen = self.seen(cookie).await;
        let fields = [("reason", reason), ("seen", seen.as_str())];
        self.post(cookie, &format!("{}/propose", self.path), &fields).await
    }

    /// Writes and proposes; the path of the proposal.
    pub(super) async fn propose(&self, cookie: &str, rules: &str) -> String {
        let written = self.write(cookie, rules).await;
        assert_eq!(written.status, StatusCode::SEE_OTHER, "{}", written.text);
        let proposed = self.propose_written(cookie, "看護師も使うため。").await;
        assert_eq!(proposed.status, StatusCode::SEE_OTHER, "{}", proposed.text);
        proposed.location
    }

    async fn version(&self) -> i64 {
        let mut reader = self.test.app.store().read();
        service::rules(&mut reader, &self.id).await.unwrap().unwrap().0
    }

    pub(super) async fn acts(&self, act: &str) {
        let acts = acts(&self.test.app).await;
        assert!(acts.iter().any(|other| other == act), "{act} is not in {acts:#?}");
    }
}

#[tokio::test]
async fn an_owner_proposes_and_another_human_being_of_the_operating_body_publishes() {
    let live = live().await;
    let page = live.get(FACILITY, &live.path).await;
    assert!(page.text.contains("資格が医師の人が利用できます。"), "{}", page.text);
    let proposal = live.propose(FACILITY, NURSES).await;
    assert_eq!(live.version().await, 1, "a proposal puts nothing in force");
    for (cookie, decides) in [(FACILITY, false), (OPERATOR, true)] {
        let page = live.get(cookie, &proposal).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert!(page.text.contains("看護師も使うため。"), "{}", page.text);
        assert_eq!(page.text.contains("/approve\""), decides, "{}", page.text);
    }
    let waiting = live.get(OPERATOR, "/console/services").await;
    assert!(waiting.text.contains("proposed-title"), "{}", waiting.text);
    let published = live.post(OPERATOR, &format!("{proposal}/approve"), &[]).await;
    assert_eq!((published.status, &published.location), (StatusCode::SEE_OTHER, &live.path));
    assert_eq!(live.version().await, 2);
    let mut reader = live.test.app.store().read();
    let versions = rules_version::list(&mut reader, &live.id, 0, 9).await.unwrap();
    assert_eq!(versions.len(), 2, "every version is kept");
    assert!(versions[0].proposed_by.is_some() && versions[0].by != versions[0].proposed_by);
    assert_eq!(versions[0].reason.as_deref(), Some("看護師も使うため。"));
    let page = live.get(FACILITY, &live.path).await;
    assert!(page.text.contains("提案：責任") && page.text.contains("承認：運営"), "{}", page.text);
    let compared = live.get(FACILITY, &format!("{}/compare?from=1&to=2", live.path)).await;
    assert!(compared.text.contains("<ins>資格が看護師、医師の人"), "{}", compared.text);
    live.acts("service.rules.propose done service_owner").await;
    live.acts("service.rules.publish done operating_administrator").await;
    let again = live.post(OFFICER, &format!("{proposal}/approve"), &[]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    live.acts("service.rules.publish refused operating_administrator not_open").await;
}

#[tokio::test]
async fn those_concerned_are_told_of_a_proposal_and_of_its_end() {
    let live = live().await;
    let first = live.propose(FACILITY, NURSES).await;
    let other = live.propose(OFFICER, &NURSES.replace("General Nurse", "Pharmacist")).await;
    live.post(OPERATOR, &format!("{other}/approve"), &[]).await;
    live.post(OPERATOR, &format!("{first}/refuse"), &[("reason", "薬剤師と合わせて。")]).await;
    let deliverers = Deliverers::new().with(notice::KIND, notice::deliver);
    for _ in 0..3 {
        deliver_due(&live.test.app, &deliverers).await.unwrap();
    }
    let page = live.get(FACILITY, "/console/notices").await;
    for told in [
        "責任 さんが提案しました",
        "決まりが変わりました（第2版）",
        "別の決まりが先に公開されました",
        "理由：薬剤師と合わせて。",
        first.as_str(),
    ] {
        assert!(page.text.contains(told), "{told} is not in {}", page.text);
    }
    let elsewhere = live.get(ELSEWHERE, "/console/notices").await;
    assert!(!elsewhere.text.contains("決まり"), "{}", elsewhere.text);
}

#[tokio::test]
async fn nobody_is_both_pairs_of_eyes() {
    let live = live().await;
    let proposal = live.propose(OFFICER, NURSES).await;
    let decide = async |cookie: &str| {
        let approved = live.post(cookie, &format!("{proposal}/approve"), &[]).await.status;
        let refused = live.post(cookie, &format!("{proposal}/refuse"), &[("reason", "x")]).await;
        assert_eq!(approved, refused.status);
        approved
    };
    // Who proposed it, and a namesake of theirs with another account.
    assert_eq!(decide(OFFICER).await, StatusCode::FORBIDDEN);
    let namesake = "namesakeAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    signed_in(&live.test.app, "第二 管理者 様", &[Role::OperatingAdministrator], namesake).await;
    assert_eq!(decide(namesake).await, StatusCode::FORBIDDEN);
    // Whoever answers for the organisation's services, also beside another role.
    let both = [Role::OperatingAdministrator, Role::ServiceOwner("123456789007".to_owned())];
    signed_in(&live.test.app, "兼務", &both, COLLEAGUE).await;
    assert_eq!(decide(COLLEAGUE).await, StatusCode::FORBIDDEN);
    // An owner, and somebody of another organisation.
    assert_eq!(decide(FACILITY).await, StatusCode::FORBIDDEN);
    assert_eq!(decide(ELSEWHERE).await, StatusCode::FORBIDDEN);
    assert_eq!(live.get(ELSEWHERE, &proposal).await.status, StatusCode::NOT_FOUND);
    assert_eq!(live.version().await, 1);
    live.acts("service.rules.publish refused operating_administrator own_proposal").await;
    live.acts("service.rules.publish refused operating_administrator namesake_of_proposer").await;
    let page = live.get(namesake, &proposal).await;
    assert!(page.text.contains("同じ氏名") && !page.text.contains("/approve\""), "{}", page.text);
    let done = live.post(OPERATOR, &format!("{proposal}/approve"), &[]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
}

#[tokio::test]
async fn two_of_whom_one_let_the_other_in_are_one_pair_of_eyes() {
    let live = live().await;
    let at = live.test.app.now();
    let app = &live.test.app;
    let let_in = "let-in--AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let person = signed_in(app, "新任", &[Role::OperatingAdministrator], let_in).await;
    let proposal = live.propose(OFFICER, NURSES).await;
    let mut reader = app.store().read();
    let id = proposal.rsplit_once('/').unwrap().1;
    let proposed_by = rules_proposal::find(&mut reader, id).await.unwrap().unwrap().proposed_by;
    // The proposer issued the link by which the other one's factors were set.
    transaction!(app.store(), StoreError, |tx| {
        let hash = [7; 32];
        let ends = at + time::Duration::HOUR;
        account::issue_link(tx, &hash, &person, Some(&proposed_by), at, ends).await?;
        account::consume_link(tx, &hash, at).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    let refused = live.post(let_in, &format!("{proposal}/approve"), &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    live.acts("service.rules.publish refused operating_administrator one_hand").await;
    assert_eq!(live.version().await, 1);
}

#[tokio::test]
async fn a_proposal_for_rules_that_are_over_is_not_published_and_nothing_of_it_is_lost() {
    let live = live().await;
    let first = live.propose(FACILITY, NURSES).await;
    let second = live.propose(OFFICER, &NURSES.replace("General Nurse", "Pharmacist")).await;
    assert_eq!(
        live.post(OPERATOR, &format!("{second}/approve"), &[]).await.status,
        StatusCode::SEE_OTHER
    );
    let late = live.post(OPERATOR, &format!("{first}/approve"), &[]).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "{}", late.text);
    assert!(late.text.contains("書いた内容は残っています"), "{}", late.text);
    live.acts("service.rules.publish refused operating_administrator overtaken").await;
    let page = live.get(FACILITY, &first).await;
    assert!(page.text.contains("第1版をもとに"), "{}", page.text);
    let from = first.rsplit_once('/').unwrap().1;
    let begun = live.post(FACILITY, &format!("{}/draft/begin", live.path), &[("from", from)]).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
    let draft = live.get(FACILITY, &format!("{}/draft", live.path)).await;
    assert!(draft.text.contains("<ins>資格が看護師、医師の人"), "{}", draft.text);
    assert!(draft.text.contains("<del>資格が医師、薬剤師の人"), "{}", draft.text);
    let again = live.propose_written(FACILITY, "看護師も。").await;
    assert_eq!(again.status, StatusCode::SEE_OTHER, "{}", again.text);
    let withdrawn = live.get(FACILITY, &first).await;
    assert!(
        withdrawn.text.contains("取り下げられました"),
        "one proposal a person: {}",
        withdrawn.text
    );
    live.post(OPERATOR, &format!("{}/approve", again.location), &[]).await;
    assert_eq!(live.version().await, 3);
}

#[tokio::test]
async fn what_is_written_for_rules_that_are_over_is_told_and_goes_on() {
    let live = live().await;
    live.write(FACILITY, NURSES).await;
    let stale = live.seen(FACILITY).await;
    let other = live.propose(OFFICER, &NURSES.replace("General Nurse", "Pharmacist")).await;
    live.post(OPERATOR, &format!("{other}/approve"), &[]).await;
    let fields = [("reason", "x"), ("seen", stale.as_str())];
    let refused = live.post(FACILITY, &format!("{}/propose", live.path), &fields).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    live.acts("service.rules.propose refused service_owner overtaken").await;
    let draft = live.get(FACILITY, &format!("{}/draft", live.path)).await;
    assert!(draft.text.contains("この案は第1版をもとに書かれました"), "{}", draft.text);
    assert!(!draft.text.contains("propose-title"));
    let begun =
        live.post(FACILITY, &format!("{}/draft/begin", live.path), &[("from", "own")]).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER);
    assert_eq!(live.propose_written(FACILITY, "x").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_earlier_version_returns_by_a_proposal_of_its_text() {
    let live = live().await;
    let proposal = live.propose(FACILITY, NURSES).await;
    live.post(OPERATOR, &format!("{proposal}/approve"), &[]).await;
    let begun = live.post(OFFICER, &format!("{}/draft/begin", live.path), &[("from", "1")]).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
    let back = live.propose_written(OFFICER, "元に戻すため。").await;
    let page = live.get(OPERATOR, &back.location).await;
    assert!(page.text.contains("第1版に戻す"), "{}", page.text);
    assert_eq!(
        live.post(OFFICER, &format!("{}/approve", back.location), &[]).await.status,
        StatusCode::FORBIDDEN,
        "a return wants four eyes as well"
    );
    live.post(OPERATOR, &format!("{}/approve", back.location), &[]).await;
    let mut reader = live.test.app.store().read();
    let versions = rules_version::list(&mut reader, &live.id, 0, 9).await.unwrap();
    assert_eq!(versions[0].rules, versions[2].rules);
    assert_eq!((versions[0].version, versions[0].returns_to), (3, Some(1)));
    for nothing in ["9", "0", "x", "own2"] {
        let fields = [("from", nothing)];
        let refused = live.post(OFFICER, &format!("{}/draft/begin", live.path), &fields).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{nothing}");
    }
}

#[tokio::test]
async fn a_proposer_takes_back_their_own_proposal_and_nobody_elses() {
    let live = live().await;
    let proposal = live.propose(FACILITY, NURSES).await;
    for cookie in [OFFICER, ELSEWHERE] {
        let refused = live.post(cookie, &format!("{proposal}/withdraw"), &[]).await;
        assert_ne!(refused.status, StatusCode::SEE_OTHER, "{}", refused.text);
    }
    let own = live.post(FACILITY, &format!("{proposal}/withdraw"), &[]).await;
    assert_eq!(own.status, StatusCode::SEE_OTHER, "{}", own.text);
    let late = live.post(OPERATOR, &format!("{proposal}/approve"), &[]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert_eq!(live.version().await, 1);
}

#[tokio::test]
async fn an_approver_who_loses_the_role_meanwhile_decides_nothing() {
    let live = live().await;
    let app = &live.test.app;
    let proposal = live.propose(FACILITY, NURSES).await;
    let id = proposal.rsplit_once('/').unwrap().1;
    let cookie = "leaving-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let person = signed_in(app, "退任", &[Role::OperatingAdministrator], cookie).await;
    let (at, mut reader) = (app.now(), app.store().read());
    let grants = role_grant::of_person(&mut reader, &person).await.unwrap();
    let session = crate::people::session::ConsoleSession {
        id_hash: [0; 32],
        person_id: person.clone(),
        name: "退任".into(),
        roles: vec![Role::OperatingAdministrator],
        inactive: vec![],
        unread: 0,
        address: "192.0.2.7".into(),
    };
    // The request is under way when the role is taken.
    let acting = session.require(&Role::OperatingAdministrator).unwrap();
    transaction!(app.store(), StoreError, |tx| {
        role_grant::withdraw(tx, &grants[0].id, &person, at).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    let refused = crate::console::service::rules::change::publish(app, &acting, id).await;
    assert!(refused.is_err(), "{refused:?}");
    live.acts("service.rules.publish refused operating_administrator role_lost").await;
    assert_eq!(live.version().await, 1);
}

#[tokio::test]
async fn a_withdrawn_service_and_one_of_the_sandbox_have_no_rules_to_change() {
    let live = live().await;
    let proposal = live.propose(FACILITY, NURSES).await;
    let (app, at) = (&live.test.app, live.test.app.now());
    transaction!(app.store(), StoreError, |tx| {
        service_change::withdraw(tx, &live.id, at).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    for path in [live.path.as_str(), proposal.as_str()] {
        assert_eq!(live.get(OPERATOR, path).await.status, StatusCode::NOT_FOUND);
    }
    for path in [format!("{proposal}/approve"), format!("{}/draft/discard", live.path)] {
        assert_eq!(live.post(OPERATOR, &path, &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(live.write(FACILITY, NURSES).await.status, StatusCode::NOT_FOUND);
    let mut tried = registration::filled();
    tried.retain(|(name, _)| *name != "name_ja");
    tried.push(("name_ja", "試験中"));
    let made = registration::made(app, &tried).await;
    let path = format!("/console/service/{}/rules", made.client_id);
    let written = live
        .post(FACILITY, &format!("{path}/draft/text"), &[("base", "1"), ("rules", NURSES)])
        .await;
    assert_eq!(written.status, StatusCode::CONFLICT, "{}", written.text);
    let page = live.get(FACILITY, &path).await;
    assert!(page.text.contains("このサービスは試験中"), "{}", page.text);
}

#[tokio::test]
async fn nobody_else_sees_or_writes_the_rules_of_a_service() {
    let live = live().await;
    live.propose(FACILITY, NURSES).await;
    let auditor = "auditor-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    signed_in(&live.test.app, "監査", &[Role::Auditor], auditor).await;
    for cookie in [ELSEWHERE, auditor] {
        for path in ["", "/draft", "/draft/rule", "/compare?from=1&to=1"] {
            let hidden = live.get(cookie, &format!("{}{path}", live.path)).await;
            assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{path}: {}", hidden.text);
        }
        assert_eq!(live.write(cookie, NURSES).await.status, StatusCode::NOT_FOUND);
    }
    // What one person writes no other sees.
    live.write(OPERATOR, &NURSES.replace("General Nurse", "Pharmacist")).await;
    let other = live.get(OFFICER, &format!("{}/draft", live.path)).await;
    assert!(!other.text.contains("薬剤師の人"), "{}", other.text);
    let beyond = live.get(OPERATOR, &format!("{}?page=900", live.path)).await;
    assert_eq!(beyond.status, StatusCode::OK);
    for nothing in ["from=1&to=9", "from=x&to=1", "from=1", "from=-1&to=1"] {
        let refused = live.get(OPERATOR, &format!("{}/compare?{nothing}", live.path)).await;
        assert!(refused.status.is_client_error(), "{nothing}");
    }
    let foreign =
        post_from_elsewhere(&live.test.app, &format!("{}/draft/discard", live.path), OPERATOR)
            .await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN, "{}", foreign.text);
    assert!(
        live.get(OPERATOR, &live.path).await.text.contains("書きかけ"),
        "nothing was thrown away"
    );
}
