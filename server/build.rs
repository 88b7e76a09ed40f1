//! Rebuilds the crate when a message file, template or asset is added: they are built in.
fn main() {
    for folder in ["locales", "templates", "assets"] {
        println!("cargo:rerun-if-changed={folder}");
    }
}
