//! The real PC/SC service: readers and cards come and go, the service too, and the agent goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sekisho_agent::card::card_type::CardType;
use sekisho_agent::card::known::{Family, KnownCard};
use sekisho_agent::card::observe::{ObservedReaders, Observer};
use sekisho_agent::card::pcsc::{PcscReaders, Use};
use sekisho_agent::card::reader::{CardError, Channel, Readers, Slot};
use sekisho_agent::card::session::{Session, with_card};
use sekisho_agent::card::software::SoftwareReaders;
use sekisho_agent::card::watcher::{Seen, SeenCard, Watcher};
use sekisho_software_card::{Layout, Options, Personalisation, SoftwareCard};
use tokio::sync::watch;

use crate::card_service::{until, wait_for_cards, with_service};
use crate::cards::{input, write_card, write_my_number_card};
use crate::desk::Desk;
use crate::world::PIN;

/// A card, and its certificate.
fn card(layout: Layout) -> (SoftwareCard, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let certificate_der = write_card(folder.path(), layout);
    let personal = Personalisation::load(folder.path()).unwrap();
    (SoftwareCard::new(personal, Options::default()).unwrap(), certificate_der)
}

/// Waits until the watcher's picture is as wanted.
fn picture(seen: &mut watch::Receiver<Seen>, wanted: impl Fn(&Seen) -> bool) -> Seen {
    let mut last = Seen::default();
    until("the picture is as wanted", || {
        last = seen.borrow_and_update().clone();
        last.ready && wanted(&last)
    });
    last
}

fn certificate(seen: &SeenCard) -> &[u8] {
    &seen.card.as_ref().unwrap().certificate_der
}

/// As the agent works: one transaction, and its result.
fn login(readers: &dyn Readers, reader: &str) -> Result<Vec<u8>, CardError> {
    let mut signed = Err(CardError::Removed);
    readers.connect(reader)?.transaction(&mut |card| {
        let mut card = Session::new(card);
        signed = KnownCard::read(&mut card, &CardType::default().into()).and_then(|known| {
            assert_eq!(known.family, Family::Hpki);
            known.sign(&mut card, &PIN.into(), &input(&known.certificate_der))
        });
        Ok(())
    })?;
    signed
}

#[test]
fn a_card_behind_the_real_smart_card_service_is_read_and_signs() {
    with_service("pcsc::a_card_behind_the_real_smart_card_service_is_read_and_signs", |service| {
        let (card, _) = card(Layout::Ic31);
        wait_for_cards(&PcscReaders, 0);
        let inserted = service.insert(0, card);
        let reader = wait_for_cards(&PcscReaders, 1).remove(0);
        assert_eq!(login(&PcscReaders, &reader).unwrap().len(), 256);
        // A reader without keys says so, and the card bears the question.
        let keys = with_card(&PcscReaders, &reader, |card| Ok(card.has_pin_pad()));
        assert_eq!(keys, Ok(false));
        assert_eq!(login(&PcscReaders, &reader).unwrap().len(), 256);
        inserted.pull();
        wait_for_cards(&PcscReaders, 0);
    });
}

#[test]
fn cards_come_and_go_in_two_slots_and_each_insertion_is_another() {
    with_service("pcsc::cards_come_and_go_in_two_slots_and_each_insertion_is_another", |service| {
        let (one, one_der) = card(Layout::Ic31);
        let (two, two_der) = card(Layout::Observed);
        let watcher = Watcher::start(Arc::new(PcscReaders)).unwrap();
        let seen = &mut watcher.seen();
        let none = picture(seen, |seen| seen.readers == 2);
        assert!(none.cards.is_empty() && none.failure.is_none(), "{none:?}");

        let one = service.insert(0, one);
        let first = picture(seen, |seen| seen.cards.len() == 1);
        assert_eq!(certificate(&first.cards[0]), one_der);
        let two = service.insert(1, two);
        let both = picture(seen, |seen| seen.cards.len() == 2);
        assert_eq!(certificate(&both.cards[1]), two_der);
        assert_eq!(both.cards[0].presence, first.cards[0].presence);
        assert_ne!(both.cards[0].slot.reader, both.cards[1].slot.reader);

        // One leaves, the other stays what it was; the one that comes back is another insertion.
        let one = one.pull();
        let left = picture(seen, |seen| seen.cards.len() == 1);
        assert_eq!(left.cards[0].presence, both.cards[1].presence);
        let one = service.insert(0, one);
        let back = picture(seen, |seen| seen.cards.len() == 2);
        assert_eq!(certificate(&back.cards[1]), one_der);
        assert_ne!(back.cards[1].presence, first.cards[0].presence);
        one.pull();
        two.pull();
        picture(seen, |seen| seen.cards.is_empty());
    });
}

/// Software readers whose cable can be pulled: pcscd learns of virtual readers at its start only.
struct OnACable {
    readers: SoftwareReaders,
    plugged: AtomicBool,
}

impl Readers for OnACable {
    fn slots(&self) -> Result<Vec<Slot>, CardError> {
        if self.plugged.load(Ordering::SeqCst) { self.readers.slots() } else { Ok(vec![]) }
    }

    fn wait(&self, most: Duration) {
        self.readers.wait(most);
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, CardError> {
        match self.plugged.load(Ordering::SeqCst) {
            true => self.readers.connect(reader),
            false => Err(CardError::Removed),
        }
    }
}

#[test]
fn a_reader_takes_its_card_along_and_brings_it_back_as_another_insertion() {
    let desk = Desk::new(Layout::Ic31);
    let readers = SoftwareReaders::new(vec![desk.path("card")]);
    let cable = Arc::new(OnACable { readers, plugged: AtomicBool::new(true) });
    let watcher = Watcher::start(cable.clone()).unwrap();
    let seen = &mut watcher.seen();
    let before = picture(seen, |seen| seen.cards.len() == 1);
    cable.plugged.store(false, Ordering::SeqCst);
    let gone = picture(seen, |seen| seen.readers == 0);
    assert!(gone.cards.is_empty() && gone.failure.is_none(), "{gone:?}");
    let reader = &before.cards[0].slot.reader;
    assert_eq!(login(cable.as_ref(), reader), Err(CardError::Removed));
    cable.plugged.store(true, Ordering::SeqCst);
    let after = picture(seen, |seen| seen.cards.len() == 1);
    assert_eq!(certificate(&after.cards[0]), desk.certificate_der);
    assert_ne!(after.cards[0].presence, before.cards[0].presence);
}

/// Software readers that fail so many times before they open a card.
struct Failing {
    readers: SoftwareReaders,
    left: AtomicU32,
    error: CardError,
}

impl Readers for Failing {
    fn slots(&self) -> Result<Vec<Slot>, CardError> {
        self.readers.slots()
    }

    fn wait(&self, most: Duration) {
        self.readers.wait(most);
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, CardError> {
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
        {
            Ok(_) => Err(self.error.clone()),
            Err(_) => self.readers.connect(reader),
        }
    }
}

fn failing(desk: &Desk, times: u32, error: CardError) -> Arc<Failing> {
    let readers = SoftwareReaders::new(vec![desk.path("card")]);
    Arc::new(Failing { readers, left: AtomicU32::new(times), error })
}

#[test]
fn a_card_whose_reading_failed_is_read_again_where_it_lies() {
    let desk = Desk::new(Layout::Ic31);
    // One of them is spent at once: a reset is borne within a reading.
    for error in [CardError::Reader("busy".into()), CardError::Reset] {
        let readers = failing(&desk, 3, error.clone());
        let watcher = Watcher::start(readers).unwrap();
        let begun = Instant::now();
        let seen = &mut watcher.seen();
        let failed = picture(seen, |seen| seen.cards.len() == 1);
        assert_eq!(failed.cards[0].card.as_ref().unwrap_err(), &error);
        let read = picture(seen, |seen| seen.cards.iter().any(|card| card.card.is_ok()));
        assert_eq!(certificate(&read.cards[0]), desk.certificate_der);
        assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}

#[test]
fn who_waits_for_a_card_whose_reading_failed_does_not_wait_longer() {
    let desk = Desk::new(Layout::Ic31);
    let watcher = Watcher::start(failing(&desk, 1, CardError::Held)).unwrap();
    let seen = &mut watcher.seen();
    picture(seen, |seen| seen.cards.len() == 1);
    let begun = Instant::now();
    watcher.read_again();
    assert!(seen.borrow().cards.iter().all(|card| card.card.is_ok()));
    picture(seen, |seen| seen.cards.iter().any(|card| card.card.is_ok()));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn a_card_that_is_none_of_ours_is_not_read_again() {
    let desk = Desk::new(Layout::Ic31);
    let readers = failing(&desk, 1, CardError::UnknownCard);
    let watcher = Watcher::start(readers.clone()).unwrap();
    let seen = &mut watcher.seen();
    let before = picture(seen, |seen| seen.cards.len() == 1);
    watcher.read_again();
    std::thread::sleep(Duration::from_millis(1500));
    let after = picture(seen, |seen| seen.cards.len() == 1);
    assert_eq!(after.cards[0].presence, before.cards[0].presence);
}

#[test]
fn a_card_swapped_for_a_my_number_card_in_the_same_reader_is_what_it_is() {
    with_service(
        "pcsc::a_card_swapped_for_a_my_number_card_in_the_same_reader_is_what_it_is",
        |service| {
            let folder = tempfile::tempdir().unwrap();
            write_my_number_card(folder.path());
            let personal = Personalisation::load(folder.path()).unwrap();
            let mine = SoftwareCard::new(personal, Options::default()).unwrap();
            let (theirs, _) = card(Layout::Observed);
            let watcher = Watcher::start(Arc::new(PcscReaders)).unwrap();
            let seen = &mut watcher.seen();
            let family =
                |seen: &Seen| seen.cards.first().map(|seen| seen.card.as_ref().unwrap().family);
            // Both have one answer to reset: what was learnt of the one must not mislead.
            let theirs = service.insert(0, theirs);
            let first = picture(seen, |seen| family(seen) == Some(Family::Hpki));
            let theirs = theirs.pull();
            picture(seen, |seen| seen.cards.is_empty());
            let mine = service.insert(0, mine);
            let second = picture(seen, |seen| family(seen) == Some(Family::Jpki));
            assert_eq!(second.cards[0].slot.reader, first.cards[0].slot.reader);
            assert_ne!(second.cards[0].presence, first.cards[0].presence);
            mine.pull();
            picture(seen, |seen| seen.cards.is_empty());
            let _theirs = service.insert(0, theirs);
            picture(seen, |seen| family(seen) == Some(Family::Hpki));
        },
    );
}

#[test]
fn the_smart_card_service_dies_and_comes_back_under_a_living_watcher() {
    with_service(
        "pcsc::the_smart_card_service_dies_and_comes_back_under_a_living_watcher",
        |service| {
            let (card, certificate_der) = card(Layout::Ic31);
            let watcher = Watcher::start(Arc::new(PcscReaders)).unwrap();
            let seen = &mut watcher.seen();
            let inserted = service.insert(0, card);
            let before = picture(seen, |seen| seen.cards.len() == 1);
            service.kill();
            let card = inserted.left();
            let dead = picture(seen, |seen| seen.failure.is_some());
            assert!(matches!(dead.failure, Some(CardError::NoService(_))), "{dead:?}");
            assert!(dead.cards.is_empty() && dead.readers == 0, "{dead:?}");
            assert!(matches!(PcscReaders.connect("Test Reader"), Err(CardError::NoService(_))));

            service.restart();
            picture(seen, |seen| seen.failure.is_none() && seen.readers == 2);
            let inserted = service.insert(0, card);
            let after = picture(seen, |seen| seen.cards.len() == 1);
            assert_eq!(certificate(&after.cards[0]), certificate_der);
            assert_ne!(after.cards[0].presence, before.cards[0].presence);
            assert_eq!(login(&PcscReaders, &after.cards[0].slot.reader).unwrap().len(), 256);
            inserted.pull();
        },
    );
}

#[test]
fn a_card_pulled_at_any_command_of_a_login_is_told_and_the_next_insertion_works() {
    with_service(
        "pcsc::a_card_pulled_at_any_command_of_a_login_is_told_and_the_next_insertion_works",
        |service| {
            let (mut card, _) = card(Layout::Ic31);
            wait_for_cards(&PcscReaders, 0);
            let mut pulled = 0;
            loop {
                let inserted = service.insert_and_pull(0, card, pulled);
                let reader = wait_for_cards(&PcscReaders, 1).remove(0);
                let done = login(&PcscReaders, &reader);
                if done.is_ok() {
                    // Whole, or only the end of the verified state was cut off.
                    inserted.pull();
                    break;
                }
                assert_eq!(done, Err(CardError::Removed), "after {pulled} commands");
                card = inserted.left();
                wait_for_cards(&PcscReaders, 0);
                pulled += 1;
            }
            assert!(pulled >= 8, "a login has more commands than {pulled}");
        },
    );
}

#[derive(Default)]
struct Waits(watch::Sender<u32>);

impl Observer for Waits {
    fn waits(&self, _: &str) {
        self.0.send_modify(|times| *times += 1);
    }
}

#[test]
fn while_another_program_holds_the_card_the_agent_waits_and_says_so() {
    with_service(
        "pcsc::while_another_program_holds_the_card_the_agent_waits_and_says_so",
        |service| {
            let (card, _) = card(Layout::Ic31);
            let inserted = service.insert(0, card);
            let reader = wait_for_cards(&PcscReaders, 1).remove(0);
            let used = || {
                let statuses = PcscReaders.statuses().unwrap();
                let status = statuses.into_iter().find(|status| status.reader == reader);
                status.unwrap().card.unwrap().used
            };
            assert_eq!(used(), Use::Free);

            let waits = Arc::new(Waits::default());
            let observed = ObservedReaders::new(Arc::new(PcscReaders), vec![waits.clone()]);
            let mut other = PcscReaders.connect(&reader).unwrap();
            std::thread::scope(|scope| {
                let mut ours = None;
                let held = other.transaction(&mut |_| {
                    assert_eq!(used(), Use::Shared);
                    ours = Some(scope.spawn(|| login(&observed, &reader)));
                    until("it says that it waits", || *waits.0.borrow() == 1);
                    assert!(!ours.as_ref().unwrap().is_finished());
                    Ok(())
                });
                held.unwrap();
                assert_eq!(ours.unwrap().join().unwrap().unwrap().len(), 256);
            });
            assert_eq!(login(&observed, &reader).unwrap().len(), 256);
            assert_eq!(*waits.0.borrow(), 1);
            inserted.pull();
        },
    );
}
