//! A software card as what is handed out: the tar of its folder.

use sekisho_software_card::{CardError, INSERTED, Personalisation};

/// Each folder with its card's files, and the mark by which a card is in its reader at once.
///
/// # Errors
/// [`CardError`].
pub(super) fn archive(cards: &[(String, Personalisation)]) -> Result<Vec<u8>, CardError> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, card) in cards {
        let failed = |source| CardError::File { path: name.clone(), source };
        for (file, octets) in card.files()? {
            append(&mut archive, &format!("{name}/{file}"), &octets).map_err(failed)?;
        }
        append(&mut archive, &format!("{name}/{INSERTED}"), &[]).map_err(failed)?;
    }
    archive.into_inner().map_err(|source| CardError::File { path: "archive".into(), source })
}

/// The folders in such an archive, in its order.
///
/// # Errors
/// It is no tar.
pub fn folders(archive: &[u8]) -> std::io::Result<Vec<String>> {
    let mut folders = Vec::new();
    for entry in tar::Archive::new(archive).entries()? {
        let entry = entry?;
        let path = entry.path()?;
        let folder = path.components().next();
        let folder = folder.map(|folder| folder.as_os_str().to_string_lossy().into_owned());
        folders.extend(folder.filter(|folder| folders.last() != Some(folder)));
    }
    Ok(folders)
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
        let both = ["nurse", "nurse-blocked"].map(|name| (name.to_owned(), card.clone()));
        let octets = archive(&both).unwrap();
        assert_eq!(folders(&octets).unwrap(), ["nurse", "nurse-blocked"]);
        tar::Archive::new(octets.as_slice()).unpack(folder.path()).unwrap();
        let unpacked = folder.path().join("nurse");
        assert!(unpacked.join(INSERTED).exists());
        let read = Personalisation::load(&unpacked).unwrap();
        assert_eq!(read.family, card.family);
        assert_eq!(read.authentication.chain_der, [vec![2], vec![3]]);
        assert_eq!(*read.authentication.key_pkcs8_der, [4]);
    }
}
