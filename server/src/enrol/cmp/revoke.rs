//! rr (RFC 9810 §5.3.9): a device takes its own certificates back.

use der::{Decode, asn1::OctetStringRef};
use sekisho_ca::revocation::RevocationReason;
use sekisho_pki::{
    cmp::{
        FailInfo,
        body::{self, RevDetails},
    },
    encoding::{name, serial::Serial},
};
use sekisho_store::{audit::Entry, certificate, terminal::Device};
use x509_cert::ext::pkix::CrlReason;

use super::{
    answer::{Asked, Told},
    prove::Asker,
    refusal::{Refusal, Trouble, unsupported},
    transaction,
};
use crate::{
    authority::Line,
    enrol::with_facts,
    error::est::EstError,
    revocation::{self, Measure, Order, RevocationError, Target},
};

/// rp, once the certificate is revoked.
pub(super) async fn answer(asked: &Asked<'_>, asker: &Asker) -> Result<Told, Trouble> {
    // A code opens the door for a certificate; it ends none.
    let Asker::Holder(holder) = asker else { return Err(unsupported("rr").into()) };
    let details = body::revocation(asked.message.content)?;
    let reason = reason(&details)?;
    let (issuer_id, serial) = own(asked, &holder.terminal_id, &details).await?;
    // A new PC at which nobody has logged in is not the terminal's yet: the other one's is not its to end.
    let its_own = (&issuer_id, &serial) == (&holder.issuer_id, &holder.serial);
    if holder.of_new_pc && !its_own {
        return Err(unknown().into());
    }
    let begun = transaction::begin(asked, asker, None, false).await?;
    let order = Order {
        target: Target::Certificate { issuer_id, serial },
        measure: Measure::Revoke(reason),
        invalidity_at: None,
        note: "CMP".to_owned(),
        actor: holder.actor(),
        at: asked.at,
    };
    let complete = |entry: Entry| {
        let entry = holder.place(entry, asked.peer).on("terminal", &holder.terminal_id);
        with_facts(entry, &asked.facts)
    };
    match revocation::carry_out_recorded(asked.app.store(), &order, complete).await {
        Ok(_) => Ok(Told::Revoked(Box::new(begun))),
        Err(RevocationError::Store(error)) => Err(error.into()),
        Err(error) => Err(EstError::internal(&error).into()),
    }
}

fn unknown() -> Refusal {
    Refusal::new(
        FailInfo::BadCertId,
        "cmp_certificate_unknown",
        "CMP: no certificate of this device has that issuer and serial number; name one of its own \
         (openssl cmp: -oldcert)",
    )
}

/// The certificate that is named, where it is one of this device's and in force.
async fn own(
    asked: &Asked<'_>,
    terminal_id: &str,
    details: &RevDetails,
) -> Result<(String, Vec<u8>), Trouble> {
    let template = &details.cert_details;
    let (Some(issuer), Some(serial)) = (&template.issuer, &template.serial_number) else {
        return Err(unknown().into());
    };
    let serial = Serial::from_x509(serial).map_err(|_| unknown())?;
    let line = match asked.device {
        Device::Pc => Line::Terminals,
        Device::Router => Line::Routers,
    };
    let mut authorities = asked.app.authority().of(line);
    let authority = authorities.find(|authority| name::same(authority.subject(), issuer));
    let issuer_id = authority.ok_or_else(unknown)?.id();
    let mut reader = asked.app.store().read();
    let found = certificate::find(&mut reader, issuer_id, serial.as_octets()).await?;
    let found = found
        .filter(|found| found.terminal_id.as_deref() == Some(terminal_id))
        .ok_or_else(unknown)?;
    if found.status.is_final() {
        return Err(Refusal::new(
            FailInfo::CertRevoked,
            "cmp_revoked_before",
            "CMP: the certificate was revoked before; nothing was changed",
        )
        .into());
    }
    Ok((found.issuer_id, found.serial))
}

/// reasonCode of crlEntryDetails (RFC 9483 §4.2).
fn reason(details: &RevDetails) -> Result<RevocationReason, Refusal> {
    let mut given = details.crl_entry_details.iter().flatten();
    let Some(extension) =
        given.find(|one| one.extn_id == const_oid::db::rfc5912::ID_CE_CRL_REASONS)
    else {
        return Ok(RevocationReason::Unspecified);
    };
    let octets: &OctetStringRef = (&extension.extn_value).into();
    match CrlReason::from_der(octets.as_bytes()) {
        Ok(CrlReason::Unspecified) => Ok(RevocationReason::Unspecified),
        Ok(CrlReason::KeyCompromise) => Ok(RevocationReason::KeyCompromise),
        Ok(CrlReason::AffiliationChanged) => Ok(RevocationReason::AffiliationChanged),
        Ok(CrlReason::Superseded) => Ok(RevocationReason::Superseded),
        Ok(CrlReason::CessationOfOperation) => Ok(RevocationReason::CessationOfOperation),
        Ok(_) | Err(_) => Err(Refusal::new(
            FailInfo::BadRequest,
            "cmp_reason",
            "CMP: a device's certificate is taken back for reason 0, 1, 3, 4 or 5 (RFC 5280 section 5.3.1)",
        )),
    }
}
