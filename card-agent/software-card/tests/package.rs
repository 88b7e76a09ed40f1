//! The Debian package: what is in it, and that its program runs from there.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

fn text(output: Output) -> String {
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_package_holds_program_manual_and_licence_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut build = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../package/build-deb-card"));
    let package = text(done(build.arg(env!("CARGO_BIN_EXE_software-card")).arg(folder.path())));
    let field = |name: &str| text(done(Command::new("dpkg-deb").args(["-f", &package, name])));
    assert_eq!(field("Package"), "sekisho-software-card");
    assert_eq!(field("Version"), env!("CARGO_PKG_VERSION"));
    assert!(field("Depends").contains("libc6 ("), "{}", field("Depends"));
    assert!(field("Recommends").contains("vsmartcard-vpcd"));

    let root = folder.path().join("root");
    done(Command::new("dpkg-deb").args(["-x", &package]).arg(&root));
    let mut find = Command::new("find");
    let files = text(done(find.current_dir(&root).args([".", "-type", "f"])));
    let mut files: Vec<&str> = files.lines().collect();
    files.sort_unstable();
    let expected = [
        "./usr/bin/software-card",
        "./usr/share/doc/sekisho-software-card/CHANGELOG.md.gz",
        "./usr/share/doc/sekisho-software-card/changelog.gz",
        "./usr/share/doc/sekisho-software-card/copyright",
        "./usr/share/man/man1/software-card.1.gz",
    ];
    assert_eq!(files, expected);
    let version = text(done(Command::new(root.join("usr/bin/software-card")).arg("--version")));
    assert_eq!(version, concat!("software-card ", env!("CARGO_PKG_VERSION")));
    let manual = text(done(Command::new("zcat").arg(root.join(expected[4]))));
    assert!(manual.contains("virtual reader") && manual.contains("\\-\\-vpcd"), "{manual}");
}

#[test]
fn without_a_card_or_with_one_beside_the_manual_it_is_wrong_usage() {
    for arguments in [&[][..], &["--manual", "card"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_software-card")).args(arguments).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
}
