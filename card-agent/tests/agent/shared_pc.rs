//! One PC, one reader, several people and cards within a visit; real pcscd.

use std::ffi::CString;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use secrecy::SecretString;
use sekisho_agent::card::pcsc::PcscReaders;
use sekisho_agent::pin::{PinEntry, PinError, Prompt};
use sekisho_protocol::Sha256Digest;
use sekisho_protocol::answer::CardAnswer;
use sekisho_protocol::request::{ExpectedSubject, LoginRequest, Purpose};
use sekisho_protocol::trust::CardIssuer;
use sekisho_software_card::{Layout, Options, Personalisation, SoftwareCard};
use serde_json::json;
use tokio::sync::Semaphore;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

use crate::card_service::{CardService, Inserted, with_service};
use crate::cards::{Whose, write_card_for, write_my_number_card};
use crate::world::{PIN, World};

/// A window in which somebody types the right PIN as often as the test lets them.
struct Typist {
    times: Semaphore,
    /// Whose card the last window named.
    holder: Mutex<String>,
}

impl Typist {
    fn types(times: usize) -> Arc<Self> {
        Arc::new(Self { times: Semaphore::new(times), holder: Mutex::default() })
    }
}

#[async_trait]
impl PinEntry for Typist {
    async fn ask(&self, prompt: &Prompt) -> Result<SecretString, PinError> {
        *self.holder.lock().unwrap() = prompt.holder.clone();
        self.times.acquire().await.unwrap().forget();
        Ok(PIN.into())
    }

    async fn confirm(&self, _: &Prompt) -> Result<(), PinError> {
        unreachable!("all tries are left")
    }

    async fn announce(&self, _: &Prompt) -> Result<(), PinError> {
        unreachable!("the reader has no keys")
    }

    fn is_interactive(&self) -> bool {
        true
    }
}

/// A card that is somewhere, and its certificate.
struct Card {
    card: SoftwareCard,
    certificate_der: Vec<u8>,
}

impl Card {
    fn hanakos() -> Self {
        Self::written(|folder| write_card_for(folder, Layout::Observed, Whose::default()))
    }

    fn jiros() -> Self {
        let jiro = Whose { colleague: true, ..Whose::default() };
        Self::written(|folder| write_card_for(folder, Layout::Ic31, jiro))
    }

    fn my_number() -> Self {
        Self::written(write_my_number_card)
    }

    fn written(write: impl FnOnce(&Path) -> Vec<u8>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate_der = write(folder.path());
        let mut personal = Personalisation::load(folder.path()).unwrap();
        // A card as people have it: with 署名用 beside 認証用, whosever key that is.
        personal.signature = Some(personal.authentication.clone());
        Self { card: SoftwareCard::new(personal, Options::default()).unwrap(), certificate_der }
    }

    fn issuer(&self) -> CardIssuer {
        let certificate = Certificate::from_der(&self.certificate_der).unwrap();
        CardIssuer {
            subject_der: certificate.tbs_certificate().issuer().to_der().unwrap().into(),
            spki_sha256: Sha256Digest::of(b"not compared here"),
        }
    }
}

/// The desk, and the card service behind its one reader.
struct Desk<'a> {
    service: &'a CardService,
    world: World,
    typist: Arc<Typist>,
    accepted: Vec<CardIssuer>,
}

impl<'a> Desk<'a> {
    async fn new(service: &'a CardService, typist: Arc<Typist>, accepted: &[&Card]) -> Self {
        let first = accepted[0].certificate_der.clone();
        let world = World::at(Arc::new(PcscReaders), typist.clone(), first).await;
        Self {
            service,
            world,
            typist,
            accepted: accepted.iter().map(|card| card.issuer()).collect(),
        }
    }

    /// Puts a card in and waits until it was read.
    async fn insert(&self, card: Card) -> (Inserted, Vec<u8>) {
        let inserted = self.service.insert(0, card.card);
        let mut seen = self.world.agent.watcher.seen();
        let read = |seen: &sekisho_agent::card::watcher::Seen| {
            seen.cards.iter().any(|seen| {
                seen.card.as_ref().is_ok_and(|known| known.certificate_der == card.certificate_der)
            })
        };
        seen.wait_for(read).await.unwrap();
        (inserted, card.certificate_der)
    }

    async fn pull(&self, (inserted, certificate_der): (Inserted, Vec<u8>)) -> Card {
        let card = tokio::task::spawn_blocking(|| inserted.pull()).await.unwrap();
        self.world.agent.watcher.seen().wait_for(|seen| seen.cards.is_empty()).await.unwrap();
        Card { card, certificate_der }
    }

    fn request(&self) -> LoginRequest {
        LoginRequest { card_issuers: self.accepted.clone(), ..self.world.request() }
    }

    /// The session's own person is asked for once more.
    fn step_up(&self, session: &CardAnswer) -> LoginRequest {
        let certificate = Certificate::from_der(session.certificate.as_bytes()).unwrap();
        let issuer = certificate.tbs_certificate().issuer().to_der().unwrap();
        let expected = ExpectedSubject {
            issuer_name_sha256: Sha256Digest::of(issuer),
            serial_number: "DEMO00001".into(),
        };
        LoginRequest {
            purpose: Purpose::Stepup,
            expected_subject: Some(expected),
            ..self.request()
        }
    }

    async fn log_in(&self) -> CardAnswer {
        let done = self.world.login(&self.request()).await;
        assert_eq!(done.status, 200, "{}", done.body);
        CardAnswer::parse(done.json()["answer"].as_str().unwrap()).unwrap()
    }

    /// Whose card the last window named.
    fn named(&self) -> String {
        self.typist.holder.lock().unwrap().clone()
    }

    /// How often windows were shown and cards opened.
    fn touches(&self) -> (usize, usize) {
        (self.world.shown.get(), self.world.opened.get())
    }

    /// Begins a login and waits until its window is open.
    async fn until_the_window(&self) -> serde_json::Value {
        let exchange = self.until(&self.request(), "waiting_for_pin").await;
        while self.world.shown.get() == 0 {
            tokio::task::yield_now().await;
        }
        exchange["exchange"].clone()
    }

    /// Begins an exchange and waits for this state; what to ask with for the next one.
    async fn until(&self, request: &LoginRequest, state: &str) -> serde_json::Value {
        let begun = self.world.begin(request).await;
        assert_eq!(begun.status, 200, "{}", begun.body);
        let mut body = json!({ "exchange": begun.json()["exchange"] });
        while body["seen"] != state {
            let told = self.world.post("/v1/card-login/finish", &body).await;
            assert_eq!(told.status, 200, "{}", told.body);
            body["seen"] = told.json()["state"].clone();
        }
        body
    }
}

/// Runs a visit in a process of its own; see [`with_service`].
fn visit(test: &str, visit: impl AsyncFnOnce(&CardService)) {
    with_service(&format!("shared_pc::{test}"), |service| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(visit(service));
    });
}

#[test]
fn two_people_log_in_in_turn_each_with_their_own_card() {
    visit("two_people_log_in_in_turn_each_with_their_own_card", async |service| {
        let (mut hanakos, mut jiros) = (Card::hanakos(), Card::jiros());
        let desk = Desk::new(service, Typist::types(4), &[&hanakos, &jiros]).await;
        let mut presences = Vec::new();
        for _ in 0..2 {
            let hanako = desk.insert(hanakos).await;
            let answer = desk.log_in().await;
            assert_eq!(answer.certificate.as_bytes(), hanako.1);
            assert_eq!(desk.named(), "Hanako Kakuu");
            presences.push(answer.presence);
            hanakos = desk.pull(hanako).await;

            let jiro = desk.insert(jiros).await;
            let answer = desk.log_in().await;
            assert_eq!(answer.certificate.as_bytes(), jiro.1);
            assert_eq!(desk.named(), "Jiro Kakuu");
            presences.push(answer.presence);
            jiros = desk.pull(jiro).await;
        }
        // Whoever comes back has come anew: the session of before does not see its card again.
        let different: std::collections::BTreeSet<String> =
            presences.iter().map(ToString::to_string).collect();
        assert_eq!(different.len(), 4);
        assert_eq!(desk.world.shown.get(), 4);
    });
}

#[test]
fn another_users_card_at_a_step_up_is_named_and_opens_no_window() {
    visit("another_users_card_at_a_step_up_is_named_and_opens_no_window", async |service| {
        let (hanakos, jiros) = (Card::hanakos(), Card::jiros());
        let desk = Desk::new(service, Typist::types(2), &[&hanakos, &jiros]).await;
        let hanako = desk.insert(hanakos).await;
        let session = desk.log_in().await;
        let hanakos = desk.pull(hanako).await;

        let jiro = desk.insert(jiros).await;
        let before = desk.touches();
        let refused = desk.world.login(&desk.step_up(&session)).await;
        assert_eq!(refused.code(), "another_person");
        assert_eq!(desk.touches(), before);
        desk.pull(jiro).await;

        let hanako = desk.insert(hanakos).await;
        let done = desk.world.login(&desk.step_up(&session)).await;
        assert_eq!(done.status, 200, "{}", done.body);
        desk.pull(hanako).await;
    });
}

#[test]
fn a_my_number_card_in_the_same_reader_within_a_visit_is_what_it_is() {
    visit("a_my_number_card_in_the_same_reader_within_a_visit_is_what_it_is", async |service| {
        let (hanakos, my_number) = (Card::hanakos(), Card::my_number());
        let desk = Desk::new(service, Typist::types(3), &[&hanakos, &my_number]).await;
        let hpki_only = desk.world.request().card_issuers;
        let hanako = desk.insert(hanakos).await;
        let session = desk.log_in().await;
        let hanakos = desk.pull(hanako).await;

        let mine = desk.insert(my_number).await;
        let before = desk.touches();
        // The session's person is asked for: a My Number card tells of none.
        let refused = desk.world.login(&desk.step_up(&session)).await;
        assert_eq!(refused.code(), "another_person");
        // A portal that takes no such cards.
        let strict = LoginRequest { card_issuers: hpki_only, ..desk.request() };
        assert_eq!(desk.world.login(&strict).await.code(), "card_not_accepted");
        assert_eq!(desk.touches(), before);
        // One that does: it signs by its own key, with its own PIN.
        let answer = desk.log_in().await;
        assert_eq!(answer.certificate.as_bytes(), mine.1);
        assert_eq!(desk.named(), "My Number card");
        desk.pull(mine).await;

        let hanako = desk.insert(hanakos).await;
        assert_eq!(desk.log_in().await.certificate.as_bytes(), hanako.1);
        desk.pull(hanako).await;
    });
}

#[test]
fn a_linked_my_number_card_answers_a_step_up_that_names_it_and_no_other() {
    visit(
        "a_linked_my_number_card_answers_a_step_up_that_names_it_and_no_other",
        async |service| {
            let (hanakos, my_number) = (Card::hanakos(), Card::my_number());
            let desk = Desk::new(service, Typist::types(3), &[&hanakos, &my_number]).await;
            let hanako = desk.insert(hanakos).await;
            let session = desk.log_in().await;
            let named = |octets: &[u8]| LoginRequest {
                expected_certificate: Some(Sha256Digest::of(octets)),
                ..desk.step_up(&session)
            };
            // The person's HPKI card does beside it.
            let done = desk.world.login(&named(b"another certificate")).await;
            assert_eq!(done.status, 200, "{}", done.body);
            desk.pull(hanako).await;

            let mine = desk.insert(my_number).await;
            let before = desk.touches();
            let refused = desk.world.login(&named(b"another certificate")).await;
            assert_eq!(refused.code(), "another_person");
            assert_eq!(desk.touches(), before);
            let done = desk.world.login(&named(&mine.1)).await;
            assert_eq!(done.status, 200, "{}", done.body);
            desk.pull(mine).await;
        },
    );
}

#[test]
fn with_one_reader_an_exchange_waits_while_one_card_makes_room_for_the_one_to_be_linked() {
    let name =
        "with_one_reader_an_exchange_waits_while_one_card_makes_room_for_the_one_to_be_linked";
    visit(name, async |service| {
        let (hanakos, my_number) = (Card::hanakos(), Card::my_number());
        let desk = Desk::new(service, Typist::types(1), &[&my_number]).await;
        let link = LoginRequest {
            purpose: Purpose::Link,
            vouching_request: Some(Sha256Digest::of("the request of the login")),
            ..desk.request()
        };
        let hanako = desk.insert(hanakos).await;
        // For a login it is the wrong card, and that is said at once.
        assert_eq!(desk.world.login(&desk.request()).await.code(), "card_not_accepted");
        let mut exchange = desk.until(&link, "waiting_for_card").await;
        assert_eq!(desk.world.shown.get(), 0);
        desk.pull(hanako).await;
        let mine = desk.insert(my_number).await;
        let answer = loop {
            let told = desk.world.post("/v1/card-login/finish", &exchange).await;
            assert_eq!(told.status, 200, "{}", told.body);
            exchange["seen"] = told.json()["state"].clone();
            if exchange["seen"] == "done" {
                break told.json()["answer"].as_str().unwrap().to_owned();
            }
        };
        assert_eq!(CardAnswer::parse(&answer).unwrap().certificate.as_bytes(), mine.1);
        assert_eq!((desk.named().as_str(), desk.world.shown.get()), ("My Number card", 1));
        desk.pull(mine).await;
    });
}

#[test]
fn a_pin_typed_for_one_card_never_reaches_the_card_that_took_its_place() {
    visit("a_pin_typed_for_one_card_never_reaches_the_card_that_took_its_place", async |service| {
        let typist = Typist::types(0);
        let (hanakos, jiros) = (Card::hanakos(), Card::jiros());
        let desk = Desk::new(service, typist.clone(), &[&hanakos, &jiros]).await;
        let hanako = desk.insert(hanakos).await;
        let exchange = desk.until_the_window().await;
        desk.pull(hanako).await;
        let jiro = desk.insert(jiros).await;
        let opened = desk.world.opened.get();
        typist.times.add_permits(1);
        let (_, told) = desk.world.finish(&exchange).await;
        assert_eq!(told.code(), "card_removed");
        assert_eq!(desk.world.opened.get(), opened);
        // The next login is that person's own.
        let answer = desk.log_in().await;
        assert_eq!(answer.certificate.as_bytes(), jiro.1);
        assert_eq!(desk.named(), "Jiro Kakuu");
        desk.pull(jiro).await;
    });
}

/// HPKI middleware with a handle of its own, as stock software has: 認証用 and its PIN's counter, or
/// 署名用, are what it selects.
struct Middleware(pcsc::Card);

impl Middleware {
    const AUTHENTICATION: u8 = 2;
    const SIGNATURE: u8 = 1;

    fn open(world: &World) -> Self {
        let name = world.agent.watcher.seen().borrow().cards[0].slot.reader.clone();
        let context = pcsc::Context::establish(pcsc::Scope::User).unwrap();
        let name = CString::new(name).unwrap();
        Self(context.connect(&name, pcsc::ShareMode::Shared, pcsc::Protocols::ANY).unwrap())
    }

    fn select(card: &pcsc::Card, application: u8) {
        let aid = [0xe8, 0x28, 0xbd, 0x08, 0x0f, 0xa0, 0, 0, 3, 0x91, 0, 0, 0, 0, 0, application];
        let command = [&[0, 0xa4, 4, 0, 16][..], &aid, &[0]].concat();
        card.transmit(&command, &mut [0; 300]).unwrap();
    }
}

#[test]
fn while_hpki_middleware_holds_a_transaction_the_login_waits_and_says_so() {
    visit(
        "while_hpki_middleware_holds_a_transaction_the_login_waits_and_says_so",
        async |service| {
            let hanakos = Card::hanakos();
            let desk = Desk::new(service, Typist::types(1), &[&hanakos]).await;
            let hanako = desk.insert(hanakos).await;
            let mut middleware = Middleware::open(&desk.world);
            let transaction = middleware.0.transaction().unwrap();
            Middleware::select(&transaction, Middleware::AUTHENTICATION);
            let begun = desk.world.begin(&desk.request()).await;
            let mut body = json!({ "exchange": begun.json()["exchange"] });
            while body["seen"] != "waiting_for_reader" {
                let told = desk.world.post("/v1/card-login/finish", &body).await;
                assert_eq!(told.status, 200, "{}", told.body);
                body["seen"] = told.json()["state"].clone();
            }
            transaction.end(pcsc::Disposition::LeaveCard).map_err(|(_, error)| error).unwrap();
            let (_, done) = desk.world.finish(&body["exchange"]).await;
            assert_eq!(done.status, 200, "{}", done.body);
            desk.pull(hanako).await;
        },
    );
}

#[test]
fn what_middleware_selected_while_the_person_typed_leads_no_pin_astray() {
    visit("what_middleware_selected_while_the_person_typed_leads_no_pin_astray", async |service| {
        let typist = Typist::types(0);
        let hanakos = Card::hanakos();
        let desk = Desk::new(service, typist.clone(), &[&hanakos]).await;
        let hanako = desk.insert(hanakos).await;
        let middleware = Middleware::open(&desk.world);
        let exchange = desk.until_the_window().await;
        Middleware::select(&middleware.0, Middleware::SIGNATURE);
        typist.times.add_permits(1);
        let (_, done) = desk.world.finish(&exchange).await;
        assert_eq!(done.status, 200, "{}", done.body);
        // What we verified is over for the other program, and its handle still good.
        Middleware::select(&middleware.0, Middleware::AUTHENTICATION);
        let tries = middleware.0.transmit(&[0, 0x20, 0, 0x88], &mut [0; 16]).unwrap().to_vec();
        assert_eq!(tries, [0x63, 0xcf]);
        drop(middleware);
        desk.pull(hanako).await;
    });
}
