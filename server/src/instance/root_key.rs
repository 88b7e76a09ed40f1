//! Looks for the root's private key where it must not be.

mod content;
#[cfg(test)]
mod content_tests;
mod naked;
mod openssh;
mod views;

use std::{
    collections::VecDeque,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use content::{Holds, Search};

/// What was found of the root's key within the instance folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootKeyState {
    /// Nothing: as it should be.
    Gone,
    /// Nothing so far, but there is more in the folder than is searched.
    TooMuch,
    /// A wrapped key, which may be the root's.
    Wrapped(PathBuf),
    /// A key under the empty passphrase that is not read here: it may be the root's.
    Unreadable(PathBuf),
    /// The root's key, open.
    Open(PathBuf),
}

/// How much is searched. An instance has some fifty files; what strangers leave there, a copy of
/// something large or a link into it, must not keep the service from starting within a second.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// A private key, or a bundle with one, is far smaller; notes and dumps that hold one may be so large.
    file_octets: u64,
    /// Folders within folders.
    depth: usize,
    /// Files and folders of all kinds.
    entries: usize,
    /// Octets read from all files.
    octets: u64,
    /// Iterations of key derivation to try the empty passphrase with. A key that `init` wrapped for
    /// a person has 600,000 and is not tried: `init` takes no empty passphrase.
    iterations: u64,
    /// What may be a private scalar by its length alone, and costs some arithmetic to be told from a digest.
    scalars: usize,
}

const BOUNDS: Bounds = Bounds {
    file_octets: 4 * 1024 * 1024,
    depth: 8,
    entries: 20_000,
    octets: 64 * 1024 * 1024,
    iterations: 300_000,
    scalars: 1_000,
};

/// Searches the files of up to 4 MiB below `folder` for the private key of any root, nearest first.
///
/// An open key counts wherever it lies and whatever its name is, also in a PKCS #12 file or under an
/// empty passphrase. A wrapped one cannot be told from another, so any outside `keys/` counts, where
/// the wrapped keys of this instance have their place. `docs/operations.md` says in which forms the key is
/// found, and in which it is not looked for.
///
/// # Errors
/// The folder itself cannot be read: not knowing must not read as "gone".
pub fn find_root_key(folder: &Path, roots_spki_der: &[Vec<u8>]) -> std::io::Result<RootKeyState> {
    find_within(folder, roots_spki_der, BOUNDS)
}

fn find_within(
    folder: &Path,
    roots_spki_der: &[Vec<u8>],
    bounds: Bounds,
) -> std::io::Result<RootKeyState> {
    let (mut wrapped, mut unreadable) = (None, None);
    let mut search = Search::new(roots_spki_der, bounds.iterations, bounds.scalars);
    let (mut entries, mut octets) = (bounds.entries, bounds.octets);
    let mut all = true;
    let mut folders = VecDeque::from([(folder.to_owned(), 0)]);
    'search: while let Some((current, depth)) = folders.pop_front() {
        let listed = match std::fs::read_dir(&current) {
            Ok(listed) => listed,
            Err(error) if depth == 0 => return Err(error),
            // What this process cannot read, `lost+found` for one, it cannot misuse either.
            Err(_) => continue,
        };
        for entry in listed {
            if entries == 0 {
                all = false;
                break 'search;
            }
            entries -= 1;
            let Ok(entry) = entry else { continue };
            let path = entry.path();
            // Follows links to files: a linked key is as readable as one that lies here.
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            if metadata.is_dir() {
                let linked = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                if linked {
                } else if depth < bounds.depth {
                    folders.push_back((path, depth + 1));
                } else {
                    all = false;
                }
                continue;
            }
            // Pipes and devices would keep us waiting.
            if !metadata.is_file() || metadata.len() > bounds.file_octets {
                continue;
            }
            if metadata.len() > octets {
                all = false;
                break 'search;
            }
            octets -= metadata.len();
            let Some(content) = read(&path, bounds.file_octets) else { continue };
            match search.judge(&content) {
                Holds::Root => return Ok(RootKeyState::Open(path)),
                Holds::Unreadable => drop(unreadable.get_or_insert(path)),
                Holds::Wrapped if current != folder.join("keys") => {
                    wrapped.get_or_insert(path);
                }
                Holds::Wrapped | Holds::Nothing => {}
            }
        }
    }
    all &= !search.gave_up();
    let found = unreadable.map(RootKeyState::Unreadable).or(wrapped.map(RootKeyState::Wrapped));
    Ok(found.unwrap_or(if all { RootKeyState::Gone } else { RootKeyState::TooMuch }))
}

/// `None` for a file that this process cannot read.
fn read(path: &Path, most_octets: u64) -> Option<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::new());
    File::open(path).ok()?.take(most_octets).read_to_end(&mut content).ok()?;
    Some(content)
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
        let spki = [root.public_key_der().to_vec()];
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
        let others = folder.path().join("other.der");
        std::fs::write(&others, &*other.pkcs8_der().unwrap()).unwrap();
        assert!(matches!(state(), RootKeyState::Wrapped(_)));
        // Unless it is the other root's.
        let both = [root.public_key_der().to_vec(), other.public_key_der().to_vec()];
        assert_eq!(find_root_key(folder.path(), &both).unwrap(), RootKeyState::Open(others));

        let der = root.pkcs8_der().unwrap();
        let pem = der::pem::encode_string("PRIVATE KEY", LineEnding::LF, &der).unwrap();
        let far = [&b"a line of notes\n".repeat(200_000), pem.as_bytes()].concat();
        for (name, content) in [("keys/x", pem.as_bytes()), ("a/notes", &der), ("far", &far)] {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            assert_eq!(state(), RootKeyState::Open(path.clone()));
            std::fs::remove_file(path).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn neighbours_of_any_kind_neither_hide_the_key_nor_stop_the_search() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| folder.path().join(name);
        let root = SoftwareKey::generate_p384().unwrap();
        let spki = [root.public_key_der().to_vec()];
        let state = |bounds| find_within(folder.path(), &spki, bounds).unwrap();
        std::fs::create_dir_all(inside("a/b")).unwrap();
        symlink(folder.path(), inside("a/b/round")).unwrap();
        symlink("itself", inside("itself")).unwrap();
        symlink("/dev/zero", inside("endless")).unwrap();
        // Nobody will ever write to it: opened, it would wait for ever.
        let made = std::process::Command::new("mkfifo").arg(inside("pipe")).status().unwrap();
        assert!(made.success());
        // A terabyte, of which nothing is on the disk.
        File::create(inside("huge")).unwrap().set_len(1 << 40).unwrap();
        std::fs::write(inside("empty"), b"").unwrap();
        assert_eq!(state(BOUNDS), RootKeyState::Gone);

        for number in 0..40 {
            std::fs::write(inside(&format!("a/b/{number}")), [b'-'; 100]).unwrap();
        }
        assert_eq!(state(BOUNDS), RootKeyState::Gone);
        assert_eq!(state(Bounds { entries: 40, ..BOUNDS }), RootKeyState::TooMuch);
        assert_eq!(state(Bounds { octets: 3_900, ..BOUNDS }), RootKeyState::TooMuch);
        assert_eq!(state(Bounds { depth: 1, ..BOUNDS }), RootKeyState::TooMuch);
        // What lies near is found before what lies deep uses the bounds up.
        let near = inside("key");
        std::fs::write(&near, &*root.pkcs8_der().unwrap()).unwrap();
        assert_eq!(state(Bounds { entries: 20, ..BOUNDS }), RootKeyState::Open(near));
    }
}
