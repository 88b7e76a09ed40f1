//! From a ready order to a certificate (RFC 8555 §7.4).
//!
//! 1. the request is of the names of the order and by a key of its own;
//! 2. one transaction takes the order for the key, once the service may still have it;
//! 3. the issuance ceremony, as for every certificate;
//! 4. one transaction ties the certificate to the order, or takes it back where the service may no longer
//!    have it.
//!
//! A process that dies in between leaves an order that can be finalized again after a while, and for the same
//! key gets what was signed.

use std::collections::BTreeSet;

use axum::{extract::State, response::Response};
use const_oid::db::rfc4519;
use http::StatusCode;
use sekisho_ca::{
    issuance::ApprovedRequest,
    profile::Profile,
    registration::{self, KeyHolder, ServerEntry, terminal_identifier::TerminalIdentifier},
    request::{UnverifiedRequest, VerifiedRequest},
};
use sekisho_pki::encoding::name::text;
use sekisho_protocol::octets::decode;
use sekisho_store::{
    StoreError, Tx, acme_certificate,
    acme_order::{self, Authorization, Order},
    audit::{Actor, Audited, Entry},
    certificate::{self, Certificate},
    revocation::{self, CESSATION_OF_OPERATION, SUPERSEDED, Status},
    server_key, subscriber_key, transaction,
};
use serde::Deserialize;
use time::OffsetDateTime;
use x509_cert::ext::pkix::name::GeneralName;

use super::{
    door::{self, Aborted, Holder, Request},
    names,
    order::{ISSUANCE_LIMIT, OrderStatus, told},
};
use crate::{
    app::App,
    authority::Line,
    error::acme::AcmeError,
    form::PathId,
    listener::Peer,
    revocation::{MOST_CERTIFICATES_OF_A_KEY, key_is_compromised},
};

#[derive(Deserialize)]
struct Finalize {
    csr: String,
}

/// `POST /acme/order/{id}/finalize`.
pub async fn post(State(app): State<App>, PathId(id): PathId, request: Request) -> Response {
    door::answered(&app, finalized(&app, request, &id).await)
}

async fn finalized(app: &App, request: Request, id: &str) -> Result<Response, AcmeError> {
    let peer = request.peer.clone();
    let asked = door::of_account(app, request).await?;
    let Finalize { csr } = asked.payload()?;
    let holder = &asked.signer;
    let (order, authorizations) = find(app, holder, id).await?;
    // 1
    let octets = decode(&csr)
        .map_err(|_| AcmeError::bad_request("badCSR", "`csr` is no base64url without padding"))?;
    let request = UnverifiedRequest::parse(&octets)?.verify()?;
    let issue = Issue { app, peer: &peer, holder, order: &order, request: &request, at: app.now() };
    match OrderStatus::of(&order, &authorizations, issue.at) {
        OrderStatus::Ready => {
            if let Err(error) = issue.run().await {
                return Err(door::refused_to(app, (holder, &peer), "acme.finalize", error).await);
            }
            let (order, authorizations) = find(app, holder, id).await?;
            told(app, &order, &authorizations, StatusCode::OK)
        }
        // The answer was lost: the same key is told the same.
        OrderStatus::Processing | OrderStatus::Valid if issue.is_of_order() => {
            told(app, &order, &authorizations, StatusCode::OK)
        }
        status => {
            let detail = format!(
                "the order is {}, and only one that is ready is finalized",
                status.as_str()
            );
            Err(AcmeError::new(StatusCode::FORBIDDEN, "orderNotReady", detail))
        }
    }
}

async fn find(
    app: &App,
    holder: &Holder,
    id: &str,
) -> Result<(Order, Vec<Authorization>), AcmeError> {
    let found = acme_order::find(&mut app.store().read(), &holder.account.id, id).await?;
    found.ok_or_else(|| AcmeError::not_found("order"))
}

fn being_finalized() -> AcmeError {
    let detail = "another request finalizes this order; fetch it again";
    let error = AcmeError::new(StatusCode::FORBIDDEN, "orderNotReady", detail);
    AcmeError { retry_after_secs: Some(1), ..error }
}

/// Where a certificate went.
enum Issued {
    /// To the order.
    Tied,
    /// The order has another one.
    Spare,
    /// Account or service have ended.
    NotEntitled,
}

struct Issue<'a> {
    app: &'a App,
    peer: &'a Peer,
    holder: &'a Holder,
    order: &'a Order,
    request: &'a VerifiedRequest,
    at: OffsetDateTime,
}

/// What the first transaction leads to.
enum Taken {
    /// To a certificate that a process left that died.
    Left(Box<Certificate>),
    /// To an issuance.
    Approved(Box<ApprovedRequest>),
}

impl Issue<'_> {
    fn is_of_order(&self) -> bool {
        self.order.claimed.is_some_and(|(key, _)| key == self.request.public_key_sha256())
    }

    /// The same names as the order's, and another key than the account's (§7.4, §11.1).
    fn check_request(&self) -> Result<(), AcmeError> {
        let bad = |detail: String| AcmeError::bad_request("badCSR", detail);
        let mut asked = BTreeSet::new();
        for name in self.request.alternative_names()? {
            match name {
                GeneralName::DnsName(name) => asked.insert(name.as_str().to_ascii_lowercase()),
                _ => return Err(bad("the request asks for other names than DNS names".to_owned())),
            };
        }
        let named = self.request.subject().iter().filter(|part| part.oid == rfc4519::COMMON_NAME);
        asked.extend(
            named.filter_map(|part| text(&part.value)).map(|name| name.to_ascii_lowercase()),
        );
        let ordered: BTreeSet<String> = self.order.names.iter().cloned().collect();
        if asked != ordered {
            let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
            return Err(bad(format!(
                "the request is for {}, the order for {}",
                list(asked),
                list(ordered)
            )));
        }
        let thumbprint = door::thumbprint_of(self.request.public_key_der());
        if thumbprint.as_ref() == Some(&self.holder.account.thumbprint) {
            return Err(bad("the request is for the account's own key; make another".to_owned()));
        }
        Ok(())
    }

    async fn run(&self) -> Result<(), AcmeError> {
        self.check_request()?;
        // 2
        let taken = transaction!(self.app.store(), Aborted, |tx| self.take(tx).await)?;
        let approved = match taken {
            Taken::Left(certificate) => {
                let Certificate { issuer_id, serial, .. } = *certificate;
                return self.tie(&issuer_id, &serial).await;
            }
            Taken::Approved(approved) => approved,
        };
        // 3
        let authority = self.app.authority().current(Line::Servers, self.at);
        let issued = authority.issue(self.app.store(), *approved, self.at, self.app.random()).await;
        match issued {
            // 4
            Ok(issued) => self.tie(&issued.issuer_id, issued.serial.as_octets()).await,
            // Whether it was signed may not be known: for the same key the order is looked at again when
            // whoever took it counts as dead.
            Err(error) => {
                let error = AcmeError::from(error);
                let again = Some(ISSUANCE_LIMIT.whole_seconds() + 1);
                Err(AcmeError { retry_after_secs: error.retry_after_secs.and(again), ..error })
            }
        }
    }

    async fn take(&self, tx: &mut Tx) -> Result<Audited<Taken>, Aborted> {
        let service = door::still_in_force(tx, &self.holder.account).await?;
        let own = names::of(&service);
        if let Some(name) = self.order.names.iter().find(|name| !own.contains(*name)) {
            let detail =
                format!("the service is no longer registered with {name}; begin a new order");
            return Err(AcmeError::unauthorized(detail).into());
        }
        let key = self.request.public_key_sha256();
        let stale = self.at - ISSUANCE_LIMIT;
        if !acme_order::claim(tx, &self.order.id, &key, self.at, stale).await? {
            return Err(being_finalized().into());
        }
        let before = certificate::of_key(tx, &key, MOST_CERTIFICATES_OF_A_KEY).await?;
        let of_service = server_key::claim(tx, &key, &service.id, self.at).await?;
        let register = ServerEntry {
            organisation_id: service.organisation_id.clone(),
            key_compromised: key_is_compromised(tx, &key, &before).await?,
            key_used_by: match subscriber_key::holder(tx, &key).await? {
                Some(terminal) => Some(KeyHolder::Terminal(
                    TerminalIdentifier::parse(&terminal).map_err(|_| StoreError::Corrupt {
                        what: "subscriber_key",
                        detail: terminal.clone(),
                    })?,
                )),
                None => (of_service != service.id).then_some(KeyHolder::Server),
            },
        };
        if register.key_used_by.is_none()
            && let Some(left) = self.left(tx, &before).await?
        {
            return Ok(Audited::new(Taken::Left(Box::new(left)), self.record("acme.finalize")));
        }
        let profile = Profile::shipped("server")
            .and_then(|profile| {
                profile.with_lifetime(self.app.config().acme().certificate_lifetime())
            })
            .map_err(|error| AcmeError::internal(&error))?;
        let names: Vec<&str> = self.order.names.iter().map(String::as_str).collect();
        let approved =
            registration::approve_server_of_service(self.request, &register, &names, &profile)
                .map_err(AcmeError::from)?;
        let entry = self.record("acme.finalize").fact("names", self.order.names.join(" "));
        Ok(Audited::new(Taken::Approved(Box::new(approved)), entry))
    }

    /// What was signed for this order by a process that died before it could say so.
    async fn left(
        &self,
        tx: &mut Tx,
        before: &[Certificate],
    ) -> Result<Option<Certificate>, Aborted> {
        let organisation = &self.holder.service.organisation_id;
        for found in before {
            let fits = found.profile == "server"
                && found.terminal_id.is_none()
                && found.organisation_id == *organisation
                && found.issued_at >= self.order.created_at
                && found.status == Status::Good
                && names::in_certificate(&found.der)
                    == self.order.names.iter().cloned().collect::<BTreeSet<_>>();
            if fits
                && self.is_of_order()
                && acme_certificate::owner(tx, &found.issuer_id, &found.serial).await?.is_none()
            {
                return Ok(Some(found.clone()));
            }
        }
        Ok(None)
    }

    async fn tie(&self, issuer_id: &str, serial: &[u8]) -> Result<(), AcmeError> {
        let key = self.request.public_key_sha256();
        let name = format!("{issuer_id}:{}", hex::encode(serial));
        let outcome = transaction!(self.app.store(), Aborted, |tx| {
            let standing = match door::still_in_force(tx, &self.holder.account).await {
                Ok(_) => true,
                Err(Aborted::Refused(_)) => false,
                Err(error) => return Err(error),
            };
            let fulfilled = standing
                && acme_order::fulfil(tx, &self.order.id, &key, (issuer_id, serial)).await?;
            let now = acme_order::find(tx, &self.holder.account.id, &self.order.id).await?;
            let of_order = now.and_then(|(order, _)| order.certificate);
            let is_own =
                of_order.is_some_and(|(issuer, number)| issuer == issuer_id && number == serial);
            // Who finalized at the same time may have found this very certificate, and tied it.
            if fulfilled || is_own {
                let entry = self.record("acme.issue").on("certificate", name.clone());
                return Ok(Audited::new(Issued::Tied, entry));
            }
            let (tied, why, reason) = if standing {
                (Issued::Spare, "order_fulfilled", SUPERSEDED)
            } else {
                (Issued::NotEntitled, "no_longer_entitled", CESSATION_OF_OPERATION)
            };
            revocation::revoke(tx, issuer_id, serial, reason, self.at).await?;
            let actor = Actor::Service(self.holder.service.id.clone());
            let refused = Entry::refused("acme.issue", actor, self.at, why);
            let entry = door::about(refused, self.holder, self.peer);
            let entry = entry.fact("order", self.order.id.as_str()).on("certificate", name.clone());
            Ok(Audited::new(tied, entry))
        })?;
        match outcome {
            Issued::Tied => Ok(()),
            Issued::Spare => Err(being_finalized()),
            Issued::NotEntitled => {
                let detail = "the service may have no certificate any more; ask the operating body";
                Err(AcmeError::unauthorized(detail))
            }
        }
    }

    fn record(&self, act: &'static str) -> Entry {
        door::record(act, self.holder, (self.app, self.peer))
            .fact("order", self.order.id.as_str())
            .fact("key_sha256", hex::encode(self.request.public_key_sha256()))
    }
}
