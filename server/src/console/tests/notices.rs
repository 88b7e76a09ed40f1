use http::StatusCode;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    transaction,
};
use time::Duration;

use super::{ELSEWHERE, FACILITY};
use crate::{
    app::App,
    console::scene::{acts, facility, send, signed_in},
    notice::{self, Notice, ServiceNamed, To},
    outbox::{Deliverers, deliver_due},
    people::role::Role,
    testing,
};

const OURS: &str = "123456789007";
const THEIRS: &str = "234567890101";

async fn tell(app: &App, to: To, notice: Notice) {
    let at = app.now();
    transaction!(app.store(), StoreError, |tx| {
        notice::put(tx, to.clone(), notice.clone(), at).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    deliver_due(app, &Deliverers::new().with(notice::KIND, notice::deliver)).await.unwrap();
}

fn misused() -> Notice {
    Notice::EnrolmentCodeMisused {
        terminal_id: "T0123456789".to_owned(),
        terminal_name: "外来<1>号機".to_owned(),
    }
}

#[tokio::test]
async fn an_administrator_is_told_and_says_that_they_know() {
    let test = testing::app().await;
    let app = &test.app;
    for id in [OURS, THEIRS] {
        facility(app, id).await;
    }
    signed_in(app, "管理", &[Role::FacilityAdministrator(OURS.to_owned())], FACILITY).await;
    signed_in(app, "他", &[Role::FacilityAdministrator(THEIRS.to_owned())], ELSEWHERE).await;
    let empty = send(app, "GET", "/console/notices", FACILITY, "").await;
    assert!(empty.text.contains("お知らせはありません"), "{}", empty.text);
    tell(app, To::FacilityAdministrators(OURS.to_owned()), misused()).await;
    // Delivered is what the outbox says, too: nobody else claims it.
    let later = app.now() + Duration::DAY;
    let left = app.store().claim_outbox(notice::KIND, later, Duration::MINUTE, 9).await.unwrap();
    assert!(left.is_empty());

    let page = send(app, "GET", "/console/notices?lang=ja", FACILITY, "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("お知らせ（未読1件）"), "{}", page.text);
    assert!(page.text.contains("外来&#60;1&#62;号機"), "{}", page.text);
    assert!(page.text.contains("/console/terminals/T0123456789"));
    let english = send(app, "GET", "/console/notices?lang=en", FACILITY, "").await;
    assert!(english.text.contains("with another key"), "{}", english.text);
    let theirs = send(app, "GET", "/console/notices", ELSEWHERE, "").await;
    assert!(theirs.text.contains("お知らせはありません"), "{}", theirs.text);

    let (_, rest) = page.text.split_once("/console/notices/").unwrap();
    let path = format!("/console/notices/{}/read", rest.split('/').next().unwrap());
    // Nobody else can say it for them.
    let stranger = send(app, "POST", &path, ELSEWHERE, "").await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
    for _ in 0..2 {
        let read = send(app, "POST", &path, FACILITY, "").await;
        assert_eq!(
            (read.status, read.location.as_str()),
            (StatusCode::SEE_OTHER, "/console/notices")
        );
    }
    let page = send(app, "GET", "/console/notices", FACILITY, "").await;
    assert!(!page.text.contains("未読") && page.text.contains("に確認"), "{}", page.text);
    let acts = acts(app).await;
    let read: Vec<_> = acts.iter().filter(|act| act.starts_with("notice.read")).collect();
    assert_eq!(
        read,
        [
            "notice.read refused person not_found",
            "notice.read done person",
            "notice.read refused person read_before",
        ]
    );
}

#[tokio::test]
async fn every_kind_of_notice_has_words_in_both_languages() {
    let test = testing::app().await;
    let app = &test.app;
    let person = signed_in(app, "管理", &[], FACILITY).await;
    let reason = || "定期点検".to_owned();
    let terminal = || "T0".to_owned();
    let (ja, en) = ("紹介状".to_owned(), "Referrals".to_owned());
    let service = || ServiceNamed { id: "s1".to_owned(), ja: ja.clone(), en: en.clone() };
    for notice in [
        misused(),
        Notice::FacilityHeld,
        Notice::FacilityReleased,
        Notice::FacilityRevoked,
        Notice::OrganisationSuspended { reason: reason() },
        Notice::OrganisationResumed { reason: reason() },
        Notice::OrganisationClosed { reason: reason() },
        Notice::LinkIssued { by: "佐藤".to_owned() },
        Notice::RecoveryCodeUsed { left: 9 },
        Notice::ResetAsked { name: "鈴木".to_owned(), by: "佐藤".to_owned() },
        Notice::GoingLiveAsked { service: service() },
        Notice::ServiceApproved { service: service() },
        Notice::ServiceRefused { service: service(), reason: reason() },
        Notice::RulesProposed { service: service(), proposal: terminal(), by: "佐藤".into() },
        Notice::RulesPublished { service: service(), version: 3 },
        Notice::RulesRefused { service: service(), proposal: terminal(), reason: reason() },
        Notice::RulesOvertaken { service: service(), proposal: terminal() },
        Notice::CertificateHeld { terminal_id: terminal(), terminal_name: reason() },
        Notice::CertificateReleased { terminal_id: terminal(), terminal_name: reason() },
        Notice::CertificateRevoked { terminal_id: terminal(), terminal_name: reason() },
    ] {
        tell(app, To::Person(person.clone()), notice).await;
    }
    // One that a later version wrote.
    let to = sekisho_store::notice::Addressee::Person(&person);
    app.store()
        .post_notice("later", to, "later", "{\"notice\":\"later\"}", app.now())
        .await
        .unwrap();
    for (lang, other, service) in [
        ("ja", "新しい種類のお知らせ", "「紹介状」"),
        ("en", "a notice of a new kind", "“Referrals”"),
    ] {
        let page = send(app, "GET", &format!("/console/notices?lang={lang}"), FACILITY, "").await;
        assert_eq!(page.text.matches("<article").count(), 21, "{}", page.text);
        assert_eq!(page.text.matches("定期点検").count(), 8, "{}", page.text);
        assert_eq!(page.text.matches(service).count(), 7, "{}", page.text);
        assert_eq!(page.text.matches("/console/service/s1").count(), 4, "{}", page.text);
        assert!(page.text.contains("佐藤") && page.text.contains(other), "{}", page.text);
    }
}

#[tokio::test]
async fn without_a_session_there_are_no_notices() {
    let test = testing::app().await;
    let nobody = "nobody--AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let page = send(&test.app, "GET", "/console/notices", nobody, "").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let read = send(&test.app, "POST", "/console/notices/x/read", nobody, "").await;
    assert_eq!(read.status, StatusCode::UNAUTHORIZED);
}
