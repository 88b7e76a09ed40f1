//! What was seen of a service: the last of each line, turned once, forgotten with the registration.

use sekisho_store::{
    service, service_change,
    service_check::{self, Line, Seen, State},
};

use crate::{NOW, databases::Databases, going_live::tried, race};

on_both! { prepared:
    the_last_of_each_line_counts_until_the_registration_changes
    a_trial_begins_once_however_many_logins_come_at_a_time
}

async fn prepared(databases: Databases) -> Databases {
    change!(databases.one, |tx| service::add(tx, &tried("tried")).await?);
    databases
}

fn seen(state: State, detail: &str) -> Seen {
    Seen { state, detail: detail.into(), grant_id: None, at: NOW }
}

async fn the_last_of_each_line_counts_until_the_registration_changes(databases: Databases) {
    let found =
        async |line| service_check::find(&mut databases.two.read(), "tried", line).await.unwrap();
    for line in Line::ALL {
        assert_eq!(found(line).await, None);
        for state in State::ALL {
            let seen = seen(state, "x");
            change!(databases.one, |tx| service_check::put(tx, "tried", line, &seen).await?);
            assert_eq!(found(line).await, Some(seen));
        }
    }
    change!(databases.one, |tx| service_change::replace(tx, &tried("tried")).await?);
    assert_eq!(found(Line::Redirect).await, None, "it is another registration");
    change!(databases.one, |tx| {
        service_check::put(tx, "tried", Line::Clock, &seen(State::Bad, "90")).await?;
        service_check::forget(tx, "tried").await?;
    });
    assert_eq!(found(Line::Clock).await, None);
}

async fn a_trial_begins_once_however_many_logins_come_at_a_time(databases: Databases) {
    let asked = seen(State::Asked, "");
    change!(databases.one, |tx| service_check::put(tx, "tried", Line::Signature, &asked).await?);
    let turned = race(&databases, |number, store| async move {
        let open = Seen { grant_id: Some(number.to_string()), ..seen(State::Open, "") };
        attempt!(store, |tx| {
            service_check::turn(tx, "tried", Line::Signature, State::Asked, &open).await?
        })
    })
    .await;
    let times = turned.into_iter().filter(|one| *one.as_ref().unwrap()).count();
    assert_eq!(times, 1);
}
