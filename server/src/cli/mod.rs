//! The command line: one file a sub-command, no decisions.

mod administrator;
mod audit;
mod backup;
mod bench;
mod ceremony;
mod completions;
mod demo;
mod exit;
mod group;
mod init;
mod inspect;
mod interrupt;
mod language;
mod login_request_keys;
mod named;
mod own_keys;
mod prefix;
mod restore;
mod revoke;
mod router;
mod sandbox;
mod serve;
mod service;
#[cfg(unix)]
mod signer;
mod token_keys;
mod verify_files;
mod verify_path;
mod verify_signature;
mod whois;

use clap::{Parser, Subcommand};
use sekisho_output::{remark, say};

use serde_json::Value as Json;

use crate::{config::Config, first_line, instance::Folder, names::NameRole};

use exit::{Cause, Failure};
pub use exit::{EXIT_CODES, Exit};
use interrupt::until_told_to_end;
use named::Named;

const EXAMPLES: &str = "\
Examples:
  sekisho demo
      everything on this machine, set up and running, to click through
  sekisho init /srv/sekisho --domain sekisho.example.jp
      make an instance; it prints the root's fingerprint and what to do next
  sekisho ceremony dry-run plan.toml
      what a key ceremony would sign, and its hash; `sekisho help ceremony` tells the way
  sekisho serve /srv/sekisho
      run it; it prints `ready …` once it answers
  sekisho signer split /srv/sekisho /srv/sekisho-signer
      move the authorities' keys to a process of their own; `sekisho help signer` tells the way
  sekisho administrator link /srv/sekisho
      a new one-time link for the administrator who missed the first one
  sekisho revoke facility /srv/sekisho 123456789007 --hold --note 'ransomware reported'
      quarantine a facility; `sekisho help revoke` for terminals, certificates, keys
  sekisho router add /srv/sekisho --facility 123456789007 --name 'Main building' \
      --family router_strongswan --address 192.0.2.1 --network 10.20.30.0/24
      a facility's router, and the code by which it gets its certificate
  sekisho group list /srv/sekisho
      groups of facilities whose routers reach each other
  sekisho prefix assign /srv/sekisho
      an IPv6 prefix for each facility that has none
  sekisho whois /srv/sekisho 192.0.2.1 --at 2026-11-23T21:30:00+09:00
      whose an address was: facility, router, terminals
  sekisho sandbox make /srv/sekisho
      invented people with software cards, with which services are tried out
  sekisho token-keys rotate /srv/sekisho
      the key that signs tokens is followed by another; nobody notices
  sekisho login-request-keys rotate /srv/sekisho
      the key that agents know this portal by is followed by another
  sekisho audit list /srv/sekisho --json | jq .act
      who did what, oldest first
  sekisho audit verify /srv/sekisho
      is the audit trail whole?
  sekisho backup /srv/sekisho --to /media/safe/2026-11-21.age --recipient age1…
      an encrypted copy while it serves; `sekisho restore` makes an instance of it
  sekisho inspect terminal.cer
      what stands in a certificate, CRL, OCSP answer, request or PKCS #12 file
  sekisho verify-path --trust roots/ --chain leaf.pem --purpose any --revocation none
      does a certificate lead to one of these roots?";

/// Certification authority for healthcare facilities and portal for their staff.
#[derive(Debug, Parser)]
#[command(name = "sekisho", version, about, after_help = EXAMPLES, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Ceremony(ceremony::Ceremony),
    Serve(serve::Serve),
    #[cfg(unix)]
    Signer(signer::Signer),
    Administrator(administrator::Administrator),
    Revoke(revoke::Revoke),
    Router(router::Router),
    Group(group::Group),
    Prefix(prefix::Prefix),
    Whois(whois::Whois),
    Service(service::Service),
    Sandbox(sandbox::Sandbox),
    TokenKeys(token_keys::TokenKeys),
    LoginRequestKeys(login_request_keys::LoginRequestKeys),
    Audit(audit::Audit),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Inspect(inspect::Inspect),
    Bench(bench::Bench),
    Demo(demo::Demo),
    VerifyPath(verify_path::VerifyPath),
    VerifySignature(verify_signature::VerifySignature),
    Completions(completions::Completions),
    /// Print the example configuration, in which every key is documented
    #[command(after_help = "\
Example:
  sekisho example-config | grep -B3 crl_hours
      what a key means, and its default; the instance's own file is DIR/sekisho.toml")]
    ExampleConfig,
}

/// The folder of an instance, as every sub-command takes it.
#[derive(Debug, clap::Args)]
struct InstanceFolder {
    /// Instance folder, made by `sekisho init`
    #[arg(value_name = "DIR", env = "SEKISHO_DIR")]
    dir: Named<named::Instance>,
}

/// What was shown before it was stored came to nothing: whoever keeps it must learn that.
#[derive(Debug, thiserror::Error)]
#[error("{what} was not stored, and what was shown of it opens nothing")]
struct NotInForce {
    what: &'static str,
    #[source]
    error: Cause,
}

/// Runs what the arguments ask for.
#[must_use]
pub fn run(arguments: Arguments) -> Exit {
    let outcome = match arguments.command {
        Command::Init(command) => command.run(),
        Command::Ceremony(command) => command.run(),
        Command::Serve(command) => command.run(),
        #[cfg(unix)]
        Command::Signer(command) => command.run(),
        Command::Administrator(command) => command.run(),
        Command::Revoke(command) => command.run(),
        Command::Router(command) => command.run(),
        Command::Group(command) => command.run(),
        Command::Prefix(command) => command.run(),
        Command::Whois(command) => command.run(),
        Command::Service(command) => command.run(),
        Command::Sandbox(command) => command.run(),
        Command::TokenKeys(command) => command.run(),
        Command::LoginRequestKeys(command) => command.run(),
        Command::Audit(command) => command.run(),
        Command::Backup(command) => command.run(),
        Command::Restore(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::VerifyPath(command) => command.run(),
        Command::VerifySignature(command) => command.run(),
        Command::Completions(command) => command.run(),
        Command::ExampleConfig => {
            say(crate::config::EXAMPLE).map(|()| Exit::Done).map_err(Failure::from)
        }
    };
    outcome.unwrap_or_else(|failure| {
        remark(&format!("sekisho: {failure}"));
        failure.exit
    })
}

/// The secret in the first line of a file.
fn secret_file(path: &std::path::Path) -> Result<secrecy::SecretString, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the passphrase file {}: {error}", path.display()))?;
    let text = zeroize::Zeroizing::new(text);
    if first_line::is_open_to_others(path) {
        remark(&format!(
            "sekisho: others than its owner may read or write {0}: chmod 600 {0}",
            path.display()
        ));
    }
    first_line::secret(&text).ok_or_else(|| {
        let fault = format!(
            "the first line of {} is empty: what lies under an empty passphrase is open to anybody; \
             write a passphrase there, or leave the option out and one is drawn",
            path.display()
        );
        fault.into()
    })
}

/// Origin of the name for `role`: as the running process listens, else as configured.
fn origin(folder: &Folder, config: &Config, role: NameRole) -> String {
    let running = std::fs::read(folder.addresses()).ok();
    let running = running.and_then(|json| serde_json::from_slice::<Json>(&json).ok());
    match running.as_ref().and_then(|running| running["origins"][role.as_str()].as_str()) {
        Some(origin) => origin.to_owned(),
        None => {
            let (tls, plain) = (config.listen().tls()[0].port(), config.listen().plain()[0].port());
            config.host_names().origins(tls, plain).origin(role).to_owned()
        }
    }
}

/// A runtime for commands that do one thing.
fn runtime() -> Result<tokio::runtime::Runtime, std::io::Error> {
    // One more than there are processors, for the one that waits for the disk.
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(processors + sekisho_store::THREADS_HELD_UP)
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
