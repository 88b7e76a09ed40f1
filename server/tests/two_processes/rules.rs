//! Rules that one process publishes are what the other decides by, within two seconds.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use sekisho::demo::{browser::Browser, console::ConsoleUser};

use crate::tokens::{CLIENT, Service};

/// By when a change is in force everywhere.
const IN_FORCE: Duration = Duration::from_secs(2);

/// Writes a draft from `field`, proposes it, and has the other one publish it; when that was answered.
async fn publish(
    proposer: &ConsoleUser,
    approver: &ConsoleUser,
    act: &str,
    field: (&str, &str),
) -> Instant {
    let rules = format!("/console/service/{CLIENT}/rules");
    let draft = format!("{rules}/draft");
    let page = proposer.open(&draft).await.unwrap().expect_success().unwrap();
    let base = page.value_of("base").unwrap();
    let mut fields = vec![field];
    // A return begins over whatever is in force.
    if act == "text" {
        fields.push(("base", &base));
    }
    proposer.submit(&format!("{draft}/{act}"), &fields).await.unwrap().expect_success().unwrap();
    let page = proposer.open(&draft).await.unwrap().expect_success().unwrap();
    let seen = page.value_of("seen").unwrap();
    let fields = [("reason", "二つのプロセスの試験"), ("seen", seen.as_str())];
    let proposed = proposer.submit(&format!("{rules}/propose"), &fields).await.unwrap();
    let proposal = proposed.expect_success().unwrap().url.path().to_owned();
    let own = proposer.submit(&format!("{proposal}/approve"), &[]).await.unwrap();
    assert_eq!(own.status, StatusCode::FORBIDDEN, "{}", own.summary());
    let shown = approver.open(&proposal).await.unwrap().expect_success().unwrap();
    assert!(shown.body.contains("id=\"levels\""), "{}", shown.body);
    let published = approver.submit(&format!("{proposal}/approve"), &[]).await.unwrap();
    published.expect_success().unwrap();
    Instant::now()
}

/// Asks until the answer is this one, or it is too late.
async fn decides(service: &Service<'_>, at: &Browser, admitted: bool, since: Instant) {
    while service.is_admitted(at).await != admitted {
        assert!(since.elapsed() < IN_FORCE, "the other process decides by the former rules");
    }
    assert!(since.elapsed() < IN_FORCE, "after {:?}", since.elapsed());
}

pub async fn what_one_publishes_the_other_decides_by(
    service: &Service<'_>,
    one: &ConsoleUser,
    two: &ConsoleUser,
) {
    let (at_one, at_two) = (&service.physician.one, &service.physician.two);
    for at in [at_one, at_two] {
        assert!(service.is_admitted(at).await);
    }
    let others =
        "[[rules]]\nid = \"pharmacists\"\nroles = [\"Pharmacist\"]\nrelease = [\"hc_role\"]\n";
    // Proposed at the first, published at the second, asked at the first.
    let since = publish(one, two, "text", ("rules", others)).await;
    decides(service, at_one, false, since).await;
    decides(service, at_two, false, since).await;
    // And back, the other way round.
    let since = publish(two, one, "begin", ("from", "1")).await;
    decides(service, at_two, true, since).await;
    decides(service, at_one, true, since).await;
}
