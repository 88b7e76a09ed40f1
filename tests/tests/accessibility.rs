//! The pages that people meet, before and after a login, and those of the console, judged by axe-core in a real Chromium
//! against WCAG 2.2 A and AA: in both languages, light and dark, on a desk's screen and a telephone's; and weighed.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, ensure};
use sekisho::demo::process;
use sekisho_tests::{Desktop, Door, become_user, consent, installed};
use serde_json::{Value, json};

/// Runs axe on the page that is loaded; answers what it found, as `rule (impact): element`.
const JUDGE: &str = r"
const done = arguments[arguments.length - 1];
const levels = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
axe.run(document, { runOnly: levels, resultTypes: ['violations'] }).then(
  ({ violations, testEngine }) => done({
    version: testEngine.version,
    found: violations.flatMap(({ id, impact, nodes }) =>
      nodes.map((node) => `${id} (${impact}): ${node.target.join(' ')}: ${node.html}`)),
  }),
  (error) => done({ found: [`axe itself: ${error}`] }));
";

/// What a page and all that it loads weigh, and what it loads from elsewhere; the agent on loopback is asked, not loaded.
const WEIGH: &str = r"
const loaded = ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind));
const elsewhere = loaded.map((one) => new URL(one.name))
  .filter((at) => at.origin !== location.origin && !['127.0.0.1', '[::1]'].includes(at.hostname));
return [loaded.reduce((octets, one) => octets + one.encodedBodySize, 0), elsewhere.map(String)];
";
/// The most octets of a page that somebody meets at an old PC, with all that it loads.
const MOST_OCTETS: u64 = 50_000;

/// Width, height, and what the reader prefers.
const VIEWS: [(u32, u32, &str); 3] =
    [(1280, 900, "light"), (1280, 900, "dark"), (390, 844, "light")];

const OF_STRANGERS: [&str; 9] = [
    "/",
    "/apply",
    "/apply/status",
    "/activate",
    "/routers",
    "/setup",
    "/personal-data",
    "/personal-data/regional-record",
    "/console/login",
];
const BEFORE_A_LOGIN: [&str; 4] = ["/login", "/invitation", "/login/day-pass", "/help"];
const AFTER_A_LOGIN: [&str; 12] = [
    "/",
    "/?q=x",
    "/history",
    "/sessions",
    "/consents",
    "/login-times",
    "/help",
    "/passkeys",
    "/my-number-card",
    "/day-pass",
    "/emergency",
    "/login",
];
const OF_OPERATORS: [&str; 14] = [
    "/console",
    "/console/account",
    "/console/notices",
    "/console/organisations",
    "/console/roles",
    "/console/router-models",
    "/console/services",
    "/console/service/regional-record",
    "/console/service/regional-record/maintenance",
    "/console/service/regional-record/personal-data",
    "/console/service/regional-record/rules",
    "/console/use-cases",
    "/console/login-times?code=0000000000",
    "/console/whois?address=127.0.0.1",
];
const OF_OFFICERS: [&str; 2] = ["/console", "/console/applications"];
const OF_FACILITIES: [&str; 9] = [
    "/console",
    "/console/terminals",
    "/console/members",
    "/console/staff",
    "/console/routers",
    "/console/groups",
    "/console/emergencies",
    "/console/resets",
    "/console/simulator",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_no_violation_of_wcag_on_any_page_that_people_meet_and_none_is_heavy()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let desktop = Desktop::set_up(folder.path(), Door::Script).await?;
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("accessibility");
    let target = process::sibling("sekisho")?;
    let into = target.parent().context("the program lies in no folder")?;
    let (_, libraries) = installed::node(&sources, into).await?;
    let axe = std::fs::read_to_string(libraries.join("node_modules/axe-core/axe.min.js"))?;
    let origins = &desktop.scene.stage.origins;
    let mut judged =
        Judged { desktop: &desktop, axe: &axe, pages: 0, heaviest: 0, found: BTreeSet::new() };
    judged.all(&origins.public, &OF_STRANGERS).await?;
    judged.all(&origins.terminal, &BEFORE_A_LOGIN).await?;
    desktop.log_in().await?;
    consent::declare(&desktop).await?;
    let asked = consent::ask(&desktop).await?;
    let asked = asked.strip_prefix(origins.terminal.as_str()).context("the portal asks")?;
    judged.all(&origins.terminal, &[asked]).await?;
    consent::decide(&desktop, "agree").await?;
    judged.all(&origins.terminal, &AFTER_A_LOGIN).await?;
    let driver = &desktop.chromium.driver;
    let (operators, hospital) = (&desktop.scene.operators, &desktop.scene.facilities[0]);
    let people = [
        (&operators.administrator, &OF_OPERATORS[..]),
        (&operators.officer, &OF_OFFICERS),
        (&hospital.administrator, &OF_FACILITIES),
    ];
    for (user, paths) in people {
        become_user(driver, user, &origins.public).await?;
        judged.all(&origins.public, paths).await?;
    }
    let Judged { pages, found, heaviest, .. } = judged;
    ensure!(heaviest > 10_000, "no page weighs more than {heaviest} octets");
    let paths = 1
        + OF_STRANGERS.len()
        + BEFORE_A_LOGIN.len()
        + AFTER_A_LOGIN.len()
        + OF_OPERATORS.len()
        + OF_OFFICERS.len()
        + OF_FACILITIES.len();
    ensure!(pages == 2 * VIEWS.len() * paths, "{pages} pages were judged");
    let found: Vec<_> = found.into_iter().collect();
    ensure!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

struct Judged<'a> {
    desktop: &'a Desktop,
    axe: &'a str,
    pages: usize,
    heaviest: u64,
    found: BTreeSet<String>,
}

impl Judged<'_> {
    async fn all(&mut self, origin: &str, paths: &[&str]) -> anyhow::Result<()> {
        for (width, height, scheme) in VIEWS {
            self.look_as(width, height, scheme).await?;
            for path in paths {
                for lang in ["ja", "en"] {
                    let joint = if path.contains('?') { '&' } else { '?' };
                    self.judge(&format!("{origin}{path}{joint}lang={lang}"), scheme).await?;
                }
            }
        }
        Ok(())
    }

    async fn look_as(&self, width: u32, height: u32, scheme: &str) -> anyhow::Result<()> {
        let tools = self.desktop.chromium.driver.cdp();
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        tools.send_raw("Emulation.setDeviceMetricsOverride", size).await?;
        let prefers = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        tools.send_raw("Emulation.setEmulatedMedia", prefers).await?;
        Ok(())
    }

    async fn judge(&mut self, url: &str, scheme: &str) -> anyhow::Result<()> {
        let driver = &self.desktop.chromium.driver;
        driver.goto(url).await?;
        let arrived = driver.current_url().await?;
        let asked = url.split('?').next().unwrap_or_default();
        ensure!(
            asked.ends_with(arrived.path()) || asked.ends_with("/setup"),
            "{url} led to {arrived}, which is judged by itself"
        );
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        let (octets, elsewhere): (u64, Vec<String>) =
            driver.execute(WEIGH, vec![]).await?.convert()?;
        self.found.extend(elsewhere.iter().map(|what| format!("/{path} loads {what}")));
        if octets > MOST_OCTETS && !path.starts_with("console") {
            self.found.insert(format!("/{path}: {octets} octets"));
        }
        self.heaviest = self.heaviest.max(octets);
        driver.execute(self.axe, vec![]).await?;
        let said: Value = driver.execute_async(JUDGE, vec![]).await?.convert()?;
        let found = said["found"].as_array().context("axe says nothing")?;
        self.found.extend(found.iter().map(|what| {
            let what = what.as_str().unwrap_or_default();
            format!("/{path} {scheme}: {}", what.chars().take(300).collect::<String>())
        }));
        self.pages += 1;
        Ok(())
    }
}
