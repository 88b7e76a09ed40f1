//! What bash offers after a word of our programs, asked of a real bash with the script they print.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Command;

use sekisho::demo::process::sibling;

/// What the function registered for `program` offers for the last of `words`.
fn offered(program: &str, words: &[&str]) -> Vec<String> {
    const ASK: &str = r#"
        source <("$1" completions bash) || exit 9
        shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        registered=$(complete -p "$1") || exit 8
        registered=${registered#*-F }
        "${registered%% *}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let asked = Command::new("bash")
        .args(["--norc", "-c", ASK, "bash"])
        .arg(sibling(program).unwrap())
        .arg(program)
        .args(words)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.success(), "{program} {words:?}: {} {stderr}", asked.status);
    String::from_utf8(asked.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_offers_sub_commands_their_options_and_the_values_of_an_option() {
    for (program, words, some) in [
        ("sekisho", &["ini"][..], &["init"][..]),
        ("sekisho", &["audit", ""], &["list", "head", "verify"]),
        ("sekisho", &["audit", "list", "--org"], &["--organisation"]),
        ("sekisho", &["verify-path", "--enforce"], &["--enforce-anchor-constraints"]),
        ("sekisho", &["inspect", "--lang", ""], &["ja", "en"]),
        ("sekisho", &["ceremony", "dry-run", "--lang", "e"], &["en"]),
        ("sekisho-agent", &["enr"], &["enroll"]),
        ("sekisho-agent", &["enroll", "--ter"], &["--terminal"]),
        ("sekisho-agent", &["--dir", "/x", "run", "--soft"], &["--software-card"]),
        ("sekisho-agent", &["completions", "f"], &["fish"]),
        ("sekisho-agent", &["help", "pol"], &["policy"]),
    ] {
        let offered = offered(program, words);
        for one in some {
            assert!(offered.iter().any(|word| word == one), "{program} {words:?}: {offered:?}");
        }
        // Only what begins as typed, and nothing of another sub-command.
        let typed = words.last().unwrap();
        assert!(offered.iter().all(|word| word.starts_with(typed)), "{words:?}: {offered:?}");
    }
}
