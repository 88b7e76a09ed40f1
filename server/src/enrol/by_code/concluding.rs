//! The end of an enrolment: the certificate is tied to its code, and older ones of the device are taken back.

use sekisho_ca::record::IssuedCertificate;
use sekisho_store::{
    StoreError, Tx,
    audit::Audited,
    certificate,
    enrolment_code::{self, Claim, ClaimPolicy, CodeRefusal, Holder},
    replacement::{self, CodeIsFor},
    revocation::{self, SUPERSEDED, Status},
    session, terminal, transaction,
};
use time::Duration;

use super::{Enrolment, ISSUANCE_LIMIT};
use crate::{enrol::refusal, error::est::EstError};

/// Whose certificate a code is tied to.
pub(super) enum Tied {
    /// To the one at hand.
    Mine,
    /// To that of another process, which took the claim up and was faster.
    Theirs(Vec<u8>),
    /// To one that was taken back since, or to none any more.
    Nobodys,
}

impl Enrolment<'_> {
    /// Ties the certificate to the code and answers the one that counts.
    pub(super) async fn fulfil(&self, issued: &IssuedCertificate) -> Result<Vec<u8>, EstError> {
        let (issuer_id, serial) = (issued.issuer_id.as_str(), issued.serial.as_octets());
        transaction!(self.app.store(), StoreError, |tx| {
            let missing = || StoreError::Corrupt {
                what: "enrolment",
                detail: "terminal or certificate is no longer there".to_owned(),
            };
            let terminal = terminal::find(tx, &self.terminal_id).await?.ok_or_else(missing)?;
            let holder = Holder {
                terminal_id: terminal.id,
                terminal_name: terminal.name,
                organisation_id: terminal.organisation_id,
            };
            let mine = certificate::find(tx, issuer_id, serial).await?.ok_or_else(missing)?;
            // Revoked between claim and signature: what was signed must not count either.
            if terminal.status == terminal::TerminalStatus::Revoked {
                revocation::revoke(tx, issuer_id, serial, SUPERSEDED, self.at).await?;
                let entry = self.refused("terminal_revoked", Some(&holder));
                return Ok(Audited::new(Err(refusal::code(CodeRefusal::TerminalRevoked)), entry));
            }
            if terminal.status == terminal::TerminalStatus::Held {
                revocation::revoke(tx, issuer_id, serial, SUPERSEDED, self.at).await?;
                let entry = self.refused("terminal_held", Some(&holder));
                return Ok(Audited::new(Err(refusal::code(CodeRefusal::TerminalHeld)), entry));
            }
            // A newer enrolment of the terminal was concluded between, and took this one back.
            if matches!(mine.status, Status::Revoked { .. }) {
                let entry = self.refused("taken_back", Some(&holder));
                return Ok(Audited::new(Err(refusal::taken_back()), entry));
            }
            let der = match self.tie(tx, issuer_id, serial, &holder).await? {
                Tied::Mine => mine.der,
                Tied::Theirs(der) => der,
                Tied::Nobodys => {
                    let entry = self.refused("taken_back", Some(&holder));
                    return Ok(Audited::new(Err(refusal::taken_back()), entry));
                }
            };
            let entry = self
                .done(super::ACT, &holder)
                .on("certificate", format!("{issuer_id}:{}", hex::encode(serial)));
            Ok(Audited::new(Ok(der), entry))
        })?
    }

    /// Notes the certificate at the code and takes the terminal's other certificates and what
    /// hangs on them back: a PC has one key. Those of a PC that is to be replaced stay until
    /// somebody has logged in at the new one.
    pub(super) async fn tie(
        &self,
        tx: &mut Tx,
        issuer_id: &str,
        serial: &[u8],
        holder: &Holder,
    ) -> Result<Tied, StoreError> {
        if !enrolment_code::fulfil(tx, &self.code_hash, issuer_id, serial).await? {
            let policy =
                ClaimPolicy { same_key_grace: Duration::DAY, issuance_limit: ISSUANCE_LIMIT };
            let tied = match enrolment_code::claim(tx, self.attempt(), policy).await? {
                Claim::Issued(_, theirs) if theirs.serial == serial => return Ok(Tied::Mine),
                Claim::Issued(_, theirs) => Tied::Theirs(theirs.der),
                _ => Tied::Nobodys,
            };
            revocation::revoke(tx, issuer_id, serial, SUPERSEDED, self.at).await?;
            return Ok(tied);
        }
        match replacement::code_is_for(tx, &self.code_hash).await? {
            CodeIsFor::Terminal => {
                replacement::cancel(tx, &holder.terminal_id, None, self.at).await?;
            }
            CodeIsFor::NewPc => {
                let certificate = (issuer_id, serial);
                replacement::enrolled(tx, &self.code_hash, certificate, self.at).await?;
                terminal::note_certificate(tx, &holder.terminal_id, false, self.at).await?;
                return Ok(Tied::Mine);
            }
            // Called off between claim and signature.
            CodeIsFor::NoPc => {
                revocation::revoke(tx, issuer_id, serial, SUPERSEDED, self.at).await?;
                return Ok(Tied::Nobodys);
            }
        }
        let mut replaced = false;
        for other in certificate::of_terminal(tx, &holder.terminal_id).await? {
            if other.serial != serial && other.status == Status::Good {
                replaced |=
                    revocation::revoke(tx, &other.issuer_id, &other.serial, SUPERSEDED, self.at)
                        .await?;
            }
        }
        if replaced {
            let id = &holder.terminal_id;
            session::end_of_terminal(tx, id, "terminal_enrolled_anew", self.at).await?;
        }
        terminal::note_certificate(tx, &holder.terminal_id, false, self.at).await?;
        Ok(Tied::Mine)
    }
}
