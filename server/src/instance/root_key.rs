//! Looks for the root's private key where it must not be.

use std::path::{Path, PathBuf};

use sekisho_key::is_unencrypted_private_key_pem;
use zeroize::Zeroizing;

/// What was found of the root's key within the instance folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootKeyState {
    /// Nothing: as it should be.
    Gone,
    /// A wrapped key, which may be the root's.
    Wrapped(PathBuf),
    /// The root's key, open.
    Open(PathBuf),
}

/// Private keys are far smaller.
const MOST_OCTETS: u64 = 64 * 1024;
/// Folders within folders that are looked into.
const MOST_DEPTH: usize = 8;

/// Searches every small file below `folder` for the private key of `root_spki_der`.
///
/// An open key counts wherever it lies and whatever its name is. A wrapped one cannot be told from
/// another, so any outside `keys/` counts, where the wrapped keys of this instance have their place.
///
/// # Errors
/// A folder that cannot be read: not knowing must not read as "gone".
pub fn find_root_key(folder: &Path, root_spki_der: &[u8]) -> std::io::Result<RootKeyState> {
    let mut wrapped = None;
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((current, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&current)? {
            let path = entry?.path();
            // Follows links to files: a linked key is as readable as one that lies here.
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            if metadata.is_dir() {
                let linked = std::fs::symlink_metadata(&path)?.is_symlink();
                if depth < MOST_DEPTH && !linked {
                    folders.push((path, depth + 1));
                }
                continue;
            }
            if !metadata.is_file() || metadata.len() > MOST_OCTETS {
                continue;
            }
            // A file that this process cannot read, it cannot misuse either.
            let Ok(content) = std::fs::read(&path) else { continue };
            let content = Zeroizing::new(content);
            if is_unencrypted_private_key_pem(&content).as_deref() == Some(root_spki_der) {
                return Ok(RootKeyState::Open(path));
            }
            let of_this_instance = current == folder.join("keys");
            if !of_this_instance && contains(&content, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") {
                wrapped.get_or_insert(path);
            }
        }
    }
    Ok(wrapped.map_or(RootKeyState::Gone, RootKeyState::Wrapped))
}

fn contains(content: &[u8], label: &[u8]) -> bool {
    content.windows(label.len()).any(|window| window == label)
}

#[cfg(test)]
mod tests {
    use der::pem::LineEnding;
    use secrecy::SecretString;
    use sekisho_key::{SigningKey, SoftwareKey, Stretch, SystemRandomness};

    use super::*;

    #[test]
    fn an_open_key_is_found_under_any_name_and_a_wrapped_one_outside_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let root = SoftwareKey::generate_p384().unwrap();
        let spki = root.public_key_der().to_vec();
        let state = || find_root_key(folder.path(), &spki).unwrap();
        std::fs::create_dir_all(folder.path().join("keys")).unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        assert_eq!(state(), RootKeyState::Gone);

        let wrapped = root
            .to_encrypted_pem(&SecretString::from("x"), Stretch::MachineSecret, &SystemRandomness)
            .unwrap();
        std::fs::write(folder.path().join("keys/terminals.p8"), &wrapped).unwrap();
        assert_eq!(state(), RootKeyState::Gone);
        let carried = folder.path().join("a/b/forgotten.txt");
        std::fs::write(&carried, &wrapped).unwrap();
        assert_eq!(state(), RootKeyState::Wrapped(carried));

        let other = SoftwareKey::generate_p384().unwrap();
        std::fs::write(folder.path().join("other.der"), &*other.pkcs8_der().unwrap()).unwrap();
        assert!(matches!(state(), RootKeyState::Wrapped(_)));

        let der = root.pkcs8_der().unwrap();
        let pem = der::pem::encode_string("PRIVATE KEY", LineEnding::LF, &der).unwrap();
        for (name, content) in [("keys/x", pem.as_bytes()), ("a/notes", &der)] {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            assert_eq!(state(), RootKeyState::Open(path.clone()));
            std::fs::remove_file(path).unwrap();
        }
    }
}
