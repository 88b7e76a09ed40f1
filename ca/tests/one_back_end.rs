//! Private keys are worked with by aws-lc-rs or a token and by nothing else, in all that ships.
//!
//! Three walls: no other back end is linked; the one crate with RSA private keys comes with the
//! passkey library alone, which verifies with public ones; and our own code cannot name a private
//! key's type elsewhere, because clippy denies it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// What an operating body or a facility installs.
const SHIPPED: [&str; 3] = ["sekisho", "sekisho-agent", "sekisho-software-card"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Each crate that ships, with those that depend on it, whatever the platform; tests' own
/// dependencies do not ship.
fn shipped() -> BTreeMap<String, BTreeSet<String>> {
    let packages = SHIPPED.iter().flat_map(|name| ["-p", name]);
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--edges", "normal,build", "--target", "all", "--locked", "--offline"])
        .args(["--prefix", "depth", "--format", " {p}"])
        .args(packages)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    let mut path: Vec<&str> = Vec::new();
    let text = String::from_utf8(output.stdout).unwrap();
    // `2 serde v1.0.0`: the depth, the name, and more.
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let depth: usize = words.next().unwrap().parse().unwrap();
        let name = words.next().unwrap();
        path.truncate(depth);
        let users = found.entry(name.to_owned()).or_default();
        users.extend(path.last().map(|user| (*user).to_owned()));
        path.push(name);
    }
    found
}

#[test]
fn no_other_back_end_ships_and_rsa_only_for_passkeys() {
    let shipped = shipped();
    assert!(shipped.contains_key("aws-lc-rs") && shipped.len() > 100);
    for other in ["ring", "openssl", "openssl-sys", "native-tls", "boring", "mbedtls", "gnutls"] {
        let users = shipped.get(other);
        assert!(users.is_none(), "{other} comes with {users:?}");
    }
    // Not at all while there are no passkeys; with them, below their library only.
    for (name, above) in [("rsa", "crypto-glue"), ("crypto-glue", "webauthn")] {
        let other = shipped.get(name).into_iter().flatten().find(|user| !user.starts_with(above));
        assert_eq!(other, None, "uses {name}");
    }
    for keys in ["rsa", "p256", "p384", "p521", "ecdsa", "elliptic-curve", "ed25519-dalek"] {
        let ours = shipped.get(keys).into_iter().flatten().find(|user| user.starts_with("sekisho"));
        assert_eq!(ours, None, "uses {keys}");
    }
}

/// The paths that a list of `clippy.toml` disallows.
fn disallowed(list: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("clippy.toml")).unwrap();
    let table: toml::Table = toml::from_str(&text).unwrap();
    let paths = table[list].as_array().unwrap();
    paths.iter().map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn clippy_refuses_each_type_and_function_that_holds_a_private_key_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (types, methods) = (disallowed("disallowed-types"), disallowed("disallowed-methods"));
    assert!(types.len() >= 15 && methods.len() >= 2);
    // For each path a crate of its name that has nothing but that path, and one that uses it.
    for (number, path) in types.iter().chain(&methods).enumerate() {
        let parts: Vec<&str> = path.split("::").collect();
        let (name, modules) = parts[1..].split_last().unwrap();
        let is_type = number < types.len();
        let mut item =
            if is_type { format!("pub struct {name};") } else { format!("pub fn {name}() {{}}") };
        for module in modules.iter().rev() {
            item = format!("pub mod {module} {{ {item} }}");
        }
        let user = if is_type {
            format!("pub fn hold(_: &{path}) {{}}")
        } else {
            format!("pub fn hold() {{ {path}() }}")
        };
        let make = |kind: &str, source: &str, manifest: &str| {
            let place = folder.path().join(kind).join(number.to_string());
            std::fs::create_dir_all(place.join("src")).unwrap();
            std::fs::write(place.join("src/lib.rs"), source).unwrap();
            std::fs::write(place.join("Cargo.toml"), manifest).unwrap();
        };
        let package = |name: &str| {
            format!(
                "[package]\nname = \"{name}\"\nversion = \"0.{number}.0\"\nedition = \"2024\"\n"
            )
        };
        let of = parts[0].replace('_', "-");
        make("made", &item, &package(&of));
        make(
            "user",
            &user,
            &format!(
                "{}[dependencies]\n{of} = {{ path = \"../../made/{number}\" }}\n",
                package(&format!("user{number}"))
            ),
        );
    }
    // What is used stands outside of the workspace: there, names may repeat.
    let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"*\"]\n";
    let users = folder.path().join("user");
    std::fs::write(users.join("Cargo.toml"), workspace).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["clippy", "--workspace", "--offline", "--keep-going", "--", "-D", "warnings"])
        .current_dir(users)
        .env("CLIPPY_CONF_DIR", root())
        .env("CARGO_TARGET_DIR", folder.path().join("target"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    for path in types {
        assert!(said.contains(&format!("use of a disallowed type `{path}`")), "{path}: {said}");
    }
    for path in methods {
        assert!(said.contains(&format!("use of a disallowed method `{path}`")), "{path}: {said}");
    }
}
