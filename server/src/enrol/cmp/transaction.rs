//! A transaction begins once: by its identifier and by the nonce of its first message. The same message once
//! more hears the same answer for a while, and any other message with either is refused.

use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    cmp_transaction::{self, CmpTransaction},
    transaction,
};
use time::Duration;

use super::{
    answer::Asked,
    prove::Asker,
    refusal::{self, Trouble},
};
use crate::enrol::{by_code, with_facts};

/// How long a transaction is remembered: as long as any certificate could sign its message again. What a MAC
/// protects is refused by the code itself long before.
const REMEMBERED: Duration = Duration::days(3 * 366);

/// How long a device has to confirm its certificate.
pub(super) const CONFIRMATION: Duration = Duration::minutes(15);

/// What is known of a message.
pub(super) enum Before {
    /// It is new.
    Nothing,
    /// It came before, and this was answered.
    Answered(Vec<u8>),
    /// It came before, and nothing was answered: whoever judged it has not ended, or died.
    Unanswered(Box<CmpTransaction>),
}

/// Whether the message came before.
///
/// # Errors
/// [`Trouble`]: its transaction is another message's, or the time to ask again is over.
pub(super) async fn before(asked: &Asked<'_>, terminal_id: &str) -> Result<Before, Trouble> {
    let mut reader = asked.app.store().read();
    let found = cmp_transaction::find(&mut reader, terminal_id, &asked.transaction_id).await?;
    let Some(found) = found else { return Ok(Before::Nothing) };
    if found.message_sha256 != asked.sha256 {
        // A later message of it, or another's: told apart by what it is.
        return Ok(Before::Nothing);
    }
    let grace = asked.app.config().enrolment().same_key_grace();
    // What was refused is over, too: a new message is judged anew.
    let refused = found.answer.is_none() && found.ended_at.is_some();
    if refused || asked.at > found.begun_at + grace {
        return Err(refusal::transaction_in_use().into());
    }
    Ok(match found.answer.clone() {
        Some(answer) => Before::Answered(answer),
        None => Before::Unanswered(Box::new(found)),
    })
}

/// Begins the transaction of this message, or goes on with it where whoever judged it before did not end.
///
/// # Errors
/// [`Trouble`]: its identifier or its nonce was used before.
pub(super) async fn begin(
    asked: &Asked<'_>,
    asker: &Asker,
    spki_sha256: Option<[u8; 32]>,
    is_confirmed: bool,
) -> Result<CmpTransaction, Trouble> {
    let terminal_id = asker.terminal_id();
    if let Before::Unanswered(found) = before(asked, terminal_id).await? {
        return Ok(*found);
    }
    let mine = CmpTransaction {
        terminal_id: terminal_id.to_owned(),
        transaction_id: asked.transaction_id.clone(),
        sender_nonce: asked.sender_nonce.clone(),
        message_sha256: asked.sha256,
        began_by: asker.proof(),
        spki_sha256,
        answer: None,
        answer_nonce: None,
        certificate: None,
        begun_at: asked.at,
        confirm_by: is_confirmed.then_some(asked.at + CONFIRMATION),
        ended_at: None,
        expires_at: asked.at + REMEMBERED,
    };
    let begun = transaction!(asked.app.store(), StoreError, |tx| {
        let begun = cmp_transaction::begin(tx, &mine).await?;
        let (act, actor) = ("terminal.cmp_begin", Actor::Terminal(terminal_id.to_owned()));
        let entry = if begun {
            Entry::done(act, actor, asked.at)
        } else {
            Entry::refused(act, actor, asked.at, "cmp_replayed")
        };
        Ok(Audited::new(begun, about(asked, tx, entry, terminal_id).await?))
    })?;
    if begun {
        return Ok(mine);
    }
    // Of two that came at once, the same message goes on.
    match before(asked, terminal_id).await? {
        Before::Unanswered(found) => Ok(*found),
        Before::Answered(_) | Before::Nothing => {
            let mut refused = refusal::transaction_in_use();
            refused.reason = None;
            Err(refused.into())
        }
    }
}

/// Ends the transaction of a message that was refused: nothing came of it, and what its key is certified for
/// at another door is nobody's to confirm here.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub(super) async fn end_refused(
    asked: &Asked<'_>,
    begun: &CmpTransaction,
) -> Result<(), StoreError> {
    let terminal_id = begun.terminal_id.as_str();
    transaction!(asked.app.store(), StoreError, |tx| {
        cmp_transaction::end(tx, terminal_id, &begun.transaction_id, asked.at).await?;
        let actor = Actor::Terminal(terminal_id.to_owned());
        let entry = Entry::refused("terminal.cmp_begin", actor, asked.at, "cmp_refused");
        Ok(Audited::new((), about(asked, tx, entry, terminal_id).await?))
    })
}

/// Completes a record with where it came from and whom it is about.
pub(super) async fn about(
    asked: &Asked<'_>,
    tx: &mut sekisho_store::Tx,
    entry: Entry,
    terminal_id: &str,
) -> Result<Entry, StoreError> {
    let holder = by_code::holder(tx, terminal_id).await?;
    let entry = with_facts(entry.from_address(asked.peer.addr.ip()), &asked.facts);
    Ok(by_code::of_holder(entry, holder.as_ref()))
}
