//! Puts a software card into a slot of `vpcd`, so that the real PC/SC service sees it.

use std::net::TcpStream;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};
use sekisho_software_card::{Latency, Options, Personalisation, SoftwareCard, vpcd};

/// Insert a software card into a virtual reader.
///
/// The card stays inserted until this program ends.
#[derive(Parser)]
#[command(
    name = "software-card",
    version,
    after_help = "Examples:\n  software-card cards/yamada\n  software-card --vpcd 127.0.0.1:35964 --contactless cards/suzuki"
)]
struct Arguments {
    /// Folder of the card; `sekisho demo --keep DIR` leaves some in DIR/cards, `sekisho sandbox cards`
    /// writes others, of invented people.
    #[arg(required_unless_present = "manual")]
    folder: Option<PathBuf>,
    /// Where vpcd listens; the second slot is 35964.
    #[arg(long, default_value = "127.0.0.1:35963")]
    vpcd: String,
    /// Answer as slowly as a contactless card.
    #[arg(long)]
    contactless: bool,
    /// Take 300 ms for each command, as at the edge of a reader's field.
    #[arg(long, conflicts_with = "contactless")]
    slow: bool,
    /// Leave in the middle, after this many commands.
    #[arg(long, value_name = "COMMANDS")]
    pull_after: Option<u32>,
    /// HPKI: with an EF.DIR, which cards in the field lack, so that OpenSC finds the applications.
    #[arg(long)]
    ef_dir: bool,
    /// Refuse extended lengths.
    #[arg(long)]
    short_only: bool,
    /// Print the manual page, and insert nothing.
    #[arg(long, exclusive = true)]
    manual: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let Some(folder) = &arguments.folder else {
        return Ok(clap_mangen::Man::new(Arguments::command()).render(&mut std::io::stdout())?);
    };
    let latency = match (arguments.contactless, arguments.slow) {
        (true, _) => Latency::contactless(),
        (_, true) => Latency::slow(),
        _ => Latency::default(),
    };
    let options = Options {
        latency,
        short_only: arguments.short_only,
        has_directory: arguments.ef_dir,
        pull_after: arguments.pull_after,
        ..Options::default()
    };
    let mut card = SoftwareCard::new(Personalisation::load(folder)?, options)?;
    let slot = TcpStream::connect(&arguments.vpcd)
        .with_context(|| format!("no virtual reader listens at {}", arguments.vpcd))?;
    Ok(vpcd::serve(&mut card, slot)?)
}
