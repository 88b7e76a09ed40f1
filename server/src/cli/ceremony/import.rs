//! `sekisho ceremony import DIR ID`.

use sekisho_ca::ceremony::Import as Judged;
use sekisho_key::SystemRandomness;
use sekisho_output::say;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    super::language::LanguageChoice, Exit, Failure, Named, grouped, hash, named, publication_base,
};
use crate::{
    authority::is_imported,
    catalogue::Text,
    ceremony::{ImportPapers, TakeOver, read_key, write_transcript},
    cli::{InstanceFolder, runtime, secret_file},
    config::Config,
    instance::{self, CaKeys, Folder},
};

/// Take over an authority that another system ran: what it issued, what it took back, and its key
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --hash nothing is changed: it shows what would be taken over, and its hash. From then on this
instance publishes the authority's lists and answers for what it issued, until it ends; it issues no
more. docs/ceremony.md tells what has to happen at the old addresses.

Examples:
  sekisho ceremony import /srv/sekisho imported-1 --certificate ca.crt --above root.crt \\
      --issued newcerts/ --crl last.crl
  sekisho ceremony import /srv/sekisho imported-1 --certificate ca.crt --above root.crt \\
      --issued newcerts/ --crl last.crl --key ca.p12 --secret ca.passphrase \\
      --hash HASH --out transcript.json")]
pub(super) struct Import {
    #[command(flatten)]
    instance: InstanceFolder,
    /// What it is called from now on: imported-1, imported-2, …
    #[arg(value_name = "ID")]
    id: String,
    /// The authority's certificate, PEM or DER
    #[arg(long, value_name = "FILE")]
    certificate: Named<named::File>,
    /// Certificates above it, up to its root; none if it is a root itself
    #[arg(long, value_name = "FILE")]
    above: Vec<Named<named::File>>,
    /// Everything that it issued: files of certificates, and folders of such files
    #[arg(long, value_name = "PATH", required = true)]
    issued: Vec<Named<named::FileOrFolder>>,
    /// Its last list, complete and in force
    #[arg(long, value_name = "FILE")]
    crl: Named<named::File>,
    /// Its private key, PKCS #8 or PKCS #12
    #[arg(long, value_name = "FILE", conflicts_with = "in_token")]
    key: Option<Named<named::File>>,
    /// File whose first line opens --key
    #[arg(long, value_name = "FILE", requires = "key")]
    secret: Option<Named<named::File>>,
    /// Its private key is in the token of `[authority.token]`, labelled ID
    #[arg(long)]
    in_token: bool,
    /// The hash that people compared: take it over
    #[arg(long, value_name = "HASH", value_parser = hash, requires = "out")]
    hash: Option<[u8; 32]>,
    /// File for the transcript
    #[arg(long, value_name = "FILE", requires = "hash")]
    out: Option<Named<named::NewFile>>,
    #[command(flatten)]
    lang: LanguageChoice,
}

#[derive(Debug, thiserror::Error)]
enum Misuse {
    #[error("`{0}` is no name of an authority that is taken over: imported-1, imported-2, …")]
    Name(String),
    #[error("give the authority's key: --key FILE, or --in-token")]
    NoKey,
    #[error(
        "--in-token wants a token: write its `module` and `label` into [authority.token] of sekisho.toml, \
         and its PIN into the first line of secrets/token.pin"
    )]
    NoToken,
}

impl Import {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        if !is_imported(&self.id) {
            return Err(Failure::usage(Misuse::Name(self.id)));
        }
        let text = self.lang.text()?;
        let config = Config::read(&self.instance.dir)?;
        let now = OffsetDateTime::now_utc();
        let now = now.replace_nanosecond(0).unwrap_or(now);
        let papers = ImportPapers::read(&self.certificate, &self.above, &self.issued, &self.crl)?;
        let import = papers.judge(&self.id, now)?;
        let secret = self.secret.as_deref().map(secret_file).transpose()?;
        let key = self
            .key
            .as_deref()
            .map(|path| read_key(path, secret.as_ref(), &import.public_key_der))
            .transpose()?;
        let (Some(reviewed), Some(out)) = (self.hash, &self.out) else {
            say(&shown(&text, &import)?)?;
            return Ok(Exit::Done);
        };
        let found = import.hash();
        if found != reviewed {
            let arguments = [("found", grouped(&found)), ("given", grouped(&reviewed))];
            return Err(text.with("ceremony-import-other-hash", &arguments).into());
        }
        if key.is_none() && !self.in_token {
            return Err(Failure::usage(Misuse::NoKey));
        }
        if self.in_token && config.token().is_none() {
            return Err(Failure::usage(Misuse::NoToken));
        }
        let folder = Folder::new(config.folder());
        let ca_keys = CaKeys::of(&folder, &config)?;
        let take_over = TakeOver {
            import: &import,
            key: key.as_ref(),
            folder: &folder,
            publication_base: &publication_base(&config),
            operator: instance::user_and_host(),
            now,
        };
        let taken = runtime()?.block_on(async {
            let store = instance::open_database(&config).await?;
            let taken = take_over.carry_out(&store, &ca_keys, &SystemRandomness).await;
            store.close().await;
            Ok::<_, Failure>(taken?)
        })?;
        write_transcript(out, &taken.transcript)?;
        let arguments = [
            ("id", self.id),
            ("certificates", taken.certificates.to_string()),
            ("revoked", taken.revoked.to_string()),
            ("out", out.display().to_string()),
        ];
        say(&format!("{}\n", text.with("ceremony-import-done", &arguments)))?;
        Ok(Exit::Done)
    }
}

/// What would be taken over, in words.
fn shown(text: &Text, import: &Judged) -> Result<String, Failure> {
    let list = &import.list;
    let arguments = [
        ("id", import.id.clone()),
        ("subject", import.subject.clone()),
        ("until", import.not_after.format(&Rfc3339)?),
        ("key", hex::encode(import.key_sha256())),
        ("certificates", import.issued.len().to_string()),
        ("revoked", list.entries.len().to_string()),
        ("number", list.number.to_string()),
        ("of", list.this_update.format(&Rfc3339)?),
        ("hash", grouped(&import.hash())),
        ("plain", hex::encode(import.hash())),
    ];
    Ok(text.with("ceremony-import-dry-run", &arguments) + "\n")
}
