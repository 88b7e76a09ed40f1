//! A PostgreSQL cluster of one's own that can be stopped in immediate mode.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use sekisho::demo::{process, stage::free_port};
use tokio::process::Command;

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// A cluster, durable as PostgreSQL is by default: `fsync` and `synchronous_commit` are on.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    as_postgres: bool,
}

impl Cluster {
    /// Makes and starts it below `parent`.
    ///
    /// # Errors
    /// When Debian's package `postgresql-15` is not installed or the cluster does not start.
    pub async fn start(parent: &Path) -> anyhow::Result<Self> {
        ensure!(
            Path::new(BIN).join("initdb").exists(),
            "PostgreSQL 15 is not in {BIN}: this needs the Debian package postgresql-15"
        );
        let folder = parent.join("postgres");
        std::fs::create_dir(&folder)?;
        let id = process::run(with_arguments("id", &["-u"])).await?;
        let as_postgres = id.trim() == "0";
        if as_postgres {
            // The folders above are ours alone; the server's user has to come through.
            let path = folder.display().to_string();
            process::run(with_arguments("chown", &["postgres", &path])).await?;
            let parent = parent.display().to_string();
            process::run(with_arguments("chmod", &["711", &parent])).await?;
        }
        let cluster = Self { folder, port: free_port()?, as_postgres };
        let data = cluster.data();
        cluster.run("initdb", &["-D", &data, "-U", "postgres", "-A", "trust", "-N"]).await?;
        cluster.up().await?;
        let port = cluster.port.to_string();
        cluster
            .run("createdb", &["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "sekisho"])
            .await?;
        Ok(cluster)
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn up(&self) -> anyhow::Result<()> {
        let options = format!("-k {} -h 127.0.0.1 -p {} -N 60", self.folder.display(), self.port);
        let log = self.folder.join("log").display().to_string();
        let data = self.data();
        self.run("pg_ctl", &["start", "-w", "-D", &data, "-l", &log, "-o", &options]).await
    }

    /// Stops the server without a checkpoint, as a crash would: it recovers at its next start.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop_immediately(&self) -> anyhow::Result<()> {
        self.run("pg_ctl", &["stop", "-w", "-m", "immediate", "-D", &self.data()]).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The database, by another port of this machine.
    #[must_use]
    pub fn url(port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/sekisho?sslmode=disable")
    }

    fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }

    async fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let program = format!("{BIN}/{program}");
        let mut command = if self.as_postgres {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", &program]);
            command
        } else {
            Command::new(&program)
        };
        command.args(arguments).current_dir(&self.folder);
        // `pg_ctl start` leaves its standard output to the server, which never closes it.
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let status = command.status().await.with_context(|| format!("cannot start {program}"))?;
        ensure!(status.success(), "{program} failed; see {}/log", self.folder.display());
        Ok(())
    }
}

fn with_arguments(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}
