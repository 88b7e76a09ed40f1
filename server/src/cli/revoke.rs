//! `sekisho revoke WHAT DIR …`: take certificates back.

mod given;
mod told;

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use sekisho_ca::revocation::RevocationReason;
use sekisho_output::{remark, say};
use sekisho_pki::encoding::{key_identifier::fingerprint, serial::Serial};
use sekisho_store::{Store, certificate};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Exit, Failure, InstanceFolder, Named, named, runtime};
use crate::{
    config::Config,
    form, instance,
    revocation::{self, Measure, Order, RevocationError, Target},
};

/// Take certificates back: one, a terminal's, a facility's, a key's, an authority's
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho revoke certificate /srv/sekisho --serial 4b1f… --reason superseded
  sekisho revoke certificate /srv/sekisho --file lost.pem --reason key-compromise \\
      --invalid-since 2026-11-20T18:00:00+09:00 --note 'stolen from the car park'
  sekisho revoke terminal /srv/sekisho T0123456789 --hold --note 'being looked for'
  sekisho revoke terminal /srv/sekisho T0123456789 --release
  sekisho revoke facility /srv/sekisho 123456789007 --hold --note 'ransomware reported'
      quarantine: nothing of the facility is accepted, nothing is issued to it
  sekisho revoke facility /srv/sekisho 123456789007 --release --json
  sekisho revoke key /srv/sekisho --file found-on-the-web.pem
  sekisho revoke issuer /srv/sekisho terminals --reason ca-compromise

The change counts at once for every request to the portal, within a second by OCSP, and is on the
revocation lists within a minute. Doing it twice is no error and changes nothing. The act, your
account and the note are in the audit trail.")]
pub(super) struct Revoke {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Certificate(OneCertificate),
    Terminal(Terminal),
    Facility(Facility),
    Key(Key),
    Issuer(Issuer),
}

/// One certificate, by serial number or by itself
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho revoke certificate /srv/sekisho --serial 4b1f… --reason superseded
  sekisho revoke certificate /srv/sekisho --issuer routers --serial 4b:1f:… --hold
  sekisho revoke certificate /srv/sekisho --file lost.pem --reason key-compromise \\
      --invalid-since 2026-11-20T18:00:00+09:00 --note 'stolen from the car park'")]
struct OneCertificate {
    #[command(flatten)]
    instance: InstanceFolder,
    #[command(flatten)]
    which: WhichCertificate,
    /// The authority that issued that serial number
    #[arg(long, value_name = "ID", default_value = "terminals")]
    issuer: String,
    #[command(flatten)]
    measure: MeasureArguments,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct WhichCertificate {
    /// The certificate (PEM or DER)
    #[arg(long, value_name = "FILE")]
    file: Option<Named<named::File>>,
    /// Its serial number, hexadecimal
    #[arg(long, value_name = "HEX", value_parser = serial)]
    serial: Option<Serial>,
}

/// A terminal: its certificates, codes and sessions
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho revoke terminal /srv/sekisho T0123456789 --hold --note 'being looked for'
  sekisho revoke terminal /srv/sekisho T0123456789 --release
  sekisho revoke terminal /srv/sekisho T0123456789 --reason cessation-of-operation")]
struct Terminal {
    #[command(flatten)]
    instance: InstanceFolder,
    /// The terminal's identifier: T and ten characters
    #[arg(value_name = "TERMINAL")]
    id: String,
    #[command(flatten)]
    measure: MeasureArguments,
    #[command(flatten)]
    common: Common,
}

/// A facility: the certificates of all its devices, and its sessions; --hold is quarantine
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho revoke facility /srv/sekisho 123456789007 --hold --note 'ransomware reported'
      nothing of the facility is accepted, nothing is issued to it
  sekisho revoke facility /srv/sekisho 123456789007 --release
      gives back what that took, and only that")]
struct Facility {
    #[command(flatten)]
    instance: InstanceFolder,
    /// The facility's identifier, twelve digits
    #[arg(value_name = "FACILITY")]
    id: String,
    #[command(flatten)]
    measure: MeasureArguments,
    #[command(flatten)]
    common: Common,
}

/// A key that others have: every certificate for it, and it is never certified again
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho revoke key /srv/sekisho --file found-on-the-web.pem
  sekisho revoke key /srv/sekisho --sha256 9f86d081… --note 'reported by the vendor'
      openssl pkey -pubin -in public.pem -outform DER | sha256sum")]
struct Key {
    #[command(flatten)]
    instance: InstanceFolder,
    #[command(flatten)]
    which: WhichKey,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct WhichKey {
    /// A certificate for the key, or the public key itself (PEM or DER)
    #[arg(long, value_name = "FILE")]
    file: Option<Named<named::File>>,
    /// SHA-256 of its SubjectPublicKeyInfo, hexadecimal
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    sha256: Option<[u8; 32]>,
}

/// An authority, with everything that it signed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sekisho revoke issuer /srv/sekisho terminals --reason ca-compromise

Its own certificate then goes on the root's list by a ceremony (docs/ceremony.md).")]
struct Issuer {
    #[command(flatten)]
    instance: InstanceFolder,
    /// The authority: terminals, routers, servers, a later generation such as terminals-2, or root
    #[arg(value_name = "ID")]
    id: String,
    /// Why
    #[arg(long, value_parser = reason_but(Reason::KeyCompromise))]
    reason: Reason,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
#[group(id = "measure_choice", required = true, multiple = false, args = ["reason", "hold", "release"])]
struct MeasureArguments {
    /// Revoke for ever, for this reason
    #[arg(long, value_parser = reason_but(Reason::CaCompromise))]
    reason: Option<Reason>,
    /// Hold: until released
    #[arg(long)]
    hold: bool,
    /// End the hold
    #[arg(long)]
    release: bool,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Since when key or holder were not to be relied on (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    invalid_since: Option<OffsetDateTime>,
    /// Why, for the audit trail, which the facility does not read; at most 200 characters
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = note)]
    note: String,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
}

/// Reasons of RFC 5280 §5.3.1 that we give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Reason {
    Unspecified,
    KeyCompromise,
    CaCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
}

impl From<Reason> for RevocationReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unspecified => Self::Unspecified,
            Reason::KeyCompromise => Self::KeyCompromise,
            Reason::CaCompromise => Self::CaCompromise,
            Reason::AffiliationChanged => Self::AffiliationChanged,
            Reason::Superseded => Self::Superseded,
            Reason::CessationOfOperation => Self::CessationOfOperation,
            Reason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
        }
    }
}

/// The reasons without the one that what is taken back cannot have: an authority's key and a
/// subscriber's have one each for being known to others.
fn reason_but(unfit: Reason) -> impl TypedValueParser<Value = Reason> {
    let fit = Reason::value_variants().iter().filter(move |reason| **reason != unfit);
    PossibleValuesParser::new(fit.filter_map(ValueEnum::to_possible_value))
        .try_map(|name| Reason::from_str(&name, false))
}

fn rfc3339(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "write it like 2026-11-20T18:00:00+09:00".to_owned())
}

fn serial(text: &str) -> Result<Serial, String> {
    Serial::from_hex(text)
        .map_err(|error| format!("write it in hexadecimal digits, such as 4b1f or 4B:1F; {error}"))
}

fn sha256(text: &str) -> Result<[u8; 32], String> {
    let digest = hex::decode(text).ok().and_then(|digest| digest.try_into().ok());
    digest.ok_or_else(|| "it has 64 hexadecimal digits".to_owned())
}

fn note(text: &str) -> Result<String, String> {
    const MOST: usize = 200;
    form::line_if_any(text, MOST)
        .map_err(|_| format!("one line of at most {MOST} characters, none of them invisible"))
}

impl MeasureArguments {
    fn measure(&self) -> Measure {
        match self.reason {
            Some(reason) => Measure::Revoke(reason.into()),
            None if self.hold => Measure::Hold,
            // The group lets exactly one of the three through.
            None => Measure::Release,
        }
    }
}

impl Revoke {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        runtime()?.block_on(async {
            match self.command {
                Command::Certificate(command) => command.run().await,
                Command::Terminal(Terminal { instance, id, measure, common }) => {
                    run(&instance, Target::Terminal(id), measure.measure(), common).await
                }
                Command::Facility(Facility { instance, id, measure, common }) => {
                    run(&instance, Target::Facility(id), measure.measure(), common).await
                }
                Command::Key(command) => command.run().await,
                Command::Issuer(Issuer { instance, id, reason, common }) => {
                    let next = told::after_issuer(&id, &instance.dir);
                    let measure = Measure::Revoke(reason.into());
                    let exit = run(&instance, Target::Issuer(id), measure, common).await?;
                    remark(&next);
                    Ok(exit)
                }
            }
        })
    }
}

impl OneCertificate {
    async fn run(self) -> Result<Exit, Failure> {
        let store = open(&self.instance).await?;
        let target = match (&self.which.file, &self.which.serial) {
            (Some(path), _) => {
                let der = given::certificate(path)?;
                let found =
                    certificate::find_by_fingerprint(&mut store.read(), &fingerprint(&der)).await?;
                let found = found.ok_or_else(|| RevocationError::NotFound {
                    kind: "certificate of ours in",
                    name: path.display().to_string(),
                })?;
                Target::Certificate { issuer_id: found.issuer_id, serial: found.serial }
            }
            (None, Some(serial)) => Target::Certificate {
                issuer_id: self.issuer.clone(),
                serial: serial.as_octets().to_vec(),
            },
            (None, None) => return Err("give --file or --serial".into()),
        };
        carry_out(&store, target, self.measure.measure(), self.common).await
    }
}

impl Key {
    async fn run(self) -> Result<Exit, Failure> {
        let spki_sha256 = match (&self.which.file, self.which.sha256) {
            (Some(path), _) => given::key(path)?,
            (None, Some(digest)) => digest,
            (None, None) => return Err("give --file or --sha256".into()),
        };
        let measure = Measure::Revoke(RevocationReason::KeyCompromise);
        run(&self.instance, Target::Key(spki_sha256), measure, self.common).await
    }
}

async fn open(instance: &InstanceFolder) -> Result<Store, Failure> {
    let config = Config::read(&instance.dir)?;
    Ok(instance::open_database(&config).await?)
}

async fn run(
    instance: &InstanceFolder,
    target: Target,
    measure: Measure,
    common: Common,
) -> Result<Exit, Failure> {
    let store = open(instance).await?;
    carry_out(&store, target, measure, common).await
}

async fn carry_out(
    store: &Store,
    target: Target,
    measure: Measure,
    common: Common,
) -> Result<Exit, Failure> {
    let order = Order {
        target,
        measure,
        invalidity_at: common.invalid_since,
        note: common.note,
        actor: instance::operator(),
        at: OffsetDateTime::now_utc(),
    };
    let outcome = revocation::carry_out(store, &order).await;
    store.close().await;
    let outcome = outcome?;
    say(&if common.json {
        told::as_json(&outcome)
    } else {
        told::in_words(&outcome, &order.target, measure)
    })?;
    Ok(Exit::Done)
}
