//! A sample relying service: what a service owner copies.
//!
//! It logs people in with the authorization code flow and PKCE (`provider.rs`), shows the verified
//! claims and what vouches for each, and ends sessions when the provider says so (`logout.rs`).

mod claims;
mod logout;
mod page;
mod provider;

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context;
use axum::{
    Form, Json, Router,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use clap::Parser;
use openidconnect::CsrfToken;
use serde::Deserialize;
use url::Url;

use crate::provider::{PendingLogin, Person, Provider, Registration};

/// A sample relying service on the openidconnect crate.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Example:
  sample-service --issuer https://login.example.jp --ca-file root.pem \\
    --client-id referral --client-secret-file secret \\
    --listen 127.0.0.1:9000 --origin http://referral.localhost:9000 \\
    --name 電子紹介状 --scope profile --scope hc_role --scope facility"
)]
struct Arguments {
    /// The provider's issuer identifier
    #[arg(long, env = "SAMPLE_ISSUER")]
    issuer: String,
    /// Root certificate of the network, PEM
    #[arg(long, env = "SAMPLE_CA_FILE")]
    ca_file: PathBuf,
    /// `client_id` of the registration
    #[arg(long, env = "SAMPLE_CLIENT_ID")]
    client_id: String,
    /// File that holds the client's secret
    #[arg(long, env = "SAMPLE_CLIENT_SECRET_FILE")]
    client_secret_file: PathBuf,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// Origin under which browsers reach this service
    #[arg(long, default_value = "http://localhost:9000")]
    origin: String,
    /// Name of the service, for its pages
    #[arg(long, default_value = "Sample service")]
    name: String,
    /// A scope to ask for beside `openid`; may be repeated
    #[arg(long = "scope")]
    scopes: Vec<String>,
}

struct Service {
    name: String,
    client_id: String,
    secure_cookies: bool,
    provider: Provider,
    memory: Mutex<Memory>,
}

/// A real service keeps this in its database.
#[derive(Default)]
struct Memory {
    pending: HashMap<String, PendingLogin>,
    sessions: HashMap<String, Person>,
    seen_logout_tokens: Vec<String>,
}

/// Logins that never came back are forgotten beyond this many.
const MOST_PENDING: usize = 10_000;
const MOST_SEEN: usize = 10_000;

impl Service {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Every change below leaves the memory whole, so a poisoned lock is still usable.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the session of a request here. Returns whose it was.
    fn forget(&self, headers: &HeaderMap) -> Option<Person> {
        let id = cookie_value(headers, SESSION)?;
        self.memory().sessions.remove(&id)
    }

    fn cookie(&self, name: &str, value: &str, lifetime_secs: u32) -> Option<HeaderValue> {
        let secure = if self.secure_cookies { "; Secure" } else { "" };
        HeaderValue::from_str(&format!(
            "{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={lifetime_secs}{secure}"
        ))
        .ok()
    }
}

const SESSION: &str = "sample-session";
const PENDING: &str = "sample-login";

fn cookie_value(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider was installed before"))?;
    let arguments = Arguments::parse();
    let root = std::fs::read(&arguments.ca_file)
        .with_context(|| format!("cannot read {}", arguments.ca_file.display()))?;
    let secret = std::fs::read_to_string(&arguments.client_secret_file)
        .with_context(|| format!("cannot read {}", arguments.client_secret_file.display()))?;
    let origin = Url::parse(&arguments.origin).context("--origin")?;
    let http = provider::http_client(&root, &Url::parse(&arguments.issuer).context("--issuer")?)?;
    let provider = Provider::discover(
        http,
        Registration {
            issuer: arguments.issuer,
            client_id: arguments.client_id.clone(),
            client_secret: secret.trim().to_owned(),
            redirect_uri: origin.join("/callback")?.into(),
            home: origin.join("/")?.into(),
            scopes: arguments.scopes,
        },
    )
    .await?;
    let service = Arc::new(Service {
        name: arguments.name,
        client_id: arguments.client_id,
        secure_cookies: origin.scheme() == "https",
        provider,
        memory: Mutex::default(),
    });
    let router = Router::new()
        .route("/", get(home))
        .route("/login", get(login))
        .route("/callback", get(callback))
        .route("/claims", get(claims_as_json))
        .route("/refresh", post(refresh))
        .route("/logout", post(log_out))
        .route("/logout/network", post(log_out_of_the_network))
        .route("/backchannel-logout", post(backchannel_logout))
        .with_state(service);
    let listener = tokio::net::TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    std::io::Write::write_fmt(
        &mut std::io::stdout(),
        format_args!("ready {}\n", arguments.origin),
    )?;
    axum::serve(listener, router).with_graceful_shutdown(stop_signal()).await?;
    Ok(())
}

async fn stop_signal() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                tracing::error!("SIGTERM cannot be waited for: {error}");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

async fn home(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    let session =
        cookie_value(&headers, SESSION).and_then(|id| service.memory().sessions.get(&id).cloned());
    let claims = session.as_ref().map(|person| &person.claims);
    Html(page::home(&service.name, claims)).into_response()
}

async fn login(State(service): State<Arc<Service>>) -> Response {
    let (url, pending) = service.provider.begin();
    let state = pending.state.secret().clone();
    let mut memory = service.memory();
    if memory.pending.len() >= MOST_PENDING {
        memory.pending.clear();
    }
    memory.pending.insert(state.clone(), pending);
    drop(memory);
    let mut response = Redirect::to(url.as_str()).into_response();
    // Binds the callback to this browser: a code obtained elsewhere cannot be slipped in.
    if let Some(cookie) = service.cookie(PENDING, &state, 600) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

#[derive(Deserialize)]
struct Callback {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

async fn callback(
    State(service): State<Arc<Service>>,
    Query(answer): Query<Callback>,
    headers: HeaderMap,
) -> Response {
    match finish_login(&service, answer, &headers).await {
        Ok(id) => {
            let mut response = Redirect::to("/").into_response();
            if let Some(cookie) = service.cookie(SESSION, &id, 12 * 3600) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(error) => {
            tracing::warn!("login refused: {error:#}");
            let page = page::refused(&service.name, &format!("{error:#}"));
            (StatusCode::FORBIDDEN, Html(page)).into_response()
        }
    }
}

async fn finish_login(
    service: &Service,
    answer: Callback,
    headers: &HeaderMap,
) -> anyhow::Result<String> {
    let state = answer.state.context("the answer has no state")?;
    anyhow::ensure!(
        cookie_value(headers, PENDING).as_deref() == Some(state.as_str()),
        "this login was not begun in this browser"
    );
    let pending = service.memory().pending.remove(&state).context("no such login is under way")?;
    // RFC 9207 §2.4: the answer must come from the provider that was asked.
    anyhow::ensure!(
        answer.iss.as_deref() == Some(service.provider.issuer()),
        "the answer names another issuer"
    );
    if let Some(error) = answer.error {
        anyhow::bail!("{error}: {}", answer.error_description.unwrap_or_default());
    }
    let person = service.provider.finish(answer.code.context("no code")?, pending).await?;
    let id = CsrfToken::new_random().secret().clone();
    service.memory().sessions.insert(id.clone(), person);
    Ok(id)
}

async fn claims_as_json(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    let session =
        cookie_value(&headers, SESSION).and_then(|id| service.memory().sessions.get(&id).cloned());
    match session {
        Some(person) => Json(person.claims).into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn refresh(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    let id = cookie_value(&headers, SESSION);
    let person = id.as_ref().and_then(|id| service.memory().sessions.get(id).cloned());
    let (Some(id), Some(person)) = (id, person) else { return Redirect::to("/").into_response() };
    match service.provider.refresh(&person).await {
        Ok(fresh) => {
            // A session that was ended meanwhile stays ended.
            service.memory().sessions.entry(id).and_modify(|person| *person = fresh);
        }
        Err(error) => {
            tracing::warn!("refresh refused: {error:#}");
            service.forget(&headers);
        }
    }
    Redirect::to("/").into_response()
}

async fn log_out(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    service.forget(&headers);
    Redirect::to("/").into_response()
}

async fn log_out_of_the_network(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
) -> Response {
    let person = service.forget(&headers);
    let address = person.map(|person| service.provider.end_session(&person.id_token));
    Redirect::to(address.as_ref().map_or("/", Url::as_str)).into_response()
}

#[derive(Deserialize)]
struct BackchannelLogout {
    logout_token: String,
}

async fn backchannel_logout(
    State(service): State<Arc<Service>>,
    Form(form): Form<BackchannelLogout>,
) -> Response {
    let ended = end_sessions(&service, &form.logout_token).await;
    let status = match ended {
        Ok(count) => {
            tracing::info!("back-channel logout ended {count} sessions");
            StatusCode::OK
        }
        Err(error) => {
            tracing::warn!("back-channel logout refused: {error:#}");
            StatusCode::BAD_REQUEST
        }
    };
    (status, [(header::CACHE_CONTROL, "no-store")]).into_response()
}

async fn end_sessions(service: &Service, token: &str) -> anyhow::Result<usize> {
    let keys = service.provider.keys().await?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let issuer = service.provider.issuer();
    let token = logout::verify(token, &keys, issuer, &service.client_id, i64::try_from(now)?)?;
    let mut memory = service.memory();
    anyhow::ensure!(!memory.seen_logout_tokens.contains(&token.jti), "seen before");
    if memory.seen_logout_tokens.len() >= MOST_SEEN {
        memory.seen_logout_tokens.remove(0);
    }
    memory.seen_logout_tokens.push(token.jti);
    let before = memory.sessions.len();
    memory.sessions.retain(|_, Person { claims, .. }| match (&token.sid, &token.sub) {
        (Some(sid), _) => claims.additional_claims().sid.as_ref() != Some(sid),
        (None, Some(sub)) => claims.subject().as_str() != sub,
        (None, None) => true,
    });
    Ok(before - memory.sessions.len())
}
