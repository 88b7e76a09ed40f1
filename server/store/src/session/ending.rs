//! Ends of sessions, and what goes with them: whatever ends a session withdraws what was granted in it and tells
//! the services, in the same transaction.

use time::OffsetDateTime;

use super::{Realm, SessionOf};
use crate::{
    Queries, StoreError, Tx, db::Statement, logout_confirmation, moment::digest, sql, token_grant,
};

#[derive(serde::Deserialize)]
pub(crate) struct OfRow {
    id_hash: Vec<u8>,
    person_id: String,
    organisation_id: Option<String>,
    terminal_id: Option<String>,
}

pub(crate) fn of(rows: Vec<OfRow>) -> Result<Vec<SessionOf>, StoreError> {
    rows.into_iter().map(of_row).collect()
}

fn of_row(row: OfRow) -> Result<SessionOf, StoreError> {
    Ok(SessionOf {
        id_hash: digest("session", row.id_hash)?,
        person_id: row.person_id,
        organisation_id: row.organisation_id,
        terminal_id: row.terminal_id,
    })
}

/// Ends the live sessions of which `condition` holds: `$1` is the time, `$2` the reason. `concat!`
/// keeps the statements constants.
macro_rules! end_where {
    ($condition:literal) => {
        sql(concat!(
            "UPDATE session SET ended_at = $1, end_reason = $2
             WHERE ended_at IS NULL AND ",
            $condition,
            " RETURNING id_hash, person_id, organisation_id, terminal_id"
        ))
    };
}

/// Ends what the statement ends, and with each session what it gave out.
async fn carry_out(
    tx: &mut Tx,
    end: Statement,
    at: OffsetDateTime,
) -> Result<Vec<SessionOf>, StoreError> {
    let ended = of(tx.fetch_all(end).await?)?;
    for session in &ended {
        withdraw_tokens(tx, session, at).await?;
    }
    Ok(ended)
}

/// Ends a session; answers it when this call ended it, `None` when it had ended before.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end(
    tx: &mut Tx,
    id_hash: &[u8; 32],
    reason: &str,
    at: OffsetDateTime,
) -> Result<Option<SessionOf>, StoreError> {
    let end = end_where!("id_hash = $3").bind(at).bind(reason).bind(id_hash);
    Ok(carry_out(tx, end, at).await?.pop())
}

/// Ends every session opened under a membership.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end_of_membership(
    tx: &mut Tx,
    membership_id: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Vec<SessionOf>, StoreError> {
    let end = end_where!("membership_id = $3").bind(at).bind(reason).bind(membership_id);
    carry_out(tx, end, at).await
}

/// Ends every session opened at a terminal, for instance because it is revoked.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end_of_terminal(
    tx: &mut Tx,
    terminal_id: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Vec<SessionOf>, StoreError> {
    let end = end_where!("terminal_id = $3").bind(at).bind(reason).bind(terminal_id);
    carry_out(tx, end, at).await
}

/// Ends every session opened at a terminal with another certificate than this one, by its SHA-256.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end_of_other_certificates(
    tx: &mut Tx,
    terminal_id: &str,
    fingerprint: &[u8; 32],
    reason: &str,
    at: OffsetDateTime,
) -> Result<Vec<SessionOf>, StoreError> {
    let end = end_where!("terminal_id = $3 AND terminal_fingerprint <> $4")
        .bind(at)
        .bind(reason)
        .bind(terminal_id)
        .bind(fingerprint);
    carry_out(tx, end, at).await
}

/// Ends every session opened at an organisation's terminals.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end_of_organisation(
    tx: &mut Tx,
    organisation_id: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Vec<SessionOf>, StoreError> {
    let end = end_where!("organisation_id = $3").bind(at).bind(reason).bind(organisation_id);
    carry_out(tx, end, at).await
}

/// Ends every session of a person in a realm, for instance because the password changed.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end_of_person(
    tx: &mut Tx,
    realm: Realm,
    person_id: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Vec<SessionOf>, StoreError> {
    let end = end_where!("person_id = $3 AND realm = $4")
        .bind(at)
        .bind(reason)
        .bind(person_id)
        .bind(realm.as_str());
    carry_out(tx, end, at).await
}

/// Ends every session of a person that was opened at this level, for instance because the card of it
/// is theirs no longer.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end_of_level(
    tx: &mut Tx,
    person_id: &str,
    acr: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Vec<SessionOf>, StoreError> {
    let end =
        end_where!("person_id = $3 AND acr = $4").bind(at).bind(reason).bind(person_id).bind(acr);
    carry_out(tx, end, at).await
}

/// Ends every session that a passkey opened, for instance because it was removed.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end_of_passkey(
    tx: &mut Tx,
    passkey_id: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Vec<SessionOf>, StoreError> {
    let end =
        end_where!("evidence_id IN (SELECT l.id FROM passkey_login l WHERE l.passkey_id = $3)");
    carry_out(tx, end.bind(at).bind(reason).bind(passkey_id), at).await
}

/// Ends every session that a password and this passkey opened, for instance because it was removed.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end_of_second_factor(
    tx: &mut Tx,
    account_passkey_id: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Vec<SessionOf>, StoreError> {
    let end = end_where!(
        "evidence_id IN (SELECT l.login_id FROM account_passkey_login l WHERE l.account_passkey_id = $3)"
    );
    carry_out(tx, end.bind(at).bind(reason).bind(account_passkey_id), at).await
}

/// Ends every session that a pass for a day opened, for instance because it was taken back.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end_of_day_pass(
    tx: &mut Tx,
    day_pass_id: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Vec<SessionOf>, StoreError> {
    let end =
        end_where!("evidence_id IN (SELECT l.id FROM day_pass_login l WHERE l.day_pass_id = $3)");
    carry_out(tx, end.bind(at).bind(reason).bind(day_pass_id), at).await
}

/// Ends whatever else lives in a browser profile than the session that a cookie opens: its own cookie stands
/// there no longer.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end_others_of_profile(
    tx: &mut Tx,
    profile_hash: &[u8; 32],
    cookie_hash: &[u8; 32],
    reason: &str,
    at: OffsetDateTime,
) -> Result<Vec<SessionOf>, StoreError> {
    let end = end_where!("profile_hash = $3 AND COALESCE(cookie_hash, id_hash) <> $4");
    carry_out(tx, end.bind(at).bind(reason).bind(profile_hash).bind(cookie_hash), at).await
}

/// Live sessions of `realm` that are past their absolute end, or without activity since
/// `idle_since`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn overdue(
    queries: &mut impl Queries,
    realm: Realm,
    idle_since: OffsetDateTime,
    at: OffsetDateTime,
    limit: i64,
) -> Result<Vec<SessionOf>, StoreError> {
    of(queries
        .fetch_all(
            sql("SELECT id_hash, person_id, organisation_id, terminal_id FROM session
                 WHERE realm = $1 AND ended_at IS NULL AND (expires_at <= $3 OR last_seen_at <= $2)
                 ORDER BY expires_at LIMIT $4")
            .bind(realm.as_str())
            .bind(idle_since)
            .bind(at)
            .bind(limit),
        )
        .await?)
}

/// A live session, and the HPKI certificate that proved its login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvedByCard {
    /// The session.
    pub session: SessionOf,
    /// SHA-256 of the certificate's DER.
    pub card_fingerprint: [u8; 32],
}

/// The live sessions of a level that an HPKI certificate proved, those of one certificate together; of all, or of
/// the certificates that were over at a time.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn proved_by_card(
    queries: &mut impl Queries,
    acr: &str,
    over_by: Option<OffsetDateTime>,
) -> Result<Vec<ProvedByCard>, StoreError> {
    type Row = (Vec<u8>, String, Option<String>, Option<String>, Vec<u8>);
    let rows: Vec<Row> = queries
        .fetch_all(
            sql("SELECT s.id_hash, s.person_id, s.organisation_id, s.terminal_id, e.card_fingerprint
                 FROM session s
                 JOIN login_evidence e ON e.id = s.evidence_id
                 JOIN card_certificate c ON c.fingerprint = e.card_fingerprint
                 WHERE s.ended_at IS NULL AND s.acr = $1 AND ($2 = 1 OR c.not_after <= $3)
                 ORDER BY e.card_fingerprint")
            .bind(acr)
            .bind(i64::from(over_by.is_none()))
            .bind(over_by.unwrap_or(OffsetDateTime::UNIX_EPOCH)),
        )
        .await?;
    rows.into_iter()
        .map(|(id_hash, person_id, organisation_id, terminal_id, card)| {
            let session = of_row(OfRow { id_hash, person_id, organisation_id, terminal_id })?;
            Ok(ProvedByCard { session, card_fingerprint: digest("card fingerprint", card)? })
        })
        .collect()
}

/// Ends a session that a certificate still proves; `None` where it had ended, or something else proved its person
/// anew meanwhile.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end_of_card(
    tx: &mut Tx,
    proved: &ProvedByCard,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Option<SessionOf>, StoreError> {
    let end = end_where!(
        "id_hash = $3 AND evidence_id IN
             (SELECT e.id FROM login_evidence e WHERE e.card_fingerprint = $4)"
    );
    let end = end.bind(at).bind(reason).bind(proved.session.id_hash).bind(proved.card_fingerprint);
    Ok(carry_out(tx, end, at).await?.pop())
}

/// Withdraws what was granted in a session and queues a logout notice to every service that was
/// granted something in it and wants to hear (OIDC Back-Channel Logout 1.0 §2.5). What is queued is remembered
/// for the next person in this browser ([`crate::logout_confirmation`]).
async fn withdraw_tokens(
    tx: &mut Tx,
    session: &SessionOf,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let id_hash = &session.id_hash;
    tx.execute(
        sql("UPDATE token_grant SET withdrawn_at = $2
             WHERE session_hash = $1 AND withdrawn_at IS NULL")
        .bind(id_hash)
        .bind(at),
    )
    .await?;
    let services: Vec<String> = tx
        .fetch_all(
            sql("SELECT DISTINCT g.service_id FROM token_grant g
                 JOIN service s ON s.id = g.service_id
                 WHERE g.session_hash = $1 AND s.backchannel_logout_uri IS NOT NULL")
            .bind(id_hash),
        )
        .await?
        .into_iter()
        .map(|(service_id,): (String,)| service_id)
        .collect();
    for service_id in services {
        let message_id = tell(tx, &service_id, id_hash, at).await?;
        logout_confirmation::await_of(tx, id_hash, &service_id, &message_id, at).await?;
    }
    Ok(())
}

/// The same of one service in a session that goes on; answers how many grants that were. Who was given a token to call
/// another service with, and nothing else, hears nothing.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn leave_service(
    tx: &mut Tx,
    service_id: &str,
    session_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<u64, StoreError> {
    let entered: Option<(String,)> = tx
        .fetch_optional(
            sql("SELECT s.id FROM service s WHERE s.id = $1 AND s.backchannel_logout_uri IS NOT NULL
                   AND EXISTS (SELECT 1 FROM token_grant g WHERE g.service_id = s.id
                       AND g.session_hash = $2 AND g.code_hash IS NOT NULL
                       AND g.withdrawn_at IS NULL)")
            .bind(service_id)
            .bind(session_hash),
        )
        .await?;
    if entered.is_some() {
        tell(tx, service_id, session_hash, at).await?;
    }
    token_grant::withdraw_of_service(tx, service_id, session_hash, at).await
}

/// The same of what is owed to an emergency access that ended, while its session goes on: other services of
/// the session hear nothing. Who was given a token to call another service with is no service that it
/// opened, and where the session ended too [`withdraw_tokens`] has told everybody.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw_tokens_of_emergency(
    tx: &mut Tx,
    emergency_id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE token_grant SET withdrawn_at = $2
             WHERE emergency_id = $1 AND withdrawn_at IS NULL")
        .bind(emergency_id)
        .bind(at),
    )
    .await?;
    let services: Vec<(String, Vec<u8>)> = tx
        .fetch_all(
            sql("SELECT DISTINCT g.service_id, g.session_hash FROM token_grant g
                 JOIN service s ON s.id = g.service_id JOIN session l ON l.id_hash = g.session_hash
                 WHERE g.emergency_id = $1 AND g.code_hash IS NOT NULL AND l.ended_at IS NULL
                     AND s.backchannel_logout_uri IS NOT NULL")
            .bind(emergency_id),
        )
        .await?;
    for (service_id, session_hash) in services {
        tell(tx, &service_id, &digest("session", session_hash)?, at).await?;
    }
    Ok(())
}

/// Queues a notice that a session is over; answers its name in the outbox.
pub(crate) async fn tell(
    tx: &mut Tx,
    service_id: &str,
    session_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<String, StoreError> {
    let payload = serde_json::json!({
        "service_id": service_id,
        "session": hex::encode(session_hash),
    });
    crate::outbox::put(tx, "backchannel_logout", &payload, at).await
}
