//! What is crashed: an instance, its database, and what stands between them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use sekisho::{
    clock::{Clock, SystemClock},
    config::{Config, Settings},
    demo::{
        at_work::{self, Terminal},
        connection::Door,
        crowd,
        process::{self, Program},
        stage::{Origins, Stage},
    },
};
use sekisho_store::Store;
use tokio::{
    process::Command,
    time::{sleep, timeout},
};
use url::Url;

use super::{
    Fault,
    acts::Operator,
    dice::Dice,
    pace::Pace,
    postgres::Cluster,
    proxy::Proxy,
    work::{self, Doors, Ledger},
};

/// An instance that can be crashed.
pub struct Rig {
    fault: Fault,
    folder: tempfile::TempDir,
    /// The folder of the instance.
    pub instance: PathBuf,
    root_pem: Vec<u8>,
    facility: String,
    server: Option<Program>,
    behind: Option<(Cluster, Proxy)>,
    library: Option<PathBuf>,
}

/// Terminals that wait to be enrolled at the beginning of a round, at least.
const NEWCOMERS: usize = 80;
/// Terminals that enrol anew in a round, at most: their earlier certificates are taken back.
const ANEW: u64 = 6;
/// The server answers again within this time, on a busy machine too.
const LONGEST_RECOVERY: Duration = Duration::from_secs(60);

/// A trail of thousands of rounds is long, and a debug build is slow to hash it.
const LONGEST_VERIFICATION: Duration = Duration::from_secs(900);

impl Rig {
    /// Makes an instance from nothing.
    ///
    /// # Errors
    /// When a program is missing or does not start.
    pub async fn build(fault: Fault) -> anyhow::Result<Self> {
        Self::build_with(fault, |_| {}).await
    }

    /// The same with a configuration that `more` has changed.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub async fn build_with(
        fault: Fault,
        more: impl FnOnce(&mut Settings),
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sekisho-crash-").tempdir()?;
        let behind = match fault {
            Fault::Cut | Fault::Immediate => {
                let cluster = Cluster::start(folder.path()).await?;
                let proxy = Proxy::start(cluster.address()).await?;
                Some((cluster, proxy))
            }
            Fault::Kill | Fault::Forget | Fault::ForgetAll => None,
        };
        let library = match fault {
            Fault::Forget | Fault::ForgetAll => Some(forgetful(folder.path()).await?),
            Fault::Kill | Fault::Cut | Fault::Immediate => None,
        };
        let url = behind.as_ref().map(|(_, proxy)| Cluster::url(proxy.port()));
        let configure = |settings: &mut Settings| {
            if let Some(url) = url {
                settings.instance.database = url;
            }
            more(settings);
        };
        let stage = Stage::build_with(folder.path(), configure, |_| Ok(())).await?;
        stage.server.stop().await?;
        let mut rig = Self {
            fault,
            instance: stage.instance,
            root_pem: stage.root_pem,
            facility: String::new(),
            server: None,
            behind,
            library,
            folder,
        };
        let store = rig.store().await?;
        rig.facility = crowd::facility(&store, SystemClock.now()).await?;
        store.close().await;
        Ok(rig)
    }

    /// The database, past whatever is cut. A node of its own name would have a chain of its own.
    ///
    /// # Errors
    /// When it does not open.
    pub async fn store(&self) -> anyhow::Result<Store> {
        let config = Config::read(&self.instance)?;
        let instance = config.instance();
        Ok(match &self.behind {
            None => Store::open(instance.database(), instance.node()).await?,
            Some((cluster, _)) => {
                let url = Cluster::url(cluster.address().port());
                Store::open(&url.into(), instance.node()).await?
            }
        })
    }

    /// Enters what the round will need and has the instance served.
    ///
    /// # Errors
    /// The database, or a server that does not start.
    pub async fn prepare(&mut self, ledger: &Ledger, dice: &mut Dice) -> anyhow::Result<()> {
        let store = self.store().await?;
        let now = SystemClock.now();
        let lacking = NEWCOMERS.saturating_sub(ledger.newcomers());
        let newcomers = crowd::newcomers(&store, &self.facility, lacking, now).await?;
        let mut anew = Vec::new();
        for terminal_id in ledger.some_terminals(dice.below(ANEW + 1), dice) {
            anew.push(crowd::another_code(&store, &terminal_id, now).await?);
        }
        store.close().await;
        ledger.enter(newcomers, anew);
        self.up().await
    }

    /// Has the instance served, unless it is.
    ///
    /// # Errors
    /// When the server does not start.
    pub async fn up(&mut self) -> anyhow::Result<()> {
        if self.server.is_none() {
            self.server = Some(self.serve().await?);
        }
        Ok(())
    }

    /// Registers a service by its file's text.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn add_service(&self, text: &str) -> anyhow::Result<()> {
        let file = self.folder.path().join("service.toml");
        std::fs::write(&file, text)?;
        let mut add = Command::new(process::sibling("sekisho")?);
        add.args(["service", "add"]).arg(&self.instance).arg(file);
        process::run(add).await?;
        Ok(())
    }

    /// A terminal with its certificate, of a facility of its own.
    ///
    /// # Errors
    /// When it is not enrolled.
    pub async fn terminal(&self) -> anyhow::Result<Terminal> {
        let store = self.store().await?;
        let door = self.door(&self.origins()?.enrol)?;
        let terminal = at_work::enrol(&store, &door, SystemClock.now()).await?;
        store.close().await;
        Ok(terminal)
    }

    /// A door of the instance.
    ///
    /// # Errors
    /// When the origin does not read.
    pub fn door(&self, origin: &str) -> anyhow::Result<Door> {
        Door::new(origin, &self.root_pem)
    }

    async fn serve(&self) -> anyhow::Result<Program> {
        let mut serve = Command::new(process::sibling("sekisho")?);
        serve.arg("serve").arg(&self.instance);
        if let Some(library) = &self.library {
            let pipe = self.pipe();
            let _ = std::fs::remove_file(&pipe);
            let mut make = Command::new("mkfifo");
            make.arg(&pipe);
            process::run(make).await?;
            serve.env("LD_PRELOAD", library).env("FORGETFUL_PIPE", &pipe);
            serve.env("FORGETFUL_FOLDER", &self.instance);
            if self.fault == Fault::ForgetAll {
                serve.env("FORGETFUL_LIES", "1");
            }
        }
        let (server, _) =
            Program::start("sekisho", serve, &self.folder.path().join("logs")).await?;
        Ok(server)
    }

    /// Where the server answers now: it draws its port at each start, unless one is configured.
    ///
    /// # Errors
    /// When it has not written it down.
    pub fn origins(&self) -> anyhow::Result<Origins> {
        let addresses = std::fs::read(self.instance.join("run/addresses.json"))?;
        let addresses: serde_json::Value = serde_json::from_slice(&addresses)?;
        let origin = |role: &str| {
            let origin = addresses["origins"][role].as_str().map(str::to_owned);
            origin.with_context(|| format!("run/addresses.json names no {role}"))
        };
        Ok(Origins {
            terminal: origin("terminal")?,
            public: origin("public")?,
            enrol: origin("enrol")?,
            plain: origin("plain")?,
        })
    }

    /// What those ask who enrol and read lists.
    ///
    /// # Errors
    /// As [`Self::origins`].
    pub fn doors(&self) -> anyhow::Result<Doors> {
        let origins = self.origins()?;
        let plain = Url::parse(&origins.plain)?;
        Ok(Doors {
            enrol: self.door(&origins.enrol)?,
            plain_host: plain.host_str().context("the origin has no host")?.to_owned(),
            plain_port: plain.port_or_known_default().context("the origin has no port")?,
        })
    }

    /// Who acts beside the server. Not where the storage forgets: what is played there is the loss of
    /// one process's writes.
    ///
    /// # Errors
    /// When the program is not built.
    pub fn operator(&self) -> anyhow::Result<Option<Operator>> {
        Ok(match self.fault {
            Fault::Forget | Fault::ForgetAll => None,
            Fault::Kill | Fault::Cut | Fault::Immediate => {
                Some(Operator::new(self.instance.clone())?)
            }
        })
    }

    /// Has a server that was crashed serve and end in order: what it finds it has to mend by itself.
    ///
    /// # Errors
    /// When it does not start or stop.
    pub async fn come_up_once(&mut self) -> anyhow::Result<()> {
        self.down().await?;
        self.serve().await?.stop().await?;
        Ok(())
    }

    /// Ends the server in order, if one runs: what others then write is no part of what it may forget.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn down(&mut self) -> anyhow::Result<()> {
        if let Some(server) = self.server.take() {
            server.stop().await?;
        }
        Ok(())
    }

    /// Lets a random number of answers and a random time pass, and strikes.
    ///
    /// # Errors
    /// When the fault cannot be played.
    pub async fn strike(&mut self, pace: &Pace, dice: &mut Dice) -> anyhow::Result<()> {
        match self.fault {
            Fault::Kill => {
                pace.pass(dice).await;
                self.server.take().context("nothing is served")?.kill().await
            }
            Fault::Forget | Fault::ForgetAll => {
                pace.pass(dice).await;
                timeout(LONGEST_RECOVERY, tokio::fs::write(self.pipe(), b"!"))
                    .await
                    .context("nobody listens at the pipe: the library was not loaded")??;
                let ended = self.server.take().context("nothing is served")?.ended().await?;
                ensure!(ended.code() == Some(137), "the server ended otherwise: {ended}");
                Ok(())
            }
            Fault::Cut => {
                let (_, proxy) = self.behind.as_ref().context("no proxy")?;
                for _ in 0..=dice.below(4) {
                    pace.pass(dice).await;
                    proxy.cut();
                }
                Ok(())
            }
            Fault::Immediate => {
                let (cluster, _) = self.behind.as_ref().context("no cluster")?;
                pace.pass(dice).await;
                cluster.stop_immediately().await?;
                cluster.up().await
            }
        }
    }

    /// Waits until a server that is still there answers from its database again.
    ///
    /// # Errors
    /// When it does not.
    pub async fn recover(&self) -> anyhow::Result<()> {
        if self.server.is_none() {
            return Ok(());
        }
        let doors = self.doors()?;
        timeout(LONGEST_RECOVERY, async {
            while work::crl_number(&doors).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .context("the server does not answer again")
    }

    /// `sekisho audit verify`: whether the trail holds, and what was said.
    ///
    /// # Errors
    /// When the program does not start.
    pub async fn verify_trail(&self) -> anyhow::Result<(bool, String)> {
        let mut verify = Command::new(process::sibling("sekisho")?);
        verify.args(["audit", "verify"]).arg(&self.instance);
        let (status, stdout, stderr) =
            process::run_within(&mut verify, LONGEST_VERIFICATION).await?;
        Ok((status.success(), format!("{stdout}{stderr}")))
    }

    /// Stops what runs and deletes what was made.
    ///
    /// # Errors
    /// When something does not stop.
    pub async fn clear(mut self) -> anyhow::Result<()> {
        if let Some(server) = self.server.take() {
            server.kill().await?;
        }
        if let Some((cluster, _)) = self.behind.take() {
            cluster.stop_immediately().await?;
        }
        Ok(())
    }

    fn pipe(&self) -> PathBuf {
        self.folder.path().join("power")
    }
}

/// Builds the library that is preloaded.
async fn forgetful(folder: &Path) -> anyhow::Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("crash/forgetful.c");
    let library = folder.join("libforgetful.so");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]);
    compile.arg(&library).arg(source).arg("-lpthread");
    process::run(compile).await.context("the library needs a C compiler, `cc`")?;
    Ok(library)
}
