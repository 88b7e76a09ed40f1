//! Mailboxes: the one rule by which every form reads them, and where mail to one ends up.

use unicode_normalization::UnicodeNormalization;
use url::Host;

use crate::form::is_invisible;

/// The most octets: a path has 256 with its brackets (RFC 5321 §4.5.3.1.3).
pub const MOST_OCTETS: usize = 254;
/// The most octets before the `@` (RFC 5321 §4.5.3.1.1).
const MOST_LOCAL_OCTETS: usize = 64;
/// The most octets of one label of a domain (RFC 1035 §2.3.4).
const MOST_LABEL_OCTETS: usize = 63;

/// Why a text is no mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailboxError {
    /// Holds a character that nobody sees.
    #[error("a mailbox holds no invisible characters")]
    Invisible,
    /// Not `local@domain`.
    #[error("a mailbox is a local part, an @ and a domain of at least two labels")]
    Form,
}

impl MailboxError {
    /// Message key.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Invisible => "register-error-invisible",
            Self::Form => "people-error-email",
        }
    }
}

/// Reads what was typed: white space around it goes, full-width forms become ASCII, the domain
/// becomes lower case with its international labels as A-labels (RFC 5890 §2.3.2.1), so that any mail
/// server can send there.
///
/// The local part is ASCII, without quotes (RFC 5321 §4.1.2). Dots stand anywhere in it: mobile
/// carriers gave out such addresses. Whether a mailbox exists only a mail can tell.
///
/// # Errors
/// [`MailboxError`].
pub fn read(typed: &str) -> Result<String, MailboxError> {
    let typed = typed.trim();
    if typed.chars().any(is_invisible) {
        return Err(MailboxError::Invisible);
    }
    let text: String = typed.nfkc().collect();
    let (local, domain) = text.split_once('@').ok_or(MailboxError::Form)?;
    let atom = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(&b);
    let local_fits = (1..=MOST_LOCAL_OCTETS).contains(&local.len()) && local.bytes().all(atom);
    // Before the mapping, which would also undo percent-encoding.
    let plain = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if !local_fits || !domain.chars().all(plain) {
        return Err(MailboxError::Form);
    }
    let Ok(Host::Domain(domain)) = Host::parse(domain) else { return Err(MailboxError::Form) };
    let read = format!("{local}@{domain}");
    let domain_fits = domain.contains('.') && domain.split('.').all(label_fits);
    if domain_fits && read.len() <= MOST_OCTETS { Ok(read) } else { Err(MailboxError::Form) }
}

/// Letters, digits and hyphens, with no hyphen at either end (RFC 1123 §2.1).
fn label_fits(label: &str) -> bool {
    (1..=MOST_LABEL_OCTETS).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Where mail to this address ends up, as far as every mail server agrees: NFKC, lower case, without
/// invisible characters, without a `+suffix` of the local part (RFC 5233), the domain with A-labels
/// and without its final dot. Dots in the local part stay: only some providers leave them out of
/// account.
///
/// Also of what [`read`] would refuse: the register holds what was typed before.
#[must_use]
pub fn key(email: &str) -> String {
    let folded: String =
        email.chars().filter(|c| !is_invisible(*c)).nfkc().flat_map(char::to_lowercase).collect();
    let folded = folded.trim();
    let Some((local, domain)) = folded.rsplit_once('@') else { return folded.to_owned() };
    let plain = local.split('+').next().unwrap_or(local);
    // Nothing before the sign: the whole is the local part.
    let plain = if plain.is_empty() { local } else { plain };
    // What is no domain is held against the other as it stands.
    let domain = Host::parse(domain).map_or_else(|_| domain.to_owned(), |host| host.to_string());
    format!("{plain}@{}", domain.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One of each kind of character that nobody sees.
    const HIDDEN: [char; 6] =
        ['\u{200b}', '\u{200d}', '\u{feff}', '\u{ad}', '\u{202e}', '\u{2066}'];

    #[test]
    fn a_mailbox_is_read_however_it_is_written() {
        for (typed, read_as) in [
            ("a@example.jp", "a@example.jp"),
            (" Sato.Ken+x@Example.JP　", "Sato.Ken+x@example.jp"),
            ("ｓａｔｏ＠ｅｘａｍｐｌｅ．ｊｐ", "sato@example.jp"),
            ("a..b.@example.jp", "a..b.@example.jp"),
            ("sato@例え.jp", "sato@xn--r8jz45g.jp"),
            ("sato@XN--R8JZ45G.jp", "sato@xn--r8jz45g.jp"),
            ("sato@例え。jp", "sato@xn--r8jz45g.jp"),
        ] {
            assert_eq!(read(typed).as_deref(), Ok(read_as), "{typed}");
        }
    }

    #[test]
    fn what_is_no_mailbox_is_refused() {
        let long_local = format!("{}@example.jp", "a".repeat(65));
        let long = format!("a@{}jp", "a23456789.".repeat(26));
        for typed in [
            "",
            "a",
            "@example.jp",
            "-@-",
            "a@b",
            "a@@example.jp",
            "a b@example.jp",
            "a@example..jp",
            "a@example.jp.",
            "a@-example.jp",
            "a@exam_ple.jp",
            "a@ex%61mple.jp",
            "a@[192.0.2.1]",
            "a@192.0.2.1",
            "\"a\"@example.jp",
            "<a@example.jp>",
            "佐藤@example.jp",
            &long_local,
            &long,
        ] {
            assert_eq!(read(typed), Err(MailboxError::Form), "{typed}");
        }
        for hidden in HIDDEN {
            for typed in
                [format!("a{hidden}@b.jp"), format!("a@b{hidden}.jp"), format!("a@b.jp{hidden}")]
            {
                assert_eq!(read(&typed), Err(MailboxError::Invisible), "{typed:?}");
            }
        }
    }

    #[test]
    fn aliases_of_a_mailbox_are_one_and_neighbours_are_not() {
        let own = key("officer@example.jp");
        for alias in [
            "OFFICER@Example.JP",
            "officer+apply@example.jp",
            "officer+a+b@example.jp",
            "ｏｆｆｉｃｅｒ＠example.jp",
            "ｏｆｆｉｃｅｒ＋ｘ＠ｅｘａｍｐｌｅ．ｊｐ",
            " officer@example.jp ",
            "officer@example.jp.",
            "officer@example。jp",
        ] {
            assert_eq!(key(alias), own, "{alias}");
        }
        for hidden in HIDDEN {
            for alias in
                [format!("offi{hidden}cer@example.jp"), format!("officer@example.jp{hidden}")]
            {
                assert_eq!(key(&alias), own, "{alias:?}");
            }
        }
        for other in ["off.icer@example.jp", "officer@example.com", "officer2@example.jp"] {
            assert_ne!(key(other), own, "{other}");
        }
        assert_ne!(key("+a@example.jp"), key("+b@example.jp"));
    }

    #[test]
    fn a_domain_is_one_in_either_alphabet() {
        assert_eq!(key("sato@例え.jp"), key("Sato+x@xn--r8jz45g.jp."));
        assert_ne!(key("sato@例え.jp"), key("sato@例.jp"));
        // No domain, and yet compared.
        assert_eq!(key("a@B C"), key("A@b c"));
    }

    proptest! {
        #[test]
        fn what_is_read_is_read_again_as_itself_and_is_the_same_mailbox(typed in "\\PC{1,12}@\\PC{1,12}(\\.jp)?") {
            if let Ok(once) = read(&typed) {
                prop_assert_eq!(read(&once), Ok(once.clone()));
                prop_assert_eq!(key(&once), key(&typed));
            }
        }
    }
}
