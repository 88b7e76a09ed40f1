//! Where a key lies in a token, as one line: a PKCS #11 URI (RFC 7512).
//!
//! Of its attributes those are taken that say which library, which token, which key and where its PIN
//! is: `pkcs11:token=desk;object=terminal?module-path=/usr/lib/…/p11.so&pin-source=file:/home/…/pin`.
//! Others are refused, not passed over: a key is not to be looked for by half of what was said.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

const SCHEME: &str = "pkcs11:";
/// What stands for itself in either part (`pk11-pchar` and `pk11-qchar` of RFC 7512 §2.3, those that
/// both have).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same, and `/` and `:`, which only the query has plain.
const PLAIN_IN_QUERY: &AsciiSet = &PLAIN.remove(b'/').remove(b':');

/// Why a line is no place for a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Pkcs11UriError {
    /// Another scheme.
    #[error("a place in a token begins with pkcs11: (RFC 7512)")]
    Scheme,
    /// Something that is no `name=value`, or not UTF-8.
    #[error("{0:?} is no attribute of a PKCS #11 URI (RFC 7512)")]
    Attribute(String),
    /// An attribute that is not looked at, or a second time.
    #[error("the attribute {0} of the PKCS #11 URI stands twice or is not known here")]
    Unknown(String),
    /// The PIN itself: it would stand in the list of processes.
    #[error(
        "pin-value shows the PIN to whoever lists this PC's processes; write it to a file of mode 0600 and name that: pin-source=file:/…"
    )]
    PinValue,
    /// One that is needed.
    #[error("the PKCS #11 URI lacks {0}")]
    Missing(&'static str),
    /// The key's label.
    #[error(
        "the PKCS #11 URI names no key: object=… is missing; `pkcs11-tool --list-objects` shows the labels in the token"
    )]
    NoKey,
    /// A path that is not absolute.
    #[error("{0} of the PKCS #11 URI wants a whole path, from / on")]
    Path(&'static str),
}

/// A place in a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pkcs11Uri {
    /// Label of the token.
    pub token: String,
    /// Label of the key; before there is one, none.
    pub object: Option<String>,
    /// Path of the library. It is run as this program: only the person who enrols names it.
    pub module_path: PathBuf,
    /// File whose first line is the PIN of the token's user.
    pub pin_source: PathBuf,
}

impl Pkcs11Uri {
    /// Label of the key that lies there.
    ///
    /// # Errors
    /// [`Pkcs11UriError::NoKey`]: none is named, or one of no letters, which many objects may have.
    pub fn key_label(&self) -> Result<&str, Pkcs11UriError> {
        let named = self.object.as_deref().filter(|label| !label.is_empty());
        named.ok_or(Pkcs11UriError::NoKey)
    }
}

impl FromStr for Pkcs11Uri {
    type Err = Pkcs11UriError;

    fn from_str(text: &str) -> Result<Self, Pkcs11UriError> {
        let rest = text.strip_prefix(SCHEME).ok_or(Pkcs11UriError::Scheme)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut token, mut object, mut module_path, mut pin_source) = (None, None, None, None);
        let of_path = path.split(';').map(|attribute| (attribute, false));
        let of_query = query.split('&').map(|attribute| (attribute, true));
        for (attribute, in_query) in of_path.chain(of_query).filter(|(text, _)| !text.is_empty()) {
            let malformed = || Pkcs11UriError::Attribute(attribute.to_owned());
            let (name, value) = attribute.split_once('=').ok_or_else(malformed)?;
            let place = match (name, in_query) {
                ("token", false) => &mut token,
                ("object", false) => &mut object,
                ("module-path", true) => &mut module_path,
                ("pin-source", true) => &mut pin_source,
                ("pin-value", true) => return Err(Pkcs11UriError::PinValue),
                _ => return Err(Pkcs11UriError::Unknown(name.to_owned())),
            };
            let value = percent_decode_str(value).decode_utf8().map_err(|_| malformed())?;
            if place.replace(value.into_owned()).is_some() {
                return Err(Pkcs11UriError::Unknown(name.to_owned()));
            }
        }
        let pin_source = pin_source.ok_or(Pkcs11UriError::Missing("pin-source"))?;
        let absolute = |name, path: &str| {
            let path = PathBuf::from(path);
            if path.is_absolute() { Ok(path) } else { Err(Pkcs11UriError::Path(name)) }
        };
        Ok(Self {
            token: token.ok_or(Pkcs11UriError::Missing("token"))?,
            object,
            module_path: absolute(
                "module-path",
                &module_path.ok_or(Pkcs11UriError::Missing("module-path"))?,
            )?,
            // RFC 7512 §2.4: a file, by its URI (RFC 8089) or its bare path.
            pin_source: absolute(
                "pin-source",
                pin_source
                    .strip_prefix("file://")
                    .or(pin_source.strip_prefix("file:"))
                    .unwrap_or(&pin_source),
            )?,
        })
    }
}

impl fmt::Display for Pkcs11Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}token={}", utf8_percent_encode(&self.token, PLAIN))?;
        if let Some(object) = &self.object {
            write!(f, ";object={}", utf8_percent_encode(object, PLAIN))?;
        }
        let query = |path: &PathBuf| {
            utf8_percent_encode(&path.display().to_string(), PLAIN_IN_QUERY).to_string()
        };
        let (module, pin) = (query(&self.module_path), query(&self.pin_source));
        write!(f, "?module-path={module}&pin-source=file:{pin}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let text = "pkcs11:token=my%20desk;object=sekisho-%E5%A4%96?module-path=/usr/lib/p11.so&pin-source=file:/home/a%20b/pin";
        let place: Pkcs11Uri = text.parse().unwrap();
        assert_eq!(place.token, "my desk");
        assert_eq!(place.object.as_deref(), Some("sekisho-外"));
        assert_eq!(place.pin_source, PathBuf::from("/home/a b/pin"));
        assert_eq!(place.to_string(), text);
        let bare = "pkcs11:token=desk?pin-source=/pin&module-path=/p11.so";
        assert_eq!(bare.parse::<Pkcs11Uri>().unwrap().pin_source, PathBuf::from("/pin"));
    }

    #[test]
    fn a_place_that_names_no_key_is_not_taken_for_the_key_without_a_name() {
        for (object, label) in [
            ("", Err(Pkcs11UriError::NoKey)),
            (";object=", Err(Pkcs11UriError::NoKey)),
            (";object=terminal", Ok("terminal")),
        ] {
            let text = format!("pkcs11:token=desk{object}?module-path=/p11.so&pin-source=/pin");
            assert_eq!(text.parse::<Pkcs11Uri>().unwrap().key_label(), label);
        }
    }

    #[test]
    fn what_is_half_said_twice_said_or_says_the_pin_is_refused() {
        const QUERY: &str = "module-path=/p11.so&pin-source=/pin";
        for (text, why) in [
            (format!("token=desk?{QUERY}"), Pkcs11UriError::Scheme),
            (format!("pkcs11:?{QUERY}"), Pkcs11UriError::Missing("token")),
            ("pkcs11:token=desk?pin-source=/pin".into(), Pkcs11UriError::Missing("module-path")),
            ("pkcs11:token=desk?module-path=/p11.so".into(), Pkcs11UriError::Missing("pin-source")),
            (format!("pkcs11:token=desk?{QUERY}&pin-value=1234"), Pkcs11UriError::PinValue),
            (format!("pkcs11:token=a;token=b?{QUERY}"), Pkcs11UriError::Unknown("token".into())),
            (format!("pkcs11:token=a;serial=1?{QUERY}"), Pkcs11UriError::Unknown("serial".into())),
            (format!("pkcs11:token?{QUERY}"), Pkcs11UriError::Attribute("token".into())),
            (format!("pkcs11:token=%FF?{QUERY}"), Pkcs11UriError::Attribute("token=%FF".into())),
            (
                "pkcs11:token=a?module-path=p11.so&pin-source=/pin".into(),
                Pkcs11UriError::Path("module-path"),
            ),
        ] {
            assert_eq!(text.parse::<Pkcs11Uri>(), Err(why), "{text}");
        }
    }
}
