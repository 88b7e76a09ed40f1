//! Every public asynchronous function of the store is called by a test that runs on both databases.
//!
//! What a test of [`crate::on_both`] reaches is SQL that PostgreSQL carried out and whose outcome was
//! looked at. This reads the sources of the store and of these tests, so that a new function without
//! such a test fails here by its name.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Called by macros or by opening a database, which every test does.
const BY_EVERY_TEST: [&str; 7] =
    ["open", "begin", "close", "execute", "commit", "give_up", "again"];

/// Module and text of each file of a folder of this crate. What lies deeper belongs to the module
/// of its folder, which lends it its name.
fn sources(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    for path in paths_in(&folder) {
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let files = files_below(path);
        found.extend(files.iter().map(|file| (module.clone(), fs::read_to_string(file).unwrap())));
    }
    found.sort();
    found
}

/// The file itself, or all files of the folder and of those in it.
fn files_below(path: PathBuf) -> Vec<PathBuf> {
    if path.is_dir() {
        paths_in(&path).into_iter().flat_map(files_below).collect()
    } else {
        vec![path]
    }
}

fn paths_in(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Names after `pub async fn`, and whether each is a method (it stands in an `impl`, indented).
fn public_functions(source: &str) -> impl Iterator<Item = (bool, &str)> {
    source.lines().filter_map(|line| {
        let code = line.trim_start();
        let name = code.strip_prefix("pub async fn ")?.split(['(', '<']).next()?;
        Some((code.len() < line.len(), name))
    })
}

#[test]
fn every_function_of_the_store_is_called_by_a_test_on_both_databases() {
    let tests: String = sources("tests/both")
        .into_iter()
        .filter(|(module, _)| module != "coverage")
        .map(|(_, source)| source)
        .collect();
    let mut all = 0;
    let mut missing = BTreeSet::new();
    for (module, source) in sources("src") {
        for (method, name) in public_functions(&source) {
            all += 1;
            let call = if method { format!(".{name}(") } else { format!("{module}::{name}(") };
            let by_every_test = module == "db" && BY_EVERY_TEST.contains(&name);
            if !by_every_test && !tests.contains(&call) {
                missing.insert(format!("{module}::{name}"));
            }
        }
    }
    assert!(all > 120, "the sources were not read: {all} functions");
    assert!(missing.is_empty(), "not called on both databases: {missing:#?}");
}
