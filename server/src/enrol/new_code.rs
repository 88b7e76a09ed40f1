//! A one-time code for a device, drawn before it is shown and kept with the act that issues it.

use sekisho_key::Randomness;
use sekisho_store::{
    Queries, StoreError, Tx,
    cmp_secret::{self, CmpSecret},
    enrolment_code, organisation, replacement,
    terminal::{self, Device, Terminal, TerminalStatus},
};
use time::OffsetDateTime;

use super::cmp::secret;
use crate::{
    config::Config,
    paper_code::PaperCode,
    sealing::{SealingError, SealingKey},
};

/// A code that was drawn and may yet be kept.
#[derive(Debug)]
pub struct NewCode {
    code: PaperCode,
    /// For CMP, whose messages the code itself protects.
    sealed: Option<CmpSecret>,
    tries: i64,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    needs_approval: bool,
}

impl NewCode {
    /// Draws one with the configured lifetime and number of tries.
    ///
    /// # Errors
    /// [`SealingError`]: there is no randomness.
    pub fn draw(
        random: &dyn Randomness,
        sealing: &SealingKey,
        config: &Config,
        now: OffsetDateTime,
    ) -> Result<Self, SealingError> {
        let enrolment = config.enrolment();
        let code = PaperCode::generate(random)?;
        let sealed = if config.cmp().is_enabled() {
            Some(secret::seal(random, sealing, &code)?)
        } else {
            None
        };
        Ok(Self {
            code,
            sealed,
            tries: i64::from(enrolment.code_tries()),
            created_at: now,
            expires_at: now + enrolment.code_lifetime(),
            needs_approval: false,
        })
    }

    /// For a facility's own device: whoever issues it may ask that a person approves the key before it is
    /// certified, and the operating body may ask it of all.
    #[must_use]
    pub fn for_device(self, config: &Config, device: Device, approval_asked: bool) -> Self {
        let needs_approval = approval_asked || config.enrolment().needs_approval(device);
        Self { needs_approval, ..self }
    }

    /// Whether a person has to approve the key that comes with it.
    #[must_use]
    pub fn needs_approval(&self) -> bool {
        self.needs_approval
    }

    /// The code in the clear.
    #[must_use]
    pub fn code(&self) -> &PaperCode {
        &self.code
    }

    /// Until when it can be used.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        self.expires_at
    }

    /// Keeps its hash in the transaction of the act that issues it; earlier unused ones end.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Conflict`].
    pub async fn keep(
        &self,
        tx: &mut Tx,
        terminal_id: &str,
        issued_by: &str,
    ) -> Result<(), StoreError> {
        let kept = enrolment_code::NewCode {
            code_hash: &self.code.hash(),
            terminal_id,
            tries: self.tries,
            person_id: issued_by,
            created_at: self.created_at,
            expires_at: self.expires_at,
            needs_approval: self.needs_approval,
        };
        enrolment_code::issue(tx, kept).await?;
        if let Some(sealed) = &self.sealed {
            cmp_secret::keep(tx, sealed, terminal_id, self.expires_at).await?;
        }
        Ok(())
    }

    /// Makes it the code of a new PC, in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Conflict`].
    pub async fn replaces_pc(
        &self,
        tx: &mut Tx,
        terminal_id: &str,
        person_id: &str,
    ) -> Result<(), StoreError> {
        replacement::begin(tx, terminal_id, &self.code.hash(), person_id, self.created_at).await
    }
}

/// Where the terminal stands now, and why it gets no code, if it gets none.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn standing(
    queries: &mut impl Queries,
    terminal: &Terminal,
) -> Result<(Option<TerminalStatus>, Option<NoCode>), StoreError> {
    let standing = terminal::find(queries, &terminal.id).await?.map(|found| found.status);
    let active = organisation::is_active(queries, &terminal.organisation_id).await?;
    let refusal = match (standing, active) {
        (None | Some(TerminalStatus::Revoked), _) => Some(NoCode::Revoked),
        // A suspended facility's terminals are on hold, too: what it says is the cause.
        (_, false) => Some(NoCode::FacilityNotActive),
        // The enrolment would be refused; nobody is to be sent to the device for that.
        (Some(TerminalStatus::Held), true) => Some(NoCode::Held),
        (
            Some(
                TerminalStatus::Created
                | TerminalStatus::Enrolled
                | TerminalStatus::CertificateRevoked,
            ),
            true,
        ) => None,
    };
    Ok((standing, refusal))
}

/// Why a terminal gets no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoCode {
    /// It was taken back, for ever.
    #[error("it was revoked, for ever; enter a new one")]
    Revoked,
    /// Its facility is suspended, closed or not activated.
    #[error("its facility is not active; see its page in the register")]
    FacilityNotActive,
    /// It is on hold, or its certificate is.
    #[error("it is on hold; release it first (`sekisho help revoke`)")]
    Held,
}

impl NoCode {
    /// As in the audit trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "terminal_revoked",
            Self::FacilityNotActive => "facility_not_active",
            Self::Held => "terminal_held",
        }
    }
}
