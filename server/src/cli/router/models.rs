//! `sekisho router models import`, `export`, `list`, `certify` and `withdraw`.

mod certify;
mod import;

use sekisho_output::{list, say};
use sekisho_store::{
    Queries,
    router_certification::{self, Standing},
    router_model::{self, RouterModel},
    router_test::{self, Proof},
};
use serde_json::json;
use time::OffsetDateTime;

use super::open;
use crate::{
    cli::{Exit, Failure, InstanceFolder},
    network::models::{MOST_MODELS, MOST_ROWS, writing},
};

/// The register of router models: tests of one against another, and which are certified (認定ルーター)
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho router models import /srv/sekisho --shipped
      strongSwan, libreswan and OpenIKED, as ./run matrix found them
  sekisho router models import /srv/sekisho bench.toml
  sekisho router models export /srv/sekisho > tests.toml
  sekisho router models list /srv/sekisho
  sekisho router models certify /srv/sekisho MODEL --proof p256 --until 2028-03-31 --reason '…'
  sekisho router models withdraw /srv/sekisho MODEL --proof p256 --reason '…'

Everybody reads the result at /routers of the public name. docs/routers.md documents the file.")]
pub(super) struct Models {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Import(import::Import),
    Export(Export),
    List(List),
    Certify(certify::Certify),
    Withdraw(certify::Withdraw),
}

/// Write every model and result to standard output, as a file that `import` reads
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho router models export /srv/sekisho > tests.toml

Certifications are not among it: they are decisions of this operating body.")]
struct Export {
    #[command(flatten)]
    instance: InstanceFolder,
}

/// List the models, and for what each is certified today
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho router models list /srv/sekisho
      identifier, maker, model, firmware, family, and for which proofs it is certified today
      or `-`, with tabs between
  sekisho router models list /srv/sekisho --json | jq -r .id")]
struct List {
    #[command(flatten)]
    instance: InstanceFolder,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Models {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        match self.command {
            Command::Import(import) => import.run().await,
            Command::Export(export) => export.run().await,
            Command::List(list) => list.run().await,
            Command::Certify(certify) => certify.run().await,
            Command::Withdraw(withdraw) => withdraw.run().await,
        }
    }
}

impl Export {
    async fn run(self) -> Result<Exit, Failure> {
        let (_, store) = open(&self.instance).await?;
        let mut reader = store.read();
        let models = router_model::all(&mut reader, MOST_ROWS).await?;
        let tests = router_test::all(&mut reader, MOST_ROWS).await?;
        drop(reader);
        store.close().await;
        say(&writing::write(&models, &tests))?;
        Ok(Exit::Done)
    }
}

impl List {
    async fn run(self) -> Result<Exit, Failure> {
        let (_, store) = open(&self.instance).await?;
        let now = OffsetDateTime::now_utc();
        let mut reader = store.read();
        let most = i64::try_from(MOST_MODELS).unwrap_or(i64::MAX);
        let models = router_model::all(&mut reader, most).await?;
        let latest = router_certification::latest(&mut reader).await?;
        drop(reader);
        store.close().await;
        for model in models {
            let certified = |proof: &Proof| {
                latest.iter().any(|one| {
                    one.model_id == model.id
                        && one.proof == *proof
                        && one.standing(now) == Standing::InForce
                })
            };
            let proofs: Vec<&str> =
                Proof::ALL.into_iter().filter(certified).map(Proof::as_str).collect();
            if !list(&format!("{}\n", line(&model, &proofs, self.json)))? {
                break;
            }
        }
        Ok(Exit::Done)
    }
}

fn line(model: &RouterModel, certified: &[&str], json: bool) -> String {
    let is = &model.is;
    if json {
        let doors: Vec<&str> = is.doors.iter().map(|door| door.as_str()).collect();
        return json!({
            "id": model.id,
            "maker": is.maker,
            "model": is.model,
            "firmware": is.firmware,
            "firmware_to": is.firmware_to,
            "family": is.family,
            "doors": doors,
            "note": is.note,
            "certified": certified,
        })
        .to_string();
    }
    let certified = if certified.is_empty() { "-".to_owned() } else { certified.join(" ") };
    let firmware = is.versions();
    [model.id.as_str(), &is.maker, &is.model, &firmware, &is.family, &certified].join("\t")
}

/// The model that was named, which has to be there.
async fn named(queries: &mut impl Queries, id: &str) -> Result<RouterModel, Failure> {
    router_model::find(queries, id).await?.ok_or_else(|| {
        Failure::usage(format!(
            "there is no router model {id} in the register; `sekisho router models list` has them"
        ))
    })
}
