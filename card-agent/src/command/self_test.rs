mod report;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use der::Decode;
use sekisho_output::{remark, say};
use sekisho_protocol::answer::{CardAlgorithm, CardAnswer};
use sekisho_protocol::occasion::Occasion as Bound;
use sekisho_protocol::request::ConfirmationCode;
use sekisho_protocol::signed_input::SignedInput;
use sekisho_protocol::{ChallengeNonce, PresenceId, Sha256Digest};
use time::OffsetDateTime;
use x509_cert::Certificate;

use super::cards::{self, CardCommand, Waiting};
use super::pin::PinArguments;
use super::{Failure, local, refused};
use crate::card::card_type::CardTypes;
use crate::card::driver::PinState;
use crate::card::holder::{Holder, Validity};
use crate::card::known::KnownCard;
use crate::card::observe::{Exchanged, Observer};
use crate::card::pin_kind::{Pin, PinKind};
use crate::card::reader::Slot;
use crate::card::session::with_card;
use crate::pin::{Occasion, Page, Prompt};
use crate::terminal::place::Place;

use report::{Issuer, Phase, Report, Traffic};

/// Log in with the inserted card, to nobody but this command.
///
/// The card signs what it would sign for a portal that does not exist: a signature of a self-test
/// opens nothing. A wrong PIN costs a try as everywhere.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sekisho-agent self-test
      asks for the PIN in a window, then tells what each step took
  sekisho-agent self-test --json --pin-fd 3 3<pin | jq .phases
      the PIN from a file descriptor; it is in no argument and no variable
  sekisho-agent self-test --apdu-log apdu.jsonl --reader 'ACS ACR39U 00 00'

With few tries left (three; of a My Number card, whose PIN for logins has three at most, two) nothing is
tried unless it is confirmed: in the window, or by --few-tries. Done (0) means: the card signed and the signature verifies. Whether its issuer is one of
those that this PC's portal accepts is told apart. Text and refusals are Japanese or English, as LC_ALL,
LC_MESSAGES or LANG has it; what --json tells is the same in both.")]
pub struct SelfTest {
    #[command(flatten)]
    pin: PinArguments,
    #[command(flatten)]
    with: CardCommand,
}

#[derive(Default)]
struct Meter(Mutex<Traffic>);

impl Meter {
    /// What was counted since it was taken last.
    fn take(&self) -> Traffic {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Meter {
    fn exchanged(&self, exchanged: &Exchanged<'_>) {
        let mut traffic = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        traffic.apdus += 1;
        traffic.octets_sent += exchanged.command.len() as u64;
        traffic.octets_received += exchanged.answer.map_or(0, <[u8]>::len) as u64;
    }
}

/// Takes the time of what happens one after another.
struct Course {
    meter: Arc<Meter>,
    since: Instant,
    phases: Vec<Phase>,
}

impl Course {
    fn end(&mut self, name: &'static str) {
        let took = self.since.elapsed();
        let milliseconds = took.as_millis().try_into().unwrap_or(u64::MAX);
        self.phases.push(Phase { name, milliseconds, traffic: self.meter.take() });
        self.since = Instant::now();
    }
}

impl SelfTest {
    pub(super) async fn execute(self, place: &Place) -> Result<(), Failure> {
        let (meter, waiting) = (Arc::new(Meter::default()), Arc::new(Waiting::new(remark)));
        let readers = self.with.readers(vec![meter.clone(), waiting.clone()])?;
        let slot = cards::only_filled_slot(readers.as_ref(), self.with.reader.as_deref())?;
        // The first randomness of a program takes a third of a second (aws-lc looks what the processor's
        // jitter is worth), which is no matter of the card. `run` has it behind it at its start.
        let [random] = crate::random::<1>();
        let code = ConfirmationCode::new(random % 100).map_err(local)?;

        let mut course = Course { meter, since: Instant::now(), phases: Vec::new() };
        let read = KnownCard::read_with_pin_state(readers.as_ref(), &slot, &CardTypes::default());
        let (card, PinState { tries_left, pad }) = read.map_err(cards::failure)?;
        course.end("read");
        let holder = Holder::of(&card.certificate_der).context("the card's certificate");
        let holder = holder.map_err(refused)?;
        let prompt = self.prompt(code, &slot, card.pin_kind(), tries_left, &holder.name);
        let (family, certificate_der) = (card.family, card.certificate_der.clone());
        let input = challenge(&certificate_der);
        let (reader, to_sign) = (slot.reader.clone(), input.clone());
        let sign = move |pin| {
            // At the reader's keys the two are one: it asks, and the card has the PIN at once.
            let signs = match pin {
                Pin::Typed(_) => {
                    course.end("pin");
                    "sign"
                }
                Pin::AtReader(_) => "pin and sign",
            };
            let signature =
                with_card(readers.as_ref(), &reader, |session| card.sign(session, &pin, &to_sign))?;
            course.end(signs);
            Ok((signature, course))
        };
        let (signature, mut course) = self.pin.enter(prompt, pad, sign).await?;
        let certificate = Certificate::from_der(&certificate_der).map_err(refused)?;
        verify(&certificate_der, &certificate, &input, signature)?;
        course.end("verify");

        let validity = certificate.tbs_certificate().validity();
        let all = |of: fn(&Traffic) -> u64| course.phases.iter().map(|p| of(&p.traffic)).sum();
        let octets: u64 = all(|traffic| traffic.octets_sent + traffic.octets_received);
        let now = OffsetDateTime::now_utc();
        let report = Report {
            reader: slot.reader,
            family: family.to_string(),
            holder: holder.name.clone(),
            certificate_sha256: hex::encode(Sha256Digest::of(&certificate_der).as_bytes()),
            not_before: validity.not_before.to_string(),
            not_after: validity.not_after.to_string(),
            validity: match holder.validity(now) {
                Validity::NotYet(_) => "not_yet",
                Validity::Expired(_) => "expired",
                Validity::InForce => "in_force",
            },
            in_force: holder.is_in_force(now),
            tries_left,
            apdus: course.phases.iter().map(|phase| phase.traffic.apdus).sum(),
            octets,
            phases: course.phases,
            signature: "verified",
            issuer: issuer(place, &certificate_der),
            waited_for: waiting.programs(),
        };
        if self.with.json {
            cards::say_json(&report)
        } else {
            Ok(say(&report.text(cards::window_language()))?)
        }
    }

    fn prompt(
        &self,
        code: ConfirmationCode,
        slot: &Slot,
        kind: PinKind,
        tries_left: Option<u8>,
        holder: &str,
    ) -> Prompt {
        let page = Page {
            origin: "sekisho-agent self-test".to_owned(),
            facility: slot.reader.clone(),
            code,
        };
        if self.pin.is_window() {
            let shows =
                cards::said("窓に表示される確認番号", "The window shows the confirmation code");
            remark(&format!("{shows} {code}."));
        }
        Prompt {
            occasion: Occasion::Login(page),
            kind,
            holder: holder.to_owned(),
            tries_left,
            again: false,
            at_reader: false,
            language: cards::window_language(),
        }
    }
}

/// What a portal would have the card sign, but for the portal: no page has this origin, so that
/// nobody can use the signature.
fn challenge(certificate_der: &[u8]) -> SignedInput {
    let random = || Sha256Digest::new(crate::random());
    let occasion = Bound {
        origin: Sha256Digest::of("self-test"),
        nonce: ChallengeNonce::new(crate::random()),
        facility_x5t: random(),
        page_key: random(),
        request: random(),
    };
    SignedInput::new(occasion, certificate_der)
}

/// As the portal does it: with the answer as it would have travelled.
fn verify(
    certificate_der: &[u8],
    certificate: &Certificate,
    input: &SignedInput,
    signature: Vec<u8>,
) -> Result<(), Failure> {
    let answer = CardAnswer {
        certificate: certificate_der.to_vec().into(),
        alg: CardAlgorithm::Rs256,
        signature: signature.into(),
        presence: PresenceId::new(crate::random()),
    };
    let travelled = CardAnswer::parse(&answer.to_text()).map_err(refused)?;
    let key =
        certificate.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes();
    travelled.verify(input, key).map_err(refused)
}

fn issuer(place: &Place, certificate_der: &[u8]) -> Issuer {
    let Ok(trust) = place.trust() else { return Issuer::NotJudged };
    let issuer = Holder::issuer_sha256(certificate_der);
    let named = |accepted: &sekisho_protocol::trust::CardIssuer| {
        Some(Sha256Digest::of(accepted.subject_der.as_bytes())) == issuer
    };
    if trust.card_issuers.iter().any(named) { Issuer::Accepted } else { Issuer::NotAccepted }
}
