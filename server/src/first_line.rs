//! A secret in the first line of a file.

use std::path::Path;

use secrecy::SecretString;

/// The first line without blanks around it; `None` if nothing is left.
pub(crate) fn secret(text: &str) -> Option<SecretString> {
    let line = text.lines().next().unwrap_or_default().trim();
    (!line.is_empty()).then(|| SecretString::from(line))
}

/// Whether group or others have a right to the file. A pipe, as of a shell's `<(…)`, is gone once read.
#[cfg(unix)]
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
pub(crate) fn is_open_to_others(_: &Path) -> bool {
    false
}
