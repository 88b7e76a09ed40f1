//! Every page that somebody meets without an office, judged by axe-core in a real Chromium against WCAG 2.2 A and AA:
//! in both languages, light and dark, on a desk's screen and a telephone's.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, ensure};
use sekisho::demo::process;
use sekisho_tests::{Desktop, Door, installed};
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

/// Width, height, and what the reader prefers.
const VIEWS: [(u32, u32, &str); 3] =
    [(1280, 900, "light"), (1280, 900, "dark"), (390, 844, "light")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_no_violation_of_wcag_on_any_page_that_people_meet() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let desktop = Desktop::set_up(folder.path(), Door::Script).await?;
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("accessibility");
    let target = process::sibling("sekisho")?;
    let into = target.parent().context("the program lies in no folder")?;
    let (_, libraries) = installed::node(&sources, into).await?;
    let axe = std::fs::read_to_string(libraries.join("node_modules/axe-core/axe.min.js"))?;
    let origins = &desktop.scene.stage.origins;
    let strangers = [
        (
            &origins.public,
            &["/", "/apply", "/apply/status", "/activate", "/routers", "/setup", "/console/login"]
                [..],
        ),
        (&origins.terminal, &["/login", "/invitation", "/login/day-pass", "/help"][..]),
    ];
    let members = [(
        &origins.terminal,
        &[
            "/",
            "/?q=x",
            "/history",
            "/sessions",
            "/login-times",
            "/help",
            "/passkeys",
            "/my-number-card",
            "/day-pass",
            "/emergency",
            "/login",
        ][..],
    )];
    let mut judged = Judged { desktop: &desktop, axe: &axe, pages: 0, found: BTreeSet::new() };
    judged.all(&strangers).await?;
    desktop.log_in().await?;
    judged.all(&members).await?;
    let Judged { pages, found, .. } = judged;
    ensure!(pages == 2 * VIEWS.len() * 22, "{pages} pages were judged");
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
    found: BTreeSet<String>,
}

impl Judged<'_> {
    async fn all(&mut self, of_origins: &[(&String, &[&str])]) -> anyhow::Result<()> {
        for (width, height, scheme) in VIEWS {
            self.look_as(width, height, scheme).await?;
            for (origin, paths) in of_origins {
                for path in *paths {
                    for lang in ["ja", "en"] {
                        let joint = if path.contains('?') { '&' } else { '?' };
                        self.judge(&format!("{origin}{path}{joint}lang={lang}"), scheme).await?;
                    }
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
        driver.execute(self.axe, vec![]).await?;
        let said: Value = driver.execute_async(JUDGE, vec![]).await?.convert()?;
        let found = said["found"].as_array().context("axe says nothing")?;
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        self.found.extend(found.iter().map(|what| {
            let what = what.as_str().unwrap_or_default();
            format!("/{path} {scheme}: {}", what.chars().take(300).collect::<String>())
        }));
        self.pages += 1;
        Ok(())
    }
}
