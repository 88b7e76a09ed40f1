//! A client's program, registered and running.

use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use sekisho::demo::{
    check::Scene,
    namespace,
    process::{self, Program},
    services,
    stage::{Stage, free_port},
};
use sekisho_tests::{hosts_file, installed};
use tempfile::TempDir;
use tokio::process::Command;
use url::Url;

use crate::clients::{Client, Kind};

/// A running service.
pub struct Service {
    pub client: &'static Client,
    /// Where browsers reach it.
    pub origin: String,
    program: Program,
    folder: TempDir,
}

impl Service {
    /// Registers the client and starts its program, with what the client's page in the console shows.
    ///
    /// # Errors
    /// When the registration is refused or the program does not become ready.
    pub async fn start(scene: &Scene, client: &'static Client) -> anyhow::Result<Self> {
        let stage = &scene.stage;
        let port = free_port()?;
        let origin = format!("http://{}.localhost:{port}", client.id);
        // Apache gives root's rights away, and must reach its pages all the same.
        let readable = PermissionsExt::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(readable).tempdir()?;
        let file = folder.path().join("service.toml");
        std::fs::write(&file, registration(client, &origin))?;
        let secret = services::register(stage, &file).await?;
        let root = folder.path().join("sso-root.crt");
        write_readable(&root, &stage.root_pem)?;
        if let Some((element, name)) = client.ready {
            let page = scene.operators.administrator.open(&page_of(client)).await?;
            let text = page.expect_success()?.text_of(element)?;
            write_readable(&folder.path().join(name), format!("{text}\n").as_bytes())?;
        }
        let mut command = command(stage, client, folder.path(), secret.as_deref(), &origin).await?;
        command
            .env("ISSUER", &stage.origins.public)
            .env("CLIENT_ID", client.id)
            .env("CLIENT_SECRET", secret.as_deref().unwrap_or_default())
            .env("ORIGIN", &origin)
            .env("PORT", port.to_string())
            .env("ROOT", &root)
            // How programs of Node, requests and httpx are told whom to trust.
            .env("NODE_EXTRA_CA_CERTS", &root)
            .env("REQUESTS_CA_BUNDLE", &root)
            .env("SSL_CERT_FILE", &root)
            .env("NO_PROXY", "localhost,.localhost");
        let ready = match client.kind {
            Kind::Apache => APACHE_LISTENS,
            Kind::Nginx => NGINX_LISTENS,
            _ => "ready",
        };
        let logs = stage.logs();
        let (program, _) =
            Program::start_when(client.id, command, &logs, |line| line.contains(ready)).await?;
        Ok(Self { client, origin, program, folder })
    }

    /// The last lines of its log. Apache keeps one of its own.
    pub fn log_end(&self) -> String {
        let own = std::fs::read_to_string(self.folder.path().join("error.log"));
        own.unwrap_or_else(|_| self.program.log_end())
    }

    /// Address of a path of it.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// Apache as one process does not say that it is ready. What the module remarks of an address without TLS
/// it says after the sockets were opened.
const APACHE_LISTENS: &str = "the configured OIDCRedirectURI";
/// What nginx says once its sockets are open.
const NGINX_LISTENS: &str = "start worker processes";

/// Where the console shows what is registered for a client, and what to run.
fn page_of(client: &Client) -> String {
    format!("/console/service/{}", client.id)
}

/// Where the programs of `tests/relying-parties` lie.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("relying-parties")
}

/// Where the libraries of others are kept.
fn fetched() -> PathBuf {
    env!("CARGO_TARGET_TMPDIR").into()
}

async fn command(
    stage: &Stage,
    client: &Client,
    folder: &Path,
    secret: Option<&str>,
    origin: &str,
) -> anyhow::Result<Command> {
    let hosts = hosts_file(stage, folder)?;
    let program = |program: &Path| namespace::with_mount(&hosts, "/etc/hosts", program);
    let command = match client.kind {
        Kind::Node(file) => {
            let (node, libraries) = installed::node(&sources().join("node"), &fetched()).await?;
            let mut command = program(&node);
            command.arg(file);
            if client.ready.is_some() {
                // Beside the text that it imports, where both look for their libraries.
                for name in [file, "service.mjs"] {
                    std::fs::copy(libraries.join(name), folder.join(name))?;
                }
                symlink(libraries.join("node_modules"), folder.join("node_modules"))?;
                command.current_dir(folder);
            } else {
                command.current_dir(libraries);
            }
            command
        }
        Kind::Python(file) => {
            let sources = sources().join("python");
            let mut command = program(&installed::python(&sources, &fetched()).await?);
            command.arg(sources.join(file));
            command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONPATH", folder);
            command
        }
        Kind::Apache => {
            let sources = sources().join("apache");
            copy_readable(&sources.join("pages"), &folder.join("pages"))?;
            let mut command = program("apache2".as_ref());
            command.arg("-X").arg("-f").arg(sources.join("httpd.conf"));
            command.env("FOLDER", folder).env("MODULES", "/usr/lib/apache2/modules");
            command.env("PASSPHRASE", sekisho_protocol::Sha256Digest::of(origin).to_string());
            command
        }
        Kind::Nginx => {
            let sources = sources().join("nginx");
            copy_readable(&sources.join("pages"), &folder.join("pages"))?;
            let credentials = format!("{}:{}", client.id, secret.context("nginx needs a secret")?);
            let credentials = STANDARD.encode(credentials);
            let line = format!("proxy_set_header Authorization \"Basic {credentials}\";\n");
            std::fs::write(folder.join("sso-credentials.conf"), line)?;
            let filled = [
                ("@FOLDER@", folder.display().to_string()),
                ("@PAGES@", folder.join("pages").display().to_string()),
                ("@PORT@", Url::parse(origin)?.port().context("no port")?.to_string()),
            ];
            let text = std::fs::read_to_string(sources.join("nginx.conf"))?;
            let text = filled.iter().fold(text, |text, (mark, value)| text.replace(mark, value));
            let path = folder.join("nginx.conf");
            std::fs::write(&path, text)?;
            let mut command = program(&installed::nginx(&sources, &fetched()).await?);
            command.arg("-p").arg(folder).arg("-c").arg(&path);
            command
        }
        Kind::Sample => {
            let file = folder.join("secret");
            std::fs::write(&file, secret.context("the sample service needs a secret")?)?;
            let port = Url::parse(origin)?.port().context("an origin without a port")?;
            let mut command = Command::new(process::sibling("sample-service")?);
            command.arg("--issuer").arg(&stage.origins.public);
            command.arg("--ca-file").arg(stage.instance.join("ca/root.crt"));
            command.args(["--client-id", client.id, "--client-secret-file"]).arg(&file);
            command.args(["--listen", &format!("127.0.0.1:{port}"), "--origin", origin]);
            for scope in ["profile", "hc_role", "facility"] {
                command.args(["--scope", scope]);
            }
            command
        }
    };
    Ok(command)
}

fn copy_readable(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(to)?;
    std::fs::set_permissions(to, PermissionsExt::from_mode(0o755))?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_readable(&from, &to)?;
        } else {
            write_readable(&to, &std::fs::read(&from)?)?;
        }
    }
    Ok(())
}

fn write_readable(to: &Path, octets: &[u8]) -> anyhow::Result<()> {
    std::fs::write(to, octets)?;
    Ok(std::fs::set_permissions(to, PermissionsExt::from_mode(0o644))?)
}

fn registration(client: &Client, origin: &str) -> String {
    let Client { id, authentication, callback, login, left, .. } = client;
    let backchannel = client
        .backchannel_logout
        .map(|path| format!("backchannel_logout_uri = \"{origin}{path}\"\n"))
        .unwrap_or_default();
    let forward_auth = if client.kind == Kind::Nginx { "forward_auth = true\n" } else { "" };
    let frontchannel = client
        .frontchannel_logout
        .map(|path| format!("frontchannel_logout_uri = \"{origin}{path}\"\n"))
        .unwrap_or_default();
    format!(
        r#"
id = "{id}"
name = {{ ja = "{id}", en = "{id}" }}
description = {{ ja = "{id} によるサービス", en = "A service on {id}" }}
home_url = "{origin}{login}"
redirect_uris = ["{origin}{callback}"]
logout_uris = ["{origin}{left}"]
{backchannel}authentication = "{authentication}"
scopes = ["openid", "profile", "hc_role", "facility"]

[protocol]
grant_types = ["authorization_code", "refresh_token"]
{frontchannel}{forward_auth}
[[rules]]
id = "physicians"
roles = ["Medical Doctor"]
release = ["name", "hc_role", "facility_id", "facility_name"]
"#
    )
}
