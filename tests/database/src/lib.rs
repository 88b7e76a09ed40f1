//! Fresh databases for tests: a file of SQLite, and a database in a PostgreSQL 15 cluster that the
//! test program starts for itself. Nothing of the machine's own database server is touched.
#![allow(clippy::unwrap_used, reason = "a test without its database has to fail loudly")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// Address of a SQLite database in this folder; opening it makes the file.
#[must_use]
pub fn sqlite_url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("t.db").display())
}

/// Address of a fresh, empty PostgreSQL database.
///
/// # Panics
/// When PostgreSQL 15 of Debian is not installed, or the cluster does not start.
#[must_use]
pub fn postgres_url() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let socket = cluster();
    let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let created = Command::new(format!("{BIN}/createdb"))
        .args(["-h", &socket.display().to_string(), "-U", "postgres", &name])
        .output()
        .unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    format!("postgres://postgres@localhost/{name}?host={}", socket.display())
}

/// Folder of the socket of a cluster that lives as long as this process: its keeper waits on a pipe
/// that the kernel closes when we end, however we end, and then stops the server and cleans up.
fn cluster() -> &'static Path {
    static CLUSTER: OnceLock<PathBuf> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        assert!(
            Path::new(BIN).join("initdb").exists(),
            "PostgreSQL 15 is not in {BIN}: these tests need the Debian package postgresql-15"
        );
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").unwrap().keep();
        let root = is_root();
        if root {
            run(Command::new("chown").arg("postgres").arg(&folder));
        }
        let script = format!(
            "set -e; cd {0}; {BIN}/initdb -D data -U postgres -A trust -N >log 2>&1; \
             {BIN}/postgres -D data -k {0} -h '' -F -N 400 >>log 2>&1 & pid=$!; \
             until {BIN}/pg_isready -q -h {0}; do kill -0 $pid; sleep 0.1; done; \
             echo ready; read -r _ || true; kill -INT $pid; wait $pid || true; rm -rf {0}",
            folder.display()
        );
        let mut command = if root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", "sh", "-c", &script]);
            command
        } else {
            let mut command = Command::new("sh");
            command.args(["-c", &script]);
            command
        };
        // The keeper ends when the pipe closes, after us: there is nobody left to wait for it.
        #[allow(clippy::zombie_processes)]
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut output = std::io::BufReader::new(keeper.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut said).unwrap();
        assert_eq!(said, "ready\n", "{}", folder.join("log").display());
        // The pipe stays open until the process ends.
        std::mem::forget(keeper.stdin.take());
        folder
    })
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
