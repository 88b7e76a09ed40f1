//! Many steps as one transaction: a handful of statements, whatever the number of steps.
//!
//! What a step rests on is asked for by the statement that writes it, so that nothing can change
//! between. A step whose ground has gone writes nothing (an intention) or is not concluded (a
//! certificate, which is kept in any case), and the answer says so. An authority that was taken
//! back intends nothing more: of that only the refusal is written.

use std::collections::HashSet;

use sekisho_ca::record::{self, IssuedCertificate};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Right, about, name_of};
use crate::{
    Queries, Store, StoreError, Tx,
    audit::{Actor, Entry},
    db::sql_rows,
    sql,
    terminal_hold::on_hold,
};

/// Act of the record of an intention that uses no right up.
const INTEND: &str = "certificate.intend";

/// One durable step.
#[derive(Debug)]
pub(super) enum Step {
    /// Serial numbers for later.
    Reserve { issuer_id: String, serials: Vec<Vec<u8>>, at: OffsetDateTime },
    /// What is about to be signed.
    Intend(Intend),
    /// What was signed.
    Keep(Keep),
}

impl Step {
    /// Whether nothing is lost when it is not written.
    pub(super) fn is_idle(&self) -> bool {
        !matches!(self, Self::Keep(_))
    }
}

/// An intention, and the right to the certificate that is used up with it.
#[derive(Debug)]
pub(super) struct Intend {
    pub(super) issuer_id: String,
    pub(super) serial: Vec<u8>,
    pub(super) profile: String,
    pub(super) tbs_der: Vec<u8>,
    pub(super) organisation_id: Option<String>,
    pub(super) terminal_id: Option<String>,
    pub(super) at: OffsetDateTime,
    pub(super) right: Option<Right>,
    /// The record of the right's use, which becomes the one of the intention.
    pub(super) used: Option<Entry>,
}

impl Intend {
    pub(super) fn of(intention: &record::Intention) -> Self {
        Self {
            issuer_id: intention.issuer_id.clone(),
            serial: intention.serial.as_octets().to_vec(),
            profile: intention.profile.clone(),
            tbs_der: intention.tbs_der.clone(),
            organisation_id: intention.subscriber.organisation_id.clone(),
            terminal_id: intention.subscriber.terminal_id.clone(),
            at: intention.at,
            right: None,
            used: None,
        }
    }

    fn about(&self, entry: Entry) -> Entry {
        let subscriber = (self.organisation_id.as_deref(), self.terminal_id.as_deref());
        about(entry, &self.issuer_id, &self.serial, &self.profile, subscriber)
    }

    fn entry(&self) -> Entry {
        let used = self.used.clone();
        self.about(used.unwrap_or_else(|| Entry::done(INTEND, Actor::System, self.at)))
    }

    /// What is written in place of an intention under an authority that was taken back.
    fn refusal(&self) -> Entry {
        self.about(Entry::refused(INTEND, Actor::System, self.at, "issuer_revoked"))
    }
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Written, and what it rests on held.
    Held,
    /// What it rests on has gone.
    NotHeld,
    /// Not written: its authority was taken back.
    IssuerRevoked,
}

/// A certificate, and the right that it fulfils. Profile and subscriber stand in its intention.
#[derive(Debug)]
pub(super) struct Keep {
    pub(super) issuer_id: String,
    pub(super) serial: Vec<u8>,
    pub(super) fingerprint: [u8; 32],
    pub(super) spki_sha256: [u8; 32],
    pub(super) not_before: OffsetDateTime,
    pub(super) not_after: OffsetDateTime,
    pub(super) der: Vec<u8>,
    pub(super) at: OffsetDateTime,
    pub(super) right: Option<Right>,
    /// The record of what the right led to.
    pub(super) concludes: Option<Entry>,
}

impl Keep {
    pub(super) fn of(certificate: &IssuedCertificate) -> Self {
        Self {
            issuer_id: certificate.issuer_id.clone(),
            serial: certificate.serial.as_octets().to_vec(),
            fingerprint: certificate.fingerprint,
            spki_sha256: certificate.public_key_sha256,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            der: certificate.der.clone(),
            at: certificate.issued_at,
            right: None,
            concludes: None,
        }
    }
}

/// Commits all of the steps, or none; answers of each what became of it.
pub(super) async fn write(store: &Store, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
    let mut tx = store.begin().await?;
    match write_all(&mut tx, steps).await {
        Ok(outcomes) => tx.finish().await.map(|()| outcomes),
        Err(error) => tx.give_up().await.and(Err(error)),
    }
}

async fn write_all(tx: &mut Tx, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
    let mut held = vec![true; steps.len()];
    let mut entries = Vec::with_capacity(steps.len() * 2);
    for step in steps {
        if let Step::Reserve { issuer_id, serials, at } = step {
            reserve(tx, issuer_id, serials, *at).await?;
        }
    }
    let intended: Vec<(usize, &Intend)> = steps
        .iter()
        .enumerate()
        .filter_map(
            |(n, step)| if let Step::Intend(intend) = step { Some((n, intend)) } else { None },
        )
        .collect();
    let kept: Vec<(usize, &Keep)> = steps
        .iter()
        .enumerate()
        .filter_map(|(n, step)| if let Step::Keep(keep) = step { Some((n, keep)) } else { None })
        .collect();
    let revoked = revoked_issuers(tx, &intended).await?;
    let (refused, intended): (Vec<_>, Vec<_>) =
        intended.into_iter().partition(|(_, intend)| revoked.contains(&intend.issuer_id));
    entries.extend(refused.iter().map(|(_, intend)| intend.refusal()));
    use_rights(tx, &intended, &mut held).await?;
    intend(tx, intended.iter().filter(|(n, _)| held[*n]).map(|(_, i)| *i), &mut entries).await?;
    keep(tx, &kept, &mut entries).await?;
    fulfil_rights(tx, &kept, &mut held, &mut entries).await?;
    tx.append_audit(&entries).await?;
    let mut outcomes: Vec<Outcome> =
        held.into_iter().map(|held| if held { Outcome::Held } else { Outcome::NotHeld }).collect();
    for (n, _) in refused {
        outcomes[n] = Outcome::IssuerRevoked;
    }
    Ok(outcomes)
}

/// Authorities that were taken back: a handful of rows in the life of an operating body, so that
/// all are read rather than asked for by name.
async fn revoked_issuers(
    tx: &mut Tx,
    intended: &[(usize, &Intend)],
) -> Result<HashSet<String>, StoreError> {
    if intended.is_empty() {
        return Ok(HashSet::new());
    }
    let revoked: Vec<(String,)> = tx.fetch_all(sql("SELECT issuer_id FROM revoked_issuer")).await?;
    Ok(revoked.into_iter().map(|(issuer_id,)| issuer_id).collect())
}

/// All steps of one certificate in a transaction of somebody else's.
pub(super) async fn enter(
    tx: &mut Tx,
    intended: &Intend,
    kept: &Keep,
) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    reserve(tx, &kept.issuer_id, std::slice::from_ref(&kept.serial), kept.at).await?;
    intend(tx, std::iter::once(intended), &mut entries).await?;
    keep(tx, &[(0, kept)], &mut entries).await?;
    Ok(entries)
}

async fn reserve(
    tx: &mut Tx,
    issuer_id: &str,
    serials: &[Vec<u8>],
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let mut insert = sql_rows(
        "INSERT INTO serial_number (issuer_id, serial, reserved_at) VALUES ",
        serials.len(),
        3,
        "",
    );
    for serial in serials {
        insert = insert.bind(issuer_id).bind(serial).bind(at);
    }
    tx.execute(insert).await.map(drop)
}

/// `column` is a terminal that is neither revoked nor on hold.
macro_rules! terminal_stands {
    ($column:literal) => {
        concat!(
            " AND NOT EXISTS (SELECT 1 FROM terminal_event e
                 WHERE e.terminal_id = ",
            $column,
            " AND e.kind = 'revoked') AND NOT ",
            on_hold!($column)
        )
    };
}

/// `column` is a terminal of a facility in operation, itself neither revoked nor on hold.
macro_rules! facility_stands {
    ($column:literal) => {
        concat!(
            terminal_stands!($column),
            " AND (SELECT o.kind FROM organisation_event o JOIN terminal t
                   ON t.organisation_id = o.organisation_id
               WHERE t.id = ",
            $column,
            " ORDER BY o.at DESC, o.id DESC LIMIT 1) IN ('activated', 'resumed')"
        )
    };
}

/// `column` is a key that no device and no service's server has, no certificate was made for and nobody reported.
macro_rules! key_is_new {
    ($column:literal) => {
        concat!(
            " AND NOT EXISTS (SELECT 1 FROM certificate c WHERE c.spki_sha256 = ",
            $column,
            ") AND NOT EXISTS (SELECT 1 FROM subscriber_key s WHERE s.spki_sha256 = ",
            $column,
            ") AND NOT EXISTS (SELECT 1 FROM server_key w WHERE w.spki_sha256 = ",
            $column,
            ") AND NOT EXISTS (SELECT 1 FROM compromised_key k WHERE k.spki_sha256 = ",
            $column,
            ")"
        )
    };
}

/// The certificate of issuer and serial number was never taken back nor held.
macro_rules! certificate_stands {
    ($issuer:literal, $serial:literal) => {
        concat!(
            " AND EXISTS (SELECT 1 FROM certificate c
                 WHERE c.issuer_id = ",
            $issuer,
            " AND c.serial = ",
            $serial,
            ")
              AND NOT EXISTS (SELECT 1 FROM revocation_event r
                 WHERE r.issuer_id = ",
            $issuer,
            " AND r.serial = ",
            $serial,
            ")"
        )
    };
}

/// Uses up the codes and asks whether those who renew still may.
async fn use_rights(
    tx: &mut Tx,
    intended: &[(usize, &Intend)],
    held: &mut [bool],
) -> Result<(), StoreError> {
    let (mut codes, mut renewals) = (Vec::new(), Vec::new());
    // Of two requests for one code or one key, the second is decided on when the first is known.
    let mut seen: HashSet<&[u8; 32]> = HashSet::new();
    for (n, intend) in intended {
        let Some(right) = &intend.right else { continue };
        held[*n] = seen.insert(right.spki_sha256());
        match right {
            Right::Code { code_hash, .. } => {
                held[*n] &= seen.insert(code_hash);
                if held[*n] {
                    codes.push((*n, right, intend.at));
                }
            }
            Right::Renewal { .. } if held[*n] => renewals.push((*n, right)),
            Right::Renewal { .. } => {}
        }
    }
    if !codes.is_empty() {
        let used = use_codes(tx, &codes).await?;
        for (n, right, _) in &codes {
            let Right::Code { code_hash, .. } = right else { continue };
            held[*n] = used.contains(code_hash.as_slice());
        }
    }
    if !renewals.is_empty() {
        let stand = renewals_that_stand(tx, &renewals, MAY_RENEW).await?;
        for (n, _) in &renewals {
            held[*n] = stand.contains(n);
        }
    }
    Ok(())
}

async fn use_codes(
    tx: &mut Tx,
    codes: &[(usize, &Right, OffsetDateTime)],
) -> Result<HashSet<Vec<u8>>, StoreError> {
    let mut update = sql_rows(
        "UPDATE enrolment_code
         SET used_at = v.column3, claimed_at = v.column3, spki_sha256 = v.column4
         FROM (VALUES ",
        codes.len(),
        4,
        concat!(
            ") AS v
             WHERE enrolment_code.code_hash = v.column1
               AND enrolment_code.terminal_id = v.column2
               AND enrolment_code.used_at IS NULL AND enrolment_code.withdrawn_at IS NULL
               AND enrolment_code.expires_at > v.column3 AND enrolment_code.tries_left > 0
               AND (enrolment_code.needs_approval = 0
                    OR enrolment_code.approved_spki_sha256 = v.column4)",
            facility_stands!("v.column2"),
            key_is_new!("v.column4"),
            " RETURNING enrolment_code.code_hash"
        ),
    );
    for (_, right, at) in codes {
        if let Right::Code { code_hash, terminal_id, spki_sha256 } = right {
            update = update.bind(code_hash).bind(terminal_id).bind(*at).bind(spki_sha256);
        }
    }
    let used: Vec<(Vec<u8>,)> = tx.fetch_all(update).await?;
    Ok(used.into_iter().map(|(code_hash,)| code_hash).collect())
}

/// Before the signature: for a key that has no certificate.
const MAY_RENEW: &str = concat!(
    ") AS v WHERE v.column1 >= 0",
    facility_stands!("v.column2"),
    certificate_stands!("v.column3", "v.column4"),
    key_is_new!("v.column5"),
);
/// After the signature: that key has one now.
const STILL_RENEWS: &str = concat!(
    ") AS v WHERE v.column1 >= 0",
    terminal_stands!("v.column2"),
    certificate_stands!("v.column3", "v.column4"),
);

async fn renewals_that_stand(
    tx: &mut Tx,
    renewals: &[(usize, &Right)],
    condition: &'static str,
) -> Result<HashSet<usize>, StoreError> {
    let mut select = sql_rows("SELECT v.column1 FROM (VALUES ", renewals.len(), 5, condition);
    for (n, right) in renewals {
        if let Right::Renewal { terminal_id, issuer_id, serial, spki_sha256 } = right {
            let number = i64::try_from(*n).unwrap_or(-1);
            select = select
                .bind(number)
                .bind(terminal_id)
                .bind(issuer_id)
                .bind(serial)
                .bind(spki_sha256);
        }
    }
    let stand: Vec<(i64,)> = tx.fetch_all(select).await?;
    Ok(stand.into_iter().filter_map(|(n,)| usize::try_from(n).ok()).collect())
}

/// The keys were nobody's when the rights were used. If another process gives one away at the same
/// moment, the database refuses: the step is written again without its neighbours, and finds it.
async fn give_keys(tx: &mut Tx, intended: &[&Intend]) -> Result<(), StoreError> {
    let given: Vec<(&Right, OffsetDateTime)> = intended
        .iter()
        .filter_map(|intend| intend.right.as_ref().map(|right| (right, intend.at)))
        .collect();
    if given.is_empty() {
        return Ok(());
    }
    let mut insert = sql_rows(
        "INSERT INTO subscriber_key (spki_sha256, terminal_id, claimed_at) VALUES ",
        given.len(),
        3,
        "",
    );
    for (right, at) in given {
        insert = insert.bind(right.spki_sha256()).bind(right.terminal_id()).bind(at);
    }
    tx.execute(insert).await.map(drop)
}

async fn intend<'a>(
    tx: &mut Tx,
    intended: impl Iterator<Item = &'a Intend>,
    entries: &mut Vec<Entry>,
) -> Result<(), StoreError> {
    let intended: Vec<&Intend> = intended.collect();
    if intended.is_empty() {
        return Ok(());
    }
    give_keys(tx, &intended).await?;
    let mut insert = sql_rows(
        "INSERT INTO issuance_intention
             (issuer_id, serial, profile, tbs_der, organisation_id, terminal_id, at) VALUES ",
        intended.len(),
        7,
        "",
    );
    for intend in intended {
        insert = insert
            .bind(&intend.issuer_id)
            .bind(&intend.serial)
            .bind(&intend.profile)
            .bind(&intend.tbs_der)
            .bind(intend.organisation_id.as_deref())
            .bind(intend.terminal_id.as_deref())
            .bind(intend.at);
        entries.push(intend.entry());
    }
    tx.execute(insert).await.map(drop)
}

#[derive(serde::Deserialize)]
struct KeptRow {
    issuer_id: String,
    serial: Vec<u8>,
    profile: String,
    organisation_id: Option<String>,
    terminal_id: Option<String>,
}

async fn keep(
    tx: &mut Tx,
    kept: &[(usize, &Keep)],
    entries: &mut Vec<Entry>,
) -> Result<(), StoreError> {
    if kept.is_empty() {
        return Ok(());
    }
    let mut insert = sql_rows(
        "INSERT INTO certificate (issuer_id, serial, fingerprint, spki_sha256, profile,
             organisation_id, terminal_id, not_before, not_after, issued_at, der)
         SELECT v.column1, v.column2, v.column3, v.column4, i.profile, i.organisation_id,
             i.terminal_id, v.column5, v.column6,
             -- The newest of a terminal decides for it: no two of one second.
             CASE WHEN EXISTS (SELECT 1 FROM certificate p WHERE p.terminal_id = i.terminal_id
                                 AND p.issued_at >= v.column7)
                  THEN (SELECT MAX(p.issued_at) + 1 FROM certificate p
                        WHERE p.terminal_id = i.terminal_id)
                  ELSE v.column7 END,
             v.column8
         FROM (VALUES ",
        kept.len(),
        8,
        ") AS v JOIN issuance_intention i ON i.issuer_id = v.column1 AND i.serial = v.column2
         RETURNING issuer_id, serial, profile, organisation_id, terminal_id",
    );
    for (_, keep) in kept {
        insert = insert
            .bind(&keep.issuer_id)
            .bind(&keep.serial)
            .bind(keep.fingerprint)
            .bind(keep.spki_sha256)
            .bind(keep.not_before)
            .bind(keep.not_after)
            .bind(keep.at)
            .bind(&keep.der);
    }
    let rows: Vec<KeptRow> = tx.fetch_all(insert).await?;
    for (_, keep) in kept {
        let row = rows
            .iter()
            .find(|row| row.issuer_id == keep.issuer_id && row.serial == keep.serial)
            .ok_or_else(|| StoreError::Corrupt {
                what: "issuance",
                detail: format!("no intention for {}", name_of(&keep.issuer_id, &keep.serial)),
            })?;
        let subscriber = (row.organisation_id.as_deref(), row.terminal_id.as_deref());
        entries.push(
            about(
                Entry::done("certificate.issue", Actor::System, keep.at),
                &keep.issuer_id,
                &keep.serial,
                &row.profile,
                subscriber,
            )
            .fact("certificate_sha256", hex::encode(keep.fingerprint)),
        );
    }
    Ok(())
}

/// Notes at code and terminal what came of them, unless something else has to happen with it.
async fn fulfil_rights(
    tx: &mut Tx,
    kept: &[(usize, &Keep)],
    held: &mut [bool],
    entries: &mut Vec<Entry>,
) -> Result<(), StoreError> {
    let rights = || kept.iter().filter_map(|(n, keep)| Some((*n, keep.right.as_ref()?, *keep)));
    let codes: Vec<_> =
        rights().filter(|(_, right, _)| matches!(right, Right::Code { .. })).collect();
    if !codes.is_empty() {
        let fulfilled = fulfil_codes(tx, &codes).await?;
        for (n, right, _) in &codes {
            let Right::Code { code_hash, .. } = right else { continue };
            held[*n] = fulfilled.contains(code_hash.as_slice());
        }
    }
    let renewals: Vec<_> = rights()
        .filter(|(_, right, _)| matches!(right, Right::Renewal { .. }))
        .map(|(n, right, _)| (n, right))
        .collect();
    if !renewals.is_empty() {
        let stand = renewals_that_stand(tx, &renewals, STILL_RENEWS).await?;
        for (n, _) in &renewals {
            held[*n] = stand.contains(n);
        }
    }
    let concluded: Vec<_> = rights().filter(|(n, ..)| held[*n]).collect();
    if concluded.is_empty() {
        return Ok(());
    }
    let mut insert = sql_rows(
        "INSERT INTO terminal_event (id, terminal_id, at, kind, reason) VALUES ",
        concluded.len(),
        5,
        "",
    );
    for (_, right, keep) in concluded {
        insert = insert
            .bind(Uuid::now_v7().to_string())
            .bind(right.terminal_id())
            .bind(keep.at)
            .bind(right.event())
            .bind("");
        let certificate = name_of(&keep.issuer_id, &keep.serial);
        entries.extend(keep.concludes.iter().map(|e| e.clone().on("certificate", &certificate)));
    }
    tx.execute(insert).await.map(drop)
}

async fn fulfil_codes(
    tx: &mut Tx,
    codes: &[(usize, &Right, &Keep)],
) -> Result<HashSet<Vec<u8>>, StoreError> {
    let mut update = sql_rows(
        "UPDATE enrolment_code SET issuer_id = v.column2, serial = v.column3
         FROM (VALUES ",
        codes.len(),
        4,
        concat!(
            ") AS v
             WHERE enrolment_code.code_hash = v.column1
               AND enrolment_code.used_at IS NOT NULL AND enrolment_code.serial IS NULL",
            terminal_stands!("v.column4"),
            // What it takes the place of has to be taken back, with its sessions.
            " AND NOT EXISTS (SELECT 1 FROM certificate c
                 WHERE c.terminal_id = v.column4 AND c.serial <> v.column3
                   AND NOT EXISTS (SELECT 1 FROM revocation_event r
                       WHERE r.issuer_id = c.issuer_id AND r.serial = c.serial
                         AND r.kind = 'revoked'))
             RETURNING enrolment_code.code_hash"
        ),
    );
    for (_, right, keep) in codes {
        if let Right::Code { code_hash, terminal_id, .. } = right {
            update =
                update.bind(code_hash).bind(&keep.issuer_id).bind(&keep.serial).bind(terminal_id);
        }
    }
    let fulfilled: Vec<(Vec<u8>,)> = tx.fetch_all(update).await?;
    Ok(fulfilled.into_iter().map(|(code_hash,)| code_hash).collect())
}
