//! Other programs use cards too: what the commands and the login page say while they do.

use std::sync::{Arc, mpsc};

use sekisho_agent::card::pcsc::PcscReaders;
use sekisho_agent::card::reader::Readers;
use sekisho_agent::card::software::SoftwareReaders;
use sekisho_agent::card::watcher::Watcher;
use sekisho_software_card::{INSERTED, Layout};
use serde_json::json;

use crate::card_service::{until, wait_for_cards, with_service};
use crate::desk::{Desk, Said};
use crate::world::World;

/// Holds the card in the desk's reader as another program would, until the sender is dropped.
fn hold(world: &World) -> mpsc::Sender<()> {
    let reader = world.agent.watcher.seen().borrow().cards[0].slot.reader.clone();
    let readers = world.agent.readers.clone();
    let (release, released) = mpsc::channel();
    let (tell, held) = mpsc::channel();
    std::thread::spawn(move || {
        readers.connect(&reader).unwrap().transaction(&mut |_| {
            tell.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        })
    });
    held.recv().unwrap();
    release
}

/// Logs in; the card is let go when the page was told that it is held. Returns what the page heard.
async fn login_beside(world: &World, release: mpsc::Sender<()>) -> Vec<String> {
    let begun = world.begin(&world.request()).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    let mut body = json!({ "exchange": begun.json()["exchange"] });
    let (mut states, mut release) = (Vec::new(), Some(release));
    loop {
        let answer = world.post("/v1/card-login/finish", &body).await;
        assert_eq!(answer.status, 200, "{} after {states:?}", answer.body);
        let state = answer.json()["state"].as_str().unwrap().to_owned();
        if state == "waiting_for_reader" {
            drop(release.take());
        }
        body["seen"] = state.as_str().into();
        states.push(state);
        if states.last().unwrap() == "done" {
            return states;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_hears_that_another_program_holds_the_card_and_the_login_goes_on() {
    let world = World::new(Layout::Ic31).await;
    world.agent.watcher.seen().wait_for(|seen| seen.cards.len() == 1).await.unwrap();
    let states = login_beside(&world, hold(&world)).await;
    assert_eq!(states.first().map(String::as_str), Some("reading"), "{states:?}");
    assert!(states.contains(&"waiting_for_reader".to_owned()), "{states:?}");
    assert_eq!(states.last().map(String::as_str), Some("done"), "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_held_while_it_comes_is_not_asked_for_and_read_afterwards() {
    let world = World::new(Layout::Observed).await;
    let seen = &mut world.agent.watcher.seen();
    seen.wait_for(|seen| seen.cards.len() == 1).await.unwrap();
    let release = hold(&world);
    world.pull();
    seen.wait_for(|seen| seen.cards.is_empty()).await.unwrap();
    world.insert();
    seen.wait_for(|seen| seen.reading.len() == 1 && !seen.reading[0].begun).await.unwrap();
    let states = login_beside(&world, release).await;
    assert!(states.contains(&"waiting_for_reader".to_owned()), "{states:?}");
    assert!(!states.contains(&"waiting_for_card".to_owned()), "{states:?}");
    assert_eq!(states.last().map(String::as_str), Some("done"), "{states:?}");
}

#[test]
fn a_held_card_keeps_nobody_from_another_reader() {
    let (one, two) = (Desk::new(Layout::Ic31), Desk::new(Layout::Observed));
    let readers = Arc::new(SoftwareReaders::new(vec![one.path("card"), two.path("card")]));
    let name = readers.slots().unwrap()[0].reader.clone();
    let mut held = readers.connect(&name).unwrap();
    let done = held.transaction(&mut |_| {
        let watcher = Watcher::start(readers.clone()).unwrap();
        let seen = watcher.seen();
        until("the other card was read", || seen.borrow().cards.len() == 1);
        assert_eq!(seen.borrow().reading.len(), 1);
        assert_eq!(seen.borrow().reading[0].slot.reader, name);
        // It leaves as well, and comes back.
        let marker = two.path("card").join(INSERTED);
        std::fs::remove_file(&marker).unwrap();
        until("the other card has left", || seen.borrow().cards.is_empty());
        std::fs::write(&marker, "").unwrap();
        until("the other card was read", || seen.borrow().cards.len() == 1);
        Ok(())
    });
    done.unwrap();
}

#[test]
fn with_the_real_service_the_commands_name_readers_and_who_holds_a_card() {
    with_service(
        "held_cards::with_the_real_service_the_commands_name_readers_and_who_holds_a_card",
        |service| {
            let (one, two) = (Desk::new(Layout::Ic31), Desk::new(Layout::Observed));
            let _one = service.insert(0, one.card());
            let first = wait_for_cards(&PcscReaders, 1).remove(0);
            let _two = service.insert(1, two.card());
            wait_for_cards(&PcscReaders, 2);

            let readers = one.run_on("readers --json", &[]).json();
            let readers = readers["readers"].as_array().unwrap();
            assert_eq!(readers.len(), 2);
            for reader in readers {
                assert_eq!(
                    (&reader["card"]["family"], &reader["card"]["used"]),
                    (&"HPKI".into(), &"free".into())
                );
            }
            let both = one.run_on("self-test --pin-fd 0", &[]);
            assert_eq!(both.code, 2, "{}", both.error);
            assert!(both.error.contains(&first), "{}", both.error);
            let said = one.run_on("self-test --json --pin-fd 0", &["--reader", &first]);
            let report = said.json();
            assert_eq!(
                (&report["reader"], &report["signature"]),
                (&first.as_str().into(), &"verified".into())
            );

            // We hold the card of the first reader: that is told, waited for and survived.
            let ours = std::process::id();
            let mut held = PcscReaders.connect(&first).unwrap();
            let mut waiting = None;
            let transaction = held.transaction(&mut |_| {
                let readers = one.run_on("readers --json", &[]).json();
                let card = readers["readers"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|r| r["reader"] == first.as_str());
                let card = &card.unwrap()["card"];
                assert_eq!(card["used"], "shared");
                assert_eq!(card["fault"], "not read: another program holds it");
                assert!(
                    card["programs"].as_array().unwrap().iter().any(|p| p["process"] == ours),
                    "{card}"
                );
                let (child, line) =
                    one.start_until_it_waits("self-test --json --pin-fd 0", &["--reader", &first]);
                assert!(line.starts_with(&format!("waiting for the card in {first}: ")), "{line}");
                assert!(line.contains(&format!("(process {ours})")), "{line}");
                waiting = Some(child);
                Ok(())
            });
            transaction.unwrap();
            let said = Said::of(&waiting.unwrap().wait_with_output().unwrap());
            let report = said.json();
            assert!(
                report["waited_for"].as_array().unwrap().iter().any(|p| p["process"] == ours),
                "{report}"
            );
        },
    );
}

#[test]
fn a_card_that_another_program_keeps_to_itself_is_waited_for_and_found_by_doctor() {
    with_service(
        "held_cards::a_card_that_another_program_keeps_to_itself_is_waited_for_and_found_by_doctor",
        |service| {
            let desk = Desk::new(Layout::Ic31);
            let _inserted = service.insert(0, desk.card());
            let reader = wait_for_cards(&PcscReaders, 1).remove(0);
            let doctor = || desk.run_on("doctor --port 1", &[]).out;
            let told = doctor();
            assert!(told.contains("ok     card service: answers\n"), "{told}");
            assert!(told.contains(&format!("ok     readers: {reader}, ")), "{told}");
            assert!(told.contains("ok     cards: "), "{told}");

            let context = pcsc::Context::establish(pcsc::Scope::User).unwrap();
            let name = std::ffi::CString::new(reader.as_str()).unwrap();
            let alone = context.connect(&name, pcsc::ShareMode::Exclusive, pcsc::Protocols::ANY);
            let ours = format!("(process {})", std::process::id());
            let told = doctor();
            let line = told.lines().find(|line| line.starts_with("FAULT  cards: ")).unwrap();
            assert!(line.contains(&ours) && line.contains("keeps the card in Test"), "{line}");
            let listed = desk.run_on("readers --json", &[]).json();
            assert_eq!(listed["readers"][0]["card"]["used"], "exclusive");

            let (child, line) = desk.start_until_it_waits("self-test --json --pin-fd 0", &[]);
            assert!(line.contains(&ours), "{line}");
            drop(alone);
            let said = Said::of(&child.wait_with_output().unwrap());
            assert_eq!(said.json()["signature"], "verified");
        },
    );
}
