//! An organisation's page through the real router: what does not fit comes back to be put right.

use http::StatusCode;
use sekisho_store::{application::Code, audit, organisation, organisation_kind::CodeScheme};

use crate::{
    console::scene::{acts, facility, form, send, signed_in},
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
    for body in [form(&[scheme, code, end]), form(&[scheme, code, end, ("sure", "no")])] {
        let refused = send(app, "POST", &path, OPERATOR, &body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}: {}", refused.text);
        assert_eq!(holder().await.as_deref(), Some(FACILITY));
    }
    let ticked = form(&[scheme, code, end, ("sure", "yes")]);
    assert_eq!(send(app, "POST", &path, OPERATOR, &ticked).await.status, StatusCode::SEE_OTHER);
    assert_eq!(holder().await, None);
    // Once more there is none to end; that it was tried is among the acts at the organisation.
    assert_eq!(send(app, "POST", &path, OPERATOR, &ticked).await.status, StatusCode::NOT_FOUND);
    let there = audit::list(&mut app.store().read(), "", Some(FACILITY), 100).await.unwrap();
    let refused = there.iter().filter(|record| {
        let canonical = String::from_utf8_lossy(&record.canonical);
        canonical.contains("organisation.end_code") && canonical.contains("refused")
    });
    assert_eq!(refused.count(), 1);
}
