//! Passwords that are known from breaches: a file too long to be read, searched where it lies.
//!
//! Lines of an upper-case hexadecimal SHA-1, a colon and a count, in the order of the hashes: what the downloader of
//! Have I Been Pwned writes into one file, of some forty gigabytes.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// Hexadecimal digits of a SHA-1.
const DIGITS: usize = 40;
/// The longest line, in octets, with its end: digits, colon, a count of twenty digits, CR LF.
const LONGEST: u64 = 64;
/// How the first and the last hash of a whole list begin. The downloader asks for each beginning of five digits, and
/// every one of them has some hundred hashes: a file that ends before the last one was cut off.
const FIRST: &str = "00000";
const LAST: &str = "FFFFF";
/// Lines that are looked at before the instance serves, spread over the file.
const LOOKED_AT: u64 = 2_048;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BreachListError {
    /// It cannot be opened or read.
    #[error(
        "{} (people.breached_passwords_file) cannot be read; put it there, or leave the key empty",
        path.display()
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds nothing.
    #[error("{} (people.breached_passwords_file) is empty; download it again", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// A line is none.
    #[error(
        "{} (people.breached_passwords_file): at octet {at} there is no line of an upper-case SHA-1, a \
         colon and a count; download it again as one file of SHA-1 hashes",
        path.display()
    )]
    NoLine {
        /// Which file.
        path: PathBuf,
        /// Where.
        at: u64,
    },
    /// A line stands before one of a lower hash.
    #[error(
        "{} (people.breached_passwords_file): the line at octet {at} is out of order; sort the file by \
         its hashes (LC_ALL=C sort)",
        path.display()
    )]
    Unsorted {
        /// Which file.
        path: PathBuf,
        /// Where.
        at: u64,
    },
    /// Its first or last line is none of a whole list.
    #[error(
        "{} (people.breached_passwords_file) is not whole: its {which} hash does not begin with {begins}, as \
         that of every whole list does; download it again to its end",
        path.display()
    )]
    NotWhole {
        /// Which file.
        path: PathBuf,
        /// `first` or `last`.
        which: &'static str,
        /// How that hash begins in a whole list.
        begins: &'static str,
    },
    /// The thread that searched is gone.
    #[error("the search for a breached password broke off")]
    Stopped,
}

/// The file, opened.
struct BreachList<'p> {
    path: &'p Path,
    file: File,
    length: u64,
}

/// A line: its hash, and the octets that it takes up.
struct Line {
    hash: [u8; DIGITS],
    from: u64,
    to: u64,
}

/// Looks at the file before anybody relies on it: it is whole, and lines all over it have their form, and their order.
/// A line between them that is damaged is found when a search meets it, which then answers nothing.
///
/// # Errors
/// [`BreachListError`].
pub fn check(path: &Path) -> Result<(), BreachListError> {
    let mut list = BreachList::open(path)?;
    let step = (list.length / LOOKED_AT).max(1);
    let (mut at, mut before) = (0, None);
    while at < list.length {
        let line = list.line_at(at)?;
        if before.is_some_and(|(from, hash)| from != line.from && hash >= line.hash) {
            return Err(BreachListError::Unsorted { path: path.to_owned(), at: line.from });
        }
        before = Some((line.from, line.hash));
        // The last line is looked at however the steps fall.
        let last = list.length - 1;
        at = line.to.max(if at < last { (at + step).min(last) } else { at + step });
    }
    for (which, at, begins) in [("first", 0, FIRST), ("last", list.length - 1, LAST)] {
        if !list.line_at(at)?.hash.starts_with(begins.as_bytes()) {
            return Err(BreachListError::NotWhole { path: path.to_owned(), which, begins });
        }
    }
    Ok(())
}

/// Whether a password is in the file.
///
/// # Errors
/// [`BreachListError`]: then nobody knows.
pub fn holds(path: &Path, password: &str) -> Result<bool, BreachListError> {
    let sought = hash_of(password);
    let mut list = BreachList::open(path)?;
    // All lines before `from` are lower, all from `to` on are higher.
    let (mut from, mut to) = (0, list.length);
    while from < to {
        let line = list.line_at(from + (to - from) / 2)?;
        if line.from < from || line.to > to {
            return Err(BreachListError::Unsorted { path: path.to_owned(), at: line.from });
        }
        match line.hash.cmp(&sought) {
            std::cmp::Ordering::Equal => return Ok(true),
            std::cmp::Ordering::Less => from = line.to,
            std::cmp::Ordering::Greater => to = line.from,
        }
    }
    Ok(false)
}

/// SHA-1 because the list is of such; nothing rests on it.
fn hash_of(password: &str) -> [u8; DIGITS] {
    let text = hex::encode_upper(digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()));
    let mut hash = [0; DIGITS];
    // Twenty octets are forty digits.
    hash.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    hash
}

impl<'p> BreachList<'p> {
    fn open(path: &'p Path) -> Result<Self, BreachListError> {
        let unreadable = |source| BreachListError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        if length == 0 {
            return Err(BreachListError::Empty { path: path.to_owned() });
        }
        Ok(Self { path, file, length })
    }

    /// The line that the octet `at`, which the file has, belongs to.
    fn line_at(&mut self, at: u64) -> Result<Line, BreachListError> {
        let start = at.saturating_sub(LONGEST);
        let mut window = Vec::with_capacity(2 * LONGEST as usize);
        let read = self.file.seek(SeekFrom::Start(start));
        let read = read.and_then(|_| (&self.file).take(2 * LONGEST).read_to_end(&mut window));
        read.map_err(|source| BreachListError::Unreadable { path: self.path.to_owned(), source })?;
        let no_line = || BreachListError::NoLine { path: self.path.to_owned(), at };
        let here = usize::try_from(at - start).map_err(|_| no_line())?;
        let before = window.get(..here).ok_or_else(no_line)?;
        let first = match before.iter().rposition(|octet| *octet == b'\n') {
            Some(end) => end + 1,
            None if start == 0 => 0,
            None => return Err(no_line()),
        };
        let rest = &window[here..];
        let last = match rest.iter().position(|octet| *octet == b'\n') {
            Some(end) => here + end + 1,
            None if start + window.len() as u64 == self.length => window.len(),
            None => return Err(no_line()),
        };
        let hash = parse(&window[first..last]).ok_or_else(no_line)?;
        Ok(Line { hash, from: start + first as u64, to: start + last as u64 })
    }
}

/// The hash of a line.
fn parse(line: &[u8]) -> Option<[u8; DIGITS]> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (hash, count) = line.split_first_chunk::<DIGITS>()?;
    let count = count.strip_prefix(b":")?;
    let fits = hash.iter().all(|octet| matches!(octet, b'0'..=b'9' | b'A'..=b'F'))
        && !count.is_empty()
        && count.iter().all(u8::is_ascii_digit);
    fits.then_some(*hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-1 of `abc` (FIPS 180-4, example of NIST).
    const OF_ABC: &str = "A9993E364706816ABA3E25717850C26C9CD0D89D";

    fn file(folder: &tempfile::TempDir, text: &str) -> PathBuf {
        let path = folder.path().join("breached.txt");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Passwords number 0 to `n` between the ends of a whole list, in the order of their hashes, with this end of line.
    fn sorted(n: usize, end: &str) -> String {
        let ends = [format!("{:0>40}:7{end}", 'A'), format!("{:F>40}:7{end}", 'A')];
        let mut lines: Vec<_> = (0..n)
            .map(|number| {
                let hash = hash_of(&format!("password-{number}"));
                format!("{}:{}{end}", std::str::from_utf8(&hash).unwrap(), number + 1)
            })
            .chain(ends)
            .collect();
        lines.sort();
        lines.concat()
    }

    #[test]
    fn every_password_of_the_file_is_found_and_no_other() {
        assert_eq!(hash_of("abc"), OF_ABC.as_bytes());
        let folder = tempfile::tempdir().unwrap();
        for (n, end) in [(1, "\n"), (2, "\r\n"), (500, "\r\n"), (501, "\n")] {
            let text = sorted(n, end);
            for text in [text.clone(), text.trim_end().to_owned()] {
                let path = file(&folder, &text);
                check(&path).unwrap();
                for number in 0..n {
                    assert!(
                        holds(&path, &format!("password-{number}")).unwrap(),
                        "{number} of {n}"
                    );
                }
                for number in n..n + 50 {
                    assert!(!holds(&path, &format!("password-{number}")).unwrap(), "{number}");
                }
            }
        }
    }

    #[test]
    fn a_file_that_is_missing_empty_damaged_or_out_of_order_is_refused_with_where() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none.txt");
        assert!(matches!(check(&missing), Err(BreachListError::Unreadable { .. })));
        assert!(matches!(holds(&missing, "abc"), Err(BreachListError::Unreadable { .. })));
        assert!(matches!(check(&file(&folder, "")), Err(BreachListError::Empty { .. })));
        let good = sorted(100, "\n");
        let line = good.lines().next().unwrap().to_owned();
        for damaged in [
            good.to_lowercase(),
            good.replacen(':', ";", 1),
            good.replacen(":1\n", ":\n", 1),
            good.replacen(":1\n", ":x\n", 1),
            format!("{good}\n"),
            format!("{}\n{good}", &line[..39]),
            "\0".repeat(5_000),
            format!("{OF_ABC}\n"),
            "x".repeat(5_000),
        ] {
            let path = file(&folder, &damaged);
            assert!(matches!(check(&path), Err(BreachListError::NoLine { .. })), "{damaged:.90}");
        }
        let mut lines: Vec<_> = good.lines().collect();
        lines.reverse();
        let path = file(&folder, &lines.join("\n"));
        assert!(matches!(check(&path), Err(BreachListError::Unsorted { .. })));
        lines.sort_unstable();
        lines.swap(40, 41);
        let path = file(&folder, &lines.join("\n"));
        assert!(matches!(check(&path), Err(BreachListError::Unsorted { at, .. }) if at > 0));
        let twice = file(&folder, &format!("{line}\n{line}\n"));
        assert!(matches!(check(&twice), Err(BreachListError::Unsorted { .. })));
    }

    #[test]
    fn a_file_that_was_cut_off_is_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        let good = sorted(5_000, "\n");
        let lines: Vec<_> = good.lines().collect();
        check(&file(&folder, &good)).unwrap();
        for (cut, end) in [
            (&lines[1..], "first"),
            (&lines[..lines.len() - 1], "last"),
            (&lines[..2_000], "last"),
            (&lines[2_000..2_001], "first"),
        ] {
            let path = file(&folder, &cut.join("\n"));
            assert!(
                matches!(check(&path), Err(BreachListError::NotWhole { which, .. }) if which == end),
                "{end}"
            );
        }
        // In the middle of a line, in the hash and behind it.
        for octets in [good.len() - 42, good.len() - 2] {
            let path = file(&folder, &good[..octets]);
            assert!(matches!(check(&path), Err(BreachListError::NoLine { .. })), "{octets}");
        }
    }

    #[test]
    fn what_a_search_meets_damaged_is_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        let good = sorted(3, "\n");
        let middle = good.lines().nth(2).unwrap();
        let path = file(&folder, &good.replace(middle, &middle.to_lowercase()));
        assert!(matches!(holds(&path, "any"), Err(BreachListError::NoLine { .. })));
    }
}
