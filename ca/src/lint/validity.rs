//! Validity lies within the issuer's and is no longer than the profile allows
//! (certificate policy §6.3.2).

use sekisho_pki::encoding::instant;

use super::{Subject, Verdict, ensure};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let validity = subject.certificate.tbs_certificate().validity();
    let not_before = instant::from_time(&validity.not_before);
    let not_after = instant::from_time(&validity.not_after);
    ensure(not_before < not_after, || format!("begins {not_before}, ends {not_after}"))?;
    let profile = &subject.context.approved.profile;
    // Both ends belong to the validity (RFC 5280 §4.1.2.5): hence the second.
    let length = not_after - not_before + time::Duration::SECOND;
    let most = profile.lifetime() + profile.backdate();
    ensure(length <= most, || {
        format!("lasts {} days, at most {}", length.whole_days(), most.whole_days())
    })?;
    if let Some((begin, end)) = subject.context.issuer.validity {
        ensure(begin <= not_before && not_after <= end, || {
            format!("reaches outside the issuer's validity, {begin} to {end}")
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sekisho_pki::encoding::instant::{from_time, to_time};
    use time::Duration;

    use crate::lint::examples::Example;

    #[test]
    fn one_second_more_than_the_profile_allows_is_refused() {
        Example::new("terminal").refuses("validity", |tbs| {
            let end = from_time(&tbs.validity.not_after) + Duration::SECOND;
            tbs.validity.not_after = to_time(end).unwrap();
        });
    }

    #[test]
    fn an_end_before_the_beginning_is_refused() {
        Example::new("terminal").refuses("validity", |tbs| {
            std::mem::swap(&mut tbs.validity.not_before, &mut tbs.validity.not_after);
        });
    }

    #[test]
    fn more_than_the_issuers_own_is_refused() {
        Example::new("issuing").refuses("validity", |tbs| {
            let begin = from_time(&tbs.validity.not_before) - Duration::days(4000);
            let end = from_time(&tbs.validity.not_after) - Duration::days(4000);
            tbs.validity.not_before = to_time(begin).unwrap();
            tbs.validity.not_after = to_time(end).unwrap();
        });
    }
}
