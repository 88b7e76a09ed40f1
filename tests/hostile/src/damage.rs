//! Valid objects, a little or very much broken.

use std::ops::Range;

use proptest::{prelude::*, sample::Index};

/// One thing that happens to an object.
#[derive(Debug, Clone)]
pub enum Damage {
    /// A bit turns.
    Flip(Index, u8),
    /// An octet becomes another.
    Replace(Index, u8),
    /// The end is missing.
    Cut(Index),
    /// An element (X.690 tag, length, value) stands twice.
    Repeat(Index),
    /// An element is missing.
    Remove(Index),
    /// Two elements change places.
    Swap(Index, Index),
    /// An element stands inside another one.
    Nest(Index, Index),
    /// A length says something else, on up to four octets.
    Length(Index, u32),
    /// An element has another tag.
    Tag(Index, u8),
    /// Octets come in.
    Insert(Index, Vec<u8>),
}

/// Any damage.
pub fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        3 => (at(), 0_u8..8).prop_map(|(place, bit)| Damage::Flip(place, bit)),
        2 => (at(), any::<u8>()).prop_map(|(place, octet)| Damage::Replace(place, octet)),
        1 => at().prop_map(Damage::Cut),
        2 => at().prop_map(Damage::Repeat),
        2 => at().prop_map(Damage::Remove),
        2 => (at(), at()).prop_map(|(one, other)| Damage::Swap(one, other)),
        2 => (at(), at()).prop_map(|(one, other)| Damage::Nest(one, other)),
        2 => (at(), prop_oneof![0_u32..300, any::<u32>()])
            .prop_map(|(place, length)| Damage::Length(place, length)),
        2 => (at(), any::<u8>()).prop_map(|(place, tag)| Damage::Tag(place, tag)),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..16))
            .prop_map(|(place, octets)| Damage::Insert(place, octets)),
    ]
}

/// One of `seeds` with one to six damages. Lengths around a change stay wrong half of the time, so
/// that readers meet both broken frames and broken contents.
pub fn damaged(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(seeds), prop::collection::vec((damage(), any::<bool>()), 1..6)).prop_map(
        |(mut octets, damages)| {
            for (damage, mend) in damages {
                apply(&mut octets, &damage, mend);
            }
            octets
        },
    )
}

/// Where an element lies.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Element {
    /// Tag, length and value.
    whole: Range<usize>,
    /// The value.
    value: Range<usize>,
    /// The elements around it, outermost first.
    around: Vec<usize>,
}

/// How many elements, and how many octets of them all, a test looks at.
const MOST_ELEMENTS: usize = 4096;

/// Where each element of DER octets lies, in the order of the file; also those inside OCTET and BIT
/// STRINGs that hold DER.
#[must_use]
pub fn elements(octets: &[u8]) -> Vec<Range<usize>> {
    walk(octets).into_iter().map(|element| element.whole).collect()
}

fn walk(octets: &[u8]) -> Vec<Element> {
    let mut found = Vec::new();
    inside(octets, 0..octets.len(), &mut Vec::new(), &mut found);
    found
}

fn inside(
    octets: &[u8],
    range: Range<usize>,
    around: &mut Vec<usize>,
    found: &mut Vec<Element>,
) -> bool {
    let mut at = range.start;
    let begin = found.len();
    while at < range.end {
        let Some((header, length)) = header(&octets[at..range.end]) else {
            found.truncate(begin);
            return false;
        };
        if found.len() == MOST_ELEMENTS {
            return true;
        }
        let value = at + header..at + header + length;
        let tag = octets[at];
        let index = found.len();
        found.push(Element { whole: at..value.end, value: value.clone(), around: around.clone() });
        around.push(index);
        match tag {
            _ if around.len() > 24 => {}
            _ if tag & 0x20 != 0 => {
                inside(octets, value.clone(), around, found);
            }
            0x04 if length > 2 => {
                inside(octets, value.clone(), around, found);
            }
            0x03 if length > 3 => {
                inside(octets, value.start + 1..value.end, around, found);
            }
            _ => {}
        }
        around.pop();
        at = value.end;
    }
    true
}

pub(crate) fn header(octets: &[u8]) -> Option<(usize, usize)> {
    if octets.first()? & 0x1f == 0x1f {
        return None;
    }
    let (header, length) = match *octets.get(1)? {
        short @ 0..=0x7f => (2, usize::from(short)),
        long @ 0x81..=0x83 => {
            let count = usize::from(long & 0x7f);
            let digits = octets.get(2..2 + count)?;
            (2 + count, digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)))
        }
        _ => return None,
    };
    (header + length <= octets.len()).then_some((header, length))
}

fn apply(octets: &mut Vec<u8>, damage: &Damage, mend: bool) {
    if octets.is_empty() {
        return;
    }
    let elements = walk(octets);
    let pick =
        |index: &Index| (!elements.is_empty()).then(|| &elements[index.index(elements.len())]);
    match damage {
        Damage::Flip(place, bit) => {
            let place = place.index(octets.len());
            octets[place] ^= 1 << bit;
        }
        Damage::Replace(place, octet) => {
            let place = place.index(octets.len());
            octets[place] = *octet;
        }
        Damage::Cut(place) => octets.truncate(place.index(octets.len())),
        Damage::Insert(place, new) => {
            let place = place.index(octets.len());
            octets.splice(place..place, new.iter().copied());
        }
        Damage::Tag(place, tag) => {
            if let Some(element) = pick(place) {
                octets[element.whole.start] = *tag;
            }
        }
        Damage::Length(place, length) => {
            if let Some(element) = pick(place) {
                let digits = length.to_be_bytes();
                let skip = digits.iter().take_while(|digit| **digit == 0).count().min(3);
                let mut form = vec![0x80 | (4 - skip) as u8];
                form.extend(&digits[skip..]);
                octets.splice(element.whole.start + 1..element.value.start, form);
            }
        }
        Damage::Repeat(place) => {
            if let Some(element) = pick(place) {
                let copy = octets[element.whole.clone()].to_vec();
                let (end, grown) = (element.whole.end, copy.len() as isize);
                octets.splice(end..end, copy);
                around(octets, &elements, element, grown, mend);
            }
        }
        Damage::Remove(place) => {
            if let Some(element) = pick(place) {
                octets.drain(element.whole.clone());
                around(octets, &elements, element, -(element.whole.len() as isize), mend);
            }
        }
        Damage::Nest(one, other) => {
            if let (Some(one), Some(other)) = (pick(one), pick(other)) {
                let copy = octets[other.whole.clone()].to_vec();
                let grown = copy.len() as isize - one.value.len() as isize;
                octets.splice(one.value.clone(), copy);
                let mut all = one.clone();
                all.around.push(elements.iter().position(|each| each == one).unwrap_or(0));
                around(octets, &elements, &all, grown, mend);
            }
        }
        Damage::Swap(one, other) => {
            if let (Some(one), Some(other)) = (pick(one), pick(other)) {
                let (first, second) =
                    if one.whole.start <= other.whole.start { (one, other) } else { (other, one) };
                if first.whole.end <= second.whole.start {
                    let (a, b) = (
                        octets[first.whole.clone()].to_vec(),
                        octets[second.whole.clone()].to_vec(),
                    );
                    octets.splice(second.whole.clone(), a);
                    octets.splice(first.whole.clone(), b);
                }
            }
        }
    }
}

/// Puts the lengths around a change right, from the inside out, as far as they keep their form.
fn around(octets: &mut [u8], elements: &[Element], changed: &Element, grown: isize, mend: bool) {
    if !mend {
        return;
    }
    for index in &changed.around {
        let element = &elements[*index];
        let Some(length) = element.value.len().checked_add_signed(grown) else { return };
        let form = &mut octets[element.whole.start + 1..element.value.start];
        match form {
            [short] if length < 0x80 => *short = length as u8,
            [_, digits @ ..] if length >= 0x80 => {
                for (digit, shift) in digits.iter_mut().rev().zip([0, 8, 16, 24]) {
                    *digit = (length >> shift) as u8;
                }
            }
            // The form would change its own length: leave a broken frame.
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SEQUENCE { INTEGER 5, OCTET STRING { SEQUENCE { NULL } } }
    const NESTED: [u8; 11] = [0x30, 9, 2, 1, 5, 4, 4, 0x30, 2, 5, 0];

    #[test]
    fn elements_are_found_inside_octet_strings_too() {
        assert_eq!(elements(&NESTED), [0..11, 2..5, 5..11, 7..11, 9..11]);
    }

    #[test]
    fn a_removed_element_can_leave_a_whole_frame() {
        let all = walk(&NESTED);
        let mut octets = NESTED.to_vec();
        let element = all[4].clone();
        octets.drain(element.whole.clone());
        around(&mut octets, &all, &element, -2, true);
        assert_eq!(octets, [0x30, 7, 2, 1, 5, 4, 2, 0x30, 0]);
    }

    proptest! {
        #[test]
        fn damage_itself_never_fails(octets in damaged(vec![NESTED.to_vec(), vec![0x30, 0]])) {
            let _ = elements(&octets);
        }
    }
}
