//! One read that answers whether a certificate speaks for a facility now.

use crate::{Queries, StoreError, organisation::OrganisationStatus, sql, terminal_hold::on_hold};

/// What the register says about a terminal's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacilityRow {
    /// Which of our authorities issued it.
    pub issuer_id: String,
    /// Its serial number.
    pub serial: Vec<u8>,
    /// The terminal.
    pub terminal_id: String,
    /// The terminal's name.
    pub terminal_name: String,
    /// The facility.
    pub organisation_id: String,
    /// The facility's current name.
    pub organisation_name: String,
    /// Whether the certificate is revoked or on hold, its issuer was taken back, or its terminal is
    /// on hold.
    pub certificate_revoked: bool,
    /// Whether that is a hold, which may end, and nothing final.
    pub certificate_on_hold: bool,
    /// Whether the terminal was ever revoked: that is final.
    pub terminal_revoked: bool,
    /// The facility's last event.
    pub organisation_status: String,
}

impl FacilityRow {
    /// Whether the facility may act.
    #[must_use]
    pub fn organisation_active(&self) -> bool {
        OrganisationStatus::of_event(&self.organisation_status) == Some(OrganisationStatus::Active)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    issuer_id: String,
    serial: Vec<u8>,
    terminal_id: String,
    terminal_name: String,
    organisation_id: String,
    organisation_name: Option<String>,
    certificate_event: Option<String>,
    issuer_revocations: i64,
    terminal_revocations: i64,
    terminal_holds: i64,
    organisation_status: Option<String>,
}

/// The row of the certificate with this SHA-256, if we issued it to a terminal.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn find(
    queries: &mut impl Queries,
    fingerprint: &[u8; 32],
) -> Result<Option<FacilityRow>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql(concat!(
                "SELECT c.issuer_id, c.serial, t.id AS terminal_id, t.name AS terminal_name,
                        t.organisation_id,
                        (SELECT n.name FROM organisation_name n
                         WHERE n.organisation_id = t.organisation_id AND n.valid_until IS NULL)
                            AS organisation_name,
                        (SELECT e.kind FROM revocation_event e
                         WHERE e.issuer_id = c.issuer_id AND e.serial = c.serial
                         ORDER BY e.seq DESC LIMIT 1) AS certificate_event,
                        (SELECT CAST(COUNT(*) AS BIGINT) FROM revoked_issuer i
                         WHERE i.issuer_id = c.issuer_id) AS issuer_revocations,
                        (SELECT CAST(COUNT(*) AS BIGINT) FROM terminal_event v
                         WHERE v.terminal_id = t.id AND v.kind = 'revoked') AS terminal_revocations,
                        CASE WHEN ",
                on_hold!("t.id"),
                " THEN CAST(1 AS BIGINT) ELSE 0 END AS terminal_holds,
                        (SELECT o.kind FROM organisation_event o
                         WHERE o.organisation_id = t.organisation_id
                         ORDER BY o.at DESC, o.id DESC LIMIT 1) AS organisation_status
                 FROM certificate c
                 JOIN terminal t ON t.id = c.terminal_id AND t.organisation_id = c.organisation_id
                 WHERE c.fingerprint = $1 AND c.profile = 'terminal'"
            ))
            .bind(fingerprint),
        )
        .await?;
    Ok(row.map(|row| {
        let event = row.certificate_event.as_deref();
        // Anything but no event and a release refuses.
        let stands = matches!(event, None | Some("released"));
        let held = event == Some("held") || stands && row.terminal_holds > 0;
        FacilityRow {
            certificate_revoked: row.issuer_revocations > 0 || !stands || held,
            certificate_on_hold: row.issuer_revocations == 0 && held,
            issuer_id: row.issuer_id,
            serial: row.serial,
            terminal_id: row.terminal_id,
            terminal_name: row.terminal_name,
            organisation_name: row.organisation_name.unwrap_or_else(|| row.organisation_id.clone()),
            organisation_id: row.organisation_id,
            terminal_revoked: row.terminal_revocations > 0,
            organisation_status: row.organisation_status.unwrap_or_else(|| "unknown".to_owned()),
        }
    }))
}
