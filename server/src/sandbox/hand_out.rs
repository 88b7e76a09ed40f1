//! A software card as what is handed out: the tar of its folder.

use sekisho_software_card::{CardError, INSERTED, Personalisation};

/// The folder `name` with the card's files, and the mark by which the card is in its reader at once.
///
/// # Errors
/// [`CardError`].
pub(super) fn archive(name: &str, card: &Personalisation) -> Result<Vec<u8>, CardError> {
    let failed = |source| CardError::File { path: name.to_owned(), source };
    let mut archive = tar::Builder::new(Vec::new());
    for (file, octets) in card.files()? {
        append(&mut archive, &format!("{name}/{file}"), &octets).map_err(failed)?;
    }
    append(&mut archive, &format!("{name}/{INSERTED}"), &[]).map_err(failed)?;
    archive.into_inner().map_err(failed)
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, octets: &[u8]) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(octets.len() as u64);
    header.set_mode(0o600);
    header.set_entry_type(tar::EntryType::Regular);
    archive.append_data(&mut header, path, octets)
}

#[cfg(test)]
mod tests {
    use sekisho_software_card::{ApplicationData, Family, Layout};

    use super::*;

    #[test]
    fn what_is_unpacked_is_a_card_in_its_reader() {
        let card = Personalisation {
            family: Family::Hpki { layout: Layout::Observed, pin: "1234".into(), tries: 15 },
            authentication: ApplicationData {
                certificate_der: vec![1],
                chain_der: vec![vec![2], vec![3]],
                key_pkcs8_der: vec![4].into(),
            },
            signature: None,
        };
        let folder = tempfile::tempdir().unwrap();
        let octets = archive("nurse", &card).unwrap();
        tar::Archive::new(octets.as_slice()).unpack(folder.path()).unwrap();
        let unpacked = folder.path().join("nurse");
        assert!(unpacked.join(INSERTED).exists());
        let read = Personalisation::load(&unpacked).unwrap();
        assert_eq!(read.family, card.family);
        assert_eq!(read.authentication.chain_der, [vec![2], vec![3]]);
        assert_eq!(*read.authentication.key_pkcs8_der, [4]);
    }
}
