//! What an operator does beside it: terminals and keys taken back, held and released, by
//! `sekisho revoke`, which is killed with the server.
//!
//! A terminal gets one course in its life, so that what must be true of it afterwards is known.

use std::{path::PathBuf, process::Stdio, sync::Arc};

use sekisho::demo::process;
use sekisho_pki::encoding::{key_identifier::fingerprint, serial::Serial};
use sekisho_store::revocation::Status;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
};

use super::{
    dice::Dice,
    work::{Answered, Ledger},
};

/// The command and the instance that it acts on.
#[derive(Debug, Clone)]
pub struct Operator {
    program: PathBuf,
    instance: PathBuf,
}

/// What is done to a terminal, one command after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    RevokeCertificate,
    RevokeTerminal,
    RevokeKey,
    Hold,
    HoldAndRelease,
    HoldAndRevoke,
}

impl Course {
    fn drawn(dice: &mut Dice) -> Self {
        match dice.below(6) {
            0 => Self::RevokeCertificate,
            1 => Self::RevokeTerminal,
            2 => Self::RevokeKey,
            3 => Self::Hold,
            4 => Self::HoldAndRelease,
            _ => Self::HoldAndRevoke,
        }
    }
}

/// What may be true of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It counts.
    Good,
    /// It is on hold.
    Held,
    /// It was taken back for ever.
    Revoked,
}

impl Standing {
    /// As the register has it.
    #[must_use]
    pub fn of(status: Status) -> Self {
        match status {
            Status::Good => Self::Good,
            held if held.is_hold() => Self::Held,
            Status::Revoked { .. } => Self::Revoked,
        }
    }
}

/// What callers know of a certificate: one of these is true of it, and no other.
#[derive(Debug, Clone)]
pub struct Known {
    /// The certificate.
    pub der: Vec<u8>,
    /// What was answered last, and what an unanswered command may have made of it.
    pub standings: Vec<Standing>,
}

impl Operator {
    /// Who acts on this instance.
    ///
    /// # Errors
    /// When the program is not built.
    pub fn new(instance: PathBuf) -> anyhow::Result<Self> {
        Ok(Self { program: process::sibling("sekisho")?, instance })
    }

    /// Acts on one terminal after the other until it is stopped, and is killed then.
    pub async fn act(self, ledger: Arc<Ledger>, mut dice: Dice, stop: CancellationToken) {
        while let Some(answered) = ledger.choose_for_course(&mut dice) {
            let course = Course::drawn(&mut dice);
            tokio::select! {
                () = self.take(&ledger, &answered, course) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn take(&self, ledger: &Ledger, answered: &Answered, course: Course) {
        use Standing::{Good, Held, Revoked};
        let steps: &[(&[&str], Standing)] = match course {
            Course::RevokeCertificate | Course::RevokeTerminal => {
                &[(&["--reason", "superseded"], Revoked)]
            }
            Course::RevokeKey => &[(&[], Revoked)],
            Course::Hold => &[(&["--hold"], Held)],
            Course::HoldAndRelease => &[(&["--hold"], Held), (&["--release"], Good)],
            Course::HoldAndRevoke => {
                &[(&["--hold"], Held), (&["--reason", "key-compromise"], Revoked)]
            }
        };
        let Ok(target) = target(answered, course) else { return };
        let mut standing = Good;
        for (measure, next) in steps {
            // Nobody knows, until it is answered.
            ledger.know(&answered.der, vec![standing, *next]);
            let mut revoke = Command::new(&self.program);
            revoke.args(["revoke", target.0]).arg(&self.instance).args(&target.1).args(*measure);
            revoke.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let ended = revoke.kill_on_drop(true).status().await;
            if !ended.is_ok_and(|status| status.success()) {
                return;
            }
            standing = *next;
            ledger.know(&answered.der, vec![standing]);
            ledger.count_act();
        }
    }
}

/// Sub-command and what names the target.
fn target(answered: &Answered, course: Course) -> anyhow::Result<(&'static str, Vec<String>)> {
    let certificate = Certificate::from_der(&answered.der)?;
    Ok(match course {
        Course::RevokeCertificate => {
            let serial = Serial::from_x509(certificate.tbs_certificate().serial_number())?;
            ("certificate", vec!["--serial".to_owned(), hex::encode(serial.as_octets())])
        }
        Course::RevokeKey => {
            let key = certificate.tbs_certificate().subject_public_key_info().to_der()?;
            ("key", vec!["--sha256".to_owned(), hex::encode(fingerprint(&key))])
        }
        _ => ("terminal", vec![answered.terminal_id.clone()]),
    })
}
