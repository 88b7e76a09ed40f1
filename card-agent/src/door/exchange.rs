//! One login at the desk: find the card, ask for the PIN, sign. One at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sekisho_protocol::answer::{CardAlgorithm, CardAnswer, TerminalProof};
use sekisho_protocol::door::{BeginReply, ErrorCode, ExchangeState};
use sekisho_protocol::request::VerifiedLoginRequest;
use sekisho_protocol::signed_input::SignedInput;
use sekisho_protocol::{ExchangeId, Sha256Digest};
use tokio::sync::{oneshot, watch};

use super::Agent;
use super::candidate::{Candidate, wait_for_card};
use crate::card::observe::PATIENCE;
use crate::card::reader::{CardError, Slot};
use crate::card::session::{self, Session};
use crate::pin::{Occasion, Page, PinError, Prompt};

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
    pub(super) progress: watch::Sender<Progress>,
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

/// The code for the page, and tries left.
pub(super) type Failure = (ErrorCode, Option<u8>);

async fn run(agent: &Arc<Agent>, exchange: &Exchange) -> Result<String, Failure> {
    let claims = exchange.request.claims();
    let say = |state| exchange.progress.send_replace(Progress::State(state));
    let candidate = wait_for_card(agent, exchange).await?;
    let mut tries_left = {
        let known = candidate.card.clone();
        with_card(agent, &exchange.progress, &candidate.slot, move |card| known.ask_tries(card))
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
        let page = Page {
            origin: claims.origin.clone(),
            facility: claims.facility.name.clone(),
            code: claims.confirmation_code,
        };
        let prompt = Prompt {
            occasion: Occasion::Login(page),
            kind: candidate.card.pin_kind(),
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
        match sign(agent, &exchange.progress, &candidate, pin, input.clone()).await {
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
    progress: &watch::Sender<Progress>,
    candidate: &Candidate,
    pin: SecretString,
    input: SignedInput,
) -> Result<Vec<u8>, CardError> {
    let (tell, told) = oneshot::channel();
    let mut tell = Some(tell);
    let (agent, progress) = (agent.clone(), progress.clone());
    let (slot, known) = (candidate.slot.clone(), candidate.card.clone());
    let work = tokio::spawn(async move {
        with_card(&agent, &progress, &slot, move |card| {
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

/// Works with a card in one transaction, away from the async threads. While another program keeps us
/// from it for long, the page says so.
async fn with_card<T: Send + 'static>(
    agent: &Arc<Agent>,
    progress: &watch::Sender<Progress>,
    slot: &Slot,
    mut work: impl FnMut(&mut Session<'_>) -> Result<T, CardError> + Send + 'static,
) -> Result<T, CardError> {
    let (readers, reader) = (agent.readers.clone(), slot.reader.clone());
    let (enter, mut entered) = oneshot::channel();
    let mut enter = Some(enter);
    let done = tokio::task::spawn_blocking(move || {
        session::with_card(readers.as_ref(), &reader, |card| {
            // Nobody listens where nobody had to wait.
            let _ = enter.take().map(|enter| enter.send(()));
            work(card)
        })
    });
    if tokio::time::timeout(PATIENCE, &mut entered).await.is_err() {
        let before = progress.borrow().clone();
        let waiting = Progress::State(ExchangeState::WaitingForReader);
        replace(progress, &before, &waiting);
        let _ = entered.await;
        replace(progress, &waiting, &before);
    }
    done.await.unwrap_or_else(|error| Err(CardError::Reader(error.to_string())))
}

/// Goes from one state to another, unless somebody ended the exchange meanwhile.
fn replace(progress: &watch::Sender<Progress>, from: &Progress, to: &Progress) {
    progress.send_if_modified(|now| {
        let still = now == from && !from.is_over();
        if still {
            *now = to.clone();
        }
        still
    });
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
        | CardError::NotForLogin(_)
        | CardError::NotForDocuments(_)
        | CardError::AnotherUse(_)
        | CardError::NotYetValid { .. }
        | CardError::Expired { .. } => (ErrorCode::CardNotAccepted, None),
        CardError::NoService(_) => (ErrorCode::NoReader, None),
        CardError::Reset
        | CardError::Held
        | CardError::Reader(_)
        | CardError::Malformed
        | CardError::Structure(_)
        | CardError::Signature(_)
        | CardError::Refused { .. } => (ErrorCode::CardFailed, None),
    }
}

pub(super) fn pin_failure(error: &PinError, tries_left: Option<u8>) -> Failure {
    match error {
        PinError::Cancelled => (ErrorCode::Cancelled, None),
        PinError::Guarded => (ErrorCode::PinGuarded, tries_left),
        PinError::Unavailable(why) => {
            tracing::error!(why, "PIN entry");
            (ErrorCode::NoWindow, None)
        }
    }
}
