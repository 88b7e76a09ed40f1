//! OCSP and the issuer's certificate are found where the profile and the issuer say, by plain HTTP
//! (RFC 5280 §4.2.2.1).

use const_oid::db::rfc5280;
use x509_cert::ext::pkix::{AuthorityInfoAccessSyntax, name::GeneralName};

use super::{Subject, Verdict, crl_distribution::is_plain_http, ensure, extension};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let profile = &subject.context.approved.profile;
    let publication = subject.context.issuer.publication;
    let mut expected = Vec::new();
    if profile.ocsp_access()
        && let Some(url) = &publication.ocsp_url
    {
        expected.push((rfc5280::ID_AD_OCSP, url.as_str()));
    }
    if profile.ca_issuers_access() {
        expected.push((rfc5280::ID_AD_CA_ISSUERS, publication.ca_issuers_url.as_str()));
    }
    let found = extension::<AuthorityInfoAccessSyntax>(subject)?
        .map(|(_, access)| access.0)
        .unwrap_or_default();
    ensure(found.len() == expected.len(), || {
        format!("{} places instead of {}", found.len(), expected.len())
    })?;
    for (found, (method, url)) in found.iter().zip(expected) {
        let fits = found.access_method == method
            && matches!(
                &found.access_location,
                GeneralName::UniformResourceIdentifier(found) if found.as_str() == url
            );
        ensure(fits && is_plain_http(url), || {
            format!("not the plain HTTP address {url} for {method}")
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use x509_cert::ext::pkix::AuthorityInfoAccessSyntax;

    use crate::lint::examples::Example;

    #[test]
    fn a_missing_or_secured_address_is_refused() {
        Example::new("terminal").refuses("authority_access", |tbs| {
            Example::remove::<AuthorityInfoAccessSyntax>(tbs);
        });
        let mut example = Example::new("terminal");
        example.publication.ocsp_url = Some("https://plain.example/ocsp".to_owned());
        example.refuses("authority_access", |_| ());
    }
}
