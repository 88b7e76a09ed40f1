//! An organisation's page through the real router: what does not fit comes back to be put right.

use http::StatusCode;
use sekisho_store::{application::Code, audit, organisation, organisation_kind::CodeScheme};

use crate::{
    console::scene::{acts, facility, form, post_from_elsewhere, send, signed_in},
    people::role::Role,
    testing,
};

const OPERATOR: &str = "operator-at-an-organisationAAAAAAAAAAAAAAAA";
const OFFICER: &str = "officer-at-an-organisationAAAAAAAAAAAAAAAAA";
const ADMINISTRATOR: &str = "administrator-thereAAAAAAAAAAAAAAAAAAAAAAAA";
const FACILITY: &str = "123456789007";

#[tokio::test]
async fn what_does_not_fit_comes_back_with_the_reason_and_what_was_typed() {
    let test = testing::app().await;
    let app = &test.app;
    facility(app, FACILITY).await;
    signed_in(app, "運営", &[Role::OperatingAdministrator], OPERATOR).await;
    signed_in(app, "認定", &[Role::AccreditationOfficer], OFFICER).await;
    signed_in(app, "管理", &[Role::FacilityAdministrator(FACILITY.into())], ADMINISTRATOR).await;
    let name = |name, kana| form(&[("name", name), ("name_kana", kana)]);
    let code = |scheme, value| form(&[("scheme", scheme), ("value", value), ("change", "add")]);
    let (medical, care) = ("medical_institution", "care_provider");
    let long = "院".repeat(101);
    for (cookie, place, body, field, said, typed) in [
        (
            OPERATOR,
            "name",
            name("青葉\u{200b}病院", "アオバ"),
            "name",
            "目に見えない",
            "青葉\u{200b}病院",
        ),
        (OPERATOR, "name", name(&long, "アオバ"), "name", "100文字以内", "アオバ"),
        (OPERATOR, "name", name("青葉病院", "Aoba"), "name_kana", "カタカナで", "青葉病院"),
        (OPERATOR, "codes", code(medical, "1311000011"), "value", "検証番号", "1311000011"),
        (OPERATOR, "codes", code(medical, "131100001"), "value", "10桁の数字", "131100001"),
        (OPERATOR, "codes", code(care, " "), "value", "入力してください", care),
        (OPERATOR, "codes", code("x", "1311000010"), "scheme", "一覧から", "1311000010"),
        (
            OFFICER,
            "further-letter",
            form(&[("reason", "退職\u{202e}")]),
            "reason",
            "目に見えない",
            "退職",
        ),
    ] {
        let path = format!("/console/organisations/{FACILITY}/{place}?lang=ja");
        let page = send(app, "POST", &path, cookie, &body).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {}", page.text);
        let (_, error) = page.text.split_once(&format!("id=\"{field}-error\">")).expect(&body);
        let (error, _) = error.split_once('<').unwrap();
        assert!(error.contains(said), "{body}: {error}");
        assert!(page.text.contains(&format!("value=\"{typed}")), "{body}: {}", page.text);
        assert!(page.text.contains("lang=en"), "{body}: {}", page.text);
    }
    let told = acts(app).await;
    assert!(!told.iter().any(|act| act.starts_with("organisation.")), "{told:?}");
}

#[tokio::test]
async fn a_code_ends_with_a_tick_and_never_by_one_click() {
    let test = testing::app().await;
    let app = &test.app;
    facility(app, FACILITY).await;
    signed_in(app, "運営", &[Role::OperatingAdministrator], OPERATOR).await;
    let page = format!("/console/organisations/{FACILITY}");
    let path = format!("{page}/codes");
    let code = ("value", "1311000010");
    let scheme = ("scheme", "medical_institution");
    let added = send(app, "POST", &path, OPERATOR, &form(&[scheme, code, ("change", "add")])).await;
    assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.text);
    let shown = send(app, "GET", &page, OPERATOR, "").await;
    let (_, end) = shown.text.split_once(code.1).unwrap();
    let (end, _) = end.split_once("</form>").unwrap();
    assert!(end.contains("name=\"sure\" value=\"yes\" required"), "{end}");
    let holder = async || {
        let wanted = Code { scheme: CodeScheme::MedicalInstitution, value: code.1.to_owned() };
        organisation::holder_of(&mut app.store().read(), &wanted).await.unwrap()
    };
    let end = ("change", "end");
    for (body, status) in [
        (form(&[scheme, code, end]), StatusCode::UNPROCESSABLE_ENTITY),
        (form(&[scheme, code, end, ("sure", "no")]), StatusCode::BAD_REQUEST),
    ] {
        let refused = send(app, "POST", &path, OPERATOR, &body).await;
        assert_eq!(refused.status, status, "{body}: {}", refused.text);
        assert_eq!(holder().await.as_deref(), Some(FACILITY));
    }
    // The form is there again, open, and the summary calls its box by the text beside it.
    let without = send(app, "POST", &path, OPERATOR, &form(&[scheme, code, end])).await.text;
    for part in [
        "<details open>",
        "id=\"sure\" type=\"checkbox\" name=\"sure\" value=\"yes\" required aria-invalid=\"true\"",
        "<a href=\"#sure\">「1311000010」は、これ以降この組織の番号ではなくなります",
    ] {
        assert!(without.contains(part), "{part}: {without}");
    }
    assert_eq!(without.matches("id=\"sure\"").count(), 1);
    // A code that is none of its own marks no box.
    let foreign = form(&[scheme, ("value", "<script>"), end]);
    let foreign = send(app, "POST", &path, OPERATOR, &foreign).await;
    assert_eq!(foreign.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!foreign.text.contains("<details open>"), "{}", foreign.text);
    let ticked = form(&[scheme, code, end, ("sure", "yes")]);
    assert_eq!(send(app, "POST", &path, OPERATOR, &ticked).await.status, StatusCode::SEE_OTHER);
    assert_eq!(holder().await, None);
    // Once more there is none to end; that it was tried is among the acts at the organisation.
    let again = send(app, "POST", &path, OPERATOR, &ticked).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", again.text);
    assert!(again.text.contains("すでに 2"), "says when it ended: {}", again.text);
    let there = audit::list(&mut app.store().read(), "", Some(FACILITY), 100).await.unwrap();
    let refused = there.iter().filter(|record| {
        let canonical = String::from_utf8_lossy(&record.canonical);
        canonical.contains("organisation.end_code") && canonical.contains("refused")
    });
    assert_eq!(refused.count(), 1);
}

#[tokio::test]
async fn a_code_that_the_organisation_has_is_told_with_its_time_and_not_as_somebody_elses() {
    let test = testing::app().await;
    let app = &test.app;
    let other = "123456789015";
    for id in [FACILITY, other] {
        facility(app, id).await;
    }
    signed_in(app, "運営", &[Role::OperatingAdministrator], OPERATOR).await;
    let post = async |id: &str, change: &str, value: &str, lang: &str| {
        let path = format!("/console/organisations/{id}/codes?lang={lang}");
        let scheme = ("scheme", "medical_institution");
        let tick = (change == "end").then_some(("sure", "yes"));
        let mut fields = vec![scheme, ("value", value), ("change", change)];
        fields.extend(tick);
        send(app, "POST", &path, OPERATOR, &form(&fields)).await
    };
    assert_eq!(post(FACILITY, "add", "1311000010", "ja").await.status, StatusCode::SEE_OTHER);
    for (change, value, lang, said) in [
        ("add", "1311000010", "ja", "から登録されています"),
        ("add", "1311000010", "en", "has this code already, since 21 "),
        ("end", "1311000028", "ja", "登録されたことがありません"),
    ] {
        let again = post(FACILITY, change, value, lang).await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", again.text);
        let said_at_field = again.text.contains(said) && again.text.contains("value-error");
        assert!(said_at_field, "{said} is not in {}", again.text);
    }
    let taken = post(other, "add", "1311000010", "ja").await;
    assert_eq!(taken.status, StatusCode::UNPROCESSABLE_ENTITY);
    for said in ["別の組織に登録されています", "value=\"1311000010\"", "value-error"] {
        assert!(taken.text.contains(said), "{said}: {}", taken.text);
    }
    let hidden = post(other, "add", "13110\u{200b}00010", "ja").await;
    assert_eq!(hidden.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(hidden.text.contains("目に見えない文字"), "{}", hidden.text);
    let nowhere = post("123456789023", "add", "1311000036", "ja").await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    let acts = acts(app).await;
    for reason in ["code_held", "code_never_held", "code_taken", "not_found"] {
        assert!(acts.iter().any(|act| act.ends_with(reason)), "{reason} in {acts:?}");
    }
}

#[tokio::test]
async fn what_was_refused_at_a_facility_is_found_among_its_acts_and_nobody_forges_one() {
    let test = testing::app().await;
    let app = &test.app;
    facility(app, FACILITY).await;
    signed_in(app, "運営", &[Role::OperatingAdministrator], OPERATOR).await;
    // Of the contact's name: no letter by this officer.
    signed_in(app, "中村", &[Role::AccreditationOfficer], OFFICER).await;
    let unknown = "123456789015";
    for id in [FACILITY, unknown, "x"] {
        let path = |act: &str| format!("/console/organisations/{id}{act}");
        let name = form(&[("name", "青葉"), ("name_kana", "アオバ")]);
        let reason = form(&[("change", "resume"), ("reason", "点検"), ("sure", "yes")]);
        // Without the role; from another site; with the role, where it cannot be.
        send(app, "POST", &path("/name"), OFFICER, &name).await;
        send(app, "GET", &path("/status"), OFFICER, "").await;
        assert_eq!(post_from_elsewhere(app, &path("/name"), OPERATOR).await.status.as_u16(), 403);
        send(app, "POST", &path("/status"), OPERATOR, &reason).await;
        send(app, "POST", &path("/letter"), OFFICER, "").await;
        test.clock.advance(time::Duration::MINUTE);
    }
    let refused = async |organisation: Option<&str>| {
        let records = audit::list(&mut app.store().read(), "", organisation, 100).await.unwrap();
        let canonical = records.into_iter().map(|record| record.canonical);
        let read = canonical.map(|record| serde_json::from_slice::<serde_json::Value>(&record));
        read.map(Result::unwrap)
            .filter(|record| record["outcome"] == "refused")
            .map(|record| format!("{} {}", record["act"], record["reason"]).replace('"', ""))
            .collect::<Vec<_>>()
    };
    let mut there = refused(Some(FACILITY)).await;
    there.sort();
    let expected = [
        "console.act from_elsewhere",
        "console.act role_missing",
        "console.act role_missing",
        "organisation.issue_letter namesake_of_officer",
        "organisation.resume decided_before",
    ];
    assert_eq!(there, expected);
    assert_eq!(refused(None).await.len(), 15);
    for nobody in [unknown, "x"] {
        assert_eq!(refused(Some(nobody)).await, [""; 0], "{nobody}");
    }
}

#[tokio::test]
async fn a_strangers_request_from_elsewhere_writes_nothing() {
    let test = testing::app().await;
    let app = &test.app;
    let before = acts(app).await;
    let path = format!("/console/organisations/{FACILITY}/name");
    let refused = post_from_elsewhere(app, &path, OPERATOR).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(acts(app).await, before);
}

#[tokio::test]
async fn an_officer_who_would_be_refused_a_letter_is_told_so_and_offered_no_form() {
    let test = testing::app().await;
    let app = &test.app;
    facility(app, FACILITY).await;
    let other = "other-officer-of-the-bodyAAAAAAAAAAAAAAAAAA";
    signed_in(app, "中村", &[Role::AccreditationOfficer], OFFICER).await;
    signed_in(app, "認定", &[Role::AccreditationOfficer], other).await;
    let page = format!("/console/organisations/{FACILITY}");
    let forms = ["letter", "further-letter"].map(|form| format!("action=\"{page}/{form}\""));
    let shown = async |cookie| send(app, "GET", &page, cookie, "").await.text;
    for administrators in 0..2 {
        let (kept_out, offered) = (shown(OFFICER).await, shown(other).await);
        assert!(kept_out.contains("id=\"no-letter\""), "{kept_out}");
        assert!(
            kept_out.contains("同じ氏名") && kept_out.contains("ほかの認定担当者"),
            "{kept_out}"
        );
        for (number, form) in forms.iter().enumerate() {
            assert!(!kept_out.contains(form), "{kept_out}");
            assert_eq!(offered.contains(form), number == administrators, "{form}: {offered}");
        }
        assert!(!offered.contains("id=\"no-letter\""), "{offered}");
        let role = Role::FacilityAdministrator(FACILITY.into());
        if administrators == 0 {
            signed_in(app, "管理", &[role], ADMINISTRATOR).await;
        }
    }
}
