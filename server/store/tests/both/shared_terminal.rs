//! What is closed at terminals that several people use, and a service that is left while the session goes on.

use sekisho_store::{
    facility_policy::{self, FacilityPolicy, UntoldServices},
    service::{self, Service},
    session, shared_terminal, sql,
    token_grant::{self, Grant},
};
use time::Duration;

use crate::{
    FACILITY, NOW,
    databases::Databases,
    exchange::{grant, referral},
    login::{self, card_holder, open_session, start},
};

on_both! { login::prepared:
    a_facilitys_choice_and_a_terminals_use_are_kept
    a_service_is_left_and_told_while_the_session_goes_on
}

async fn a_facilitys_choice_and_a_terminals_use_are_kept(databases: Databases) {
    let store = &databases.one;
    change!(store, |tx| {
        tx.execute(
            sql("INSERT INTO terminal (id, organisation_id, name, created_at, created_by)
                 VALUES ('T1234567890', $1, '受付', 0, 'p')")
            .bind(FACILITY),
        )
        .await?
    });
    let mut other = databases.two.read();
    let choice = async |other: &mut _| facility_policy::chosen(other, FACILITY).await.unwrap();
    assert_eq!(choice(&mut other).await, None::<UntoldServices>);
    for &policy in UntoldServices::ALL {
        change!(store, |tx| { facility_policy::choose(tx, FACILITY, policy, "p", NOW).await? });
        assert_eq!(choice(&mut other).await, Some(policy));
    }
    for (personal, news) in [(false, false), (true, true), (true, false), (false, true)] {
        let done = change!(store, |tx| {
            shared_terminal::note_personal(tx, "T1234567890", personal, NOW).await?
        });
        assert_eq!(done, news, "{personal}");
        let found = shared_terminal::is_personal(&mut other, "T1234567890").await.unwrap();
        assert_eq!(found, personal);
    }
    let nobody = change!(store, |tx| shared_terminal::note_personal(tx, "T0", true, NOW).await?);
    assert!(!nobody && !shared_terminal::is_personal(&mut other, "T0").await.unwrap());
}

async fn a_service_is_left_and_told_while_the_session_goes_on(databases: Databases) {
    let store = &databases.one;
    let person = card_holder(store).await;
    let membership = start(store, &person).await;
    open_session(store, 0, &person, &membership).await;
    for (id, told) in [("told", true), ("silent", false), ("caller", true)] {
        let backchannel_logout_uri = told.then(|| format!("https://{id}.example/told"));
        let new = Service { id: id.into(), backchannel_logout_uri, ..referral() };
        let of_code = (id != "caller").then_some([u8::from(told); 32]);
        let given =
            Grant { service_id: id.into(), session_hash: [0; 32], code_hash: of_code, ..grant(id) };
        change!(store, |tx| {
            service::add(tx, &new).await?;
            token_grant::add(tx, &given).await?
        });
    }
    let leave =
        async |id: &str| change!(store, |tx| session::leave_service(tx, id, &[0; 32], NOW).await?);
    for (id, grants) in [("told", 1), ("told", 0), ("silent", 1), ("caller", 1), ("nobody", 0)] {
        assert_eq!(leave(id).await, grants, "{id}");
        assert_eq!(token_grant::live(&mut databases.two.read(), id).await.unwrap(), None);
    }
    let due = store.claim_outbox("backchannel_logout", NOW, Duration::MINUTE, 9).await.unwrap();
    let told: Vec<_> = due.iter().map(|message| message.payload.as_str()).collect();
    assert!(matches!(told[..], [one] if one.contains("\"told\"")), "{told:?}");
    let live = session::live_of_person(&mut store.read(), &person, NOW, 9).await.unwrap();
    assert_eq!(live.len(), 1);
}
