//! Services on libraries of others, as they come: each lets a person log in with their card, refreshes,
//! logs out, and hears that the person logged out elsewhere.
//!
//! The programs are in `tests/relying-parties`; which proves what: `docs/relying-parties.md`. One
//! instance, one PC with its agent and card, and one Chromium for all of them, so this program reports
//! its cases itself.
#![allow(missing_docs)]

mod clients;
mod journey;
mod service;

use std::{fmt, process::ExitCode};

use clients::{CLIENTS, Client};
use journey::{Act, Journey};
use sekisho_tests::report::Wish;

/// Something that a client is to do; or all of them together, at the end.
#[derive(Clone, Copy)]
enum Case {
    Of(&'static Client, Act),
    Together,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(client, act) => write!(f, "{}::{}", client.module(), act.sentence()),
            Self::Together => f.write_str("a_logout_at_one_service_is_heard_by_every_other"),
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let of_clients =
        CLIENTS.iter().flat_map(|client| client.acts().map(move |act| Case::Of(client, act)));
    let cases = of_clients.chain([Case::Together]);
    let (picked, mut report) = Wish::of_this_run().pick(cases, Case::to_string)?;
    if !picked.is_empty() {
        let mut journey = Journey::set().await?;
        for case in picked {
            let played = match case {
                Case::Of(client, act) => journey.play(client, act).await,
                Case::Together => journey.log_out_of_all().await,
            };
            report.tell(&case.to_string(), played)?;
        }
        journey.clear().await?;
    }
    report.close()
}
