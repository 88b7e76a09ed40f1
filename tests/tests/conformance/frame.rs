//! The `check_session_iframe` of a provider, run without a browser: Node.js plays its scripts
//! (`tests/conformance/frame.mjs`).

use anyhow::{Context, ensure};
use sekisho::demo::process;
use serde_json::json;
use tokio::process::Command;

use crate::{
    catalogue::Trial,
    flow::Answer,
    node::node,
    provider::{Person, named},
};

/// The frame as one browser has loaded it.
pub struct Frame {
    scripts: Vec<String>,
    /// As its scripts see them.
    cookie: String,
}

impl Frame {
    /// Opens it in somebody's browser: a page of any site may have it in a frame.
    pub async fn opened(trial: &Trial, person: &Person<'_>) -> anyhow::Result<Self> {
        let url = named(&*trial.provider, "check_session_iframe")?;
        let loaded = async |url: &str| {
            let answer = Answer::of(person.browser.client().get(url)).await?;
            answer.is(200)?;
            anyhow::Ok(answer)
        };
        let frame = loaded(url).await?;
        let policies = frame.headers.get_all("content-security-policy").iter();
        for policy in policies.filter_map(|policy| policy.to_str().ok()) {
            let nobody = policy.contains("frame-ancestors 'none'");
            ensure!(!nobody && !policy.contains("frame-ancestors 'self'"), "{policy}");
        }
        ensure!(!frame.headers.contains_key("x-frame-options"), "it is in no frame: {frame:?}");
        let base = url::Url::parse(url)?;
        let page = sekisho::demo::browser::Answer {
            url: base.clone(),
            status: http::StatusCode::OK,
            location: None,
            body: frame.body,
        };
        let mut scripts = Vec::new();
        for source in page.sources_of("script") {
            scripts.push(loaded(base.join(&source)?.as_str()).await?.body);
        }
        ensure!(!scripts.is_empty(), "the frame has no script: {}", page.body);
        let cookies = person.browser.cookies(url)?;
        let cookies: Vec<_> =
            cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok(Self { scripts, cookie: cookies.join("; ") })
    }

    /// What it answers to this message of a page (OIDC Session Management §3.2).
    pub async fn answers(&self, message: &str, origin: &str) -> anyhow::Result<String> {
        let folder = tempfile::tempdir()?;
        let told = json!({
            "scripts": self.scripts,
            "cookie": self.cookie,
            "data": message,
            "origin": origin,
        });
        let file = folder.path().join("told.json");
        std::fs::write(&file, told.to_string())?;
        let (node, libraries) = node().await?;
        let mut command = Command::new(node);
        command.arg(libraries.join("frame.mjs")).arg(&file);
        let printed = process::run(command).await?;
        let answer = printed.lines().next().context("the frame answers nothing")?;
        ensure!(printed.lines().count() == 1, "the frame answers more than once: {printed}");
        Ok(answer.to_owned())
    }
}
