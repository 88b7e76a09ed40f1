//! Programs to which one file or folder of the machine looks different, without a trace outside.

use std::{ffi::OsStr, os::unix::fs::MetadataExt, path::Path};

use tokio::process::Command;

/// `program` in a mount namespace of its own in which `source` lies over `target`. An ordinary user gets
/// one through a user namespace. The process becomes the program.
#[must_use]
pub fn with_mount(source: &Path, target: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !runs_as_root() {
        command.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    command
        .args(["sh", "-c", "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"", "sh"])
        .arg(source)
        .args([target.as_ref(), program.as_ref()]);
    command
}

/// Whether this process is root's.
pub(super) fn runs_as_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
