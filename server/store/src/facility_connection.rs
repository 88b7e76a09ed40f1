//! One read that answers whether a certificate speaks for a facility now.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, current_certificate::current_standing, moment::moment_opt,
    organisation::OrganisationStatus, replacement::of_new_pc, sql, terminal_hold::on_hold,
};

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
    /// Whether the certificate or the terminal's current one is revoked or on hold, its issuer was
    /// taken back, or its terminal is on hold.
    pub certificate_revoked: bool,
    /// Whether that is a hold, which may end, and nothing final.
    pub certificate_on_hold: bool,
    /// Whether the terminal was ever revoked: that is final.
    pub terminal_revoked: bool,
    /// The facility's last event.
    pub organisation_status: String,
    /// End of validity of the longest of those certificates that this one took the place of and that
    /// are not taken back.
    pub older_until: Option<OffsetDateTime>,
    /// Whether it is that of a new PC, which takes the place of another with its first login. It stands by
    /// itself: what happened to the other PC's certificates does not stop it.
    pub of_new_pc: bool,
    /// When another PC took the place of the one that has this certificate.
    pub pc_replaced_at: Option<OffsetDateTime>,
}

impl FacilityRow {
    /// Whether the facility may act.
    #[must_use]
    pub fn organisation_active(&self) -> bool {
        OrganisationStatus::of_event(&self.organisation_status) == Some(OrganisationStatus::Active)
    }
}

#[derive(serde::Deserialize)]
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
    current_event: Option<String>,
    older_until: Option<i64>,
    of_new_pc: i64,
    pc_replaced_at: Option<i64>,
}

/// The columns of [`Row`] for the certificate with the SHA-256 `$1`. `concat!` keeps the statements constants.
macro_rules! select_connection {
    ($condition:literal) => {
        concat!(
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
                         ORDER BY o.at DESC, o.id DESC LIMIT 1) AS organisation_status,
                        ",
                current_standing!("t.id"),
                " AS current_event,
                        CASE WHEN ",
                of_new_pc!("c"),
                " THEN CAST(1 AS BIGINT) ELSE 0 END AS of_new_pc,
                        (SELECT MAX(p.ended_at) FROM terminal_replacement p
                         WHERE p.terminal_id = t.id AND p.outcome = 'completed'
                           AND p.ended_at >= c.issued_at
                           AND (p.issuer_id <> c.issuer_id OR p.serial <> c.serial))
                            AS pc_replaced_at,
                        (SELECT MAX(b.not_after) FROM certificate b
                         WHERE b.terminal_id = t.id AND b.issued_at < c.issued_at
                           AND NOT ",
                of_new_pc!("b"),
                " AND NOT ",
                of_new_pc!("c"),
                "
                           AND COALESCE((SELECT e.kind FROM revocation_event e
                                WHERE e.issuer_id = b.issuer_id AND e.serial = b.serial
                                ORDER BY e.seq DESC LIMIT 1), 'released') <> 'revoked')
                            AS older_until
                 FROM certificate c
                 JOIN terminal t ON t.id = c.terminal_id AND t.organisation_id = c.organisation_id
                 WHERE c.fingerprint = $1 AND ",
            $condition
        )
    };
}

/// The row of the certificate with this SHA-256, if we issued it to a PC.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    fingerprint: &[u8; 32],
) -> Result<Option<FacilityRow>, StoreError> {
    let statement = sql(select_connection!("c.profile = 'terminal'"));
    judged(queries.fetch_optional(statement.bind(fingerprint)).await?)
}

/// The same, if we issued it to a router, for the family that the register has it as. It speaks for no
/// person's PC: [`find`] does not answer it.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find_router(
    queries: &mut impl Queries,
    fingerprint: &[u8; 32],
) -> Result<Option<FacilityRow>, StoreError> {
    let statement = sql(select_connection!(
        "EXISTS (SELECT 1 FROM router q WHERE q.terminal_id = t.id AND q.family = c.profile)"
    ));
    judged(queries.fetch_optional(statement.bind(fingerprint)).await?)
}

fn judged(row: Option<Row>) -> Result<Option<FacilityRow>, StoreError> {
    row.map(|row| {
        let of_new_pc = row.of_new_pc > 0;
        let own = row.certificate_event.as_deref();
        let current = row.current_event.as_deref().filter(|_| !of_new_pc);
        // Anything but no event, a release and a hold is final.
        let is_final = |event| !matches!(event, None | Some("released" | "held"));
        let taken_back = row.issuer_revocations > 0 || is_final(own) || is_final(current);
        let held = row.terminal_holds > 0 || own == Some("held") || current == Some("held");
        Ok(FacilityRow {
            certificate_revoked: taken_back || held,
            certificate_on_hold: held && !taken_back,
            issuer_id: row.issuer_id,
            serial: row.serial,
            terminal_id: row.terminal_id,
            terminal_name: row.terminal_name,
            organisation_name: row.organisation_name.unwrap_or_else(|| row.organisation_id.clone()),
            organisation_id: row.organisation_id,
            terminal_revoked: row.terminal_revocations > 0,
            organisation_status: row.organisation_status.unwrap_or_else(|| "unknown".to_owned()),
            older_until: moment_opt("certificate", row.older_until)?,
            of_new_pc,
            pc_replaced_at: moment_opt("terminal replacement", row.pc_replaced_at)?,
        })
    })
    .transpose()
}
