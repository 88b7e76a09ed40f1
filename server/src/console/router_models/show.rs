//! `GET /routers/{id}` and `GET /console/router-models/{id}`: one model, whom it reaches, and for what it is certified.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::{
    router_certification::{self, Certification, Standing},
    router_model::{self, RouterModel},
    router_test::{self, Proof, RouterTest},
};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{base, decide::Typed, keeps, words};
use crate::{
    app::App,
    error::page::PageError,
    form::{PathId, StrictQuery},
    network::models::{MOST_MODELS, certifying::MOST_REASON},
    page::{Page, PageFrame},
    people::{field::FieldErrors, session::ConsoleSession},
    portal::when,
};

/// Results that are shown, and as many earlier ones.
const MOST: i64 = 1_000;

/// What has just been done.
#[derive(Debug, Default, Deserialize)]
pub struct Done {
    /// `certified` or `withdrawn`.
    notice: Option<String>,
}

struct Certified {
    proof: String,
    state: String,
    class: &'static str,
    reason: String,
    at: String,
    /// A result that counts and says that it fails by this proof.
    fails: bool,
}

/// A result as a page shows it.
struct Seen {
    good: bool,
    failure: String,
    at: String,
    source: String,
    tested_by: String,
    note: String,
}

/// What came of this model and another by one proof: with this one opening, and with the other.
struct Pair {
    other: String,
    other_id: String,
    proof: String,
    judged: String,
    itself: bool,
    ends: [Option<Seen>; 2],
}

/// A result that counts no more.
struct Earlier {
    other: String,
    direction: &'static str,
    proof: String,
    judged: String,
    seen: Seen,
}

struct Choice {
    value: &'static str,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "routers/model.html")]
struct ModelPage {
    page: PageFrame,
    base: &'static str,
    public: bool,
    keeps: bool,
    id: String,
    title: String,
    facts: [(String, String); 6],
    certified: Vec<Certified>,
    earlier_decisions: Vec<Certified>,
    pairs: Vec<Pair>,
    cut: bool,
    earlier: Vec<Earlier>,
    /// Proofs that can be decided about, and those whose certification can be taken back.
    proofs: Vec<Choice>,
    in_force: Vec<Choice>,
    longest_reason: usize,
    notice: Option<&'static str>,
    typed: Typed,
    errors: FieldErrors,
}

/// `GET /routers/{id}`: for everybody, without a session.
///
/// # Errors
/// 404 for a model that is not there.
pub async fn public(
    State(app): State<App>,
    PathId(id): PathId,
    page: PageFrame,
) -> Result<Response, PageError> {
    page_of(&app, None, page, &id, None, Typed::default(), FieldErrors::default()).await
}

/// `GET /console/router-models/{id}`: for everybody who is signed in.
///
/// # Errors
/// 404 for a model that is not there.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictQuery(done): StrictQuery<Done>,
    page: PageFrame,
) -> Result<Response, PageError> {
    let notice = match done.notice.as_deref() {
        Some("certified") => Some("models-just-certified"),
        Some("withdrawn") => Some("models-just-withdrawn"),
        _ => None,
    };
    page_of(&app, Some(&session), page, &id, notice, Typed::default(), FieldErrors::default()).await
}

pub(super) async fn page_of(
    app: &App,
    session: Option<&ConsoleSession>,
    page: PageFrame,
    id: &str,
    notice: Option<&'static str>,
    typed: Typed,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    let mut reader = app.store().read();
    let model = router_model::find(&mut reader, id).await?.ok_or_else(PageError::not_found)?;
    let most = i64::try_from(MOST_MODELS).unwrap_or(i64::MAX);
    let titles: BTreeMap<String, String> = router_model::all(&mut reader, most)
        .await?
        .into_iter()
        .map(|model| (model.id, model.is.title()))
        .collect();
    let mut current = router_test::current_of(&mut reader, id, MOST + 1).await?;
    let cut = i64::try_from(current.len()).is_ok_and(|shown| shown > MOST);
    current.truncate(usize::try_from(MOST).unwrap_or(usize::MAX));
    let earlier = router_test::earlier_of(&mut reader, id, MOST).await?;
    let decisions = router_certification::of_model(&mut reader, id, MOST).await?;
    let viewer = Viewer { page: &page, now: app.now(), session, id, titles: &titles };
    let (mut certified, mut earlier_decisions) = (Vec::new(), Vec::new());
    let mut in_force = Vec::new();
    for proof in Proof::ALL {
        let mut of_proof = decisions.iter().filter(|one| one.proof == proof);
        let Some(last) = of_proof.next() else { continue };
        certified.push(viewer.certified(last, &current));
        if matches!(last.standing(app.now()), Standing::Ahead | Standing::InForce) {
            in_force.push(viewer.choice(proof, &typed.ended_proof));
        }
        earlier_decisions.extend(of_proof.map(|one| viewer.certified(one, &[])));
    }
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let shown = ModelPage {
        base: base(session),
        public: session.is_none(),
        keeps: keeps(session),
        id: id.to_owned(),
        title: model.is.title(),
        facts: viewer.facts(&model),
        certified,
        earlier_decisions,
        pairs: viewer.pairs(&current),
        cut,
        earlier: earlier.iter().map(|test| viewer.earlier(test)).collect(),
        proofs: Proof::CERTIFIABLE
            .into_iter()
            .map(|proof| viewer.choice(proof, &typed.proof))
            .collect(),
        in_force,
        longest_reason: MOST_REASON,
        notice,
        typed,
        errors,
        page: session.map_or_else(|| page.clone(), |session| session.frame(page.clone())),
    };
    Ok((status, Page(shown)).into_response())
}

struct Viewer<'a> {
    page: &'a PageFrame,
    now: OffsetDateTime,
    session: Option<&'a ConsoleSession>,
    id: &'a str,
    titles: &'a BTreeMap<String, String>,
}

impl Viewer<'_> {
    fn facts(&self, model: &RouterModel) -> [(String, String); 6] {
        let (is, text) = (&model.is, &self.page.text);
        [
            ("models-maker", is.maker.clone()),
            ("models-model", is.model.clone()),
            ("models-firmware", is.versions()),
            ("models-family", words::family_name(&is.family)),
            ("models-doors", words::doors(is, text)),
            ("models-note", is.note.clone()),
        ]
        .map(|(key, value)| (text.t(key), value))
    }

    fn choice(&self, proof: Proof, typed: &str) -> Choice {
        let value = proof.as_str();
        Choice { value, label: words::proof(proof, &self.page.text), chosen: typed == value }
    }

    fn certified(&self, one: &Certification, tests: &[RouterTest]) -> Certified {
        let text = &self.page.text;
        let (state, class) = words::standing(one, self.now, text);
        let failed = |test: &RouterTest| test.proof == one.proof && test.failure.is_some();
        Certified {
            proof: words::proof(one.proof, text),
            state,
            class,
            reason: one.reason.clone(),
            at: when::day(one.decided_at, text.lang()),
            fails: one.standing(self.now) == Standing::InForce && tests.iter().any(failed),
        }
    }

    /// The other end of a test.
    fn other<'t>(&self, test: &'t RouterTest) -> &'t String {
        if test.opens_id == self.id { &test.awaits_id } else { &test.opens_id }
    }

    fn title(&self, id: &String) -> String {
        self.titles.get(id).unwrap_or(id).clone()
    }

    fn seen(&self, test: &RouterTest) -> Seen {
        let text = &self.page.text;
        let private = |value: &String| match self.session {
            Some(_) => value.clone(),
            None => String::new(),
        };
        Seen {
            good: test.failure.is_none(),
            failure: test.failure.clone().unwrap_or_default(),
            at: when::day(test.tested_at, text.lang()),
            source: words::source(test.source, text),
            tested_by: private(&test.tested_by),
            note: private(&test.note),
        }
    }

    /// Both directions side by side, by the other's name.
    fn pairs(&self, tests: &[RouterTest]) -> Vec<Pair> {
        let text = &self.page.text;
        let mut found: BTreeMap<_, [Option<Seen>; 2]> = BTreeMap::new();
        for test in tests {
            let other = self.other(test);
            let ends =
                found.entry((self.title(other), other, test.proof, test.judged)).or_default();
            ends[usize::from(test.opens_id != self.id)] = Some(self.seen(test));
        }
        let pair = |((other, other_id, proof, judged), ends): ((_, &String, _, _), _)| Pair {
            other,
            other_id: other_id.clone(),
            proof: words::proof(proof, text),
            judged: words::judged(judged, text),
            itself: other_id == self.id,
            ends,
        };
        found.into_iter().map(pair).collect()
    }

    fn earlier(&self, test: &RouterTest) -> Earlier {
        let text = &self.page.text;
        let other = self.other(test);
        Earlier {
            direction: match (test.opens_id == self.id, other == self.id) {
                (_, true) => "models-direction-itself",
                (true, false) => "models-direction-opens",
                (false, false) => "models-direction-awaits",
            },
            other: self.title(other),
            proof: words::proof(test.proof, text),
            judged: words::judged(test.judged, text),
            seen: self.seen(test),
        }
    }
}
