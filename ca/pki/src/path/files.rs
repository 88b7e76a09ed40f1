//! PEM files as people keep them (RFC 7468, read leniently as its §3 allows for parsers).

use base64::{Engine, engine::general_purpose::STANDARD};

/// One block of a PEM file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemBlock {
    /// What stands behind `BEGIN`, e.g. `CERTIFICATE`.
    pub label: String,
    /// The decoded octets.
    pub der: Vec<u8>,
}

/// Why a file is not PEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// A block without an end, or with another's.
    #[error("a PEM block has no matching END line")]
    NoEnd,
    /// Something other than base64 within a block.
    #[error("a PEM block is not base64")]
    NotBase64,
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// The blocks of a file, in order; text around them is passed over, lines may have any length.
///
/// # Errors
/// [`PemError`].
pub fn pem_blocks(file: &[u8]) -> Result<Vec<PemBlock>, PemError> {
    let mut blocks = Vec::new();
    let mut current: Option<(Vec<u8>, Vec<u8>)> = None;
    for line in file.split(|octet| *octet == b'\n') {
        let line = line.trim_ascii();
        let labelled =
            |prefix| line.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(DASHES));
        match &mut current {
            None => {
                if let Some(label) = labelled(BEGIN) {
                    current = Some((label.to_vec(), Vec::new()));
                }
            }
            Some((label, base64)) => {
                if let Some(end) = labelled(END) {
                    if end != label {
                        return Err(PemError::NoEnd);
                    }
                    let der =
                        STANDARD.decode(base64.as_slice()).map_err(|_| PemError::NotBase64)?;
                    blocks
                        .push(PemBlock { label: String::from_utf8_lossy(label).into_owned(), der });
                    current = None;
                } else {
                    base64.extend(line.iter().filter(|octet| !octet.is_ascii_whitespace()));
                }
            }
        }
    }
    if current.is_some() { Err(PemError::NoEnd) } else { Ok(blocks) }
}

/// Whether a file holds PEM.
#[must_use]
pub fn is_pem(file: &[u8]) -> bool {
    file.windows(BEGIN.len()).any(|window| window == BEGIN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blocks_are_read_between_text_and_with_any_line_length() {
        let file = b"text\r\n-----BEGIN A B-----\r\nAQI\r\nD\r\n-----END A B-----\r\nmore\n\
            -----BEGIN C-----\n-----END C-----\n";
        let blocks = pem_blocks(file).unwrap();
        assert_eq!(blocks.len(), 2);
        assert_eq!((blocks[0].label.as_str(), blocks[0].der.as_slice()), ("A B", &[1, 2, 3][..]));
        assert!(blocks[1].der.is_empty());
        assert_eq!(pem_blocks(b"-----BEGIN A-----\nAQID\n"), Err(PemError::NoEnd));
        assert_eq!(pem_blocks(b"-----BEGIN A-----\nAQID\n-----END B-----"), Err(PemError::NoEnd));
        assert_eq!(
            pem_blocks(b"-----BEGIN A-----\nA?ID\n-----END A-----"),
            Err(PemError::NotBase64)
        );
        assert_eq!(pem_blocks(b"no PEM"), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(der: Vec<u8>) {
            let file = format!("-----BEGIN X-----\n{}\n-----END X-----\n", STANDARD.encode(&der));
            prop_assert_eq!(pem_blocks(file.as_bytes()).unwrap()[0].der.clone(), der);
        }

        #[test]
        fn no_octets_panic(file: Vec<u8>) {
            let _ = pem_blocks(&file);
        }
    }
}
