//! Cards at both login doors.

use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, StatusCode};
use sekisho::demo::{
    browser::Browser,
    cast::{CARD_HOLDERS, CardHolder, PIN},
    login_page::LoginPage,
    walk::{self, AccreditedFacility, EnrolledDesk},
};
use sekisho_protocol::answer::LoginSubmission;
use sekisho_store::{Queries, membership, sql};

use crate::pair::{Both, Pair, RACERS, at_once, only};

const YAMADA: CardHolder = CARD_HOLDERS[0];
const TANAKA: CardHolder = CARD_HOLDERS[1];

/// An enrolled PC with everybody's cards within reach of its reader.
pub async fn desk(pair: &Pair, facility: &AccreditedFacility) -> EnrolledDesk {
    let mut desk = walk::enrol(&pair.stage, facility, pair.stage.door(0)).await.unwrap();
    desk.desk.start_agent(&pair.stage, "desk", &pair.cards).await.unwrap();
    desk
}

fn browser(pair: &Pair, desk: &EnrolledDesk) -> Both {
    Both::of(desk.desk.browser(&pair.stage).unwrap())
}

/// What the card answers to a challenge of this page, not yet handed in. After a change of cards
/// the agent may still see the one of before: it is asked again until it sees this one.
async fn signed(
    page: &LoginPage<'_>,
    desk: &EnrolledDesk,
    holder: &CardHolder,
    invitation: bool,
) -> LoginSubmission {
    desk.desk.reader().insert(holder.key).unwrap();
    desk.desk.type_pin(PIN).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let challenge = page.challenge(invitation, None).await.unwrap();
        match page.ask_agent(&challenge, desk.desk.door).await {
            Ok(submission) => return submission,
            Err(refusal) => {
                let again = Instant::now() < deadline && refusal.to_string().contains("(card_");
                assert!(again, "{refusal:#}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn hand_in(pair: &Pair, at: &Browser, submission: &LoginSubmission) -> RequestBuilder {
    let portal = &pair.stage.origins.terminal;
    at.client()
        .post(format!("{portal}/login/card"))
        .header("Origin", portal)
        .header("Sec-Fetch-Site", "same-origin")
        .json(submission)
}

async fn count(pair: &Pair, statement: &'static str) -> i64 {
    let (count,): (i64,) = pair.store.read().fetch_one(sql(statement)).await.unwrap();
    count
}

async fn sessions(pair: &Pair) -> i64 {
    count(pair, "SELECT COUNT(*) FROM session WHERE realm = 'portal'").await
}

pub async fn an_invitation_is_redeemed_by_one_of_two_cards(
    pair: &Pair,
    facility: &AccreditedFacility,
    desk: &EnrolledDesk,
) {
    let code = walk::invite(facility, &YAMADA).await.unwrap();
    let both = browser(pair, desk);
    walk::enter_invitation(&both.one, &pair.stage, &code).await.unwrap().expect_success().unwrap();
    let portal = &pair.stage.origins.terminal;
    let mut answers = Vec::new();
    for (at, holder) in [(&both.one, &YAMADA), (&both.two, &TANAKA)] {
        let page = LoginPage::open(at, portal).await.unwrap();
        answers.push(signed(&page, desk, holder, true).await);
    }
    // Each card's answer comes to one of the processes, both at once.
    let outcomes =
        at_once([hand_in(pair, &both.one, &answers[0]), hand_in(pair, &both.two, &answers[1])])
            .await;
    let bodies: Vec<_> = outcomes.iter().map(|a| (a.status, a.body.as_str())).collect();
    let redeemed = count(pair, "SELECT COUNT(*) FROM invitation WHERE redeemed_at IS NOT NULL");
    assert_eq!(redeemed.await, 1, "{bodies:?}");
    let claims = count(pair, "SELECT COUNT(*) FROM invitation_claim").await;
    let mut reader = pair.store.read();
    let members = membership::list(&mut reader, &facility.identifier, 9).await.unwrap();
    // Whoever came first has it: the invited person becomes a member; the other one's card does
    // not match and waits for the administrator. Never both.
    assert_eq!((members.len(), claims), if claims == 0 { (1, 0) } else { (0, 1) }, "{bodies:?}");
    let opened = outcomes.iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert_eq!(opened, members.len(), "{bodies:?}");
    assert_eq!(sessions(pair).await, i64::try_from(members.len()).unwrap());
}

pub async fn an_answer_of_a_card_opens_one_session(
    pair: &Pair,
    facility: &AccreditedFacility,
    desk: &EnrolledDesk,
) -> Both {
    // Whoever won before: now the physician is a member.
    let mut reader = pair.store.read();
    if membership::list(&mut reader, &facility.identifier, 9).await.unwrap().is_empty() {
        let code = walk::invite(facility, &YAMADA).await.unwrap();
        let first = browser(pair, desk).one;
        let entered = walk::enter_invitation(&first, &pair.stage, &code).await.unwrap();
        entered.expect_success().unwrap();
        let card = (YAMADA.key, PIN);
        walk::log_in(&pair.stage, &desk.desk, &first, card, true).await.unwrap();
    }
    let before = sessions(pair).await;
    let both = browser(pair, desk);
    let page = LoginPage::open(&both.two, &pair.stage.origins.terminal).await.unwrap();
    let submission = signed(&page, desk, &YAMADA, false).await;
    let answers =
        at_once((0..RACERS).map(|number| hand_in(pair, both.nth(number), &submission))).await;
    let won = only(answers, StatusCode::OK);
    assert!(won.body.contains("redirect"), "{}", won.body);
    assert_eq!(sessions(pair).await, before + 1);
    let used = count(pair, "SELECT COUNT(*) FROM login_evidence").await;
    assert_eq!(used, before + 1, "each session has the evidence of its own login");
    // Each of the two knows the session, whichever began it.
    for at in [&both.one, &both.two] {
        let portal = at.open_once(&format!("{}/", pair.stage.origins.terminal)).await.unwrap();
        assert_eq!(portal.status, StatusCode::OK, "{}", portal.summary());
        assert!(portal.body.contains(YAMADA.name), "{}", portal.body);
    }
    both
}
