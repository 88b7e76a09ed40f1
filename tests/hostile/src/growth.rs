//! Objects with one element many times, lengths right all the way up.

use std::ops::Range;

use crate::damage::{elements, header};

/// The object with its element at `target` standing `times` times; each frame around it fits.
#[must_use]
pub fn grown(octets: &[u8], target: &Range<usize>, times: usize) -> Vec<u8> {
    level(octets, 0..octets.len(), target, times)
}

fn level(octets: &[u8], range: Range<usize>, target: &Range<usize>, times: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let Some((head, length)) = header(&octets[at..range.end]) else {
            out.extend(&octets[at..range.end]);
            break;
        };
        let whole = at..at + head + length;
        let mut value = at + head..whole.end;
        if whole == *target {
            out.extend(octets[whole.clone()].repeat(times));
        } else if value.start <= target.start && target.end <= value.end {
            let mut inside = Vec::new();
            if octets[at] == 0x03 {
                // The count of unused bits stays where it is.
                inside.push(octets[value.start]);
                value.start += 1;
            }
            inside.extend(level(octets, value, target, times));
            out.push(octets[at]);
            out.extend(length_form(inside.len()));
            out.extend(inside);
        } else {
            out.extend(&octets[whole.clone()]);
        }
        at = whole.end;
    }
    out
}

/// DER's form of a length.
fn length_form(length: usize) -> Vec<u8> {
    let digits = length.to_be_bytes();
    let skip = digits.iter().take_while(|digit| **digit == 0).count();
    match length {
        0..0x80 => vec![length as u8],
        _ => {
            let mut form = vec![0x80 | (digits.len() - skip) as u8];
            form.extend(&digits[skip..]);
            form
        }
    }
}

/// For every element of an object: the object with that element `times` and twice `times`, so that
/// what reading them takes can be compared.
pub fn pairs(octets: &[u8], times: usize) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    elements(octets)
        .into_iter()
        .map(move |target| (grown(octets, &target, times), grown(octets, &target, times * 2)))
}

/// A tower of constructed elements, each in the one before, of about so many octets: definite
/// lengths, indefinite ones, and OCTET STRINGs in pieces.
#[must_use]
pub fn towers(octets: usize) -> Vec<Vec<u8>> {
    let mut definite = vec![0x05, 0x00];
    // From the inside out would copy each floor again: write from the outside in.
    let mut floors = Vec::new();
    let mut inside = definite.len();
    while inside < octets {
        let form = length_form(inside);
        inside += 1 + form.len();
        floors.push(form);
    }
    let mut tower = Vec::with_capacity(inside);
    for form in floors.iter().rev() {
        tower.push(0x30);
        tower.extend(form);
    }
    tower.append(&mut definite);
    vec![
        tower,
        [0x30, 0x80].repeat(octets / 2),
        [0x24, 0x80].repeat(octets / 2),
        [0xa0, 0x80].repeat(octets / 2),
        [&[0x30, 0x80].repeat(octets / 4)[..], &[0, 0].repeat(octets / 4)].concat(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grown_element_stands_in_frames_that_fit() {
        // SEQUENCE { INTEGER 5, OCTET STRING { SEQUENCE { NULL } } }
        let octets = [0x30, 9, 2, 1, 5, 4, 4, 0x30, 2, 5, 0];
        let found = grown(&octets, &(9..11), 3);
        assert_eq!(found, [0x30, 13, 2, 1, 5, 4, 8, 0x30, 6, 5, 0, 5, 0, 5, 0]);
        let many = grown(&octets, &(9..11), 100);
        assert_eq!(elements(&many).len(), 104);
        assert_eq!(elements(&many)[0], 0..many.len());
        assert_eq!(pairs(&octets, 2).count(), 5);
    }

    #[test]
    fn a_tower_is_as_high_as_asked() {
        for tower in towers(10_000) {
            assert!((9_990..10_010).contains(&tower.len()), "{}", tower.len());
        }
    }
}
