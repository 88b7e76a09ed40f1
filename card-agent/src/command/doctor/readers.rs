//! What `doctor` finds about readers: the service, their drivers, who keeps a card to itself.

use crate::card::pcsc::{PcscReaders, ReaderStatus, Use};
use crate::card::reader::CardError;
use crate::command::cards;
use crate::platform;

/// One finding: its subject, and what is well or what is wrong and helps.
pub(super) type Finding = (&'static str, Result<String, String>);

/// Looks at everything between this program and a card.
pub(super) fn findings() -> Vec<Finding> {
    judge(PcscReaders.statuses(), &platform::plugged_readers())
}

fn judge(statuses: Result<Vec<ReaderStatus>, CardError>, plugged: &[String]) -> Vec<Finding> {
    let statuses = match statuses {
        Ok(statuses) => statuses,
        Err(error) => {
            let remedy = platform::REMEDIES.card_service;
            return vec![("card service", Err(format!("{error}; {remedy}")))];
        }
    };
    let names: Vec<&str> = statuses.iter().map(|status| status.reader.as_str()).collect();
    let readers = match names.as_slice() {
        [] => Err("none that can be used; plug one in".to_owned()),
        names => Ok(names.join(", ")),
    };
    // A reader may have several slots, each with a name of its own.
    let drivers = if statuses.len() < plugged.len() {
        Err(format!(
            "{} of {} plugged-in readers are served ({}); {}",
            statuses.len(),
            plugged.len(),
            plugged.join(", "),
            platform::REMEDIES.drivers
        ))
    } else {
        Ok(match plugged {
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
        [] => Ok("nobody keeps one to itself".to_owned()),
        kept => Err(format!(
            "{} keeps the card in {} to itself; close it",
            cards::in_words(&platform::smart_card_programs()),
            kept.join(", ")
        )),
    };
    vec![
        ("card service", Ok("answers".to_owned())),
        ("drivers", drivers),
        ("readers", readers),
        ("cards", cards),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::pcsc::CardStatus;

    fn finding(
        subject: &str,
        statuses: Vec<ReaderStatus>,
        plugged: &[&str],
    ) -> Result<String, String> {
        let plugged: Vec<String> = plugged.iter().map(|name| (*name).to_owned()).collect();
        let found = judge(Ok(statuses), &plugged).into_iter().find(|(about, _)| *about == subject);
        found.unwrap().1
    }

    fn reader(used: Use) -> ReaderStatus {
        let card = Some(CardStatus { atr: vec![0x3b], used });
        ReaderStatus { reader: "ACS ACR39U 00 00".into(), card }
    }

    #[test]
    fn a_service_that_does_not_run_is_the_only_thing_told() {
        let found = judge(Err(CardError::NoService("no socket".into())), &["ACR39U".into()]);
        let [("card service", Err(told))] = found.as_slice() else { panic!("{found:?}") };
        assert!(told.contains("does not run") && told.contains("systemctl enable"), "{told}");
    }

    #[test]
    fn a_reader_on_usb_that_the_service_does_not_show_lacks_its_driver() {
        let told = finding("drivers", vec![], &["ACR39U"]).unwrap_err();
        assert!(told.contains("0 of 1") && told.contains("ACR39U") && told.contains("libccid"));
        assert!(finding("readers", vec![], &["ACR39U"]).is_err());
        let served = finding("drivers", vec![reader(Use::Free)], &["ACR39U"]);
        assert_eq!(served, Ok("serve ACR39U".to_owned()));
        assert!(finding("drivers", vec![reader(Use::Free)], &["ACR39U", "PaSoRi"]).is_err());
        assert!(finding("drivers", vec![], &[]).is_ok());
    }

    #[test]
    fn a_card_that_somebody_keeps_is_a_fault_and_one_that_is_shared_is_none() {
        let told = finding("cards", vec![reader(Use::Exclusive)], &[]).unwrap_err();
        assert!(told.contains("keeps the card in ACS ACR39U 00 00"), "{told}");
        assert!(finding("cards", vec![reader(Use::Shared)], &[]).is_ok());
    }
}
