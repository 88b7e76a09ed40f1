//! What happened to a certificate. A status is derived from events; events are only added.

use sekisho_pki::encoding::serial::Serial;
use time::OffsetDateTime;
use x509_cert::ext::pkix::CrlReason;

/// Why a certificate was taken back (RFC 5280 §5.3.1), as far as we give such reasons.
///
/// cACompromise is for authorities only, aACompromise for attribute authorities, which we are not;
/// removeFromCRL is an event of its own, [`RevocationKind::Released`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// Nothing was said; written by leaving the extension out.
    Unspecified,
    /// Somebody else has or may have the private key.
    KeyCompromise,
    /// Somebody else has or may have the private key of an authority.
    CaCompromise,
    /// The facility changed its name or code.
    AffiliationChanged,
    /// Replaced by another.
    Superseded,
    /// The device or the facility is out of service.
    CessationOfOperation,
    /// Held, may be released.
    CertificateHold,
    /// Accreditation was withdrawn.
    PrivilegeWithdrawn,
}

impl RevocationReason {
    /// All, in the order of their codes.
    pub const ALL: [Self; 8] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::PrivilegeWithdrawn,
    ];

    /// The code of RFC 5280 §5.3.1.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::PrivilegeWithdrawn => 9,
        }
    }

    /// From the code; `None` for one that we do not give.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// As X.509 writes it; `None` for unspecified, which is left out (RFC 5280 §5.3.1).
    #[must_use]
    pub(crate) const fn x509(self) -> Option<CrlReason> {
        match self {
            Self::Unspecified => None,
            Self::KeyCompromise => Some(CrlReason::KeyCompromise),
            Self::CaCompromise => Some(CrlReason::CaCompromise),
            Self::AffiliationChanged => Some(CrlReason::AffiliationChanged),
            Self::Superseded => Some(CrlReason::Superseded),
            Self::CessationOfOperation => Some(CrlReason::CessationOfOperation),
            Self::CertificateHold => Some(CrlReason::CertificateHold),
            Self::PrivilegeWithdrawn => Some(CrlReason::PrivilegeWithdrawn),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationKind {
    /// Taken back for ever.
    Revoked,
    /// Taken back for now.
    Held,
    /// A hold ended.
    Released,
}

/// One event in a certificate's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationEvent {
    /// Which certificate of the issuer.
    pub serial: Serial,
    /// What.
    pub kind: RevocationKind,
    /// Why.
    pub reason: RevocationReason,
    /// When it took effect.
    pub at: OffsetDateTime,
}

/// Whether a certificate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateStatus {
    /// Issued and not taken back.
    Good,
    /// Taken back.
    Revoked {
        /// Since when.
        at: OffsetDateTime,
        /// Why.
        reason: RevocationReason,
    },
    /// Never issued.
    Unknown,
}

impl CertificateStatus {
    /// The status of an issued certificate after these events, in order of time.
    ///
    /// Once revoked, nothing brings it back; only a hold can end.
    #[must_use]
    pub fn after(events: &[RevocationEvent]) -> Self {
        let mut status = Self::Good;
        for event in events {
            let final_already = matches!(
                status,
                Self::Revoked { reason, .. } if reason != RevocationReason::CertificateHold
            );
            if final_already {
                continue;
            }
            status = match event.kind {
                RevocationKind::Revoked => {
                    // A revocation dates from the hold that preceded it: nothing signed in
                    // between counts (RFC 5280 §5.3.1 leaves the date to the issuer).
                    let at = match status {
                        Self::Revoked { at, .. } => at,
                        Self::Good | Self::Unknown => event.at,
                    };
                    // A hold is another kind of event: as a reason of a final revocation it would
                    // make it releasable.
                    let reason = match event.reason {
                        RevocationReason::CertificateHold => RevocationReason::Unspecified,
                        reason => reason,
                    };
                    Self::Revoked { at, reason }
                }
                RevocationKind::Held => match status {
                    Self::Revoked { .. } => status,
                    Self::Good | Self::Unknown => {
                        Self::Revoked { at: event.at, reason: RevocationReason::CertificateHold }
                    }
                },
                RevocationKind::Released => Self::Good,
            };
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: RevocationKind, reason: RevocationReason, secs: i64) -> RevocationEvent {
        RevocationEvent {
            serial: Serial::from_octets(&[1]).unwrap(),
            kind,
            reason,
            at: OffsetDateTime::from_unix_timestamp(secs).unwrap(),
        }
    }

    fn revoked(secs: i64, reason: RevocationReason) -> CertificateStatus {
        CertificateStatus::Revoked {
            at: OffsetDateTime::from_unix_timestamp(secs).unwrap(),
            reason,
        }
    }

    #[test]
    fn a_hold_ends_and_a_revocation_does_not() {
        use RevocationKind::{Held, Released, Revoked};
        use RevocationReason::{CertificateHold, KeyCompromise, Superseded};
        let hold = event(Held, CertificateHold, 1);
        let release = event(Released, CertificateHold, 2);
        let revoke = event(Revoked, KeyCompromise, 3);
        let again = event(Revoked, Superseded, 4);
        for (events, status) in [
            (vec![], CertificateStatus::Good),
            (vec![hold.clone()], revoked(1, CertificateHold)),
            (vec![hold.clone(), release.clone()], CertificateStatus::Good),
            (vec![hold, revoke.clone()], revoked(1, KeyCompromise)),
            (vec![revoke.clone(), release.clone()], revoked(3, KeyCompromise)),
            (vec![revoke, again], revoked(3, KeyCompromise)),
            (
                vec![event(Revoked, CertificateHold, 1), release],
                revoked(1, RevocationReason::Unspecified),
            ),
        ] {
            assert_eq!(CertificateStatus::after(&events), status, "{events:?}");
        }
    }

    #[test]
    fn codes_go_there_and_back() {
        for reason in RevocationReason::ALL {
            assert_eq!(RevocationReason::from_code(reason.code()), Some(reason));
            if let Some(x509) = reason.x509() {
                assert_eq!(x509 as u8, reason.code());
            }
        }
        for code in [7, 8, 10, 11] {
            assert_eq!(RevocationReason::from_code(code), None);
        }
    }
}
