//! A service on its way out of the sandbox.

use std::path::Path;

use sekisho::demo::console::ConsoleUser;
use sekisho_tests::Desktop;

use super::{LANGUAGES, become_user, capture, send, shoot, type_into};

/// A service on its way out of the sandbox, as its owner and the operating body see it.
pub(super) async fn pages(
    desktop: &Desktop,
    out: &Path,
    operator: &ConsoleUser,
) -> anyhow::Result<()> {
    let (scene, driver) = (&desktop.scene, &desktop.chromium.driver);
    let public = &scene.stage.origins.public;
    let organisation = &scene.facilities[0].identifier;
    let appointment = [
        ("login_name", "owner1"),
        ("name", "責任　者"),
        ("name_kana", "セキニン　シャ"),
        ("email", "owner1@example.jp"),
        ("role", "service_owner"),
        ("organisation_id", organisation),
    ];
    let page = operator.submit("/console/roles", &appointment).await?.expect_success()?;
    let (browser, link) = (scene.stage.browser(None)?, page.text_of("one-time-link")?);
    let owner = ConsoleUser::first_use(browser, public, &link, "owner1").await?;
    become_user(driver, &owner, public).await?;
    let new = format!("{public}/console/services/new");
    shoot(driver, out, public, "service-new", &new).await?;
    let form = [
        ("organisation", organisation.as_str()),
        ("name_ja", "紹介状の控え"),
        ("name_en", "Copies of referral letters"),
        ("description_ja", "出した紹介状を読み返す。"),
        ("description_en", "Read the letters that were sent."),
        ("home_url", "https://referral.example/"),
        ("redirect_uris", "https://referral.example/callback"),
        ("logout_uris", "https://referral.example/"),
        ("backchannel_logout_uri", "https://referral.example/backchannel-logout"),
        ("authentication", "client_secret_basic"),
        ("scopes", "profile"),
        ("scopes", "facility"),
    ];
    let made = owner.submit("/console/services/new", &form).await?.expect_success()?;
    let path = format!("/console/service/{}", made.text_of("client-id")?);
    let address = format!("{public}{path}");
    shoot(driver, out, public, "service-tried", &address).await?;
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&address).await?;
        send(driver, "form[action$='/pc']", "#line").await?;
        capture(driver, out, &format!("service-trial-pc-{language}")).await?;
    }
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&address).await?;
        let open = "document.querySelectorAll('details').forEach((part) => part.open = true)";
        driver.execute(open, vec![]).await?;
        capture(driver, out, &format!("service-ready-{language}")).await?;
    }
    for act in ["check/notice", "check/signature"] {
        owner.submit(&format!("{path}/{act}"), &[]).await?.expect_success()?;
    }
    let purpose = [("purpose", "外来の医師が、出した紹介状を読み返すため。\n氏名は宛名に使う。")];
    owner.submit(&format!("{path}/ask"), &purpose).await?.expect_success()?;
    shoot(driver, out, public, "service-asked", &address).await?;
    become_user(driver, operator, public).await?;
    let servers = format!("{public}/console/service/regional-record/acme");
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&servers).await?;
        send(driver, "form[action$='/acme']", "#hmac-key").await?;
        capture(driver, out, &format!("service-server-key-{language}")).await?;
    }
    shoot(driver, out, public, "service-servers", &servers).await?;
    shoot(driver, out, public, "services-waiting", &format!("{public}/console/services")).await?;
    shoot(driver, out, public, "use-cases", &format!("{public}/console/use-cases")).await?;
    shoot(driver, out, public, "service-begun", &format!("{address}?use_case=7")).await?;
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&address).await?;
        type_into(driver, "rules", "[[rules").await?;
        send(driver, "form[action$='/approve']", "#errors").await?;
        capture(driver, out, &format!("service-approve-refused-{language}")).await?;
    }
    let reason = [("reason", "氏名を渡す理由を書いてください。")];
    operator.submit(&format!("{path}/refuse"), &reason).await?.expect_success()?;
    become_user(driver, &owner, public).await?;
    shoot(driver, out, public, "service-refused-by-operator", &address).await?;
    shoot(driver, out, public, "service-notices", &format!("{public}/console/notices")).await
}
