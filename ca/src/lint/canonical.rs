//! The octets are DER: reading and writing them again changes nothing (RFC 5280 §4.1).

use der::Encode;

use super::{Subject, Verdict, ensure};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let again =
        subject.certificate.tbs_certificate().to_der().map_err(|error| error.to_string())?;
    ensure(again == subject.tbs_der, || "the octets are not in canonical form".to_owned())
}

#[cfg(test)]
mod tests {
    use crate::lint::examples::Example;

    #[test]
    fn the_good_example_is_canonical() {
        Example::new("terminal").passes();
    }

    #[test]
    fn a_date_before_2050_in_generalized_time_is_refused() {
        use der::asn1::GeneralizedTime;
        use x509_cert::time::Time;
        let example = Example::new("terminal");
        let tbs = example.tbs();
        let long = Time::GeneralTime(GeneralizedTime::from_date_time(
            tbs.validity.not_after.to_date_time(),
        ));
        // The type normalises on writing, so the octets are changed by hand.
        let utc = der::Encode::to_der(&tbs.validity.not_after).unwrap();
        let general = der::Encode::to_der(
            &GeneralizedTime::from_unix_duration(long.to_unix_duration()).unwrap(),
        )
        .unwrap();
        let mut octets = example.tbs_der();
        let at = octets.windows(utc.len()).position(|window| window == utc).unwrap();
        octets.splice(at..at + utc.len(), general);
        // Validity's own length, two octets longer: it stands just before notBefore.
        let not_before = utc.len();
        octets[at - not_before - 1] += 2;
        // TBSCertificate's length, in two octets.
        let length = u16::from_be_bytes([octets[2], octets[3]]) + 2;
        octets[2..4].copy_from_slice(&length.to_be_bytes());
        example.refuses_octets("canonical", octets);
    }
}
