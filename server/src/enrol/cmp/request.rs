//! ir, cr, p10cr and kur (RFC 9810 §5.3.1 to §5.3.5): a certificate by code, or by the present certificate.

use sekisho_ca::request::{UnverifiedRequest, VerifiedRequest, crmf};
use sekisho_pki::cmp::{BodyKind, FailInfo, crmf::CertReqMsg};

use sekisho_store::cmp_transaction::CmpTransaction;

use super::{
    answer::{Asked, Told},
    prove::Asker,
    refusal::{Refusal, Trouble},
    transaction,
};
use crate::enrol::{by_certificate, by_code, refusal as common};

/// certReqId of an answer to p10cr (RFC 9810 §5.3.4).
pub(super) const OF_P10CR: i32 = -1;

/// The certificate for the key of the request in it.
pub(super) async fn certificate(asked: &Asked<'_>, asker: &Asker) -> Result<Told, Trouble> {
    let (cert_req_id, request) = proven(asked, asker)?;
    let is_implicit = asked.message.header.is_confirmed_implicitly();
    let spki_sha256 = request.public_key_sha256();
    let terminal_id = asker.terminal_id();
    if let transaction::Before::Answered(answer) = transaction::before(asked, terminal_id).await? {
        return Ok(Told::Again(answer));
    }
    let begun = transaction::begin(asked, asker, Some(spki_sha256), !is_implicit).await?;
    issue(asked, asker, (cert_req_id, &request), begun).await
}

/// The same, of a message that came before and waited.
pub(super) async fn again(
    asked: &Asked<'_>,
    asker: &Asker,
    begun: CmpTransaction,
) -> Result<Told, Trouble> {
    let (cert_req_id, request) = proven(asked, asker)?;
    issue(asked, asker, (cert_req_id, &request), begun).await
}

async fn issue(
    asked: &Asked<'_>,
    asker: &Asker,
    (cert_req_id, request): (i32, &VerifiedRequest),
    begun: CmpTransaction,
) -> Result<Told, Trouble> {
    let came = match ask(asked, asker, request).await {
        Err(refused @ Trouble::Refused(_)) => {
            transaction::end_refused(asked, &begun).await?;
            return Err(refused);
        }
        came => came?,
    };
    let is_implicit = asked.message.header.is_confirmed_implicitly();
    let spki_sha256 = request.public_key_sha256();
    let (of, begun) = (asked.message.kind, Box::new(begun));
    Ok(match came {
        by_code::Came::Certificate(der) => {
            Told::Certificate { der, of, cert_req_id, begun, is_implicit }
        }
        by_code::Came::Waits(seconds) => {
            let text = common::waits(&spki_sha256, seconds).text;
            Told::Waits { of, cert_req_id, seconds, text }
        }
    })
}

/// What the common roads say.
async fn ask(
    asked: &Asked<'_>,
    asker: &Asker,
    request: &VerifiedRequest,
) -> Result<by_code::Came, Trouble> {
    let (spki_sha256, terminal_id) = (request.public_key_sha256(), asker.terminal_id());
    let (app, peer, device) = (asked.app, asked.peer, asked.device);
    Ok(match asker {
        Asker::Code { code_hash, .. } => {
            let enrolment = by_code::Enrolment {
                app,
                peer,
                device,
                terminal_id: terminal_id.to_owned(),
                code_hash: *code_hash,
                spki_sha256,
                at: asked.at,
                facts: &asked.facts,
                protocol: by_code::Protocol::Cmp {
                    transaction_id: &hex::encode(&asked.transaction_id),
                    request_der: asked.octets,
                },
            };
            enrolment.run(request).await?
        }
        Asker::Holder(holder) => {
            let renewed =
                by_certificate::renew(app, device, peer, holder, request, &asked.facts).await?;
            by_code::Came::Certificate(renewed)
        }
    })
}

/// The request, signed by the key that it asks to certify.
fn proven(asked: &Asked<'_>, asker: &Asker) -> Result<(i32, VerifiedRequest), Trouble> {
    let content = asked.message.content;
    if asked.message.kind == BodyKind::P10cr {
        let request = UnverifiedRequest::parse(content).and_then(UnverifiedRequest::verify);
        return Ok((OF_P10CR, request.map_err(crmf::CrmfError::from)?));
    }
    let read = CertReqMsg::parse(content)?;
    if let (Asker::Holder(holder), Some(named)) = (asker, read.old_certificate()?)
        && named != holder.serial
    {
        return Err(Refusal::new(
            FailInfo::BadCertId,
            "cmp_old_certificate",
            "CMP: the certificate to be updated (oldCertId) is not the one that signed the message; renew \
             with the present certificate of this device",
        )
        .into());
    }
    Ok((read.request.cert_req_id, crmf::verify(&read)?))
}
