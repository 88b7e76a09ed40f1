//! How a new enrolment takes the place of an old one: whole, and without losing what was there.
//!
//! 1. all of it is made in `pending/CODE`, where CODE is the beginning of the code's hash: a run
//!    whose answer was lost finds its key again, and another code never meets that key;
//! 2. one rename to `arriving` decides that it takes the place of what is there;
//! 3. file by file, the old one goes to `replaced-TIME-…` and the new one to where it was. What
//!    power interrupts here, the next start of the program continues.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::place::{Place, PlaceError, at};

const PENDING: &str = "pending";
const ARRIVING: &str = "arriving";
/// Digits of the code's hash in a folder's name.
const CODE_DIGITS: usize = 16;

impl Place {
    /// The folder in which the enrolment by this code is made.
    ///
    /// # Errors
    /// [`PlaceError::File`].
    pub fn pending(&self, code_sha256: &str) -> Result<Self, PlaceError> {
        let name = code_sha256.get(..CODE_DIGITS).unwrap_or(code_sha256);
        Self::create(&self.folder.join(PENDING).join(name))
    }

    /// Puts what was made in `pending` in the place of what is here. Answers where the old files
    /// lie now, if there were any.
    ///
    /// # Errors
    /// [`PlaceError::File`]: [`Place::settle`] continues.
    pub fn adopt(&self, pending: &Self) -> Result<Option<PathBuf>, PlaceError> {
        let arriving = self.folder.join(ARRIVING);
        fs::rename(&pending.folder, &arriving).map_err(at(&arriving))?;
        let set_aside = self.settle()?;
        // What other codes began: a key without a certificate, of use to nobody any more.
        let rest = self.folder.join(PENDING);
        for begun in fs::read_dir(&rest).map_err(at(&rest))? {
            self.discard(&Self { folder: begun.map_err(at(&rest))?.path() })?;
        }
        // Empty where no other code had begun anything.
        if rest.exists() {
            fs::remove_dir(&rest).map_err(at(&rest))?;
        }
        Ok(set_aside)
    }

    /// Ends what a code began that opens nothing any more: its key is overwritten, then all of it
    /// removed.
    ///
    /// # Errors
    /// [`PlaceError::File`].
    pub fn discard(&self, pending: &Self) -> Result<(), PlaceError> {
        let key = pending.key();
        // The token may be away: then what it keeps opens nothing all the same.
        if let Err(error) = super::key::remove_from_token(pending) {
            tracing::info!(%error, "no key was removed from a token");
        }
        if let Ok(held) = fs::metadata(&key) {
            wipe(&key, held.len()).map_err(at(&key))?;
        }
        fs::remove_dir_all(&pending.folder).map_err(at(&pending.folder))?;
        // Other codes may have begun something, too: then it is not empty and stays.
        let _ = fs::remove_dir(self.folder.join(PENDING));
        Ok(())
    }

    /// Continues an exchange of files that was interrupted; nothing where none was.
    ///
    /// # Errors
    /// [`PlaceError::File`].
    pub fn settle(&self) -> Result<Option<PathBuf>, PlaceError> {
        self.sweep();
        let arriving = Self { folder: self.folder.join(ARRIVING) };
        if !arriving.folder.is_dir() {
            return Ok(None);
        }
        let mut set_aside = None;
        for (new, current) in arriving.files().iter().zip(self.files()) {
            if !new.exists() {
                continue;
            }
            if current.exists() {
                let aside = match set_aside.take() {
                    Some(aside) => aside,
                    None => replaced(&self.folder)?,
                };
                let name = current.file_name().unwrap_or_default();
                fs::rename(&current, aside.join(name)).map_err(at(&current))?;
                set_aside = Some(aside);
            }
            fs::rename(new, &current).map_err(at(&current))?;
        }
        // What is left belongs to no enrolment: that a PIN was refused, what a killed program began to write.
        fs::remove_dir_all(&arriving.folder).map_err(at(&arriving.folder))?;
        Ok(set_aside)
    }

    /// Everything that an enrolment leaves. The certificate last: a running agent watches it, and
    /// then reads the others.
    fn files(&self) -> [PathBuf; 7] {
        [
            self.key(),
            self.root(),
            self.former_root(),
            self.issuer(),
            self.pinned(),
            self.enrolled(),
            self.certificate(),
        ]
    }
}

/// Writes zeroes over a file's octets. A file system that writes elsewhere keeps them all the same;
/// the key opens nothing.
fn wipe(path: &Path, length: u64) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    std::io::copy(&mut std::io::repeat(0).take(length), &mut file)?;
    file.sync_all()
}

/// A folder for what goes, named by now, that no run before has used.
fn replaced(folder: &Path) -> Result<PathBuf, PlaceError> {
    let now = OffsetDateTime::now_utc();
    let (month, day) = (u8::from(now.month()), now.day());
    let (hour, minute, second) = now.to_hms();
    let year = now.year();
    let prefix = format!("replaced-{year}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z-");
    let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(folder).map_err(at(folder))?;
    Ok(made.keep())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(place: &Place, word: &str) {
        for file in place.files() {
            fs::write(file, word).unwrap();
        }
    }

    fn held(place: &Place) -> Vec<String> {
        place.files().iter().map(|file| fs::read_to_string(file).unwrap()).collect()
    }

    #[test]
    fn an_exchange_that_power_interrupted_is_continued_and_loses_nothing() {
        for done in 0..7 {
            for between in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let place = Place::create(folder.path()).unwrap();
                fill(&place, "old");
                let arriving = Place::create(&folder.path().join(ARRIVING)).unwrap();
                fill(&arriving, "new");
                fs::write(arriving.folder.join("left by a killed program"), "half").unwrap();
                // As it lies after so many files, and perhaps between the two steps of the next.
                let aside = replaced(folder.path()).unwrap();
                for (index, current) in place.files().iter().enumerate() {
                    let name = current.file_name().unwrap();
                    if index < done || (index == done && between) {
                        fs::rename(current, aside.join(name)).unwrap();
                    }
                    if index < done {
                        fs::rename(arriving.folder.join(name), current).unwrap();
                    }
                }
                place.settle().unwrap();
                assert_eq!(held(&place), ["new"; 7], "{done} {between}");
                assert!(!arriving.folder.exists());
                let mut kept = 0;
                for entry in fs::read_dir(folder.path()).unwrap() {
                    let entry = entry.unwrap();
                    if entry.file_name().to_string_lossy().starts_with("replaced-") {
                        for file in fs::read_dir(entry.path()).unwrap() {
                            assert_eq!(fs::read_to_string(file.unwrap().path()).unwrap(), "old");
                            kept += 1;
                        }
                    }
                }
                assert_eq!(kept, 7, "{done} {between}");
            }
        }
    }

    #[test]
    fn a_first_enrolment_sets_nothing_aside_and_ends_what_other_codes_began() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::create(folder.path()).unwrap();
        let other = place.pending("ffff").unwrap();
        fs::write(other.key(), "of a code that was refused").unwrap();
        let pending = place.pending(&"ab".repeat(32)).unwrap();
        fill(&pending, "new");
        // A second name of the same file shows what is left of it.
        let kept = tempfile::tempdir_in(folder.path().parent().unwrap()).unwrap();
        let left = kept.path().join("left");
        fs::hard_link(other.key(), &left).unwrap();
        assert_eq!(place.adopt(&pending).unwrap(), None);
        assert!(fs::read(&left).unwrap().iter().all(|octet| *octet == 0));
        assert_eq!(held(&place), ["new"; 7]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 7);
    }
}
