//! Invitations: a facility expects a person; code and card together start the membership.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::{moment, text_list},
    sql,
};

/// By what whoever is invited proves themself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By their own card, which has to fit the invitation.
    Card,
    /// By an account that they open with the code: they have no card.
    Account,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Account => "account",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        match text {
            "card" => Ok(Self::Card),
            "account" => Ok(Self::Account),
            other => {
                Err(StoreError::Corrupt { what: "invitation", detail: format!("kind {other}") })
            }
        }
    }
}

/// An invitation to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewInvitation<'a> {
    /// The facility that invites.
    pub organisation_id: &'a str,
    /// By card or by account.
    pub kind: Kind,
    /// SHA-256 of the code.
    pub code_hash: &'a [u8; 32],
    /// First group of the code: tells whose tries a mistyped code costs, and nothing about the rest.
    pub selector: &'a str,
    /// Expected name in kanji.
    pub name: &'a str,
    /// Expected name in kana.
    pub name_kana: &'a str,
    /// Expected hcRole name, verbatim; empty where no card will tell one.
    pub expected_role: &'a str,
    /// Number of the licence, if known.
    pub licence_number: Option<&'a str>,
    /// Who invites.
    pub created_by: &'a str,
    /// When.
    pub created_at: OffsetDateTime,
    /// Until when the code can be entered.
    pub expires_at: OffsetDateTime,
    /// How many wrong entries it survives.
    pub tries: i64,
}

/// An invitation as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// UUIDv7.
    pub id: String,
    /// The facility.
    pub organisation_id: String,
    /// By card or by account.
    pub kind: Kind,
    /// Expected name in kanji.
    pub name: String,
    /// Expected name in kana.
    pub name_kana: String,
    /// Expected hcRole name.
    pub expected_role: String,
    /// Number of the licence, if known.
    pub licence_number: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Until when the code can be entered.
    pub expires_at: OffsetDateTime,
    /// Wrong entries it still survives.
    pub tries_left: i64,
}

/// What an entered code led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    /// The code is right; this browser may now bring the card.
    Held(Invitation),
    /// The code belongs to another facility. It cost a try.
    OtherOrganisation {
        /// The invitation.
        id: String,
    },
    /// The code is right but its time is over.
    Expired {
        /// The invitation.
        id: String,
    },
    /// The code is right but was mistyped too often before.
    Overused {
        /// The invitation.
        id: String,
    },
    /// The code was redeemed before.
    Redeemed {
        /// The invitation.
        id: String,
    },
    /// The administrator took it back.
    Withdrawn {
        /// The invitation.
        id: String,
    },
    /// No invitation has this code. It cost each invitation of this facility with the same first
    /// group a try, but for one that this browser holds.
    Unknown,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    organisation_id: String,
    name: String,
    name_kana: String,
    expected_role: String,
    licence_number: Option<String>,
    created_at: i64,
    expires_at: i64,
    tries_left: i64,
    redeemed_at: Option<i64>,
    withdrawn_at: Option<i64>,
    kind: String,
}

impl Row {
    fn into_invitation(self) -> Result<Invitation, StoreError> {
        Ok(Invitation {
            id: self.id,
            organisation_id: self.organisation_id,
            kind: Kind::parse(&self.kind)?,
            name: self.name,
            name_kana: self.name_kana,
            expected_role: self.expected_role,
            licence_number: self.licence_number,
            created_at: moment("invitation", self.created_at)?,
            expires_at: moment("invitation", self.expires_at)?,
            tries_left: self.tries_left,
        })
    }
}

/// Keeps an invitation; answers its identifier.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the code exists.
pub async fn create(tx: &mut Tx, new: NewInvitation<'_>) -> Result<String, StoreError> {
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO invitation (id, organisation_id, code_hash, selector, name, name_kana, expected_role,
                 licence_number, created_at, created_by, expires_at, tries_left, kind)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
        .bind(&id)
        .bind(new.organisation_id)
        .bind(new.code_hash)
        .bind(new.selector)
        .bind(new.name)
        .bind(new.name_kana)
        .bind(new.expected_role)
        .bind(new.licence_number)
        .bind(new.created_at)
        .bind(new.created_by)
        .bind(new.expires_at)
        .bind(new.tries)
        .bind(new.kind.as_str()),
    )
    .await?;
    Ok(id)
}

/// Judges an entered code and, when it is right, holds the invitation for this browser until
/// `hold_until`. Entering it in another browser moves the hold there.
///
/// A wrong code costs the invitation of its selector a try, unless this very browser holds that one:
/// it has brought the right code. Nor do wrong codes elsewhere end a hold; they close the code.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn enter(
    tx: &mut Tx,
    code_hash: &[u8; 32],
    selector: &str,
    organisation_id: &str,
    browser_hash: &[u8; 32],
    hold_until: OffsetDateTime,
    at: OffsetDateTime,
) -> Result<Entered, StoreError> {
    let row: Option<Row> = tx
        .fetch_optional(
            sql("SELECT id, organisation_id, name, name_kana, expected_role, licence_number, created_at,
                        expires_at, tries_left, redeemed_at, withdrawn_at, kind
                 FROM invitation WHERE code_hash = $1")
            .bind(code_hash),
        )
        .await?;
    let Some(row) = row else {
        tx.execute(
            sql("UPDATE invitation SET tries_left = tries_left - 1
                 WHERE organisation_id = $1 AND selector = $2 AND tries_left > 0
                   AND redeemed_at IS NULL AND withdrawn_at IS NULL
                   AND (held_by IS NULL OR held_by <> $3 OR held_until <= $4)")
            .bind(organisation_id)
            .bind(selector)
            .bind(browser_hash)
            .bind(at),
        )
        .await?;
        return Ok(Entered::Unknown);
    };
    if row.organisation_id != organisation_id {
        tx.execute(
            sql("UPDATE invitation SET tries_left = tries_left - 1 WHERE id = $1 AND tries_left > 0")
                .bind(&row.id),
        )
        .await?;
        return Ok(Entered::OtherOrganisation { id: row.id });
    }
    if row.withdrawn_at.is_some() {
        return Ok(Entered::Withdrawn { id: row.id });
    }
    if row.redeemed_at.is_some() {
        return Ok(Entered::Redeemed { id: row.id });
    }
    if row.tries_left <= 0 {
        return Ok(Entered::Overused { id: row.id });
    }
    if row.expires_at <= at.unix_timestamp() {
        return Ok(Entered::Expired { id: row.id });
    }
    tx.execute(
        sql("UPDATE invitation SET held_by = $2, held_until = $3 WHERE id = $1")
            .bind(&row.id)
            .bind(browser_hash)
            .bind(hold_until),
    )
    .await?;
    Ok(Entered::Held(row.into_invitation()?))
}

/// The open invitation that this browser holds at this facility.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn held(
    queries: &mut impl Queries,
    browser_hash: &[u8; 32],
    organisation_id: &str,
    at: OffsetDateTime,
) -> Result<Option<Invitation>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT id, organisation_id, name, name_kana, expected_role, licence_number, created_at,
                        expires_at, tries_left, redeemed_at, withdrawn_at, kind
                 FROM invitation
                 WHERE held_by = $1 AND held_until > $3 AND organisation_id = $2 AND expires_at > $3
                   AND redeemed_at IS NULL AND withdrawn_at IS NULL
                 ORDER BY held_until DESC LIMIT 1")
            .bind(browser_hash)
            .bind(organisation_id)
            .bind(at),
        )
        .await?;
    row.map(Row::into_invitation).transpose()
}

/// Redeems an invitation for a person whose card has just been verified; answers it, or `None` when
/// it is no longer open, or not held by this browser.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn redeem(
    tx: &mut Tx,
    id: &str,
    organisation_id: &str,
    browser_hash: &[u8; 32],
    person_id: &str,
    at: OffsetDateTime,
) -> Result<Option<Invitation>, StoreError> {
    let row: Option<Row> = tx
        .fetch_optional(
            sql("UPDATE invitation SET redeemed_at = $5, redeemed_by = $4
                 WHERE id = $1 AND organisation_id = $2 AND held_by = $3 AND held_until > $5
                   AND expires_at > $5
                   AND redeemed_at IS NULL AND withdrawn_at IS NULL
                 RETURNING id, organisation_id, name, name_kana, expected_role, licence_number,
                           created_at, expires_at, tries_left, redeemed_at, withdrawn_at, kind")
            .bind(id)
            .bind(organisation_id)
            .bind(browser_hash)
            .bind(person_id)
            .bind(at),
        )
        .await?;
    row.map(Row::into_invitation).transpose()
}

/// Takes back an open invitation of this facility; answers whether there was one.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw(
    tx: &mut Tx,
    id: &str,
    organisation_id: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE invitation SET withdrawn_at = $3
                 WHERE id = $1 AND organisation_id = $2
                   AND redeemed_at IS NULL AND withdrawn_at IS NULL")
            .bind(id)
            .bind(organisation_id)
            .bind(at),
        )
        .await?;
    Ok(changed == 1)
}

/// Invitations of a facility that nobody redeemed or withdrew, newest first; expired ones too.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn open(
    queries: &mut impl Queries,
    organisation_id: &str,
    limit: i64,
) -> Result<Vec<Invitation>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql("SELECT id, organisation_id, name, name_kana, expected_role, licence_number, created_at,
                        expires_at, tries_left, redeemed_at, withdrawn_at, kind
                 FROM invitation
                 WHERE organisation_id = $1 AND redeemed_at IS NULL AND withdrawn_at IS NULL
                 ORDER BY created_at DESC, id DESC LIMIT $2")
            .bind(organisation_id)
            .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_invitation).collect()
}

/// How a card differs from what its invitation expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Another name.
    Name,
    /// Another role.
    Role,
    /// Another name and another role.
    Both,
}

impl Mismatch {
    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Role => "role",
            Self::Both => "both",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        match text {
            "name" => Ok(Self::Name),
            "role" => Ok(Self::Role),
            "both" => Ok(Self::Both),
            other => Err(StoreError::Corrupt { what: "mismatch", detail: other.to_owned() }),
        }
    }
}

/// A claim to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewClaim<'a> {
    /// The redeemed invitation.
    pub invitation_id: &'a str,
    /// Who the card names.
    pub person_id: &'a str,
    /// Where.
    pub terminal_id: &'a str,
    /// Name on the card.
    pub seen_name: &'a str,
    /// Roles on the card, verbatim.
    pub seen_roles: &'a [String],
    /// What differs.
    pub mismatch: Mismatch,
    /// When.
    pub at: OffsetDateTime,
}

/// A claim that waits for the administrator, beside what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// UUIDv7.
    pub id: String,
    /// Who the card names.
    pub person_id: String,
    /// The terminal it was made at.
    pub terminal_id: String,
    /// That terminal's name.
    pub terminal_name: String,
    /// Name on the card.
    pub seen_name: String,
    /// Roles on the card.
    pub seen_roles: Vec<String>,
    /// What differs.
    pub mismatch: Mismatch,
    /// When.
    pub at: OffsetDateTime,
    /// Expected name in kanji.
    pub expected_name: String,
    /// Expected name in kana.
    pub expected_name_kana: String,
    /// Expected role.
    pub expected_role: String,
    /// Licence number that the invitation carries.
    pub licence_number: Option<String>,
}

/// Keeps a claim; answers its identifier.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the invitation has one.
pub async fn claim(tx: &mut Tx, new: NewClaim<'_>) -> Result<String, StoreError> {
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO invitation_claim (id, invitation_id, person_id, terminal_id, seen_name, seen_roles,
                                           mismatch, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(&id)
        .bind(new.invitation_id)
        .bind(new.person_id)
        .bind(new.terminal_id)
        .bind(new.seen_name)
        .bind(serde_json::Value::from(new.seen_roles.to_vec()).to_string())
        .bind(new.mismatch.as_str())
        .bind(new.at),
    )
    .await?;
    Ok(id)
}

#[derive(serde::Deserialize)]
struct ClaimRow {
    id: String,
    person_id: String,
    terminal_id: String,
    terminal_name: String,
    seen_name: String,
    seen_roles: String,
    mismatch: String,
    at: i64,
    expected_name: String,
    expected_name_kana: String,
    expected_role: String,
    licence_number: Option<String>,
}

/// Claims at a facility that nobody decided yet, oldest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn pending_claims(
    queries: &mut impl Queries,
    organisation_id: &str,
    limit: i64,
) -> Result<Vec<Claim>, StoreError> {
    let rows: Vec<ClaimRow> = queries
        .fetch_all(
            sql("SELECT c.id, c.person_id, c.terminal_id, t.name AS terminal_name, c.seen_name,
                        c.seen_roles, c.mismatch, c.at, i.name AS expected_name,
                        i.name_kana AS expected_name_kana, i.expected_role, i.licence_number
                 FROM invitation_claim c
                 JOIN invitation i ON i.id = c.invitation_id
                 JOIN terminal t ON t.id = c.terminal_id
                 WHERE i.organisation_id = $1 AND c.decision IS NULL
                 ORDER BY c.at, c.id LIMIT $2")
            .bind(organisation_id)
            .bind(limit),
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Claim {
                id: row.id,
                person_id: row.person_id,
                terminal_id: row.terminal_id,
                terminal_name: row.terminal_name,
                seen_name: row.seen_name,
                seen_roles: text_list("roles of a claim", &row.seen_roles)?,
                mismatch: Mismatch::parse(&row.mismatch)?,
                at: moment("claim", row.at)?,
                expected_name: row.expected_name,
                expected_name_kana: row.expected_name_kana,
                expected_role: row.expected_role,
                licence_number: row.licence_number,
            })
        })
        .collect()
}

/// Whether a person has an undecided claim at a facility.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn has_pending_claim(
    queries: &mut impl Queries,
    person_id: &str,
    organisation_id: &str,
) -> Result<bool, StoreError> {
    let (count,): (i64,) = queries
        .fetch_one(
            sql("SELECT COUNT(*) FROM invitation_claim c JOIN invitation i ON i.id = c.invitation_id
                 WHERE c.person_id = $1 AND i.organisation_id = $2 AND c.decision IS NULL")
            .bind(person_id)
            .bind(organisation_id),
        )
        .await?;
    Ok(count > 0)
}

/// What an administrator decided about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimDecision {
    /// It is the expected person.
    Accepted,
    /// It is not.
    Refused,
}

impl ClaimDecision {
    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }
}

/// Decides a claim of this facility once; answers whose it is, or `None` when it was decided before
/// or belongs elsewhere. The caller starts the membership in the same transaction.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn decide(
    tx: &mut Tx,
    claim_id: &str,
    organisation_id: &str,
    decision: ClaimDecision,
    by: &str,
    at: OffsetDateTime,
) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = tx
        .fetch_optional(
            sql("UPDATE invitation_claim SET decision = $3, decided_by = $4, decided_at = $5
                 WHERE id = $1 AND decision IS NULL
                   AND invitation_id IN (SELECT id FROM invitation WHERE organisation_id = $2)
                 RETURNING person_id")
            .bind(claim_id)
            .bind(organisation_id)
            .bind(decision.as_str())
            .bind(by)
            .bind(at),
        )
        .await?;
    Ok(row.map(|(person_id,)| person_id))
}
