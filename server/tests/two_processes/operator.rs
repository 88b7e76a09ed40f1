//! `sekisho administrator` beside both processes: a tool of its own over the same database.

use reqwest::StatusCode;
use sekisho::demo::{console::ConsoleUser, process::run_to_end};
use serde_json::Value;

use crate::pair::{Pair, sekisho};

/// What the command said, as JSON, or its exit code and what stands on standard error.
async fn administrator(arguments: &[&str]) -> Result<Value, (Option<i32>, String)> {
    let mut command = sekisho(&[&["administrator"], arguments, &["--json"]].concat());
    let (status, stdout, stderr) = run_to_end(&mut command).await.unwrap();
    match status.code() {
        Some(0) => Ok(serde_json::from_str(&stdout).unwrap()),
        code => Err((code, stderr)),
    }
}

fn link_of(answer: &Value) -> String {
    answer["first_use_link"].as_str().unwrap().to_owned()
}

pub async fn of_two_links_made_at_once_one_is_good(pair: &Pair, first: &ConsoleUser) {
    let [one, two] = pair.folders();
    let (unnamed, named) = (["link", &one], ["link", &two, "admin"]);
    let (a, b) = tokio::join!(administrator(&unnamed), administrator(&named));
    let links = [a.unwrap(), b.unwrap()].map(|answer| {
        assert_eq!(answer["login_name"], "admin");
        link_of(&answer)
    });
    assert_ne!(links[0], links[1]);
    let both = pair.browser();
    let mut good = 0;
    for link in &links {
        let statuses = [
            both.one.open_once(link).await.unwrap().status,
            both.two.open_once(link).await.unwrap().status,
        ];
        assert_eq!(statuses[0], statuses[1]);
        good += usize::from(statuses[0] == StatusCode::OK);
    }
    assert_eq!(good, 1, "the later link ends the earlier");
    // Nothing changes until it is used.
    first.open("/console/roles").await.unwrap().expect_success().unwrap();
}

/// Answers the one that was added, who was let in by nobody but the operator of the host.
pub async fn of_two_administrators_of_one_name_one_is_added(pair: &Pair) -> ConsoleUser {
    let folders = pair.folders();
    let one = ["add", &folders[0], "emergency", "--name", "緊急用"];
    let two = ["add", &folders[1], "emergency"];
    let (a, b) = tokio::join!(administrator(&one), administrator(&two));
    let (added, refused) = match (a, b) {
        (Ok(added), Err(refused)) | (Err(refused), Ok(added)) => (added, refused),
        both => panic!("{both:?}"),
    };
    assert!(refused.0 == Some(1) && refused.1.contains("is taken"), "{refused:?}");
    let (code, refused) = administrator(&["link", &folders[0]]).await.unwrap_err();
    assert_eq!(code, Some(2), "the command line leaves open which");
    assert!(refused.contains("several administrators"), "{refused}");
    assert!(refused.contains("admin") && refused.contains("emergency"), "{refused}");
    let (browser, public) = (pair.browser().two, &pair.stage.origins.public);
    let emergency =
        ConsoleUser::first_use(browser, public, &link_of(&added), "emergency").await.unwrap();
    emergency.open("/console/roles").await.unwrap().expect_success().unwrap();
    emergency
}
