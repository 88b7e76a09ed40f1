//! What must hold after each round: everything is sent once more.

use std::time::Duration;

use super::{
    super::check::Violation,
    Report,
    caller::{Caller, Told},
    work::{Ledger, Single, State, What},
};

/// What was given out longer ago may have ended by itself meanwhile: a code lives for a minute.
const SURE: Duration = Duration::from_secs(40);

/// Uses what was not used, sends again what was not answered, and replays what was.
///
/// # Errors
/// When the provider does not answer, though nothing crashes it.
pub async fn after_round(
    ledger: &Ledger,
    caller: &mut Caller,
    report: &mut Report,
) -> anyhow::Result<()> {
    settled(caller).await?;
    report.violations.extend(ledger.violations());
    let all = ledger.all();
    report.used += all.iter().filter(|single| single.state == State::Used).count();
    // The last ones first: they are what a crash forgets, and a replay takes back all of its login.
    let of = |state| all.iter().rev().filter(move |single| single.state == state);
    let mut spent = Vec::new();
    // First what is still good: a replay takes back what came of a code.
    for single in of(State::Held).filter(|single| single.since.elapsed() < SURE) {
        match sent(caller, &single.what).await? {
            Told::Done(_) => {
                report.kept += 1;
                spent.push(single);
            }
            told => report.violations.push(lost(single, &told)),
        }
    }
    for single in of(State::Sent) {
        report.unanswered += 1;
        match sent(caller, &single.what).await? {
            Told::Done(_) => spent.push(single),
            Told::Refused(_) => {}
            Told::Later => {
                let what = format!("{single:?} is neither taken nor refused");
                report.violations.push(Violation(what));
            }
        }
    }
    for single in of(State::Used).chain(spent) {
        report.replayed += 1;
        match sent(caller, &single.what).await? {
            Told::Refused(_) => {}
            told => {
                let what = format!("{:?} was used and counts again: {told:?}", single.what);
                report.violations.push(Violation(what));
            }
        }
    }
    Ok(())
}

/// Waits until no connection to the database is left that was cut.
async fn settled(caller: &mut Caller) -> anyhow::Result<()> {
    const IN_A_ROW: usize = 16;
    const TRIES: usize = 1_000;
    let mut good = 0;
    for _ in 0..TRIES {
        let assertion = caller.assertion()?;
        let told = caller.post("/token", &Caller::own_token(), &assertion).await;
        good = if matches!(told, Ok(Told::Done(_))) { good + 1 } else { 0 };
        if good == IN_A_ROW {
            return Ok(());
        }
    }
    anyhow::bail!("the provider does not come back")
}

fn lost(single: &Single, told: &Told) -> Violation {
    Violation(format!("{:?} was answered and is lost: {told:?}", single.what))
}

/// Sends it, by a fresh assertion unless it is one.
async fn sent(caller: &mut Caller, what: &What) -> anyhow::Result<Told> {
    let assertion = match what {
        What::Assertion(assertion) => assertion.clone(),
        What::Code(_) | What::RefreshToken(_) | What::Request(_) => caller.assertion()?,
    };
    let form = match what {
        What::Request(reference) => return caller.authorize(reference).await,
        What::Code(code) => Caller::exchange(code),
        What::RefreshToken(token) => Caller::refresh(token),
        What::Assertion(_) => Caller::own_token(),
    };
    caller.post("/token", &form, &assertion).await
}
