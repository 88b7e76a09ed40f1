//! A request by a code that needs a person's approval: it waits until somebody has seen its key
//! (decision 0042).
//!
//! Nothing is issued when a person approves: the device asks again, and goes the way of any code. What
//! registration would refuse is refused at once, for nobody is to approve what cannot be issued.

use sekisho_ca::request::VerifiedRequest;
use sekisho_store::{
    StoreError, Tx,
    audit::Audited,
    enrolment_code::{self, Holder},
    waiting_enrolment::{self, Parked, Poll, Request},
};

use super::{Came, Decision, Enrolment, Protocol};
use crate::{
    enrol::{
        notice,
        registration::{self, ApprovalError},
    },
    sealing::{SealingError, SealingKey},
};

impl Protocol<'_> {
    /// As kept.
    pub(in crate::enrol) const SCEP: &'static str = "scep";
    /// As kept.
    pub(in crate::enrol) const CMP: &'static str = "cmp";

    const fn as_str(&self) -> &'static str {
        match self {
            Self::Est => "est",
            Self::Scep { .. } => Self::SCEP,
            Self::Cmp { .. } => Self::CMP,
        }
    }

    const fn transaction_id(&self) -> Option<&str> {
        match self {
            Self::Est => None,
            Self::Scep { transaction_id, .. } | Self::Cmp { transaction_id, .. } => {
                Some(transaction_id)
            }
        }
    }
}

/// To what a kept request is bound: it opens for the device of its code alone.
fn purpose(code_hash: &[u8; 32]) -> Vec<u8> {
    [b"waiting enrolment ".as_slice(), code_hash].concat()
}

/// A request as it was kept, DER.
///
/// # Errors
/// [`SealingError::Sealed`].
pub(in crate::enrol) fn open_request(
    sealing: &SealingKey,
    polled: &waiting_enrolment::Polled,
) -> Result<zeroize::Zeroizing<Vec<u8>>, SealingError> {
    sealing.open(&purpose(&polled.code_hash), &polled.sealed_request)
}

impl Enrolment<'_> {
    pub(super) fn to_wait(&self) -> Came {
        Came::Waits(self.app.config().enrolment().poll_interval_secs())
    }

    /// Whether this very request waits and nothing else stands against it: then nothing is written, however
    /// often it is asked.
    pub(super) async fn waits(&self) -> Result<bool, StoreError> {
        let mut reader = self.app.store().read();
        let transaction_id = self.protocol.transaction_id();
        if !waiting_enrolment::waits(&mut reader, self.attempt(), transaction_id).await? {
            return Ok(false);
        }
        let unused = enrolment_code::unused(&mut reader, self.attempt()).await?;
        Ok(unused.is_some_and(|unused| {
            unused.device == self.device && !unused.terminal_revoked && unused.facility_active
        }))
    }

    /// Lets the request wait, unless another key came before it or registration refuses it.
    pub(super) async fn park(
        &self,
        tx: &mut Tx,
        holder: Holder,
        request: &VerifiedRequest,
    ) -> Result<Audited<Decision>, ApprovalError> {
        let certified = self.certified(tx).await?;
        let asked =
            registration::ask(tx, request, &holder.terminal_id, "code", &certified, self.at).await;
        match asked {
            Ok(_) => {}
            Err(ApprovalError::Refused(rule)) => {
                let entry =
                    self.refused("registration", Some(&holder)).fact("rule", rule.to_string());
                return Ok(Audited::new(Decision::Refuse(rule.into()), entry));
            }
            Err(error) => return Err(error),
        }
        let sealed = match self.protocol {
            Protocol::Est => None,
            Protocol::Scep { request_der, .. } | Protocol::Cmp { request_der, .. } => {
                Some(self.app.keys().sealing.seal(
                    self.app.random(),
                    &purpose(&self.code_hash),
                    request_der,
                )?)
            }
        };
        let poll = self.protocol.transaction_id().zip(sealed.as_deref());
        let config = self.app.config().enrolment();
        let (key_kind, address) = (request.kind().to_string(), self.peer.addr.ip().to_string());
        let waiting = Request {
            attempt: self.attempt(),
            key_kind: &key_kind,
            door: self.protocol.as_str(),
            poll: poll
                .map(|(transaction_id, sealed_request)| Poll { transaction_id, sealed_request }),
            address: &address,
            until: self.at + config.approval_time(),
        };
        match waiting_enrolment::park(tx, waiting).await? {
            Parked::OtherKey { first } => return self.other_key(tx, &holder, first).await,
            Parked::First => notice::awaits_approval(tx, &holder, self.at).await?,
            Parked::Again => {}
        }
        Ok(Audited::new(Decision::Wait, self.done("terminal.await_approval", &holder)))
    }
}
