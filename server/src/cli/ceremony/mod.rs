//! `sekisho ceremony …`: a key ceremony, step by step.

mod dry_run;
mod end_root;
mod import;
mod install;
mod key_place;
mod keys;
mod next_root;
mod request;
mod root_list;
mod run;
mod verify;

use super::{Exit, Failure, Named, named};
use crate::config::Config;

/// Hold a key ceremony: from a reviewed plan to signed certificates and a transcript
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The way, with the root's key on a computer without a network:
  sekisho ceremony keys plan.toml --secret root=root-passphrase
      makes the keys of the plan that are not there yet, and their public halves
  sekisho ceremony dry-run plan.toml
      everything that would be signed, in words, and its hash; two people review and compare it
  sekisho ceremony run plan.toml --hash HASH --secret root=root-passphrase --out result
      signs that and nothing else; after a loss of power the same command goes on
  sekisho ceremony verify result --hash HASH
      does everything hold: signatures, files, transcript?

And between that computer and an instance:
  sekisho ceremony request /srv/sekisho terminals-2 --out terminals-2.csr
      a key for the next authority, which stays, and a request for its certificate
  sekisho ceremony root-list /srv/sekisho list
      a plan for the root's next revocation list
  sekisho ceremony next-root /srv/sekisho next --network \"Healthcare Network G2\"
      keys, requests and a plan for the next root; both roots are in force until the old one ends
  sekisho ceremony install result /srv/sekisho --hash HASH
      takes what came back, after judging it
  sekisho ceremony end-root /srv/sekisho root
      ends a root after the overlap, if nothing depends on it any more

An authority of another system, with everything that it issued:
  sekisho ceremony import /srv/sekisho imported-1 --certificate ca.crt --above root.crt …
      shows what would be taken over, and its hash; with --hash and --key it is taken over

docs/ceremony.md documents the plan, and what to do when something goes wrong.")]
pub(super) struct Ceremony {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Keys(keys::Keys),
    DryRun(dry_run::DryRun),
    Run(run::Run),
    Verify(verify::Verify),
    Request(request::Request),
    RootList(root_list::RootList),
    NextRoot(next_root::NextRoot),
    EndRoot(end_root::EndRoot),
    Install(install::Install),
    Import(import::Import),
}

impl Ceremony {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.command {
            Command::Keys(command) => command.run(),
            Command::DryRun(command) => command.run(),
            Command::Run(command) => command.run(),
            Command::Verify(command) => command.run(),
            Command::Request(command) => command.run(),
            Command::RootList(command) => command.run(),
            Command::NextRoot(command) => command.run(),
            Command::EndRoot(command) => command.run(),
            Command::Install(command) => command.run(),
            Command::Import(command) => command.run(),
        }
    }
}

/// A hash as the dry run prints it: 64 hexadecimal digits, spaces between them allowed.
pub(super) fn hash(text: &str) -> Result<[u8; 32], String> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let mut hash = [0; 32];
    hex::decode_to_slice(digits, &mut hash)
        .map_err(|_| "give the 64 hexadecimal digits that the dry run printed".to_owned())?;
    Ok(hash)
}

/// Where an instance publishes.
fn publication_base(config: &Config) -> String {
    let listen = config.listen();
    config.host_names().origins(listen.tls()[0].port(), listen.plain()[0].port()).plain
}

/// In groups of eight: people compare them aloud.
fn grouped(hash: &[u8; 32]) -> String {
    hash.chunks(4).map(hex::encode).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_printed() {
        let octets: [u8; 32] = std::array::from_fn(|n| u8::try_from(n * 7 % 256).unwrap());
        assert_eq!(hash(&grouped(&octets)), Ok(octets));
        assert_eq!(hash(&hex::encode(octets)), Ok(octets));
        assert!(hash("00").is_err());
        assert!(hash(&hex::encode(octets).replace('0', "g")).is_err());
    }
}
