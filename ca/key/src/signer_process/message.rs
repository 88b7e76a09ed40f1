//! What the two processes say to each other, and its octets.
//!
//! ```text
//! request   = version number %x01                                   ; which keys do you hold?
//!           / version number %x02 name count *octets                ; sign these
//! answer    = version number %x01 count *( name octets )            ; these keys
//!           / version number %x02 count *octets                     ; these signatures
//!           / version number %x03 text                              ; refused, for this reason
//!           / version number %x04 text                              ; could not, for this reason
//! version   = %x01          number = 8OCTET       count  = 2OCTET
//! name      = 1OCTET *OCTET text   = 2OCTET *OCTET octets = 4OCTET *OCTET
//! ```
//!
//! Lengths and numbers have their most significant octet first. Both ends are of one build; the
//! version tells apart those that are not.

/// Both ends speak this.
const VERSION: u8 = 1;
/// Longest name of a key: `ocsp-terminals-4294967295` has 25.
const MOST_NAME_OCTETS: usize = 64;
/// Messages of one request.
const MOST_MESSAGES: usize = 1024;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The names and public keys of what is held.
    Keys,
    /// Signatures over whole messages.
    Sign {
        /// Name of the key.
        key: String,
        /// What to sign, one signature each.
        messages: Vec<Vec<u8>>,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Names and DER `SubjectPublicKeyInfo`.
    Keys(Vec<(String, Vec<u8>)>),
    /// In the order of the messages.
    Signatures(Vec<Vec<u8>>),
    /// The process will not sign this, whoever asks again.
    Refused(String),
    /// The process cannot at the moment: its database, its token.
    Failed(String),
}

/// The number of an answer that is about the connection, not about a request.
pub const CONNECTION: u64 = 0;

/// The octets are no message of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message of the signing process")]
pub struct Malformed;

/// The octets of a request.
///
/// # Errors
/// [`Malformed`]: more messages, or longer ones, than the form can tell.
pub fn encode_ask(number: u64, ask: &Ask) -> Result<Vec<u8>, Malformed> {
    match ask {
        Ask::Keys => Ok(head(number, 1)),
        Ask::Sign { key, messages } => {
            let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            encode_sign(number, key, &messages)
        }
    }
}

/// The octets of [`Ask::Sign`], from messages that stay where they are.
///
/// # Errors
/// As [`encode_ask`].
pub fn encode_sign(number: u64, key: &str, messages: &[&[u8]]) -> Result<Vec<u8>, Malformed> {
    if messages.is_empty() || messages.len() > MOST_MESSAGES {
        return Err(Malformed);
    }
    let mut out = head(number, 2);
    out.reserve(128 + messages.iter().map(|message| message.len() + 4).sum::<usize>());
    put_name(&mut out, key)?;
    put_list(&mut out, messages.iter().copied())?;
    Ok(out)
}

/// Reads a request.
///
/// # Errors
/// [`Malformed`]: anything but one whole request of at most 1,024 messages.
pub fn parse_ask(octets: &[u8]) -> Result<(u64, Ask), Malformed> {
    let mut rest = Rest(octets);
    let (number, kind) = rest.head()?;
    let ask = match kind {
        1 => Ask::Keys,
        2 => {
            let key = rest.name()?;
            let messages = rest.list(Rest::octets)?;
            if messages.is_empty() {
                return Err(Malformed);
            }
            Ask::Sign { key, messages }
        }
        _ => return Err(Malformed),
    };
    rest.end()?;
    Ok((number, ask))
}

/// The octets of an answer.
///
/// # Errors
/// [`Malformed`]: more or longer parts than the form can tell.
pub fn encode_reply(number: u64, reply: &Reply) -> Result<Vec<u8>, Malformed> {
    let mut out;
    match reply {
        Reply::Keys(keys) => {
            out = head(number, 1);
            out.extend(count(keys.len())?);
            for (name, public_key_der) in keys {
                put_name(&mut out, name)?;
                put_octets(&mut out, public_key_der)?;
            }
        }
        Reply::Signatures(signatures) => {
            out = head(number, 2);
            put_list(&mut out, signatures.iter().map(Vec::as_slice))?;
        }
        Reply::Refused(why) => {
            out = head(number, 3);
            put_text(&mut out, why);
        }
        Reply::Failed(why) => {
            out = head(number, 4);
            put_text(&mut out, why);
        }
    }
    Ok(out)
}

/// Reads an answer.
///
/// # Errors
/// [`Malformed`].
pub fn parse_reply(octets: &[u8]) -> Result<(u64, Reply), Malformed> {
    let mut rest = Rest(octets);
    let (number, kind) = rest.head()?;
    let reply = match kind {
        1 => Reply::Keys(rest.list(|rest| Ok((rest.name()?, rest.octets()?)))?),
        2 => Reply::Signatures(rest.list(Rest::octets)?),
        3 => Reply::Refused(rest.text()?),
        4 => Reply::Failed(rest.text()?),
        _ => return Err(Malformed),
    };
    rest.end()?;
    Ok((number, reply))
}

fn head(number: u64, kind: u8) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend(number.to_be_bytes());
    out.push(kind);
    out
}

fn count(of: usize) -> Result<[u8; 2], Malformed> {
    if of > MOST_MESSAGES {
        return Err(Malformed);
    }
    u16::try_from(of).map(u16::to_be_bytes).map_err(|_| Malformed)
}

fn put_name(out: &mut Vec<u8>, name: &str) -> Result<(), Malformed> {
    if name.is_empty() || name.len() > MOST_NAME_OCTETS {
        return Err(Malformed);
    }
    out.push(u8::try_from(name.len()).map_err(|_| Malformed)?);
    out.extend_from_slice(name.as_bytes());
    Ok(())
}

fn put_octets(out: &mut Vec<u8>, octets: &[u8]) -> Result<(), Malformed> {
    let length = u32::try_from(octets.len()).map_err(|_| Malformed)?;
    out.extend(length.to_be_bytes());
    out.extend_from_slice(octets);
    Ok(())
}

fn put_list<'a>(
    out: &mut Vec<u8>,
    list: impl ExactSizeIterator<Item = &'a [u8]>,
) -> Result<(), Malformed> {
    out.extend(count(list.len())?);
    list.into_iter().try_for_each(|octets| put_octets(out, octets))
}

/// A reason; one that is too long to tell is told as far as it goes.
fn put_text(out: &mut Vec<u8>, text: &str) {
    const MOST: usize = 4096;
    let text = &text[..text.floor_char_boundary(MOST)];
    // At most 4,096.
    out.extend(u16::try_from(text.len()).unwrap_or_default().to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    fn head(&mut self) -> Result<(u64, u8), Malformed> {
        let [version] = self.array()?;
        let number = u64::from_be_bytes(self.array()?);
        let [kind] = self.array()?;
        if version == VERSION { Ok((number, kind)) } else { Err(Malformed) }
    }

    fn name(&mut self) -> Result<String, Malformed> {
        let [length] = self.array()?;
        let length = usize::from(length);
        if length == 0 || length > MOST_NAME_OCTETS {
            return Err(Malformed);
        }
        std::str::from_utf8(self.take(length)?).map(str::to_owned).map_err(|_| Malformed)
    }

    fn text(&mut self) -> Result<String, Malformed> {
        let length = u16::from_be_bytes(self.array()?).into();
        std::str::from_utf8(self.take(length)?).map(str::to_owned).map_err(|_| Malformed)
    }

    fn octets(&mut self) -> Result<Vec<u8>, Malformed> {
        let length = u32::from_be_bytes(self.array()?);
        Ok(self.take(usize::try_from(length).map_err(|_| Malformed)?)?.to_vec())
    }

    fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = usize::from(u16::from_be_bytes(self.array()?));
        if count > MOST_MESSAGES {
            return Err(Malformed);
        }
        (0..count).map(|_| one(self)).collect()
    }

    fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asks() -> impl Strategy<Value = Ask> {
        let messages = proptest::collection::vec(any::<Vec<u8>>(), 1..5);
        prop_oneof![
            Just(Ask::Keys),
            ("[a-z0-9-]{1,64}", messages).prop_map(|(key, messages)| Ask::Sign { key, messages }),
        ]
    }

    fn replies() -> impl Strategy<Value = Reply> {
        let octets = || proptest::collection::vec(any::<Vec<u8>>(), 0..5);
        prop_oneof![
            proptest::collection::vec(("[a-z0-9-]{1,64}", any::<Vec<u8>>()), 0..5)
                .prop_map(Reply::Keys),
            octets().prop_map(Reply::Signatures),
            any::<String>().prop_map(Reply::Refused),
            any::<String>().prop_map(Reply::Failed),
        ]
    }

    proptest! {
        #[test]
        fn what_was_said_is_understood_and_no_part_or_more_of_it(
            number: u64, ask in asks(), reply in replies()
        ) {
            let said = encode_ask(number, &ask).unwrap();
            prop_assert_eq!(parse_ask(&said), Ok((number, ask)));
            let answered = encode_reply(number, &reply).unwrap();
            prop_assert_eq!(parse_reply(&answered), Ok((number, reply)));
            for end in 0..said.len() {
                prop_assert_eq!(parse_ask(&said[..end]), Err(Malformed));
            }
            for end in 0..answered.len() {
                prop_assert_eq!(parse_reply(&answered[..end]), Err(Malformed));
            }
            let longer = [said, vec![0]].concat();
            prop_assert_eq!(parse_ask(&longer), Err(Malformed));
        }

        #[test]
        fn no_octets_panic_and_what_is_understood_has_one_form(octets: Vec<u8>, kind in 1_u8..=4) {
            let likely = [&[VERSION, 0, 0, 0, 0, 0, 0, 0, 9, kind][..], &octets].concat();
            for octets in [octets, likely] {
                if let Ok((number, ask)) = parse_ask(&octets) {
                    prop_assert_eq!(encode_ask(number, &ask).unwrap(), octets.clone());
                }
                let _ = parse_reply(&octets);
            }
        }
    }

    #[test]
    fn a_list_that_announces_more_than_it_holds_takes_no_memory_for_it() {
        let mut octets = encode_sign(1, "terminals", &[b"x"]).unwrap();
        let at = octets.len() - 5;
        octets[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(parse_ask(&octets), Err(Malformed));
    }

    #[test]
    fn too_many_messages_none_and_a_long_name_cannot_be_said() {
        let many = vec![&b""[..]; MOST_MESSAGES + 1];
        assert_eq!(encode_sign(1, "terminals", &many), Err(Malformed));
        assert_eq!(encode_sign(1, "terminals", &[]), Err(Malformed));
        assert_eq!(encode_sign(1, &"x".repeat(65), &[b"x"]), Err(Malformed));
        assert_eq!(encode_sign(1, "", &[b"x"]), Err(Malformed));
    }
}
