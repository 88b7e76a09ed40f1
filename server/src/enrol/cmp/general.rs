//! genm (RFC 9810 §5.3.19, RFC 9483 §4.3): authorities, the list of the device's authority, and what a request
//! is to hold. What is asked besides is left out of the answer.

use der::{Any, Decode};
use sekisho_pki::cmp::{
    InfoTypeAndValue,
    body::{
        CA_CERTS, CERT_REQ_TEMPLATE, CRL_STATUS_LIST, CRLS, ROOT_CA_CERT, ROOT_CA_KEY_UPDATE,
        questions,
    },
    crmf::CertTemplate,
};
use sekisho_store::terminal::Device;

use super::{
    answer::{Asked, Told},
    refusal::Trouble,
};
use crate::{authority::Line, repository};

/// Longest list that goes into a message; it is published at its address whatever its length.
const MOST_LIST_OCTETS: usize = 4 * 1024 * 1024;

/// genp.
pub(super) async fn answer(asked: &Asked<'_>) -> Result<Told, Trouble> {
    let mut all = Vec::new();
    for question in questions(asked.message.content)? {
        let answer = match question.info_type {
            CA_CERTS => Some((CA_CERTS, Some(authorities(asked)?))),
            // The next root is told with the others: nothing beyond that is known of it here.
            ROOT_CA_CERT => Some((ROOT_CA_KEY_UPDATE, None)),
            CERT_REQ_TEMPLATE => Some((CERT_REQ_TEMPLATE, Some(template()?))),
            CRL_STATUS_LIST => list(asked).await?.map(|list| (CRLS, Some(list))),
            _ => None,
        };
        all.extend(answer.map(|(info_type, value)| InfoTypeAndValue { info_type, value }));
    }
    Ok(Told::Answers(all))
}

fn line(device: Device) -> Line {
    match device {
        Device::Pc => Line::Terminals,
        Device::Router => Line::Routers,
    }
}

/// The authorities of the device's kind and the roots.
fn authorities(asked: &Asked<'_>) -> Result<Any, der::Error> {
    let authority = asked.app.authority();
    let roots = authority.roots();
    let issuers = authority.of(line(asked.device));
    let issuers = issuers.filter(|issuer| roots.is_under(issuer.certificate()));
    let issuers = issuers.map(|issuer| issuer.certificate_der());
    let all = issuers.chain(roots.told(asked.at)).map(Any::from_der);
    Any::encode_from(&all.collect::<Result<Vec<_>, _>>()?)
}

/// An empty template: subject and names come from the register, whatever a request says.
fn template() -> Result<Any, der::Error> {
    #[derive(der::Sequence)]
    struct CertReqTemplateContent {
        template: CertTemplate,
    }
    Any::encode_from(&CertReqTemplateContent { template: CertTemplate::default() })
}

async fn list(asked: &Asked<'_>) -> Result<Option<Any>, Trouble> {
    let authority = asked.app.authority().current(line(asked.device), asked.at).id().to_owned();
    let list = repository::complete_list(asked.app, &authority, MOST_LIST_OCTETS).await?;
    let list = list.map(|list| Any::from_der(&list)).transpose()?;
    Ok(list.map(|list| Any::encode_from(&vec![list])).transpose()?)
}
