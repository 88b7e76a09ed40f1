//! The modules of the OpenID Foundation's plans as tests of ours, each by its published name: at the
//! provider that is built here, at an independent one, and at a build with mistakes on purpose.
//!
//! Written anew after what the modules say that they check; the Foundation's suite itself is not run
//! (`docs/conformance.md`). All cases share the running providers, so this program reports them itself.
#![allow(missing_docs)]

mod backchannel;
mod basic;
mod browser_logout;
mod call;
mod catalogue;
mod client;
mod discovery;
mod dynamic;
mod fapi;
mod faults;
mod flow;
mod frame;
mod id_token;
mod jose;
mod logout;
mod node;
mod oidc_provider;
mod provider;
mod registration;
mod sekisho;
mod visit;

use std::{fmt, path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context, ensure};
use catalogue::{Check, MODULES, Module, Standing, Trial};
use client::Variant;
use faults::{SEEDS, Seed, Switch};
use futures_util::{StreamExt, stream};
use oidc_provider::OidcProvider;
use provider::Provider;
use sekisho::Sekisho;
use sekisho_tests::report::{Report, Wish};

/// Cases that are played at once at one provider. Many of them only wait, for codes to expire.
const AT_ONCE: usize = 16;

/// At which provider a module is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// The program that ships.
    Sekisho,
    /// The independent one.
    OidcProvider,
    /// Ours with no mistake switched on: what kills one must not be the build.
    Seeded,
}

/// One thing to be tried.
#[derive(Clone, Copy)]
enum Case {
    Document,
    Listed,
    Shipped,
    Module(At, &'static Module, Option<Variant>),
    Fault(&'static Seed),
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => f.write_str("the_document_shows_every_module_and_what_tests_it"),
            Self::Listed => f.write_str("every_fault_has_a_module_that_must_notice_it"),
            Self::Shipped => f.write_str("the_program_that_ships_has_none_of_the_faults"),
            Self::Module(at, module, variant) => {
                let at = match at {
                    At::Sekisho => "sekisho",
                    At::OidcProvider => "node-oidc-provider",
                    At::Seeded => "without_fault",
                };
                write!(f, "{at}::{}", module.name)?;
                let Some(variant) = variant else { return Ok(()) };
                let signing = variant.profile == client::Profile::Fapi2MessageSigning;
                write!(f, "::{}{}", variant.name(), if signing { "::signed" } else { "" })
            }
            Self::Fault(seed) => write!(f, "fault::{}_is_noticed", seed.fault),
        }
    }
}

fn cases() -> anyhow::Result<Vec<Case>> {
    let mut cases = vec![Case::Document, Case::Listed, Case::Shipped];
    for at in [At::Sekisho, At::OidcProvider] {
        for module in MODULES {
            if at == At::OidcProvider && module.is_ours_alone() {
                continue;
            }
            // What is not tested has no variants.
            let variants = module.variants().into_iter();
            cases.extend(variants.map(|variant| Case::Module(at, module, variant)));
        }
    }
    let mut used: Vec<(&str, Option<Variant>)> = Vec::new();
    for seed in SEEDS {
        let module = seed.module()?;
        if !used.contains(&(module.name, seed.variant)) {
            used.push((module.name, seed.variant));
            cases.push(Case::Module(At::Seeded, module, seed.variant));
        }
    }
    cases.extend(SEEDS.iter().map(Case::Fault));
    Ok(cases)
}

type Played = Vec<(Case, anyhow::Result<()>)>;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let (picked, mut report) = Wish::of_this_run().pick(cases()?, Case::to_string)?;
    let folder = tempfile::tempdir()?;
    let [ours, others] = ["sekisho", "oidc-provider"].map(|name| folder.path().join(name));
    for place in [&ours, &others] {
        std::fs::create_dir(place)?;
    }
    let (ours, others) = tokio::join!(at_ours(&picked, &ours), at_other(&picked, &others));
    for case in &picked {
        let outcome = match case {
            Case::Document => the_document_is_right(),
            Case::Listed => faults::all_are_listed(),
            Case::Shipped => faults::none_are_shipped(folder.path()).await,
            Case::Module(..) | Case::Fault(_) => continue,
        };
        report.tell(&case.to_string(), outcome)?;
    }
    tell(&mut report, others?)?;
    tell(&mut report, ours?)?;
    report.close()
}

fn tell(report: &mut Report, played: Played) -> anyhow::Result<()> {
    played.into_iter().try_for_each(|(case, outcome)| report.tell(&case.to_string(), outcome))
}

fn of(picked: &[Case], wanted: At) -> Vec<Case> {
    let fits = |case: &&Case| matches!(case, Case::Module(at, ..) if *at == wanted);
    picked.iter().filter(fits).copied().collect()
}

/// What is picked of the independent provider.
async fn at_other(picked: &[Case], folder: &Path) -> anyhow::Result<Played> {
    let cases = of(picked, At::OidcProvider);
    if cases.is_empty() {
        return Ok(Vec::new());
    }
    let provider = OidcProvider::start(folder).await.context("node-oidc-provider")?;
    Ok(play(Arc::new(provider), cases).await)
}

/// What is picked of ours: first of the program that ships, then of the build with faults, which serves
/// the same instance after it.
async fn at_ours(picked: &[Case], folder: &Path) -> anyhow::Result<Played> {
    let (shipped, seeded) = (of(picked, At::Sekisho), of(picked, At::Seeded));
    let seeds = picked.iter().filter(|case| matches!(case, Case::Fault(_))).count();
    if shipped.len() + seeded.len() + seeds == 0 {
        return Ok(Vec::new());
    }
    let provider = Arc::new(Sekisho::start(folder).await?);
    let mut played = play(Arc::clone(&provider) as Arc<dyn Provider>, shipped).await;
    let provider = Arc::into_inner(provider).context("a module still holds its provider")?;
    if seeded.len() + seeds == 0 {
        provider.stop().await?;
        return Ok(played);
    }
    let switch = Switch::off(folder)?;
    let provider = provider.served_by("sekisho-seeded", switch.environment()).await?;
    let provider = Arc::new(provider);
    played.extend(play(Arc::clone(&provider) as Arc<dyn Provider>, seeded).await);
    for case in picked {
        let Case::Fault(seed) = case else { continue };
        let outcome = noticed(Arc::clone(&provider) as Arc<dyn Provider>, seed, &switch).await;
        played.push((*case, outcome));
    }
    let provider = Arc::into_inner(provider).context("a module still holds its provider")?;
    provider.stop().await?;
    Ok(played)
}

/// A mistake is switched on: its module fails.
async fn noticed(provider: Arc<dyn Provider>, seed: &Seed, switch: &Switch) -> anyhow::Result<()> {
    let module = seed.module()?;
    let check = check_of(module).with_context(|| format!("{} is no test", module.name))?;
    switch.set(seed.fault)?;
    let outcome = check(&Trial { provider, variant: seed.variant }).await;
    switch.set("")?;
    ensure!(outcome.is_err(), "{} passes all the same", module.name);
    Ok(())
}

fn check_of(module: &Module) -> Option<Check> {
    match module.standing {
        Standing::Tested { check, .. } => Some(check),
        Standing::Untested(_) => None,
    }
}

/// Plays modules at a provider, many at once.
async fn play(provider: Arc<dyn Provider>, cases: Vec<Case>) -> Played {
    let played = stream::iter(cases).filter_map(|case| {
        let found = match case {
            Case::Module(_, module, variant) => check_of(module).map(|check| (check, variant)),
            _ => None,
        };
        std::future::ready(found.map(|(check, variant)| (case, check, variant)))
    });
    let played = played.map(|(case, check, variant)| {
        let provider = Arc::clone(&provider);
        async move { (case, check(&Trial { provider, variant }).await) }
    });
    played.buffer_unordered(AT_ONCE).collect().await
}

fn the_document_is_right() -> anyhow::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/conformance.md");
    let document = std::fs::read_to_string(path)?;
    let tables = catalogue::tables();
    ensure!(document.contains(&tables), "docs/conformance.md must hold these tables:\n{tables}");
    Ok(())
}
