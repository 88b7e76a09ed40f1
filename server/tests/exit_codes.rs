//! What every sub-command answers to a name of what is not there: 2, nothing on standard output, and the name
//! on standard error.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{any::TypeId, path::PathBuf, process::Command};

use clap::CommandFactory;
use sekisho::cli::Arguments;

/// Folders of what is named and is there: `INSTANCE`, and `FILE` and `NEW` beside it. What has `nope` in it
/// is not there.
const NAMES_WHAT_IS_NOT_THERE: &[&str] = &[
    "init NEW --root-passphrase-file nope",
    "init NEW --requests NEW --result nope --hash HASH",
    "ceremony keys nope",
    "ceremony keys FILE --secret root=nope",
    "ceremony dry-run nope",
    "ceremony run nope --hash HASH --out NEW",
    "ceremony run FILE --hash HASH --out NEW --secret root=nope",
    "ceremony verify nope",
    "ceremony verify FILE --import nope",
    "ceremony request nope terminals-2 --out NEW",
    "ceremony request INSTANCE terminals-2 --out nope/request.csr",
    "ceremony request INSTANCE nope --out NEW",
    "ceremony root-list nope NEW",
    "ceremony next-root nope NEW --network G2",
    "ceremony end-root nope root",
    "ceremony end-root INSTANCE nope",
    "ceremony install nope INSTANCE --hash HASH",
    "ceremony install INSTANCE nope --hash HASH",
    "ceremony import nope imported-1 --certificate FILE --issued FILE --crl FILE",
    "ceremony import INSTANCE imported-1 --certificate nope --issued FILE --crl FILE",
    "ceremony import INSTANCE imported-1 --certificate FILE --issued nope --crl FILE",
    "ceremony import INSTANCE imported-1 --certificate FILE --issued FILE --crl nope",
    "ceremony import INSTANCE imported-1 --certificate FILE --issued FILE --crl FILE --above nope",
    "ceremony import INSTANCE imported-1 --certificate FILE --issued FILE --crl FILE --key nope",
    "ceremony import INSTANCE nope --certificate FILE --issued FILE --crl FILE",
    "serve nope",
    "signer nope",
    "signer split nope NEW",
    "administrator link nope",
    "administrator link INSTANCE nope",
    "administrator add nope another",
    "revoke certificate nope --serial 01 --hold",
    "revoke certificate INSTANCE --file nope --hold",
    "revoke certificate INSTANCE --issuer nope --serial 01 --hold",
    "revoke terminal nope T0123456789 --hold",
    "revoke terminal INSTANCE nope --hold",
    "revoke facility nope 123456789007 --hold",
    "revoke facility INSTANCE nope --hold",
    "revoke key nope --file FILE",
    "revoke key INSTANCE --file nope",
    "revoke issuer nope terminals --reason ca-compromise",
    "revoke issuer INSTANCE nope --reason ca-compromise",
    "prefix assign nope",
    "prefix assign INSTANCE --facility nope",
    "prefix list nope",
    "group make nope --owner 123456789007 --name a --purpose conference --topology mesh",
    "group make INSTANCE --owner 123456789007 --name a --purpose nope --topology mesh",
    "group make INSTANCE --owner 123456789007 --name a --purpose conference --topology mesh",
    "group admit nope x --facility 123456789007 --router T0123456789 --reason a",
    "group admit INSTANCE nope --facility 123456789007 --router T0123456789 --reason a",
    "group end nope x --facility 123456789007 --reason a",
    "group end INSTANCE nope --facility 123456789007 --reason a",
    "group close nope x --reason a",
    "group close INSTANCE nope --reason a",
    "group list nope",
    "group list INSTANCE --facility nope",
    "group show nope x",
    "group show INSTANCE nope",
    "router add nope --facility 123456789007 --name a --family router --network 10.0.0.0/8",
    "router add INSTANCE --facility 123456789007 --name a --family nope --network 10.0.0.0/8",
    "router bundle nope T0123456789 --to NEW",
    "router bundle INSTANCE nope --to NEW",
    "router code nope T0123456789",
    "router code INSTANCE nope",
    "router models import nope --shipped",
    "router models import INSTANCE nope",
    "router models export nope",
    "router models list nope",
    "router models certify nope x --proof psk --until 2099-01-01 --reason a",
    "router models certify INSTANCE nope --proof psk --until 2099-01-01 --reason a",
    "router models withdraw nope x --proof psk --reason a",
    "router models withdraw INSTANCE nope --proof psk --reason a",
    "router psk add nope T0123456789 T0123456788",
    "router psk add INSTANCE nope T0123456789",
    "router psk replace nope T0123456789 T0123456788",
    "router psk replace INSTANCE nope T0123456789",
    "router psk end nope T0123456789 T0123456788",
    "router psk end INSTANCE nope T0123456789",
    "router psk list nope T0123456789",
    "router psk list INSTANCE nope",
    "router setup make nope T0123456789 --peer T0123456788",
    "router setup make INSTANCE nope --peer T0123456788",
    "router setup end nope T0123456789",
    "router setup end INSTANCE nope",
    "router list nope --facility 123456789007",
    "service acme-key nope referral",
    "service acme-key INSTANCE nope",
    "service add nope FILE",
    "service add INSTANCE nope",
    "service approve nope referral FILE",
    "service approve INSTANCE nope FILE",
    "service approve INSTANCE referral nope",
    "service list nope",
    "service rules nope referral",
    "service rules INSTANCE nope",
    "service token nope",
    "service use-cases nope",
    "service token INSTANCE --operated-by 123456789007",
    "sandbox make nope",
    "sandbox cards nope NEW",
    "token-keys list nope",
    "token-keys rotate nope",
    "login-request-keys list nope",
    "login-request-keys rotate nope",
    "audit list nope",
    "audit list INSTANCE --organisation 123456789007",
    "audit head nope",
    "audit verify nope",
    "audit verify INSTANCE --head nope",
    "backup nope --to NEW",
    "backup INSTANCE --to nope/backup.age",
    "backup INSTANCE --to NEW --passphrase-file nope",
    "restore nope NEW --identity-file FILE",
    "restore FILE NEW --identity-file nope",
    "restore FILE NEW --passphrase-file nope",
    "restore FILE NEW --identity-file FILE --published nope",
    "restore --check nope --identity-file FILE",
    "inspect nope",
    "inspect FILE --passphrase-file nope",
    "inspect FILE --passphrase-env nope",
    "bench issuance --folder nope",
    "bench enrolment --folder nope",
    "bench crl --folder nope",
    "bench ocsp --folder nope",
    "bench oidc --folder nope",
    "bench oidc --beside nope",
    "bench network --folder nope",
    "bench seed nope",
    "whois nope 192.0.2.1",
    "whois INSTANCE nope",
    "verify-path --trust nope --chain FILE --purpose any --revocation none",
    "verify-path --trust FILE --chain nope --purpose any --revocation none",
    "verify-path --trust FILE --chain FILE --purpose any --revocation crl --crl nope",
    "verify-path --trust FILE --chain FILE --purpose any --revocation ocsp --ocsp nope",
    "verify-signature nope",
    "verify-signature --by nope FILE",
    "verify-signature --by FILE --signature nope FILE",
];

/// Sub-commands that name nothing.
const NAMES_NOTHING: &[&str] = &["demo", "bench", "completions", "example-config"];

/// Arguments that name what the command makes, or that are looked at later and stand in the table.
const MADE: &[&str] = &[
    "init dir",
    "init requests",
    "ceremony run out",
    "ceremony root-list out",
    "ceremony next-root out",
    "signer dir",
    "signer socket",
    "signer split signer_dir",
    "signer split socket",
    "restore dir",
    "sandbox cards folder",
    "router bundle to",
    "demo keep",
];

/// Every command that can be run, with the words that name it.
fn commands() -> Vec<(String, clap::Command)> {
    fn below(words: &str, command: &clap::Command, found: &mut Vec<(String, clap::Command)>) {
        let optional = !command.is_subcommand_required_set();
        if command.get_subcommands().next().is_none() || (optional && !words.is_empty()) {
            found.push((words.to_owned(), command.clone()));
        }
        for sub_command in command.get_subcommands().filter(|one| one.get_name() != "help") {
            let words = format!("{words} {}", sub_command.get_name());
            below(words.trim(), sub_command, found);
        }
    }
    let mut command = Arguments::command();
    command.build();
    let mut found = Vec::new();
    below("", &command, &mut found);
    found
}

#[test]
fn what_is_not_there_is_2_in_every_sub_command_and_nothing_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let sekisho = |arguments: &[String]| {
        Command::new(env!("CARGO_BIN_EXE_sekisho")).args(arguments).output().unwrap()
    };
    let made = sekisho(&["init".to_owned(), at("INSTANCE")]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::write(at("FILE"), "nothing in particular\n").unwrap();
    let hash = "5a".repeat(32);
    for line in NAMES_WHAT_IS_NOT_THERE {
        let words = line.split(' ').map(|word| match word {
            "INSTANCE" | "FILE" | "NEW" => at(word),
            "HASH" => hash.clone(),
            word => word.to_owned(),
        });
        let output = sekisho(&words.collect::<Vec<_>>());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(said.contains("nope") || said.contains("123456789007"), "{line}: {said}");
        assert!(output.stdout.is_empty(), "{line}: {:?}", output.stdout);
        assert!(!folder.path().join("NEW").exists(), "{line} made what it was to make");
    }
    for (words, _) in commands() {
        let covered = NAMES_WHAT_IS_NOT_THERE
            .iter()
            .any(|line| line.strip_prefix(&words).is_some_and(|rest| rest.starts_with(' ')));
        assert!(covered || NAMES_NOTHING.contains(&&*words), "no row names what {words} lacks");
    }
}

#[test]
fn every_path_is_looked_at_with_the_command_line_or_made() {
    for (words, command) in commands() {
        for argument in command.get_arguments() {
            let named = format!("{words} {}", argument.get_id());
            let bare = argument.get_value_parser().type_id() == TypeId::of::<PathBuf>();
            assert_eq!(bare, MADE.contains(&&*named), "{named}: a type of `cli::named` says which");
        }
    }
}

#[test]
fn every_help_tells_the_same_exit_codes() {
    const RULE: &str = "\n  2  the command line was not understood, or names what is not there";
    for (words, _) in commands() {
        let help = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args(words.split(' '))
            .arg("--help")
            .output()
            .unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        assert_eq!(help.matches("Exit codes:").count(), 1, "{words}: {help}");
        assert!(help.contains(RULE), "{words}: {help}");
    }
}
