//! The demonstration's programs as child processes: started, waited for, stopped.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// A running program. It is ended when this is dropped.
pub struct Program {
    name: String,
    child: Child,
    log: PathBuf,
}

/// Path of a program that is built beside this one.
///
/// # Errors
/// When it is not there, with what to run.
pub fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    let folder = own.parent().context("this program lies in no folder")?;
    // Test binaries lie one folder deeper than the programs they start.
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let path = folder.join(name);
    if !path.is_file() {
        bail!(
            "{} is not built; run `cargo build --workspace --bins` (with --release if this is a release build)",
            path.display()
        );
    }
    Ok(path)
}

impl Program {
    /// Starts a program and waits until it prints a line that begins with `ready`. Returns that
    /// line. What the program writes to its standard error goes to `NAME.log` in `logs`.
    ///
    /// # Errors
    /// When it ends or says nothing within 30 seconds; the end of its log is quoted.
    pub async fn start(
        name: &str,
        command: Command,
        logs: &Path,
    ) -> anyhow::Result<(Self, String)> {
        Self::start_when(name, command, logs, |line| line.starts_with("ready")).await
    }

    /// As [`Self::start`], for a program that says in another way that it is ready.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_when(
        name: &str,
        command: Command,
        logs: &Path,
        is_ready: impl Fn(&str) -> bool,
    ) -> anyhow::Result<(Self, String)> {
        let log = logs.join(format!("{name}.log"));
        let file = std::fs::File::create(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = tied(&command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdout = child.stdout.take().context("the child has no standard output")?;
        let program = Self { name: name.to_owned(), child, log };
        let mut lines = BufReader::new(stdout).lines();
        let waited = timeout(Duration::from_secs(30), async {
            while let Some(line) = lines.next_line().await? {
                if is_ready(&line) {
                    return Ok(Some(line));
                }
            }
            Ok::<_, std::io::Error>(None)
        })
        .await;
        match waited {
            Ok(Ok(Some(line))) => {
                // Keep reading, so that the program never blocks on a full pipe.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                Ok((program, line))
            }
            Ok(Ok(None)) => bail!("{name} ended before it was ready:\n{}", program.log_end()),
            Ok(Err(error)) => Err(error).with_context(|| format!("reading what {name} prints")),
            Err(_) => bail!("{name} was not ready within 30 seconds:\n{}", program.log_end()),
        }
    }

    /// Asks the program to stop (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// When it has not ended after 10 seconds.
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        let id = self.child.id().with_context(|| format!("{} has ended already", self.name))?;
        // `kill` is a program of every Debian machine; it spares us a crate or unsafe code.
        Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        timeout(Duration::from_secs(10), self.child.wait())
            .await
            .with_context(|| format!("{} does not stop", self.name))?
            .with_context(|| format!("waiting for {}", self.name))
    }

    /// Ends the program at once (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.with_context(|| format!("killing {}", self.name))
    }

    /// Waits until the program has ended by itself.
    ///
    /// # Errors
    /// When it has not after 10 seconds.
    pub async fn ended(mut self) -> anyhow::Result<ExitStatus> {
        timeout(Duration::from_secs(10), self.child.wait())
            .await
            .with_context(|| format!("{} does not end", self.name))?
            .with_context(|| format!("waiting for {}", self.name))
    }

    /// Operating system's identifier of the process, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The last lines of the program's log.
    #[must_use]
    pub fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Program {
    /// Ends it and waits until it is gone, so that it writes nothing any more into a folder that goes next.
    fn drop(&mut self) {
        const LOOKS: u32 = 400;
        const PAUSE: Duration = Duration::from_millis(5);
        if self.child.start_kill().is_err() {
            return;
        }
        for _ in 0..LOOKS {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// The same program, which ends when this process does, however that ends, and which a terminal's Ctrl-C and
/// hanging up reach through us only.
///
/// `setpriv` (util-linux, a program of every Debian machine) asks the kernel for it and becomes the program.
fn tied(command: &Command) -> Command {
    let asked = command.as_std();
    let mut tied = Command::new("setpriv");
    tied.args(["--pdeathsig", "TERM"]).arg(asked.get_program()).args(asked.get_args());
    for (name, value) in asked.get_envs() {
        match value {
            Some(value) => tied.env(name, value),
            None => tied.env_remove(name),
        };
    }
    if let Some(folder) = asked.get_current_dir() {
        tied.current_dir(folder);
    }
    tied.process_group(0);
    tied
}

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// When it fails, with what it wrote to standard error.
pub async fn run(mut command: Command) -> anyhow::Result<String> {
    let (status, stdout, stderr) = run_to_end(&mut command).await?;
    if !status.success() {
        bail!(
            "{:?} failed with {status}: {}{}",
            command.as_std().get_program(),
            stdout,
            stderr.trim()
        );
    }
    Ok(stdout)
}

/// Runs a program to its end, whatever the end; returns status, standard output, standard error.
///
/// # Errors
/// When it cannot be started or takes longer than a minute.
pub async fn run_to_end(command: &mut Command) -> anyhow::Result<(ExitStatus, String, String)> {
    run_within(command, Duration::from_secs(60)).await
}

/// As [`run_to_end`], for a program that may take longer.
///
/// # Errors
/// When it cannot be started or takes longer than `limit`.
pub async fn run_within(
    command: &mut Command,
    limit: Duration,
) -> anyhow::Result<(ExitStatus, String, String)> {
    let output = timeout(limit, command.stdin(Stdio::null()).kill_on_drop(true).output())
        .await
        .with_context(|| {
            format!("{:?} takes longer than {limit:?}", command.as_std().get_program())
        })?
        .with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
    Ok((
        output.status,
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}
