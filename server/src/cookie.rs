//! Cookies with the `__Host-` prefix (RFC 6265bis §4.1.3.2): secure, this host only, whole site.

use http::{HeaderMap, HeaderValue, header};

/// When a browser sends the cookie with requests that another site started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// With top-level navigation by GET: needed where services send the person to us.
    Lax,
    /// Always, in a frame on a service's page too.
    None,
}

/// The value of the cookie `name`, if the request carries exactly one.
///
/// Two of the same name mean that somebody planted one, and nobody can tell which: neither counts.
#[must_use]
pub fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut found = None;
    for line in headers.get_all(header::COOKIE) {
        let Ok(line) = line.to_str() else { continue };
        for pair in line.split(';') {
            let Some((key, value)) = pair.trim().split_once('=') else { continue };
            if key == name {
                if found.is_some() {
                    return None;
                }
                found = Some(value);
            }
        }
    }
    found
}

/// Whether the request carries a cookie of another name than `harmless`, or what is no cookie.
#[must_use]
pub fn is_any_but(headers: &HeaderMap, harmless: &str) -> bool {
    let name = |pair: &str| pair.split_once('=').map(|(name, _)| name.trim() == harmless);
    headers.get_all(header::COOKIE).iter().any(|line| match line.to_str() {
        Ok(line) => !line.split(';').all(|pair| name(pair) == Some(true)),
        Err(_) => true,
    })
}

/// A `Set-Cookie` value. `max_age_secs` `None` makes it end with the browser.
///
/// `None` when `value` holds anything but base64url, hexadecimal and the like: letters, digits,
/// `-`, `_` and `.`. `name` must begin with `__Host-`.
#[must_use]
pub fn set(
    name: &'static str,
    value: &str,
    max_age_secs: Option<u32>,
    same_site: SameSite,
) -> Option<HeaderValue> {
    let mut line = plain(name, value)?;
    line.push_str(&format!("; Path=/; Secure; HttpOnly; SameSite={same_site:?}"));
    if let Some(seconds) = max_age_secs {
        line.push_str("; Max-Age=");
        line.push_str(&seconds.to_string());
    }
    HeaderValue::from_str(&line).ok()
}

/// As [`set`], for scripts of this host to read: for what opens nothing. It ends with the browser.
#[must_use]
pub fn set_for_scripts(
    name: &'static str,
    value: &str,
    same_site: SameSite,
) -> Option<HeaderValue> {
    let line = plain(name, value)?;
    HeaderValue::from_str(&format!("{line}; Path=/; Secure; SameSite={same_site:?}")).ok()
}

fn plain(name: &str, value: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let fits = name.starts_with("__Host-") && value.bytes().all(plain);
    fits.then(|| format!("{name}={value}"))
}

/// A `Set-Cookie` value that takes the cookie away.
#[must_use]
pub fn clear(name: &'static str) -> Option<HeaderValue> {
    set(name, "", Some(0), SameSite::Strict)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[test]
    fn one_cookie_is_read_and_two_of_a_name_are_not() {
        assert_eq!(read(&headers(&["a=1; b=2"]), "b"), Some("2"));
        assert_eq!(read(&headers(&["a=1", "b=2"]), "b"), Some("2"));
        assert_eq!(read(&headers(&["a=1; a=1"]), "a"), None);
        assert_eq!(read(&headers(&["a=1", "a=2"]), "a"), None);
        assert_eq!(read(&headers(&["ab=1"]), "a"), None);
    }

    #[test]
    fn a_harmless_cookie_alone_is_as_none() {
        for (lines, other) in [
            (&[][..], false),
            (&["h=1"], false),
            (&["h=1; h=2", "h="], false),
            (&["h=1; s=2"], true),
            (&["h=1", "s=2"], true),
            (&["hh=1"], true),
            (&["h"], true),
            (&["h=1;"], true),
        ] {
            assert_eq!(is_any_but(&headers(lines), "h"), other, "{lines:?}");
        }
    }

    #[test]
    fn a_cookie_is_secure_host_only_and_out_of_reach_of_scripts() {
        let line = set("__Host-s", "abc", Some(60), SameSite::Lax).unwrap();
        assert_eq!(
            line.to_str().unwrap(),
            "__Host-s=abc; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60"
        );
    }

    #[test]
    fn a_value_that_could_end_the_header_is_refused() {
        for value in ["a;b", "a b", "a\r\nb", "é"] {
            assert!(set("__Host-s", value, None, SameSite::Strict).is_none());
        }
        assert!(set("s", "a", None, SameSite::Strict).is_none());
    }
}
