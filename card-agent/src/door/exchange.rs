//! One login at the desk: find the card, ask for the PIN, sign. One at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sekisho_protocol::answer::{CardAlgorithm, CardAnswer, TerminalProof};
use sekisho_protocol::door::{BeginReply, ErrorCode, ExchangeState};
use sekisho_protocol::request::{Language, VerifiedLoginRequest};
use sekisho_protocol::signed_input::SignedInput;
use sekisho_protocol::{ExchangeId, PresenceId, Sha256Digest};
use tokio::sync::{oneshot, watch};

use super::Agent;
use crate::card::holder::{Holder, Unsuitable};
use crate::card::known::{Family, KnownCard};
use crate::card::reader::{CardError, Slot};
use crate::card::session::{self, Session};
use crate::card::watcher::{Seen, SeenCard};
use crate::pin::{PinError, Prompt};

/// How it ended, or where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Under way.
    State(ExchangeState),
    /// Over: the answer's text.
    Answer(String),
    /// Over: why, and tries left.
    Failed(ErrorCode, Option<u8>),
}

impl Progress {
    fn is_over(&self) -> bool {
        !matches!(self, Self::State(_))
    }
}

/// A running login.
pub struct Exchange {
    /// Its name.
    pub id: ExchangeId,
    /// The page's origin, as the browser told it.
    pub origin: String,
    /// The certificate of which this PC holds the key.
    certificate_sha256: Sha256Digest,
    /// What was asked.
    pub request: VerifiedLoginRequest,
    progress: watch::Sender<Progress>,
    task: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Exchange {
    /// Where it stands, live.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Closes the window and forgets.
    pub fn cancel(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
        }
        self.fail(ErrorCode::Cancelled, None);
    }

    fn fail(&self, code: ErrorCode, tries: Option<u8>) {
        self.progress.send_if_modified(|progress| {
            let running = !progress.is_over();
            if running {
                *progress = Progress::Failed(code, tries);
            }
            running
        });
    }
}

/// Opens an exchange and proves our key. Nothing is shown or read yet.
///
/// # Errors
/// [`ErrorCode::Busy`], [`ErrorCode::AgentFailed`].
pub fn begin(
    agent: &Agent,
    origin: &str,
    request: VerifiedLoginRequest,
) -> Result<BeginReply, ErrorCode> {
    let claims = request.claims();
    let id = ExchangeId::new(crate::random());
    let confirmation_code = claims.confirmation_code;
    let proof = TerminalProof {
        request: request.digest(),
        exchange: id,
        confirmation_code,
        agent_version: Agent::version(),
        iat: (agent.clock)().unix_timestamp(),
    };
    let identity = agent.identity();
    let unsigned = proof.prepare(identity.key.public()).map_err(|_| ErrorCode::AgentFailed)?;
    let signature = identity.key.sign_fixed(unsigned.signing_input()).map_err(|error| {
        tracing::error!(%error, "terminal key");
        ErrorCode::AgentFailed
    })?;
    let terminal_proof = unsigned.attach(signature);

    let mut current = agent.exchange.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = current.as_ref() {
        // One that nobody ever waited for ends with its request.
        let expired = running.request.claims().exp <= agent.now().unix_timestamp();
        if !running.progress.borrow().is_over() && !expired {
            return Err(ErrorCode::Busy);
        }
        running.cancel();
    }
    let (progress, _) = watch::channel(Progress::State(ExchangeState::Reading));
    *current = Some(Arc::new(Exchange {
        id,
        origin: origin.to_owned(),
        certificate_sha256: identity.certificate_sha256,
        request,
        progress,
        task: Mutex::default(),
    }));
    Ok(BeginReply { exchange: id, terminal_proof, confirmation_code })
}

/// The running exchange of this name and origin.
pub fn find(agent: &Agent, id: ExchangeId, origin: &str) -> Option<Arc<Exchange>> {
    let current = agent.exchange.lock().unwrap_or_else(PoisonError::into_inner);
    current.as_ref().filter(|exchange| exchange.id == id && exchange.origin == origin).cloned()
}

/// Starts the work at the first call; later calls change nothing.
pub fn start(agent: &Arc<Agent>, exchange: &Arc<Exchange>) {
    let mut task = exchange.task.lock().unwrap_or_else(PoisonError::into_inner);
    if task.is_some() || exchange.progress.borrow().is_over() {
        return;
    }
    let (agent, exchange) = (agent.clone(), exchange.clone());
    *task = Some(tokio::spawn(async move {
        let left = exchange.request.claims().exp - agent.now().unix_timestamp();
        // The portal's nonce dies with the request: working on would only cost a PIN.
        let left = Duration::from_secs(u64::try_from(left).unwrap_or(0).clamp(1, 60));
        let outcome = tokio::time::timeout(left, run(&agent, &exchange)).await;
        match outcome {
            Ok(Ok(answer)) => {
                exchange.progress.send_replace(Progress::Answer(answer));
            }
            Ok(Err((code, tries))) => exchange.fail(code, tries),
            Err(_) => exchange.fail(ErrorCode::Expired, None),
        }
    }));
}

type Failure = (ErrorCode, Option<u8>);

/// A card that would do.
struct Candidate {
    slot: Slot,
    presence: PresenceId,
    card: Arc<KnownCard>,
    holder: Holder,
}

impl Candidate {
    /// What the person knows it by. A My Number card's certificate for user authentication holds no
    /// name, only an identifier.
    fn title(&self, language: Language) -> &str {
        match (self.card.family, language) {
            (Family::Hpki, _) => &self.holder.name,
            (Family::Jpki, Language::Ja) => "マイナンバーカード",
            (Family::Jpki, Language::En) => "My Number card",
        }
    }
}

async fn run(agent: &Arc<Agent>, exchange: &Exchange) -> Result<String, Failure> {
    let claims = exchange.request.claims();
    let say = |state| exchange.progress.send_replace(Progress::State(state));
    let candidate = wait_for_card(agent, exchange).await?;
    let mut tries_left = {
        let known = candidate.card.clone();
        with_card(agent, &candidate.slot, move |card| known.ask_tries(card))
            .await
            .map_err(card_failure)?
    };
    // The card signs what this PC sees, not what the request says of it: the same, as long as the
    // checks compared them.
    let input = SignedInput {
        origin: Sha256Digest::of(&exchange.origin),
        facility_x5t: exchange.certificate_sha256,
        ..SignedInput::for_request(&exchange.request, &candidate.card.certificate_der)
    };
    let mut again = false;
    let signature = loop {
        if tries_left == Some(0) {
            return Err((ErrorCode::PinBlocked, None));
        }
        let prompt = Prompt {
            origin: claims.origin.clone(),
            facility: claims.facility.name.clone(),
            code: claims.confirmation_code,
            family: candidate.card.family,
            holder: candidate.title(claims.language).to_owned(),
            tries_left,
            again,
            language: claims.language,
        };
        say(ExchangeState::WaitingForPin);
        let mut seen = agent.watcher.seen();
        let gone =
            seen.wait_for(|seen| seen.cards.iter().all(|c| c.presence != candidate.presence));
        let pin = tokio::select! {
            pin = agent.pin.ask(&prompt) => pin.map_err(|error| pin_failure(&error, tries_left))?,
            _ = gone => return Err((ErrorCode::CardRemoved, None)),
        };
        say(ExchangeState::Signing);
        match sign(agent, &candidate, pin, input.clone()).await {
            Ok(signature) => break signature,
            Err(CardError::PinWrong { tries_left: left }) if agent.pin.is_interactive() => {
                tries_left = left;
                again = true;
            }
            Err(CardError::PinMalformed) if agent.pin.is_interactive() => again = true,
            Err(CardError::PinMalformed) => return Err((ErrorCode::PinWrong, tries_left)),
            Err(error) => return Err(card_failure(error)),
        }
    };
    agent.watched.add(candidate.presence);
    let answer = CardAnswer {
        certificate: candidate.card.certificate_der.clone().into(),
        alg: CardAlgorithm::Rs256,
        signature: signature.into(),
        presence: candidate.presence,
    };
    Ok(answer.to_text())
}

/// The signature, as soon as it is there: that the card forgets the PIN goes on behind it.
async fn sign(
    agent: &Arc<Agent>,
    candidate: &Candidate,
    pin: SecretString,
    input: SignedInput,
) -> Result<Vec<u8>, CardError> {
    let (tell, told) = oneshot::channel();
    let mut tell = Some(tell);
    let (agent, slot, known) = (agent.clone(), candidate.slot.clone(), candidate.card.clone());
    let work = tokio::spawn(async move {
        with_card(&agent, &slot, move |card| {
            known.sign_and_tell(card, pin.expose_secret().as_bytes(), &input, &mut |signature| {
                // Whoever waited may have given up.
                let _ = tell.take().map(|tell| tell.send(signature));
            })
        })
        .await
    });
    match told.await {
        Ok(signature) => Ok(signature),
        Err(_) => {
            let done = work.await.unwrap_or_else(|error| Err(CardError::Reader(error.to_string())));
            Err(done.err().unwrap_or(CardError::Malformed))
        }
    }
}

/// Waits until the readers hold a card that would do.
async fn wait_for_card(agent: &Agent, exchange: &Exchange) -> Result<Candidate, Failure> {
    let claims = exchange.request.claims();
    let mut seen = agent.watcher.seen();
    loop {
        let now = seen.borrow_and_update().clone();
        if now.ready {
            let (mut suitable, refused) = sort(&now, exchange);
            if suitable.len() > 1 {
                exchange.progress.send_replace(Progress::State(ExchangeState::ChoosingCard));
                let names: Vec<String> = suitable
                    .iter()
                    .map(|c| format!("{} ({})", c.title(claims.language), c.slot.reader))
                    .collect();
                let chosen = agent.pin.choose(claims.language, &names).await;
                let chosen = chosen.map_err(|error| pin_failure(&error, None))?;
                if chosen < suitable.len() {
                    return Ok(suitable.swap_remove(chosen));
                }
            }
            if let Some(candidate) = suitable.pop() {
                return Ok(candidate);
            }
            if let Some(code) = refused {
                return Err((code, None));
            }
            if now.readers == 0 {
                if let Some(error) = &now.failure {
                    tracing::warn!(%error, "readers");
                }
                return Err((ErrorCode::NoReader, None));
            }
            exchange.progress.send_replace(Progress::State(ExchangeState::WaitingForCard));
        }
        if seen.changed().await.is_err() {
            return Err((ErrorCode::AgentFailed, None));
        }
    }
}

/// Cards that would do, newest last; and why another one wouldn't.
fn sort(seen: &Seen, exchange: &Exchange) -> (Vec<Candidate>, Option<ErrorCode>) {
    let mut suitable = Vec::new();
    let mut refused = None;
    for SeenCard { slot, presence, card } in &seen.cards {
        let (card, holder) = match card {
            Ok(card) => (card.clone(), Holder::of(&card.certificate_der)),
            Err(error) if is_of_no_use(error) => {
                tracing::info!(%error, reader = slot.reader, "card");
                refused = Some(ErrorCode::CardNotAccepted);
                continue;
            }
            // Pulled while it was read: the next one may do.
            Err(CardError::Removed) => continue,
            Err(error) => {
                tracing::warn!(%error, reader = slot.reader, "card not read");
                refused = Some(ErrorCode::CardFailed);
                continue;
            }
        };
        let Some(holder) = holder else {
            refused = Some(ErrorCode::CardFailed);
            continue;
        };
        match holder.suits(exchange.request.claims()) {
            Ok(()) => {
                suitable.push(Candidate { slot: slot.clone(), presence: *presence, card, holder });
            }
            Err(Unsuitable::Issuer) => refused = Some(ErrorCode::CardNotAccepted),
            Err(Unsuitable::Person) => refused = Some(ErrorCode::AnotherPerson),
        }
    }
    (suitable, refused)
}

/// Works with a card in one transaction, away from the async threads.
async fn with_card<T: Send + 'static>(
    agent: &Arc<Agent>,
    slot: &Slot,
    work: impl FnMut(&mut Session<'_>) -> Result<T, CardError> + Send + 'static,
) -> Result<T, CardError> {
    let (readers, reader) = (agent.readers.clone(), slot.reader.clone());
    let done =
        tokio::task::spawn_blocking(move || session::with_card(readers.as_ref(), &reader, work));
    done.await.unwrap_or_else(|error| Err(CardError::Reader(error.to_string())))
}

/// Another card is wanted, and nothing is wrong with this one.
fn is_of_no_use(error: &CardError) -> bool {
    matches!(
        error,
        CardError::UnknownCard
            | CardError::UnknownCertificate { .. }
            | CardError::UnsupportedKey { .. }
            | CardError::NotForLogin(_)
    )
}

fn card_failure(error: CardError) -> Failure {
    tracing::info!(%error, "card");
    match error {
        CardError::PinWrong { tries_left } => (ErrorCode::PinWrong, tries_left),
        CardError::PinMalformed => (ErrorCode::PinWrong, None),
        CardError::PinBlocked => (ErrorCode::PinBlocked, None),
        CardError::Removed => (ErrorCode::CardRemoved, None),
        CardError::UnknownCard
        | CardError::UnknownCertificate { .. }
        | CardError::UnsupportedKey { .. }
        | CardError::NotForLogin(_) => (ErrorCode::CardNotAccepted, None),
        CardError::NoService(_) => (ErrorCode::NoReader, None),
        CardError::Reset
        | CardError::Held
        | CardError::Reader(_)
        | CardError::Malformed
        | CardError::Structure(_)
        | CardError::Refused { .. } => (ErrorCode::CardFailed, None),
    }
}

fn pin_failure(error: &PinError, tries_left: Option<u8>) -> Failure {
    match error {
        PinError::Cancelled => (ErrorCode::Cancelled, None),
        PinError::Guarded => (ErrorCode::PinGuarded, tries_left),
        PinError::Unavailable(why) => {
            tracing::error!(why, "PIN entry");
            (ErrorCode::NoWindow, None)
        }
    }
}
