//! Elementary files of one application, encoded after ISO/IEC 7816-15 as each layout has them.

use serde::{Deserialize, Serialize};

use crate::personal::ApplicationData;

/// Which structure the card has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// JAHIS guideline Ver. 3.1 annex B: short identifiers, PIN reference 96h, key file 0017.
    Ic31,
    /// Seen on a real card: two-octet file identifiers, PIN reference 88h, key reference 000C.
    Observed,
}

/// One elementary file.
pub(crate) struct File {
    pub(crate) id: u16,
    /// Short identifier, 1 to 30. Those of the layout observed are implied by the file identifiers
    /// (ISO/IEC 7816-4, file control parameters 83 and 88): not seen on a card.
    pub(crate) sfi: u8,
    pub(crate) content: Vec<u8>,
}

impl Layout {
    /// P2 of VERIFY.
    pub(crate) fn pin_reference(self) -> u8 {
        match self {
            Self::Ic31 => 0x96,
            Self::Observed => 0x88,
        }
    }

    /// The MSE data object that names the key: tag and reference.
    pub(crate) fn key_object(self) -> [u8; 4] {
        match self {
            Self::Ic31 => [0x81, 2, 0x00, 0x17],
            Self::Observed => [0x84, 2, 0x00, 0x0c],
        }
    }

    /// The AOD's storedLength.
    fn stored_pin_octets(self) -> u8 {
        match self {
            Self::Ic31 => 16,
            Self::Observed => 0,
        }
    }

    pub(crate) fn key_file(self) -> u16 {
        match self {
            Self::Ic31 => 0x17,
            Self::Observed => 0x0c,
        }
    }

    /// All readable files of an application.
    pub(crate) fn files(self, data: &ApplicationData, consent: bool) -> Vec<File> {
        // AOD, PrKD, CD, key, first certificate; and how a path points at them.
        let ids: [u16; 5] = match self {
            Self::Ic31 => [0x13, 0x14, 0x15, 0x17, 0x18],
            Self::Observed => [0x01, 0x02, 0x04, 0x0c, 0x16],
        };
        let path = |id: u16| match self {
            Self::Ic31 => vec![(id as u8) << 3],
            Self::Observed => id.to_be_bytes().to_vec(),
        };
        let [aod, prkd, cd, key, first] = ids;
        let file = |id: u16, content| File { id, sfi: id as u8, content };
        let at = |id| tlv(0x30, &[&tlv(0x04, &[&path(id)])]);

        // EF.OD: private keys, certificates, authentication objects; the card observed has lists of
        // public keys and data objects as well, of which nothing was told but the places.
        let (public_keys, data_objects) = (0x03, 0x05);
        let observed = self == Self::Observed;
        let others = |tag, id| if observed { tlv(tag, &[&at(id)]) } else { Vec::new() };
        let directory = [
            tlv(0xa0, &[&at(prkd)]),
            others(0xa1, public_keys),
            tlv(0xa4, &[&at(cd)]),
            others(0xa7, data_objects),
            tlv(0xa8, &[&at(aod)]),
        ];
        let mut files = vec![
            File { id: 0x5031, sfi: 0x11, content: directory.concat() },
            File { id: 0x5032, sfi: 0x12, content: application_information() },
            file(aod, self.authentication_object()),
            file(prkd, private_key(&at(key), consent)),
        ];
        if observed {
            files.extend([public_keys, data_objects].map(|id| file(id, Vec::new())));
        }
        let mut certificates = Vec::new();
        let chain = std::iter::once(&data.certificate_der).chain(&data.chain_der);
        for (index, der) in chain.take(4).enumerate() {
            let id = first + index as u16;
            let label = [
                "HPKI END ENTITY CERTIFICATE",
                "MHLW CA CERTIFICATE",
                "HPKI ROOT CA CERTIFICATE",
                "HPKI CA CERTIFICATE",
            ][index];
            certificates.extend(tlv(
                0x30,
                &[
                    &tlv(0x30, &[&tlv(0x0c, &[label.as_bytes()])]),
                    &tlv(0x30, &[&tlv(0x04, &[&[0x45 + index as u8]])]),
                    &tlv(0xa1, &[&tlv(0x30, &[&at(id)])]),
                ],
            ));
            files.push(file(id, der.clone()));
        }
        files.push(file(cd, certificates));
        files
    }

    fn authentication_object(self) -> Vec<u8> {
        tlv(
            0x30,
            &[
                &tlv(0x30, &[&tlv(0x0c, &[b"PIN"]), &tlv(0x03, &[&[6, 0x40]])]),
                &tlv(0x30, &[&tlv(0x04, &[&[8]])]),
                &tlv(
                    0xa1,
                    &[&tlv(
                        0x30,
                        &[
                            &tlv(0x03, &[&[3, 0xc8]]),
                            &tlv(0x0a, &[&[2]]),
                            &tlv(0x02, &[&[4]]),
                            &tlv(0x02, &[&[self.stored_pin_octets()]]),
                            &tlv(0x02, &[&[16]]),
                            // Positive INTEGER: the reference has its high bit set.
                            &tlv(0x80, &[&[0, self.pin_reference()]]),
                        ],
                    )],
                ),
            ],
        )
    }
}

/// EF.DIR (ISO/IEC 7816-4 §8.2.1.1): an application template for each name.
pub(crate) fn directory(names: impl Iterator<Item = [u8; 16]>) -> File {
    let content = names.flat_map(|name| tlv(0x61, &[&tlv(0x4f, &[&name])])).collect();
    File { id: 0x2f00, sfi: 0x1e, content }
}

/// EF.CIAInfo: version 2, a label, flags authRequired and prnGeneration.
fn application_information() -> Vec<u8> {
    let label = tlv(0x80, &[b"HPKI Application"]);
    tlv(0x30, &[&tlv(0x02, &[&[1]]), &label, &tlv(0x03, &[&[5, 0x60]])])
}

fn private_key(path: &[u8], consent: bool) -> Vec<u8> {
    let consent = if consent { tlv(0x02, &[&[1]]) } else { Vec::new() };
    // usage: nonRepudiation is bit 9, sign is bit 2 (ISO/IEC 7816-15 §8.5.1).
    let usage: &[u8] = if consent.is_empty() { &[5, 0x20] } else { &[6, 0x00, 0x40] };
    tlv(
        0x30,
        &[
            &tlv(0x30, &[&tlv(0x0c, &[b"Private key of HPKI"]), &tlv(0x04, &[&[8]]), &consent]),
            &tlv(0x30, &[&tlv(0x04, &[&[0x45]]), &tlv(0x03, &[usage])]),
            &tlv(0xa1, &[&tlv(0x30, &[path, &tlv(0x02, &[&[0x08, 0x00]])])]),
        ],
    )
}

/// Tag, length, value; lengths up to 65,535.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = value.len();
    let mut octets = vec![tag];
    match length {
        0..=0x7f => octets.push(length as u8),
        0x80..=0xff => octets.extend([0x81, length as u8]),
        _ => octets.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    octets.extend(value);
    octets
}
