//! DNS names that we certify: letters, digits and hyphens (RFC 1123 §2.1), no wildcard, no
//! trailing dot.

use super::RegistrationError;

/// Checks one name.
///
/// # Errors
/// [`RegistrationError::DnsName`].
pub fn check(name: &str) -> Result<(), RegistrationError> {
    let refuse = |reason| Err(RegistrationError::DnsName { name: name.to_owned(), reason });
    if name.is_empty() || name.len() > 253 {
        return refuse("it has no or more than 253 characters");
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return refuse("a label is empty or longer than 63 characters");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return refuse("a label begins or ends with a hyphen");
        }
        if !label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        {
            return refuse("only lower-case letters, digits and hyphens are certified");
        }
    }
    if name.split('.').all(|label| label.bytes().all(|byte| byte.is_ascii_digit())) {
        return refuse("it is an address");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_pass_and_their_neighbours_do_not() {
        for name in ["localhost", "terminal.sekisho.localhost", "a-1.example", "1a.example"] {
            assert!(check(name).is_ok(), "{name}");
        }
        let long = "a".repeat(64);
        for name in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "*.example",
            "-a.example",
            "a-.example",
            "A.example",
            "a_b.example",
            "a b",
            "127.0.0.1",
            "日本.example",
            &long,
        ] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
