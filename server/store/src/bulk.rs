//! Many certificates, facilities and people at once, as large networks have them: for measurements, never for
//! issuance or registration.

mod network;

use sekisho_ca::revocation::chunk_of;
use sekisho_pki::encoding::serial::Serial;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    crl::chunk_name,
    db::{housekeeping, sql_rows},
};

pub use network::{MeasuredFacility, MeasuredPerson};

/// The serial number of the certificate of this number: 16 octets, spread over all chunks.
#[must_use]
pub fn serial_of(number: u32) -> [u8; 16] {
    let mut octets = [0x4b; 16];
    octets[1] = number.to_le_bytes()[0];
    octets[12..].copy_from_slice(&number.to_be_bytes());
    octets
}

const ROWS: usize = 500;

impl Store {
    /// Enters certificates of these numbers, which nobody signed, revoked or not.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`]: one of these numbers was entered before.
    pub async fn enter_many(
        &self,
        issuer_id: &str,
        numbers: std::ops::Range<u32>,
        revoked: bool,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let numbers: Vec<u32> = numbers.collect();
        for some in numbers.chunks(ROWS * 10) {
            housekeeping!(self, |tx| {
                for rows in some.chunks(ROWS) {
                    enter(tx, issuer_id, rows, revoked, at).await?;
                }
            })?;
        }
        Ok(())
    }
}

async fn enter(
    tx: &mut crate::Tx,
    issuer_id: &str,
    numbers: &[u32],
    revoked: bool,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let until = at + Duration::days(365);
    let count = numbers.len();
    let mut serials = sql_rows(
        "INSERT INTO serial_number (issuer_id, serial, reserved_at) VALUES ",
        count,
        3,
        "",
    );
    let mut intentions = sql_rows(
        "INSERT INTO issuance_intention (issuer_id, serial, profile, tbs_der, at) VALUES ",
        count,
        5,
        "",
    );
    let mut certificates = sql_rows(
        "INSERT INTO certificate (issuer_id, serial, fingerprint, spki_sha256, profile, not_before,
             not_after, issued_at, der) VALUES ",
        count,
        9,
        "",
    );
    let mut events = sql_rows(
        "INSERT INTO revocation_event (id, issuer_id, serial, chunk, seq, kind, reason, at, act,
             scope, not_after) VALUES ",
        count,
        11,
        "",
    );
    let mut changes =
        sql_rows("INSERT INTO crl_change (event_id, issuer_id, serial) VALUES ", count, 3, "");
    for number in numbers {
        let serial = serial_of(*number);
        let mut fingerprint = [0; 32];
        fingerprint[..16].copy_from_slice(&serial);
        serials = serials.bind(issuer_id).bind(serial).bind(at);
        intentions =
            intentions.bind(issuer_id).bind(serial).bind("measured").bind([0x30_u8]).bind(at);
        certificates = certificates
            .bind(issuer_id)
            .bind(serial)
            .bind(fingerprint)
            .bind(fingerprint)
            .bind("measured")
            .bind(at)
            .bind(until)
            .bind(at)
            .bind([0x30_u8]);
        let chunk = Serial::from_octets(&serial).map_or(0, |serial| chunk_of(&serial));
        let id = Uuid::now_v7().to_string();
        events = events
            .bind(&id)
            .bind(issuer_id)
            .bind(serial)
            .bind(chunk_name(chunk))
            .bind(1_i64)
            .bind("revoked")
            .bind(4_i64)
            .bind(at)
            .bind(&id)
            .bind("certificate")
            .bind(until);
        changes = changes.bind(id).bind(issuer_id).bind(serial);
    }
    tx.execute(serials).await?;
    tx.execute(intentions).await?;
    tx.execute(certificates).await?;
    if revoked {
        tx.execute(events).await?;
        tx.execute(changes).await?;
    }
    Ok(())
}
