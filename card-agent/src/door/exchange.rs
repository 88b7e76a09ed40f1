//! One exchange at the desk: find the card, ask for the PIN, sign. One at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sekisho_protocol::answer::{CardAlgorithm, CardAnswer, TerminalProof};
use sekisho_protocol::door::{BeginReply, ErrorCode, ExchangeState};
use sekisho_protocol::occasion::Occasion as Bound;
use sekisho_protocol::request::{LoginRequest, Purpose, VerifiedLoginRequest};
use sekisho_protocol::signed_input::SignedInput;
use sekisho_protocol::{ExchangeId, PresenceId, Sha256Digest};
use tokio::sync::{oneshot, watch};

use super::candidate::{Candidate, sort, wait_for_card};
use super::failure::{Failure, card_failure, pin_failure};
use super::{Agent, consent};
use crate::card::driver::PinState;
use crate::card::known::KnownCard;
use crate::card::observe::PATIENCE;
use crate::card::pin_kind::{Pin, PinKind};
use crate::card::reader::{CardError, Slot};
use crate::card::session::{self, Session};
use crate::pin::{Occasion, Page, PinError, Prompt, reader_keys};

/// How it ended, or where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Under way.
    State(ExchangeState),
    /// Over: the answer's text.
    Answer(String),
    /// Over: why.
    Failed(Failure),
}

impl Progress {
    fn is_over(&self) -> bool {
        !matches!(self, Self::State(_))
    }
}

/// A running exchange.
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
        self.fail(ErrorCode::Cancelled.into());
    }

    /// What the card's signature is bound to.
    pub(super) fn occasion(&self) -> Bound {
        Bound::seen(&self.request, &self.origin, self.certificate_sha256)
    }

    fn fail(&self, failure: Failure) {
        self.progress.send_if_modified(|progress| {
            let running = !progress.is_over();
            if running {
                *progress = Progress::Failed(failure);
            }
            running
        });
    }
}

/// Opens an exchange and proves our key. Nothing is shown or read yet.
///
/// # Errors
/// [`ErrorCode::Busy`], [`ErrorCode::AgentFailed`]; [`ErrorCode::AnotherTerminal`]: this PC became
/// another one since the checks.
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
    let certificate_sha256 = claims.facility.x5t_s256;
    if !identity.answers_for(certificate_sha256, agent.now()) {
        return Err(ErrorCode::AnotherTerminal);
    }
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
        certificate_sha256,
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
        let purpose = exchange.request.claims().purpose;
        let most = purpose.lifetime().unsigned_abs();
        let left = Duration::from_secs(u64::try_from(left).unwrap_or(0));
        let outcome = tokio::time::timeout(left.clamp(Duration::from_secs(1), most), async {
            match purpose {
                Purpose::Consent => consent::run(&agent, &exchange).await,
                Purpose::Login | Purpose::Stepup | Purpose::Presence | Purpose::Link => {
                    run(&agent, &exchange).await
                }
            }
        });
        match outcome.await {
            Ok(Ok(answer)) => {
                exchange.progress.send_replace(Progress::Answer(answer));
            }
            Ok(Err(failure)) => exchange.fail(failure),
            Err(_) => exchange.fail(ErrorCode::Expired.into()),
        }
    }));
}

async fn run(agent: &Arc<Agent>, exchange: &Arc<Exchange>) -> Result<String, Failure> {
    let claims = exchange.request.claims();
    let look = |seen| std::future::ready(sort(&seen, claims, agent.now()));
    let candidate = Arc::new(wait_for_card(agent, exchange, look).await?);
    let known = candidate.card.clone();
    let ask = move |card: &mut Session<'_>| known.pin_state(card);
    let asked = with_card(agent, &exchange.progress, &candidate.slot, ask).await;
    let PinState { tries_left, pad } = asked.map_err(card_failure)?;
    let input = SignedInput::new(exchange.occasion(), &candidate.card.certificate_der);
    let prompt = Prompt {
        occasion: match claims.purpose {
            Purpose::Link => Occasion::Link(page(claims)),
            _ => Occasion::Login(page(claims)),
        },
        kind: candidate.card.pin_kind(),
        holder: candidate.title.clone(),
        tries_left,
        again: false,
        at_reader: at_reader(agent, candidate.card.pin_kind(), pad),
        language: claims.language,
    };
    let signature = with_pin(agent, exchange, candidate.presence, prompt, |pin| {
        sign(agent.clone(), exchange.clone(), candidate.clone(), pin, input.clone())
    });
    let signature = signature.await?;
    let seen = agent.watcher.seen().borrow().clone();
    agent.watched.removals_told(&seen).await;
    agent.watched.add(candidate.presence);
    let answer = CardAnswer {
        certificate: candidate.card.certificate_der.clone().into(),
        alg: CardAlgorithm::Rs256,
        signature: signature.into(),
        presence: candidate.presence,
    };
    Ok(answer.to_text())
}

/// Whether the PIN is typed at the reader.
pub(super) fn at_reader(agent: &Agent, kind: PinKind, pad: bool) -> bool {
    agent.pin_pads && reader_keys::are_used(agent.pin.as_ref(), kind, pad)
}

/// The page as the window shows it.
pub(super) fn page(claims: &LoginRequest) -> Page {
    Page {
        origin: claims.origin.clone(),
        facility: claims.facility.name.clone(),
        code: claims.confirmation_code,
    }
}

/// Asks for the PIN and signs; again while the PIN is wrong and a person may correct it. Ends when the
/// card leaves meanwhile.
pub(super) async fn with_pin<T, F: Future<Output = Result<T, CardError>>>(
    agent: &Agent,
    exchange: &Exchange,
    presence: PresenceId,
    mut prompt: Prompt,
    mut sign: impl FnMut(Pin) -> F,
) -> Result<T, Failure> {
    let say = |state| exchange.progress.send_replace(Progress::State(state));
    loop {
        let tries_left = prompt.tries_left;
        if tries_left == Some(0) {
            return Err(ErrorCode::PinBlocked.into());
        }
        say(ExchangeState::WaitingForPin);
        let no_pin = |error: PinError| pin_failure(&error, tries_left);
        let signed = if prompt.at_reader {
            let entered = reader_keys::enter(agent.pin.as_ref(), &prompt, &mut sign);
            entered.await.map_err(no_pin)?
        } else {
            let mut seen = agent.watcher.seen();
            let gone = seen.wait_for(|seen| seen.cards.iter().all(|c| c.presence != presence));
            let pin = tokio::select! {
                pin = agent.pin.ask(&prompt) => pin.map_err(no_pin)?,
                _ = gone => return Err(ErrorCode::CardRemoved.into()),
            };
            say(ExchangeState::Signing);
            sign(Pin::Typed(pin)).await
        };
        match signed {
            Ok(signed) => return Ok(signed),
            Err(
                CardError::PinWrong { tries_left: left }
                | CardError::PinLength { tries_left: left },
            ) if agent.pin.is_interactive() => {
                prompt.tries_left = left;
                prompt.again = true;
            }
            // The card was not asked: the number is still the one that it told.
            Err(CardError::PinMalformed) if agent.pin.is_interactive() => prompt.again = true,
            Err(CardError::PinMalformed) => {
                return Err(Failure::with_tries(ErrorCode::PinWrong, tries_left));
            }
            Err(error) => return Err(card_failure(error)),
        }
    }
}

/// The signature, as soon as it is there: that the card forgets the PIN goes on behind it.
async fn sign(
    agent: Arc<Agent>,
    exchange: Arc<Exchange>,
    candidate: Arc<Candidate<Arc<KnownCard>>>,
    pin: Pin,
    input: SignedInput,
) -> Result<Vec<u8>, CardError> {
    let (tell, told) = oneshot::channel();
    let mut tell = Some(tell);
    let progress = exchange.progress.clone();
    let (slot, known) = (candidate.slot.clone(), candidate.card.clone());
    let work = tokio::spawn(async move {
        with_card(&agent, &progress, &slot, move |card| {
            known.sign_and_tell(card, &pin, &input, &mut |signature| {
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
pub(super) async fn with_card<T: Send + 'static>(
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
