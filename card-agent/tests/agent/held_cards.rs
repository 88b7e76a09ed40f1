//! The commands beside the real PC/SC service, where other programs use cards too.

use sekisho_agent::card::pcsc::PcscReaders;
use sekisho_agent::card::reader::Readers;
use sekisho_software_card::Layout;

use crate::card_service::{wait_for_cards, with_service};
use crate::desk::{Desk, Said};

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
