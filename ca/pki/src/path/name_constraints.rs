//! Name constraints (RFC 5280 §4.2.1.10, §6.1.3 (b) and (c)).

use super::{
    PathError,
    budget::Meter,
    certificate::Parsed,
    general_name::{Form, GeneralName},
    reading::{self, Bad, Item, Members, SEQUENCE, constructed, primitive},
};

/// What an authority allows and forbids below it.
#[derive(Debug, Clone)]
pub(super) struct NameConstraints<'a> {
    permitted: Vec<Subtree<'a>>,
    excluded: Vec<Subtree<'a>>,
}

#[derive(Debug, Clone)]
struct Subtree<'a> {
    base: GeneralName<'a>,
    /// minimum other than 0, or a maximum: never used, so not processed but refused (§4.2.1.10).
    bounded: bool,
}

/// smtpUTF8Mailbox (RFC 9598 §3), 1.3.6.1.5.5.7.8.9: an address outside rfc822Name.
const SMTP_UTF8_MAILBOX: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x09];

impl<'a> NameConstraints<'a> {
    pub(super) fn read(value: &'a [u8]) -> Result<Self, Bad> {
        let mut members = Item::only_of(value, SEQUENCE)?.members()?;
        let permitted = members.optional(constructed(0))?;
        let excluded = members.optional(constructed(1))?;
        members.end()?;
        if permitted.is_none() && excluded.is_none() {
            return Err(Bad::new("it constrains nothing"));
        }
        let subtrees =
            |item: Option<Item<'a>>| item.map_or(Ok(Vec::new()), |item| subtrees(item.members()?));
        Ok(Self { permitted: subtrees(permitted)?, excluded: subtrees(excluded)? })
    }

    /// Judges one name. Which form a name has is told by its tag, so a constraint on other forms
    /// says nothing about it.
    fn check(&self, name: &GeneralName<'_>, meter: &mut Meter) -> Result<(), Violation> {
        let (mut listed, mut within) = (false, false);
        for (subtree, excludes) in self
            .permitted
            .iter()
            .map(|subtree| (subtree, false))
            .chain(self.excluded.iter().map(|subtree| (subtree, true)))
        {
            meter.compare_name().map_err(Violation::Budget)?;
            let form = subtree.base.form();
            if form != name.form() {
                let hidden_mailbox = form == Form::Rfc822
                    && matches!(name, GeneralName::Other { type_id } if *type_id == SMTP_UTF8_MAILBOX);
                if hidden_mailbox {
                    return Err(Violation::Unprocessed);
                }
                continue;
            }
            if subtree.bounded {
                return Err(Violation::Unprocessed);
            }
            let side = if excludes { Side::Excluded } else { Side::Permitted };
            let matches = matches(&subtree.base, name, side).ok_or(Violation::Unprocessed)?;
            if excludes && matches {
                return Err(Violation::Excluded);
            }
            if !excludes {
                listed = true;
                within |= matches;
            }
        }
        if listed && !within { Err(Violation::NotPermitted) } else { Ok(()) }
    }
}

fn subtrees<'a>(mut members: Members<'a>) -> Result<Vec<Subtree<'a>>, Bad> {
    let mut found = Vec::new();
    while !members.is_empty() {
        let mut subtree = members.take(SEQUENCE)?.members()?;
        let base = GeneralName::read(subtree.next()?)?;
        let minimum = subtree.optional(primitive(0))?.map(reading::count).transpose()?;
        let maximum = subtree.optional(primitive(1))?.map(reading::count).transpose()?;
        subtree.end()?;
        let bounded = minimum.unwrap_or_default() != 0 || maximum.is_some();
        found.push(Subtree { base, bounded });
    }
    if found.is_empty() { Err(Bad::new("an empty list of subtrees")) } else { Ok(found) }
}

/// Why a name was refused.
enum Violation {
    NotPermitted,
    Excluded,
    /// The constraint or the name is of a kind that cannot be compared: refused (§4.2.1.10).
    Unprocessed,
    Budget(PathError),
}

/// Judges every name of a certificate against the constraints of all authorities above it.
pub(super) fn check(
    certificate: &Parsed<'_>,
    constraints: &[&NameConstraints<'_>],
    meter: &mut Meter,
) -> Result<(), PathError> {
    if constraints.is_empty() {
        return Ok(());
    }
    let refused = |name: &GeneralName<'_>, violation| match violation {
        Violation::Budget(error) => error,
        Violation::NotPermitted => PathError::NameNotPermitted {
            which: certificate.which(),
            name: name.to_string(),
            what: "no permitted subtree holds it",
        },
        Violation::Excluded => PathError::NameNotPermitted {
            which: certificate.which(),
            name: name.to_string(),
            what: "it is in an excluded subtree",
        },
        Violation::Unprocessed => PathError::NameNotPermitted {
            which: certificate.which(),
            name: name.to_string(),
            what: "names of its form are constrained in a way that cannot be compared with it",
        },
    };
    let mut judge = |name: &GeneralName<'_>| {
        constraints
            .iter()
            .try_for_each(|one| one.check(name, meter))
            .map_err(|violation| refused(name, violation))
    };
    if !certificate.subject.is_empty() {
        judge(&GeneralName::Directory(Box::new(certificate.subject.clone())))?;
    }
    for name in &certificate.alternative_names {
        judge(name)?;
    }
    // §4.2.1.10 asks for it where subjectAltName is absent; an address that stands in the subject
    // is one in any case.
    let addresses = certificate.subject.email_addresses().map_err(|bad| PathError::Malformed {
        which: certificate.which(),
        what: bad.to_string(),
    })?;
    for address in addresses {
        // Not ASCII: a text that no rfc822Name can have, so it is within no subtree.
        judge(&GeneralName::Rfc822(address.as_deref().unwrap_or_default()))?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Permitted,
    Excluded,
}

/// Whether `name` is within `base`; `None` if that cannot be said. Both have the same form.
fn matches(base: &GeneralName<'_>, name: &GeneralName<'_>, side: Side) -> Option<bool> {
    match (base, name) {
        (GeneralName::Directory(base), GeneralName::Directory(name)) => Some(name.is_within(base)),
        (GeneralName::Dns(base), GeneralName::Dns(name)) => dns(base, name, side),
        (GeneralName::Rfc822(base), GeneralName::Rfc822(name)) => rfc822(base, name),
        (GeneralName::Uri(base), GeneralName::Uri(name)) => {
            let host = uri_host(name)?;
            match base.strip_prefix('.') {
                Some(domain) => below(valid_host(domain)?, host).map(|labels| labels > 0),
                None => Some(valid_host(base)?.eq_ignore_ascii_case(host)),
            }
        }
        (GeneralName::Ip(base), GeneralName::Ip(name)) => ip(base, name),
        // otherName, x400Address, ediPartyName, registeredID: no rule to compare them by.
        _ => None,
    }
}

/// How many labels `name` has more than `base`; `None` if it is not below it.
fn labels_below(base: &str, name: &str) -> Option<usize> {
    if base.is_empty() {
        return Some(name.split('.').count());
    }
    let cut = name.len().checked_sub(base.len())?;
    let (front, tail) = (name.get(..cut)?, name.get(cut..)?);
    if !tail.eq_ignore_ascii_case(base) {
        return None;
    }
    match front.strip_suffix('.') {
        Some(labels) => Some(labels.split('.').count()),
        None => front.is_empty().then_some(0),
    }
}

/// `Some` with the number of labels below `base`, 0 also for names elsewhere.
fn below(base: &str, name: &str) -> Option<usize> {
    Some(labels_below(base, name).unwrap_or(0))
}

/// A dNSName constraint holds for the name itself and everything below it; the empty one for all.
fn dns(base: &str, name: &str, side: Side) -> Option<bool> {
    if !base.is_empty() {
        valid_host(base)?;
    }
    let Some(parent) = name.strip_prefix("*.") else {
        return Some(labels_below(base, valid_host(name)?).is_some());
    };
    let parent = valid_host(parent)?;
    // A wildcard is many names: permitted if all are, excluded if one is.
    let all = labels_below(base, parent).is_some();
    Some(match side {
        Side::Permitted => all,
        Side::Excluded => all || labels_below(parent, base).is_some(),
    })
}

fn rfc822(base: &str, name: &str) -> Option<bool> {
    let (local, host) = mailbox(name)?;
    if let Some((wanted, at)) = mailbox(base) {
        return Some(wanted == local && at.eq_ignore_ascii_case(host));
    }
    if base.contains('@') {
        return None;
    }
    match base.strip_prefix('.') {
        Some(domain) => below(valid_host(domain)?, host).map(|labels| labels > 0),
        None => Some(valid_host(base)?.eq_ignore_ascii_case(host)),
    }
}

/// Local part and host of an address (RFC 5321 §4.1.2); the last `@` parts them.
pub(super) fn mailbox(address: &str) -> Option<(&str, &str)> {
    let (local, host) = address.rsplit_once('@')?;
    let quoted = local.len() > 1 && local.starts_with('"') && local.ends_with('"');
    let plain = !local.is_empty()
        && !local.chars().any(|one| {
            one.is_ascii_whitespace() || one.is_control() || "@<>,;:\"\\()[]".contains(one)
        });
    (quoted || plain).then_some(())?;
    Some((local, valid_host(host)?))
}

/// The host of a URI with an authority, if it is a name (§4.2.1.10 refuses all others).
fn uri_host(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    if scheme.is_empty()
        || !scheme.chars().all(|one| one.is_ascii_alphanumeric() || "+-.".contains(one))
    {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.split_once(':') {
        Some((host, port)) => port.bytes().all(|one| one.is_ascii_digit()).then_some(host)?,
        None => host,
    };
    if host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    valid_host(host)
}

/// A name of letters, digits, hyphens and underscores in labels of 1 to 63; no dot at either end.
pub(super) fn valid_host(name: &str) -> Option<&str> {
    let valid = name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|one| one.is_ascii_alphanumeric() || one == b'-' || one == b'_')
        });
    valid.then_some(name)
}

fn ip(base: &[u8], address: &[u8]) -> Option<bool> {
    let length = match base.len() {
        8 => 4,
        32 => 16,
        _ => return None,
    };
    let (network, mask) = base.split_at(length);
    // RFC 4632: leading ones only.
    if mask.iter().map(|octet| octet.count_ones()).sum::<u32>() != leading_ones(mask) {
        return None;
    }
    if address.len() != length {
        return Some(false);
    }
    Some(
        network
            .iter()
            .zip(mask)
            .zip(address)
            .all(|((network, mask), octet)| network & mask == octet & mask),
    )
}

/// Leading ones of a mask.
fn leading_ones(mask: &[u8]) -> u32 {
    let whole = mask.iter().take_while(|octet| **octet == 0xff).count();
    let next = mask.get(whole).map_or(0, |octet| octet.leading_ones());
    mask[..whole].iter().map(|octet| octet.leading_ones()).sum::<u32>() + next
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dns_names_match_at_label_borders_only() {
        let permits = |base, name| dns(base, name, Side::Permitted);
        assert_eq!(permits("example.jp", "example.jp"), Some(true));
        assert_eq!(permits("example.jp", "A.Example.JP"), Some(true));
        assert_eq!(permits("example.jp", "myexample.jp"), Some(false));
        assert_eq!(permits("", "anything.example"), Some(true));
        for unclear in
            [(".example.jp", "a.example.jp"), ("*.jp", "a.jp"), ("jp", "a..jp"), ("jp", "a.jp.")]
        {
            assert_eq!(permits(unclear.0, unclear.1), None, "{unclear:?}");
        }
    }

    #[test]
    fn a_wildcard_is_permitted_as_a_whole_and_excluded_by_a_part() {
        assert_eq!(dns("example.jp", "*.example.jp", Side::Permitted), Some(true));
        assert_eq!(dns("a.example.jp", "*.example.jp", Side::Permitted), Some(false));
        assert_eq!(dns("a.example.jp", "*.example.jp", Side::Excluded), Some(true));
        assert_eq!(dns("b.jp", "*.example.jp", Side::Excluded), Some(false));
    }

    #[test]
    fn addresses_match_by_mailbox_host_or_domain() {
        assert_eq!(rfc822("a@example.jp", "a@EXAMPLE.jp"), Some(true));
        assert_eq!(rfc822("a@example.jp", "A@example.jp"), Some(false));
        assert_eq!(rfc822("example.jp", "a@example.jp"), Some(true));
        assert_eq!(rfc822("example.jp", "a@b.example.jp"), Some(false));
        assert_eq!(rfc822(".example.jp", "a@b.example.jp"), Some(true));
        assert_eq!(rfc822(".example.jp", "a@example.jp"), Some(false));
        assert_eq!(rfc822("*@example.jp", "b@example.jp"), Some(false));
        assert_eq!(rfc822("example.jp", "no address"), None);
        assert_eq!(rfc822("a@b@example.jp", "a@example.jp"), None);
        assert_eq!(rfc822("example.jp", "\"a@b\"@example.jp"), Some(true));
    }

    #[test]
    fn a_uri_is_judged_by_its_host() {
        let judged = |base: &str, uri: &str| {
            matches(&GeneralName::Uri(base), &GeneralName::Uri(uri), Side::Permitted)
        };
        assert_eq!(judged("host.example.jp", "https://user@HOST.example.jp:8443/x?y"), Some(true));
        assert_eq!(judged("host.example.jp", "https://host.example.jp@evil.example"), Some(false));
        assert_eq!(judged(".example.jp", "ldap://host.example.jp"), Some(true));
        assert_eq!(judged(".example.jp", "ldap://example.jp"), Some(false));
        for unclear in ["urn:x:y", "https://192.0.2.1/", "https://[::1]/", "https:///x", "://x"] {
            assert_eq!(judged(".example.jp", unclear), None, "{unclear}");
        }
    }

    #[test]
    fn addresses_match_by_prefix_and_crooked_masks_are_refused() {
        let base = [192, 0, 2, 0, 255, 255, 255, 0];
        assert_eq!(ip(&base, &[192, 0, 2, 9]), Some(true));
        assert_eq!(ip(&base, &[192, 0, 3, 9]), Some(false));
        assert_eq!(ip(&base, &[0; 16]), Some(false));
        assert_eq!(ip(&[192, 0, 2, 0, 255, 0, 255, 0], &[192, 0, 2, 9]), None);
        assert_eq!(ip(&[192, 0, 2, 0, 255, 255, 253, 0], &[192, 0, 2, 9]), None);
        assert_eq!(ip(&[0; 8], &[192, 0, 2, 9]), Some(true));
        assert_eq!(ip(&[192, 0, 2, 0], &[192, 0, 2, 9]), None);
    }

    proptest! {
        #[test]
        fn no_texts_panic(base: String, name: String) {
            for side in [Side::Permitted, Side::Excluded] {
                let _ = dns(&base, &name, side);
            }
            let _ = (rfc822(&base, &name), uri_host(&name), labels_below(&base, &name));
        }

        #[test]
        fn what_lies_below_is_within(labels in "[a-z]{1,5}(\\.[a-z]{1,5}){0,3}", base in "[a-z]{1,9}\\.[a-z]{2,3}") {
            let name = format!("{labels}.{base}");
            prop_assert_eq!(dns(&base, &name, Side::Permitted), Some(true));
            prop_assert_eq!(dns(&base, &format!("x{base}"), Side::Permitted), Some(false));
        }
    }
}
