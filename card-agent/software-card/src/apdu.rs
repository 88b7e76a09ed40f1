//! Command APDUs as a card reads them (ISO/IEC 7816-4 §5.2): short and extended, all four cases.

/// A parsed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandApdu<'a> {
    /// Class.
    pub cla: u8,
    /// Instruction.
    pub ins: u8,
    /// First parameter.
    pub p1: u8,
    /// Second parameter.
    pub p2: u8,
    /// Command data.
    pub data: &'a [u8],
    /// Octets asked for; `None` where no answer is asked for.
    pub le: Option<usize>,
    /// Whether lengths were extended.
    pub extended: bool,
}

impl<'a> CommandApdu<'a> {
    /// Parses octets; `None` where they are no command.
    pub fn parse(octets: &'a [u8]) -> Option<Self> {
        let (&[cla, ins, p1, p2], body) = octets.split_first_chunk::<4>()?;
        let command = |data, le, extended| Some(Self { cla, ins, p1, p2, data, le, extended });
        let whole = |le: usize, all: usize| if le == 0 { all } else { le };
        match body {
            [] => command(&[], None, false),
            [le] => command(&[], Some(whole((*le).into(), 256)), false),
            [0, high, low] => {
                command(&[], Some(whole(u16::from_be_bytes([*high, *low]).into(), 65_536)), true)
            }
            [0, high, low, rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let (data, le) = rest.split_at_checked(length)?;
                match le {
                    _ if length == 0 => None,
                    [] => command(data, None, true),
                    [high, low] => {
                        let le = u16::from_be_bytes([*high, *low]);
                        command(data, Some(whole(le.into(), 65_536)), true)
                    }
                    _ => None,
                }
            }
            [length, rest @ ..] => {
                let (data, le) = rest.split_at_checked((*length).into())?;
                match le {
                    [] => command(data, None, false),
                    [le] => command(data, Some(whole((*le).into(), 256)), false),
                    _ => None,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_of_the_standard_is_read() {
        let case =
            |octets: &[u8]| CommandApdu::parse(octets).map(|c| (c.data.to_vec(), c.le, c.extended));
        assert_eq!(case(&[0, 1, 2, 3]), Some((vec![], None, false)));
        assert_eq!(case(&[0, 1, 2, 3, 0]), Some((vec![], Some(256), false)));
        assert_eq!(case(&[0, 1, 2, 3, 1, 9]), Some((vec![9], None, false)));
        assert_eq!(case(&[0, 1, 2, 3, 1, 9, 4]), Some((vec![9], Some(4), false)));
        assert_eq!(case(&[0, 1, 2, 3, 0, 0, 0]), Some((vec![], Some(65_536), true)));
        assert_eq!(case(&[0, 1, 2, 3, 0, 0, 1, 9]), Some((vec![9], None, true)));
        assert_eq!(case(&[0, 1, 2, 3, 0, 0, 1, 9, 1, 0]), Some((vec![9], Some(256), true)));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for octets in [
            &[0, 1, 2][..],
            &[0, 1, 2, 3, 2, 9],
            &[0, 1, 2, 3, 0, 0, 9, 9],
            &[0, 1, 2, 3, 1, 9, 1, 1],
        ] {
            assert_eq!(CommandApdu::parse(octets), None, "{octets:?}");
        }
    }
}
