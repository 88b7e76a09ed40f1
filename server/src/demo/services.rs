//! The demonstration's relying services: registered by file, run as programs of their own.

use std::path::Path;

use anyhow::Context;
use tokio::process::Command;

use super::{
    process::{self, Program},
    stage::{Stage, free_port},
};

/// What a service is, as its owner would write it down.
#[derive(Debug)]
pub struct Script {
    /// `client_id`.
    pub id: &'static str,
    name_ja: &'static str,
    name_en: &'static str,
    description_ja: &'static str,
    description_en: &'static str,
    scopes: &'static [&'static str],
    /// `[personal_data]`, where they leave the purpose of the facility.
    personal_data: &'static str,
    rules: &'static str,
}

/// The three services: one shows everything, one opens without a prompt, one is for pharmacists.
pub const SERVICES: [Script; 3] = [
    Script {
        id: "regional-record",
        name_ja: "地域医療連携カルテ",
        name_en: "Regional health record",
        description_ja: "地域の医療機関の診療情報を見る。",
        description_en: "See records of the region's facilities.",
        scopes: &["profile", "hc_role", "facility", "terminal"],
        personal_data: "[personal_data]\nground = \"joint_use\"\n\
            items = { ja = \"氏名、資格、施設名、端末\", en = \"Name, licences, facility, terminal\" }\n\
            users = { ja = \"地域医療連携ネットワークに参加する医療機関等\", en = \"The facilities of the regional network\" }\n\
            purpose = { ja = \"診療情報の共有と、閲覧した人の記録\", en = \"Sharing records, and knowing who read them\" }\n\
            responsible = { ja = \"見本地域医療連携協議会（東京都千代田区見本1-1、代表 見本 一郎）\", en = \"Sample Regional Council (1-1 Mihon, Chiyoda, Tokyo; Ichiro Mihon)\" }\n\n",
        rules: "[[rules]]\nid = \"clinicians\"\nroles = [\"Medical Doctor\", \"General Nurse\"]\n\
                minimum_acr = \"urn:oid:1.3.6.1.4.1.32473.3.4\"\nmembership = true\n\
                release = [\"name\", \"hc_role\", \"facility_id\", \"facility_code\", \"facility_name\", \"facility_kind\", \"terminal\"]\n",
    },
    Script {
        id: "referral",
        name_ja: "電子紹介状",
        name_en: "Referral letters",
        description_ja: "紹介状を書き、受け取る。",
        description_en: "Write and receive referral letters.",
        scopes: &["hc_role", "facility"],
        personal_data: "",
        rules: "[[rules]]\nid = \"physicians\"\nroles = [\"Medical Doctor\"]\n\
                minimum_acr = \"urn:oid:1.3.6.1.4.1.32473.3.2\"\nmembership = true\n\
                release = [\"hc_role\", \"facility_id\", \"facility_name\"]\n",
    },
    Script {
        id: "dispensing",
        name_ja: "調剤情報",
        name_en: "Dispensing records",
        description_ja: "調剤の記録を見る。",
        description_en: "See dispensing records.",
        scopes: &["hc_role", "facility"],
        personal_data: "",
        rules: "[[rules]]\nid = \"pharmacists\"\nroles = [\"Pharmacist\"]\nkinds = [\"pharmacy\"]\nmembership = true\n\
                release = [\"hc_role\", \"facility_id\"]\n",
    },
];

impl Script {
    /// Host under which browsers reach it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("{}.localhost", self.id)
    }
}

/// A registered and running service.
pub struct RunningService {
    /// `client_id`.
    pub id: &'static str,
    /// Name in Japanese.
    pub name: &'static str,
    /// Where browsers reach it.
    pub origin: String,
    /// Its host.
    pub host: String,
    _program: Program,
}

/// Registers a service and starts its program.
///
/// # Errors
/// When the registration is refused or the program does not become ready.
pub async fn start(stage: &Stage, script: &Script) -> anyhow::Result<RunningService> {
    let port = free_port()?;
    let host = script.host();
    let origin = format!("http://{host}:{port}");
    let folder = stage.folder.join("services");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{}.toml", script.id));
    std::fs::write(&file, registration(script, &origin))?;
    let secret = register(stage, &file).await?.context("no client secret was printed")?;
    let secret_file = folder.join(format!("{}.secret", script.id));
    std::fs::write(&secret_file, secret)?;
    let mut command = Command::new(process::sibling("sample-service")?);
    command
        .arg("--issuer")
        .arg(&stage.origins.public)
        .arg("--ca-file")
        .arg(stage.instance.join("ca/root.crt"))
        .args(["--client-id", script.id, "--client-secret-file"])
        .arg(&secret_file)
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(["--origin", &origin, "--name", script.name_ja]);
    for scope in script.scopes {
        command.args(["--scope", scope]);
    }
    let (program, _) = Program::start(script.id, command, &stage.logs()).await?;
    Ok(RunningService { id: script.id, name: script.name_ja, origin, host, _program: program })
}

fn registration(script: &Script, origin: &str) -> String {
    let scopes: Vec<String> = std::iter::once(&"openid")
        .chain(script.scopes)
        .map(|scope| format!("\"{scope}\""))
        .collect();
    format!(
        "id = \"{}\"\nname = {{ ja = \"{}\", en = \"{}\" }}\n\
         description = {{ ja = \"{}\", en = \"{}\" }}\n\
         home_url = \"{origin}/login\"\nredirect_uris = [\"{origin}/callback\"]\n\
         logout_uris = [\"{origin}/\"]\nbackchannel_logout_uri = \"{origin}/backchannel-logout\"\n\
         authentication = \"client_secret_basic\"\nscopes = [{}]\n\n{}{}",
        script.id,
        script.name_ja,
        script.name_en,
        script.description_ja,
        script.description_en,
        scopes.join(", "),
        script.personal_data,
        script.rules
    )
}

/// Registers the service of a file by `sekisho service add`. Returns its secret, if it has one.
///
/// # Errors
/// When the file is refused.
pub async fn register(stage: &Stage, file: &Path) -> anyhow::Result<Option<String>> {
    let mut command = Command::new(process::sibling("sekisho")?);
    command.args(["service", "add"]).arg(&stage.instance).arg(file).arg("--json");
    let printed = process::run(command).await?;
    let answer: serde_json::Value = serde_json::from_str(&printed)?;
    Ok(answer["client_secret"].as_str().map(str::to_owned))
}
