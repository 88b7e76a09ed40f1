//! Neither the key nor the issuer's signature must last longer than its strength
//! (certificate policy §6.1.5: no RSA-2048 beyond 2030).

use sekisho_pki::{encoding::instant, signature::PublicKeyKind};

use super::{Subject, Verdict, ensure};
use crate::profile::StrengthLimits;

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let limits = StrengthLimits::shipped().map_err(|error| error.to_string())?;
    let validity = subject.certificate.tbs_certificate().validity();
    let not_after = instant::from_time(&validity.not_after);
    for (whose, spki_der) in [
        ("the key", subject.context.approved.public_key_der.as_slice()),
        ("the issuer's key", subject.context.issuer.public_key_der),
    ] {
        let kind = PublicKeyKind::of_der(spki_der)
            .ok_or_else(|| format!("{whose} is of a kind without a known strength"))?;
        let limit =
            limits.of(kind).ok_or_else(|| format!("{whose}, {kind:?}, is too weak at any time"))?;
        if let Some(until) = limit.until {
            ensure(not_after <= until, || {
                format!(
                    "{whose} has {} bits of strength, good until {until} ({}), but the \
                     certificate lasts until {not_after}",
                    limit.bits,
                    limits.source()
                )
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sekisho_key::{RsaSize, SigningKey, SoftwareKey};
    use time::{Duration, OffsetDateTime};

    use crate::{lint::examples::Example, profile::Profile};

    /// A router whose manual knows no more than RSA-2048.
    const OLD_ROUTER: &str =
        "name = 'router_old'\ninherits = 'router'\npublic_keys = ['rsa2048']\n";

    fn old_router(now: OffsetDateTime) -> Example {
        // The table is laid over the generic one's, so the limits of the other keys go, too.
        let text = include_str!("../../profiles/router.toml")
            .replace("\"p256\", \"p384\", \"rsa3072\", \"rsa4096\"]  # §6.1.5", "\"rsa2048\"]")
            .replace("p256 = 800                          # 900 with OCSP and caIssuers\np384 = 832\nrsa3072 = 1130\nrsa4096 = 1260", "rsa2048 = 1000");
        assert!(Profile::from_toml(OLD_ROUTER).is_err(), "a limit for each key and no other");
        let mut example = Example::of(Profile::from_toml(&text).unwrap(), now);
        let key = SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap();
        example.approved.public_key_der = key.public_key_der().to_vec();
        example
    }

    #[test]
    fn rsa_2048_until_2030_passes_and_beyond_is_refused() {
        let end = OffsetDateTime::from_unix_timestamp(1_924_959_599).unwrap();
        let lifetime = Duration::days(731);
        old_router(end - lifetime).passes();
        old_router(end - lifetime + Duration::DAY).refuses("strength", |_| ());
    }

    #[test]
    fn a_weak_issuer_ends_what_it_signs() {
        let mut example = Example::new("terminal");
        example.issuer_key = SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap();
        example.passes();
        let late = OffsetDateTime::from_unix_timestamp(1_924_959_599).unwrap();
        let mut example = Example::of(Profile::shipped("terminal").unwrap(), late);
        example.issuer_key = SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap();
        example.refuses("strength", |_| ());
    }
}
