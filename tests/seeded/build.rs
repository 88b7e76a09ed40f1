//! Switches the mistakes in: this package's build, and no other, has the cfg `seeded_faults`.
fn main() {
    println!("cargo::rustc-cfg=seeded_faults");
    for folder in ["locales", "templates", "assets"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
