//! The CRL is found at one plain HTTP address, the issuer's, in the partition that the serial number
//! falls into (RFC 5280 §4.2.1.13, §8).

use x509_cert::ext::pkix::{
    CrlDistributionPoints,
    name::{DistributionPointName, GeneralName},
};

use super::{Subject, Verdict, ensure, extension};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let found = extension::<CrlDistributionPoints>(subject)?.map(|(_, points)| points.0);
    let expected = subject.context.approved.profile.crl_distribution_point();
    let Some(points) = found else {
        return ensure(!expected, || "missing".to_owned());
    };
    ensure(expected, || "the profile has none".to_owned())?;
    let [point] = points.as_slice() else {
        return Err("not exactly one".to_owned());
    };
    ensure(point.reasons.is_none() && point.crl_issuer.is_none(), || {
        "partitioned or indirect".to_owned()
    })?;
    let url = match &point.distribution_point {
        Some(DistributionPointName::FullName(names)) => match names.as_slice() {
            [GeneralName::UniformResourceIdentifier(url)] => url.as_str(),
            _ => return Err("not exactly one address".to_owned()),
        },
        _ => return Err("not a full name".to_owned()),
    };
    let publication = subject.context.issuer.publication.crl_url_of(subject.context.serial);
    ensure(url == publication && is_plain_http(url), || {
        format!("{url} is not the issuer's plain HTTP address {publication}")
    })
}

/// `http`, a host, printable ASCII.
pub(super) fn is_plain_http(url: &str) -> bool {
    url.strip_prefix("http://").is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && rest.bytes().all(|byte| byte.is_ascii_graphic())
    })
}

#[cfg(test)]
mod tests {
    use der::asn1::Ia5String;
    use x509_cert::ext::pkix::{
        CrlDistributionPoints,
        crl::dp::DistributionPoint,
        name::{DistributionPointName, GeneralName},
    };

    use crate::{lint::examples::Example, revocation::CrlPartitions};

    #[test]
    fn a_missing_address_is_refused() {
        Example::new("terminal").refuses("crl_distribution", |tbs| {
            Example::remove::<CrlDistributionPoints>(tbs);
        });
    }

    #[test]
    fn another_partition_than_the_serial_numbers_is_refused() {
        let mut example = Example::new("terminal");
        example.publication.crl_partitions = CrlPartitions::new(128);
        example.passes();
        example.refuses("crl_distribution", |tbs| {
            let url = Ia5String::new("http://plain.example/crl/terminals.crl").unwrap();
            let name = GeneralName::UniformResourceIdentifier(url);
            let point = DistributionPoint {
                distribution_point: Some(DistributionPointName::FullName(vec![name])),
                reasons: None,
                crl_issuer: None,
            };
            Example::replace(tbs, &CrlDistributionPoints(vec![point]));
        });
    }

    #[test]
    fn an_https_or_empty_address_is_refused() {
        for url in ["https://plain.example/c.crl", "http://", "http:///x", "ldap://x", "http://a b"]
        {
            let mut example = Example::new("terminal");
            example.publication.crl_url = url.to_owned();
            example.refuses("crl_distribution", |_| ());
        }
    }
}
