//! The certificate is no longer than the profile allows: IKE_AUTH and card readers pay by the
//! octet (certificate policy §7.1).

use super::{Subject, Verdict, ensure};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let octets = subject.certificate_der.len();
    let most = subject.context.approved.profile.most_octets();
    ensure(octets <= most, || {
        format!("{octets} octets, at most {most}: shorten the published addresses")
    })
}

#[cfg(test)]
mod tests {
    use crate::lint::examples::Example;

    #[test]
    fn a_long_address_is_refused() {
        let mut example = Example::new("terminal");
        example.publication.crl_url = format!("http://plain.example/{}", "x".repeat(1500));
        example.refuses("size", |_| ());
    }
}
