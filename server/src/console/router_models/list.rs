//! `GET /routers` and `GET /console/router-models`: every model with its tests, to be searched before a router is
//! bought.

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::{
    Reader, StoreError, router,
    router_certification::{self, Certification, Standing},
    router_model::{self, RouterModel},
    router_test::{self, Proof},
    search,
};
use serde::Deserialize;

use super::{
    base, keeps,
    words::{self, Summary, Tag},
};
use crate::{
    app::App,
    error::page::PageError,
    form::{FormError, StrictQuery},
    network::{
        family,
        models::{MOST_MODELS, keeping::Imported},
    },
    page::{Page, PageFrame},
    people::{field::FieldErrors, session::ConsoleSession},
};

/// Models a page.
const PAGE: usize = 20;
/// Most characters of a search.
const MOST_TEXT: usize = 80;
/// Results of a model that its line counts.
const MOST_RESULTS: i64 = 20_000;
/// Routers of a facility whose families are looked at.
const MOST_ROUTERS: i64 = 200;
/// What `with` says for the families of the reader's own routers.
const MINE: &str = "mine";

/// What is looked for; every field may be empty.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Asked {
    /// Part of maker, model or firmware.
    #[serde(default)]
    q: String,
    /// Certificate profile of its family.
    #[serde(default)]
    family: String,
    /// A proof by which a test of it succeeded.
    #[serde(default)]
    proof: String,
    /// A family that it reaches or is reached by, or `mine`.
    #[serde(default)]
    with: String,
    /// `yes`: certified today.
    #[serde(default)]
    certified: String,
    /// Pages before this one.
    #[serde(default)]
    page: u16,
}

/// The same, understood.
struct Filter {
    text: String,
    family: Option<&'static str>,
    proof: Option<Proof>,
    /// Families of which each has to be reached.
    with: Option<Vec<String>>,
    certified: bool,
}

struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

struct Row {
    id: String,
    maker: String,
    model: String,
    versions: String,
    family: String,
    certified: Vec<Tag>,
    summaries: Vec<Summary>,
}

/// What the form for a file shows again.
#[derive(Default)]
pub(super) struct Import {
    pub(super) typed: String,
    pub(super) errors: FieldErrors,
    pub(super) done: Option<Imported>,
}

#[derive(Template)]
#[template(path = "routers/models.html")]
struct ListPage {
    page: PageFrame,
    base: &'static str,
    public: bool,
    keeps: bool,
    q: String,
    longest: usize,
    families: Vec<Choice>,
    proofs: Vec<Choice>,
    with: Vec<Choice>,
    certified: bool,
    rows: Vec<Row>,
    found: usize,
    back: Option<String>,
    on: Option<String>,
    imported: Option<String>,
    typed: String,
    errors: FieldErrors,
}

/// `GET /routers`: for everybody, without a session.
///
/// # Errors
/// [`PageError`]: a filter that is none, or the database does not answer.
pub async fn public(
    State(app): State<App>,
    page: PageFrame,
    StrictQuery(asked): StrictQuery<Asked>,
) -> Result<Response, PageError> {
    page_of(&app, None, page, asked, Import::default()).await
}

/// `GET /console/router-models`: for everybody who is signed in.
///
/// # Errors
/// As [`public`].
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictQuery(asked): StrictQuery<Asked>,
) -> Result<Response, PageError> {
    page_of(&app, Some(&session), page, asked, Import::default()).await
}

pub(super) async fn page_of(
    app: &App,
    session: Option<&ConsoleSession>,
    page: PageFrame,
    asked: Asked,
    import: Import,
) -> Result<Response, PageError> {
    let mut reader = app.store().read();
    let own = own_families(&mut reader, session).await?;
    let filter = asked.read(&own)?;
    let most = i64::try_from(MOST_MODELS).unwrap_or(i64::MAX);
    let all = router_model::all(&mut reader, most).await?;
    let latest = router_certification::latest(&mut reader).await?;
    let found = filter.sift(&mut reader, app, all, &latest).await?;
    let first = PAGE * usize::from(asked.page);
    let mut rows = Vec::new();
    for model in found.iter().skip(first).take(PAGE) {
        rows.push(row(&mut reader, app, &page, model, &latest).await?);
    }
    let next = |number: u16| asked.address(number);
    let text = &page.text;
    let status = match import.errors.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let families = |chosen: &str| {
        family::all()
            .iter()
            .map(|family| Choice {
                value: family.profile.to_owned(),
                label: family.name.clone(),
                chosen: chosen == family.profile,
            })
            .collect::<Vec<_>>()
    };
    let mut with = families(&asked.with);
    if !own.is_empty() {
        let names: Vec<String> = own.iter().map(|own| words::family_name(own)).collect();
        let names = names.join(&text.t("models-comma"));
        with.insert(
            0,
            Choice {
                value: MINE.to_owned(),
                label: text.t1("models-with-mine", "families", names),
                chosen: asked.with == MINE,
            },
        );
    }
    let proofs = Proof::ALL.into_iter().map(|proof| Choice {
        value: proof.as_str().to_owned(),
        label: words::proof(proof, text),
        chosen: asked.proof == proof.as_str(),
    });
    let shown = ListPage {
        base: base(session),
        public: session.is_none(),
        keeps: keeps(session),
        longest: MOST_TEXT,
        families: families(&asked.family),
        proofs: proofs.collect(),
        with,
        certified: filter.certified,
        rows,
        found: found.len(),
        back: asked.page.checked_sub(1).map(next),
        on: (found.len() > first + PAGE).then(|| next(asked.page.saturating_add(1))),
        imported: import.done.map(|done| imported_words(done, &page)),
        typed: import.typed,
        errors: import.errors,
        q: asked.q,
        page: session.map_or_else(|| page.clone(), |session| session.frame(page.clone())),
    };
    Ok((status, Page(shown)).into_response())
}

/// Families of the routers that this reader's facilities have, each once.
async fn own_families(
    reader: &mut Reader,
    session: Option<&ConsoleSession>,
) -> Result<BTreeSet<String>, StoreError> {
    let mut own = BTreeSet::new();
    for facility in session.iter().flat_map(|session| session.facilities()) {
        let routers = router::of_facility(reader, facility, MOST_ROUTERS).await?;
        own.extend(routers.into_iter().map(|router| router.family));
    }
    Ok(own)
}

impl Asked {
    fn read(&self, own: &BTreeSet<String>) -> Result<Filter, PageError> {
        let unfit = |field: &str| {
            let detail = "not among the choices".to_owned();
            FormError::Unfit { field: field.to_owned(), detail }.in_address()
        };
        let family = |field: &'static str, typed: &str| match typed {
            "" => Ok(None),
            typed => family::find(typed).map(|family| Some(family.profile)).ok_or(unfit(field)),
        };
        Ok(Filter {
            text: self.q.chars().take(MOST_TEXT).collect(),
            family: family("family", &self.family)?,
            proof: match self.proof.as_str() {
                "" => None,
                typed => Some(Proof::parse(typed).ok_or(unfit("proof"))?),
            },
            with: match self.with.as_str() {
                MINE if !own.is_empty() => Some(own.iter().cloned().collect()),
                typed => family("with", typed)?.map(|family| vec![family.to_owned()]),
            },
            certified: match self.certified.as_str() {
                "" => false,
                "yes" => true,
                _ => return Err(unfit("certified")),
            },
        })
    }

    /// The query of another page of the same list.
    fn address(&self, page: u16) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("q", &self.q),
            ("family", &self.family),
            ("proof", &self.proof),
            ("with", &self.with),
            ("certified", &self.certified),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.append_pair("page", &page.to_string()).finish()
    }
}

impl Filter {
    /// The models that it lets through, in their order.
    async fn sift(
        &self,
        reader: &mut Reader,
        app: &App,
        mut models: Vec<RouterModel>,
        latest: &[Certification],
    ) -> Result<Vec<RouterModel>, StoreError> {
        let asked = search::key(&self.text);
        models.retain(|model| {
            search::key(&model.is.title()).contains(&asked)
                && self.family.is_none_or(|family| model.is.family == family)
        });
        // By a proof alone: that it reached any family at all.
        let anybody = || family::all().iter().map(|family| vec![family.profile.to_owned()]);
        let each_of = match (&self.with, self.proof) {
            (Some(with), _) => with.iter().map(|family| vec![family.clone()]).collect(),
            (None, Some(_)) => vec![anybody().flatten().collect()],
            (None, None) => Vec::new(),
        };
        for any_of in each_of {
            let mut reaching = BTreeSet::new();
            for family in any_of {
                reaching.extend(router_test::reaching(reader, &family, self.proof).await?);
            }
            models.retain(|model| reaching.contains(&model.id));
        }
        if self.certified {
            let now = app.now();
            models.retain(|model| {
                latest.iter().any(|one| {
                    one.model_id == model.id
                        && self.proof.is_none_or(|proof| one.proof == proof)
                        && one.standing(now) == Standing::InForce
                })
            });
        }
        Ok(models)
    }
}

async fn row(
    reader: &mut Reader,
    app: &App,
    page: &PageFrame,
    model: &RouterModel,
    latest: &[Certification],
) -> Result<Row, StoreError> {
    let tests = router_test::current_of(reader, &model.id, MOST_RESULTS).await?;
    let is = &model.is;
    Ok(Row {
        id: model.id.clone(),
        maker: is.maker.clone(),
        model: is.model.clone(),
        versions: is.versions(),
        family: words::family_name(&is.family),
        certified: words::certified_today(latest, &model.id, app.now(), &page.text),
        summaries: words::summaries(&tests, &page.text),
    })
}

fn imported_words(done: Imported, page: &PageFrame) -> String {
    let said = [
        ("models", done.models.entered.to_string()),
        ("changed", done.models.changed.to_string()),
        ("results", done.results.entered.to_string()),
        ("known", (done.models.same + done.results.same).to_string()),
    ];
    page.text.with("models-imported", &said)
}
