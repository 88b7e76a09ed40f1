//! `sekisho bench seed`: a network as large as the country's, for measurements.

use std::time::Duration;

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use sekisho_authz::Vocabulary;
use sekisho_key::SystemRandomness;
use sekisho_output::say;
use sekisho_pki::national::facility_identifier::FacilityIdentifier;
use sekisho_store::{
    Store,
    audit::Actor,
    bulk::{MeasuredFacility, MeasuredPerson},
    organisation,
};
use time::OffsetDateTime;

use crate::{
    cli::{Exit, Failure, Named, named, until_told_to_end},
    clock::{Clock, SystemClock},
    config::Config,
    entitlement::Entitlements,
    oidc::client::{self, Registry},
    use_case,
};

/// How large a network is made.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Size {
    /// Facilities: hospitals, clinics, dental clinics and pharmacies as there are in the country
    #[arg(long, default_value_t = 240_000, value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) facilities: u32,
    /// People, each a member of one facility; four of five have an HPKI card
    #[arg(long, default_value_t = 1_000_000, value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub(super) people: u32,
    /// Services, with the rules of the use cases in turn
    #[arg(long, default_value_t = 500, value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) services: u32,
}

/// Fill an instance with facilities, people and services that do not exist, for measurements
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Only where there is no facility yet: an instance that was made for this. None of these people can log
in; no terminal is entered. At the usual size it takes minutes and 3 GiB.

Example:
  sekisho init measured && sekisho bench seed measured")]
pub(super) struct Seed {
    /// Folder of the instance
    #[arg(value_name = "DIR")]
    dir: Named<named::Instance>,
    #[command(flatten)]
    size: Size,
}

/// Entered by one transaction.
const AT_ONCE: usize = 5_000;
/// Of 24 facilities: as in 2024 some 8,000 hospitals, 105,000 clinics, 67,000 dental clinics, 62,000 pharmacies.
const KINDS: [(&str, usize); 4] =
    [("hospital", 1), ("clinic", 10), ("dental_clinic", 7), ("pharmacy", 6)];
/// In turn, of ten people.
const ROLES: [Option<&str>; 10] = [
    Some(r#"["Medical Doctor"]"#),
    Some(r#"["General Nurse"]"#),
    Some(r#"["Pharmacist"]"#),
    None,
    Some(r#"["Medical Doctor"]"#),
    Some(r#"["Dentist"]"#),
    Some(r#"["General Nurse"]"#),
    Some(r#"["Medical Doctor","Director of Hospital"]"#),
    None,
    Some(r#"["Pharmacist"]"#),
];

impl Seed {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        until_told_to_end(self.carry_out())?;
        Ok(Exit::Done)
    }

    async fn carry_out(&self) -> anyhow::Result<()> {
        let config = Config::read(&self.dir)?;
        let store = Store::open(config.instance().database(), config.instance().node()).await?;
        let filled = fill(&store, &config, self.size).await;
        store.close().await;
        filled?;
        let Size { facilities, people, services } = self.size;
        say(&format!("{facilities} facilities, {people} people, {services} services\n"))?;
        Ok(())
    }
}

/// Enters a network of this size into the register of an instance, and says how far it is.
///
/// # Errors
/// The register has facilities; the database.
pub(super) async fn fill(store: &Store, config: &Config, size: Size) -> anyhow::Result<()> {
    let there = organisation::count(&mut store.read()).await?;
    ensure!(
        there == 0,
        "the register has {there} facilities; only an instance without any is filled for measurements"
    );
    let now = SystemClock.now();
    let facilities: Vec<_> = (0..size.facilities).map(facility).collect();
    let bar = progress("facilities", size.facilities)?;
    for some in facilities.chunks(AT_ONCE) {
        store.enter_facilities(some, now).await?;
        bar.inc(some.len().try_into()?);
    }
    bar.finish();
    let bar = progress("people", size.people)?;
    let numbers: Vec<u32> = (0..size.people).collect();
    for some in numbers.chunks(AT_ONCE) {
        let people: Vec<_> = some.iter().map(|number| person(*number, &facilities)).collect();
        store.enter_people(&people, now).await?;
        bar.inc(people.len().try_into()?);
    }
    bar.finish();
    let bar = progress("services", size.services)?;
    let entitlements = Entitlements::new();
    for number in 0..size.services {
        register(store, config, entitlements.vocabulary(), number, now).await?;
        bar.inc(1);
    }
    bar.finish();
    Ok(())
}

/// On standard error, where that is a terminal.
fn progress(what: &'static str, all: u32) -> anyhow::Result<ProgressBar> {
    let style = "{msg:>10} {wide_bar} {human_pos} of {human_len}, {eta} left";
    let bar = ProgressBar::new(all.into()).with_style(ProgressStyle::with_template(style)?);
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar.with_message(what))
}

fn facility(number: u32) -> MeasuredFacility {
    let of_all = KINDS.iter().map(|(_, share)| share).sum::<usize>();
    let mut place = number as usize % of_all;
    let kind = KINDS.iter().find(|(_, share)| {
        let within = place < *share;
        place = place.saturating_sub(*share);
        within
    });
    MeasuredFacility {
        id: FacilityIdentifier::from_random(number.into()).to_string(),
        kind: kind.map_or("clinic", |(kind, _)| kind),
        prefecture: i64::from(number / 24 % 47) + 1,
    }
}

fn person(number: u32, facilities: &[MeasuredFacility]) -> MeasuredPerson {
    // Neighbours in number are not neighbours in the country.
    let place = (u64::from(number) * 7_919) % (facilities.len() as u64);
    MeasuredPerson {
        facility_id: facilities[usize::try_from(place).unwrap_or_default()].id.clone(),
        hc_roles: ROLES[number as usize / 3 % ROLES.len()],
    }
}

async fn register(
    store: &Store,
    config: &Config,
    vocabulary: &Vocabulary,
    number: u32,
    now: OffsetDateTime,
) -> anyhow::Result<()> {
    let case = use_case::all().get(number as usize % use_case::all().len());
    let case = case.context("there is no use case")?;
    let scopes = case.scopes();
    let rules = toml::to_string(&case.rules())?;
    let id = format!("measured-{number:04}");
    let file = format!(
        r#"
id = "{id}"
name = {{ ja = "計測サービス{number:04}", en = "Measured service {number:04}" }}
description = {{ ja = "計測のためのサービスです。", en = "A service that is measured." }}
home_url = "https://{id}.example/"
redirect_uris = ["https://{id}.example/callback"]
authentication = "client_secret_basic"
scopes = {scopes:?}

{rules}"#
    );
    let registry = Registry { store, config, vocabulary, random: &SystemRandomness, now };
    client::register(&registry, &file, Actor::System).await?;
    Ok(())
}
