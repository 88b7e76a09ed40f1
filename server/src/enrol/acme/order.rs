//! Orders (RFC 8555 §7.4).

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use sekisho_key::RandomnessError;
use sekisho_protocol::octets::encode;
use sekisho_store::{
    acme_certificate,
    acme_order::{self, Authorization, AuthorizationState, Order},
    audit::Audited,
    transaction,
};
use serde::Deserialize;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{
    door::{self, Aborted, Holder, Request},
    names::{self, Identifier},
    renewal_info::CertificateId,
};
use crate::{app::App, error::acme::AcmeError, form::PathId};

/// How long an order can be fulfilled.
const LIFETIME: Duration = Duration::DAY;
/// How many orders an account begins in an hour: a client that goes round in circles is to hear of it.
const MOST_IN_AN_HOUR: u64 = 300;
/// An issuance takes milliseconds; one that has not ended by now died with its process.
pub(super) const ISSUANCE_LIMIT: Duration = Duration::seconds(10);

#[derive(Deserialize)]
struct NewOrder {
    identifiers: Vec<Identifier>,
    #[serde(default, rename = "notBefore")]
    not_before: Option<String>,
    #[serde(default, rename = "notAfter")]
    not_after: Option<String>,
    #[serde(default)]
    replaces: Option<String>,
}

/// Where an order stands (§7.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrderStatus {
    Pending,
    Ready,
    Processing,
    Valid,
    Invalid,
}

impl OrderStatus {
    pub(super) fn of(order: &Order, authorizations: &[Authorization], at: OffsetDateTime) -> Self {
        let all = |state| authorizations.iter().all(|found| found.state == state);
        let any = |state| authorizations.iter().any(|found| found.state == state);
        if order.certificate.is_some() {
            Self::Valid
        } else if at >= order.expires_at
            || any(AuthorizationState::Invalid)
            || any(AuthorizationState::Deactivated)
        {
            Self::Invalid
        } else if order.claimed.is_some_and(|(_, since)| at < since + ISSUANCE_LIMIT) {
            Self::Processing
        } else if all(AuthorizationState::Valid) {
            Self::Ready
        } else {
            Self::Pending
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Processing => "processing",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
        }
    }
}

/// `POST /acme/new-order`.
pub async fn begin(State(app): State<App>, request: Request) -> Response {
    door::answered(&app, begun(&app, request).await)
}

async fn begun(app: &App, request: Request) -> Result<Response, AcmeError> {
    let peer = request.peer.clone();
    let asked = door::of_account(app, request).await?;
    let holder = &asked.signer;
    let new: NewOrder = asked.payload()?;
    if new.not_before.is_some() || new.not_after.is_some() {
        let detail = "how long a certificate lasts is for the authority to say: leave out notBefore and \
                      notAfter";
        return Err(AcmeError::malformed(detail));
    }
    let names = match names::ordered(&new.identifiers, &holder.service) {
        Ok(names) => names,
        Err(error) => return Err(door::refused_to(app, (holder, &peer), "acme.order", error).await),
    };
    let at = app.now();
    let replaces = new.replaces.as_deref().map(CertificateId::parse).transpose()?;
    let replaces = match replaces {
        Some(id) => {
            let found = id.find(app, &mut app.store().read()).await?;
            // RFC 9773 §5.
            if names::in_certificate(&found.der).is_disjoint(&names.iter().cloned().collect()) {
                let detail = "the certificate that `replaces` names has none of these names";
                return Err(AcmeError::malformed(detail));
            }
            Some((found.issuer_id, found.serial))
        }
        None => None,
    };
    let order = Order {
        id: Uuid::now_v7().to_string(),
        account_id: holder.account.id.clone(),
        created_at: at,
        expires_at: at + LIFETIME,
        names,
        replaces,
        claimed: None,
        certificate: None,
    };
    let authorizations =
        authorizations(app, &order).map_err(|error| AcmeError::internal(&error))?;
    transaction!(app.store(), Aborted, |tx| {
        let begun = acme_order::begun_since(tx, &holder.account.id, at - Duration::HOUR).await?;
        if begun >= MOST_IN_AN_HOUR {
            let detail =
                format!("more than {MOST_IN_AN_HOUR} orders in an hour; look at the client's log");
            let error = AcmeError::new(StatusCode::TOO_MANY_REQUESTS, "rateLimited", detail);
            return Err(AcmeError { retry_after_secs: Some(3600), ..error }.into());
        }
        if let Some((issuer_id, serial)) = &order.replaces {
            may_replace(tx, holder, (issuer_id, serial), at).await?;
        }
        acme_order::add(tx, &order, &authorizations).await?;
        let entry = door::record("acme.order", holder, (app, &peer))
            .fact("order", order.id.as_str())
            .fact("names", order.names.join(" "));
        Ok(Audited::new((), entry))
    })?;
    told(app, &order, &authorizations, StatusCode::CREATED)
}

/// RFC 9773 §5: of the same service, and not by two orders.
async fn may_replace(
    tx: &mut sekisho_store::Tx,
    holder: &Holder,
    (issuer_id, serial): (&str, &[u8]),
    at: OffsetDateTime,
) -> Result<(), Aborted> {
    let owner = acme_certificate::owner(tx, issuer_id, serial).await?;
    if owner.is_none_or(|owner| owner.service_id != holder.service.id) {
        let detail = "`replaces` names a certificate that is none of this service";
        return Err(AcmeError::malformed(detail).into());
    }
    if acme_order::is_replaced(tx, (issuer_id, serial), at).await? {
        let detail = "another order replaces this certificate already";
        return Err(AcmeError::new(StatusCode::CONFLICT, "alreadyReplaced", detail).into());
    }
    Ok(())
}

/// One for each name, with tokens of 256 bits (RFC 8555 §8.3 asks for 128).
fn authorizations(app: &App, order: &Order) -> Result<Vec<Authorization>, RandomnessError> {
    let token = || {
        let mut octets = [0; 32];
        app.random().fill(&mut octets).map(|()| encode(octets))
    };
    let each = order.names.iter().map(|name| {
        Ok(Authorization {
            id: Uuid::now_v7().to_string(),
            order_id: order.id.clone(),
            name: name.clone(),
            state: AuthorizationState::Pending,
            http_token: token()?,
            tls_token: token()?,
            tried: None,
            fault: None,
        })
    });
    each.collect()
}

/// `POST /acme/order/{id}`.
pub async fn post(State(app): State<App>, PathId(id): PathId, request: Request) -> Response {
    door::answered(&app, fetched(&app, request, &id).await)
}

async fn fetched(app: &App, request: Request, id: &str) -> Result<Response, AcmeError> {
    let asked = door::of_account(app, request).await?;
    asked.fetches()?;
    let found = acme_order::find(&mut app.store().read(), &asked.signer.account.id, id).await?;
    let (order, authorizations) = found.ok_or_else(|| AcmeError::not_found("order"))?;
    told(app, &order, &authorizations, StatusCode::OK)
}

/// An order as its owner is told of it (§7.1.3).
pub(super) fn told(
    app: &App,
    order: &Order,
    authorizations: &[Authorization],
    status: StatusCode,
) -> Result<Response, AcmeError> {
    let now = OrderStatus::of(order, authorizations, app.now());
    let location = door::url(app, &format!("/acme/order/{}", order.id));
    let identifiers = order.names.iter().map(|name| json!({ "type": "dns", "value": name }));
    let addresses = authorizations
        .iter()
        .map(|found| door::url(app, &format!("/acme/authorization/{}", found.id)));
    let mut document = json!({
        "status": now.as_str(),
        "expires": moment(order.expires_at)?,
        "identifiers": identifiers.collect::<Value>(),
        "authorizations": addresses.collect::<Value>(),
        "finalize": format!("{location}/finalize"),
    });
    if let Some((issuer_id, serial)) = &order.replaces {
        document["replaces"] = CertificateId::of(app, issuer_id, serial)?.to_string().into();
    }
    if now == OrderStatus::Valid {
        document["certificate"] = door::url(app, &format!("/acme/certificate/{}", order.id)).into();
    }
    if now == OrderStatus::Invalid
        && let Some(fault) = authorizations.iter().find_map(|found| found.fault.as_deref())
    {
        document["error"] = serde_json::from_str(fault).unwrap_or_default();
    }
    let location = HeaderValue::from_str(&location).map_err(|error| AcmeError::internal(&error))?;
    let mut response = (status, [(header::LOCATION, location)], Json(document)).into_response();
    if now == OrderStatus::Processing {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(response)
}

/// A time as ACME writes it (RFC 3339).
pub(super) fn moment(at: OffsetDateTime) -> Result<String, AcmeError> {
    let whole = at.replace_nanosecond(0).map_err(|error| AcmeError::internal(&error))?;
    whole.format(&Rfc3339).map_err(|error| AcmeError::internal(&error))
}
