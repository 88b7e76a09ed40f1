//! What `doctor` finds about readers: the service, their drivers, who keeps a card to itself.

use super::Line;
use super::finding::Finding;
use crate::card::pcsc::{PcscReaders, ReaderStatus, Use};
use crate::card::reader::CardError;
use crate::command::cards;
use crate::platform;

/// Looks at everything between this program and a card.
pub(super) fn findings() -> Vec<Line> {
    judge(PcscReaders.statuses(), &platform::plugged_readers())
}

pub(super) fn judge(
    statuses: Result<Vec<ReaderStatus>, CardError>,
    plugged: &[String],
) -> Vec<Line> {
    let remedies = platform::REMEDIES;
    let statuses = match statuses {
        Ok(statuses) => statuses,
        Err(error) => {
            let fault = Finding::fault(error.to_string(), remedies.card_service);
            let not_known = |subject| {
                (subject, Finding::behind("the card service was not asked", "card service"))
            };
            let hanging = ["drivers", "readers", "cards"].map(not_known);
            return [("card service", fault)].into_iter().chain(hanging).collect();
        }
    };
    let names: Vec<&str> = statuses.iter().map(|status| status.reader.as_str()).collect();
    let readers = match names.as_slice() {
        [] => Finding::fault("none that can be used", "plug one in"),
        names => Finding::Well(names.join(", ")),
    };
    // A reader may have several slots, each with a name of its own.
    let drivers = if statuses.len() < plugged.len() {
        Finding::fault(
            format!(
                "{} of {} plugged-in readers are served ({})",
                statuses.len(),
                plugged.len(),
                plugged.join(", ")
            ),
            remedies.drivers,
        )
    } else {
        Finding::Well(match plugged {
            [] => "no reader hangs on USB".to_owned(),
            plugged => format!("serve {}", plugged.join(", ")),
        })
    };
    let kept: Vec<&str> = statuses
        .iter()
        .filter(|status| status.card.as_ref().is_some_and(|card| card.used == Use::Exclusive))
        .map(|status| status.reader.as_str())
        .collect();
    let cards = match kept.as_slice() {
        [] => Finding::Well("nobody keeps one to itself".to_owned()),
        kept => Finding::fault(
            format!(
                "{} keeps the card in {} to itself",
                cards::in_words(&platform::smart_card_programs()),
                kept.join(", ")
            ),
            "close it",
        ),
    };
    vec![
        ("card service", Finding::Well("answers".to_owned())),
        ("drivers", drivers),
        ("readers", readers),
        ("cards", cards),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::pcsc::CardStatus;

    fn finding(subject: &str, statuses: Vec<ReaderStatus>, plugged: &[&str]) -> Finding {
        let plugged: Vec<String> = plugged.iter().map(|name| (*name).to_owned()).collect();
        let found = judge(Ok(statuses), &plugged).into_iter().find(|(about, _)| *about == subject);
        found.unwrap().1
    }

    fn reader(used: Use) -> ReaderStatus {
        let card = Some(CardStatus { atr: vec![0x3b], used });
        ReaderStatus { reader: "ACS ACR39U 00 00".into(), card }
    }

    #[test]
    fn a_service_that_does_not_run_is_the_fault_and_nothing_behind_it_is_known() {
        let found = judge(Err(CardError::NoService("no socket".into())), &["ACR39U".into()]);
        let subjects: Vec<&str> = found.iter().map(|(subject, _)| *subject).collect();
        assert_eq!(subjects, ["card service", "drivers", "readers", "cards"]);
        let told = found[0].1.line("card service");
        assert!(told.contains("does not run") && told.contains("systemctl enable"), "{told}");
        assert!(found[0].1.is_fault() && found[1..].iter().all(|(_, found)| !found.is_known()));
    }

    #[test]
    fn a_reader_on_usb_that_the_service_does_not_show_lacks_its_driver() {
        let found = finding("drivers", vec![], &["ACR39U"]);
        let told = found.line("drivers");
        assert!(found.is_fault() && told.contains("0 of 1 plugged-in"), "{told}");
        assert!(told.contains("ACR39U") && told.contains("libccid"), "{told}");
        assert!(finding("readers", vec![], &["ACR39U"]).is_fault());
        let served = finding("drivers", vec![reader(Use::Free)], &["ACR39U"]);
        assert_eq!(served, Finding::Well("serve ACR39U".to_owned()));
        assert!(finding("drivers", vec![reader(Use::Free)], &["ACR39U", "PaSoRi"]).is_fault());
        assert!(!finding("drivers", vec![], &[]).is_fault());
    }

    #[test]
    fn a_card_that_somebody_keeps_is_a_fault_and_one_that_is_shared_is_none() {
        let found = finding("cards", vec![reader(Use::Exclusive)], &[]);
        let told = found.line("cards");
        assert!(found.is_fault() && told.contains("keeps the card in ACS ACR39U 00 00"), "{told}");
        assert!(!finding("cards", vec![reader(Use::Shared)], &[]).is_fault());
    }
}
