//! What somebody who may not use a service reads, at the portal and at the authorization endpoint.

use super::scene::{Scene, service_file};

const PHARMACISTS_OF_PHARMACIES: &str = r#"
[[rules]]
id = "pharmacists"
roles = ["Pharmacist"]
kinds = ["pharmacy"]
"#;

#[tokio::test]
async fn everything_that_the_person_cannot_mend_here_is_told_at_once_and_apart_from_what_they_may()
{
    let scene = Scene::new().await;
    scene.register(&service_file("dispensing", PHARMACISTS_OF_PHARMACIES)).await;
    let mut request = Scene::request();
    request.retain(|(name, _)| !matches!(*name, "client_id" | "redirect_uri"));
    request.push(("client_id", "dispensing"));
    request.push(("redirect_uri", "https://dispensing.example/callback"));
    let authorize = super::scene::query(&request);
    for (lang, said) in [
        (
            "ja",
            [
                "薬剤師の方だけが使えます",
                "薬局の方が使うものです",
                "その資格が記載されたカードでログイン",
                "該当する施設の端末から",
            ],
        ),
        (
            "en",
            [
                "Only these professions may use this service: Pharmacist",
                "This service is for: pharmacy",
                "log in with the card that states it",
                "Use it from a terminal of such a facility",
            ],
        ),
    ] {
        let portal = scene.get(&format!("/?lang={lang}"), true, &scene.terminal).await;
        let page = portal.body;
        // A section of its own, with a label of its own.
        let (allowed, refused) =
            page.split_once("<section aria-labelledby=\"refused-title\">").unwrap();
        assert!(refused.contains("<h2 id=\"refused-title\">"), "{page}");
        assert_eq!(allowed.matches("<section").count(), allowed.matches("</section>").count());
        let (refused, _) = refused.split_once("</section>").unwrap();
        let path = format!("/authorize?{authorize}&lang={lang}");
        let endpoint = scene.get(&path, true, &scene.terminal).await;
        assert_eq!(endpoint.status, 403);
        let endpoint = endpoint.body;
        for words in said {
            assert!(refused.contains(words), "{words}: {page}");
            assert!(!allowed.contains(words), "{words}: {page}");
            assert!(endpoint.contains(words), "{words}: {endpoint}");
        }
    }
}
