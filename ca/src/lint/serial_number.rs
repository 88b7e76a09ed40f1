//! The serial number is the reserved one: positive, 16 octets (RFC 5280 §4.1.2.2; certificate
//! policy §7.1).

use sekisho_pki::encoding::serial::Serial;

use super::{Subject, Verdict, ensure};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let serial = Serial::from_x509(subject.certificate.tbs_certificate().serial_number())
        .map_err(|error| error.to_string())?;
    ensure(serial == *subject.context.serial, || {
        format!("{serial} is not the reserved {}", subject.context.serial)
    })?;
    ensure(serial.as_octets().len() == 16, || {
        format!("{} octets instead of 16", serial.as_octets().len())
    })
}

#[cfg(test)]
mod tests {
    use x509_cert::serial_number::SerialNumber;

    use crate::lint::examples::Example;

    #[test]
    fn another_or_a_short_number_is_refused() {
        for octets in [&[0x4b; 16][..], &[1], &[0]] {
            Example::new("terminal").refuses("serial_number", |tbs| {
                tbs.serial_number = SerialNumber::new(octets).unwrap();
            });
        }
    }
}
