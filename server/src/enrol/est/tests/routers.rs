//! Routers at their own door: what the register says is certified, and neither door serves the other.

use http::StatusCode;
use rustls_pki_types::CertificateDer;
use sekisho_ca::profile::Profile;
use sekisho_key::{RsaSize, SoftwareKey};
use sekisho_pki::encoding::name::{Part, name};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    revocation::Status,
    router::{self, Router},
    terminal, transaction,
};
use time::Duration;
use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{SubjectAltName, name::GeneralName},
    name::Name,
};

use super::scene::{Ask, FACILITY, TERMINAL, acts, certificates, csr, instance, key, new_code};
use crate::{
    listener::{FacilityConnection, FacilityError, Peer, RouterConnection},
    names::NameRole,
    testing::TestApp,
};

pub(in crate::enrol) const ROUTER: &str = "T1111111111";
pub(in crate::enrol) const FIXED: &str = "T2222222222";

/// The instance with two routers besides; the address of the second is certified.
async fn with_routers() -> TestApp {
    let test = instance().await;
    enter_routers(&test).await;
    test
}

/// Enters the two routers.
pub(in crate::enrol) async fn enter_routers(test: &TestApp) {
    let at = test.app.now();
    change!(test, |tx| {
        for (id, address_certified) in [(ROUTER, false), (FIXED, true)] {
            terminal::create(tx, id, FACILITY, id, "p", at).await?;
            let router = Router {
                terminal_id: id.to_owned(),
                family: "router_strongswan".to_owned(),
                dns_name: test.app.config().host_names().of_router(id),
                address: Some(format!("192.0.2.{}", &id[9..]).parse().unwrap()),
                address_certified,
                network: "10.1.0.0/24".parse().unwrap(),
            };
            router::create(tx, &router).await?;
        }
    });
}

/// The same request at the routers' door.
fn at_routers(ask: Ask) -> Ask {
    let operation = match ask.operation {
        "simpleenroll" => "routers/simpleenroll",
        _ => "routers/simplereenroll",
    };
    Ask { operation, ..ask }
}

pub(in crate::enrol) async fn enrolled(test: &TestApp, id: &str, key: &SoftwareKey) -> Vec<u8> {
    let code = new_code(test, id).await;
    at_routers(Ask::enrol(id, &code, &csr(key, &Name::default()))).send(test).await.certificate()
}

fn read(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

pub(in crate::enrol) fn names(der: &[u8]) -> Vec<String> {
    let certificate = read(der);
    let (_, names) =
        certificate.tbs_certificate().get_extension::<SubjectAltName>().unwrap().unwrap();
    names
        .0
        .iter()
        .filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.to_string()),
            GeneralName::IpAddress(octets) => Some(hex::encode(octets.as_bytes())),
            _ => None,
        })
        .collect()
}

fn peer(role: NameRole, certificate: &[u8]) -> Peer {
    Peer {
        addr: ([192, 0, 2, 1], 50_000).into(),
        role,
        chain: [CertificateDer::from(certificate.to_vec())].into(),
    }
}

#[tokio::test]
async fn a_router_gets_the_names_of_the_register_from_the_routers_authority() {
    let test = with_routers().await;
    let rsa = SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap();
    for (id, key, expected) in [
        (ROUTER, &key(), vec!["t1111111111.router.sekisho.localhost"]),
        (FIXED, &rsa, vec!["t2222222222.router.sekisho.localhost", "c0000216"]),
    ] {
        let certificate = enrolled(&test, id, key).await;
        assert_eq!(names(&certificate), expected, "{id}");
        let authority = test.app.authority().routers(test.app.now());
        assert_eq!(read(&certificate).tbs_certificate().issuer(), authority.subject());
        let kept = certificates(&test, id).await.remove(0);
        assert_eq!(
            (kept.profile.as_str(), kept.issuer_id.as_str()),
            ("router_strongswan", "routers")
        );
        let lifetime = kept.not_after - test.app.now();
        assert!(lifetime > Duration::days(700), "{lifetime}");
        assert!(lifetime <= Profile::shipped("router").unwrap().lifetime());
    }
}

#[tokio::test]
async fn what_a_router_asks_to_be_called_is_refused_or_left_out() {
    let test = with_routers().await;
    let code = new_code(&test, ROUTER).await;
    for asked in [FIXED, TERMINAL, "t2222222222.router.sekisho.localhost"] {
        let der = csr(&key(), &name(&[Part::CommonName(asked)]).unwrap());
        let answer = at_routers(Ask::enrol(ROUTER, &code, &der)).send(&test).await;
        answer.is_refused(StatusCode::FORBIDDEN, "asks for the name");
    }
    let elsewhere = [Part::CommonName(ROUTER), Part::SerialNumber("234567890101")];
    let der = csr(&key(), &name(&elsewhere).unwrap());
    let answer = at_routers(Ask::enrol(ROUTER, &code, &der)).send(&test).await;
    let subject = read(&answer.certificate()).tbs_certificate().subject().to_string();
    assert!(subject.contains(FACILITY) && !subject.contains("234567890101"), "{subject}");
}

#[tokio::test]
async fn a_code_opens_one_door_and_is_not_used_up_at_the_other() {
    let test = with_routers().await;
    let der = csr(&key(), &Name::default());
    let code = new_code(&test, ROUTER).await;
    let answer = Ask::enrol(ROUTER, &code, &der).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "/.well-known/est/routers");
    let wrong = new_code(&test, FIXED).await;
    let answer = Ask::enrol(ROUTER, &wrong, &der).send(&test).await;
    answer.is_refused(StatusCode::UNAUTHORIZED, "not accepted");
    assert!(certificates(&test, ROUTER).await.is_empty());
    at_routers(Ask::enrol(ROUTER, &code, &der)).send(&test).await.certificate();

    let der = csr(&key(), &Name::default());
    let code = new_code(&test, TERMINAL).await;
    let answer = at_routers(Ask::enrol(TERMINAL, &code, &der)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "for a PC");
    assert!(certificates(&test, TERMINAL).await.is_empty());
    Ask::enrol(TERMINAL, &code, &der).send(&test).await.certificate();
    let acts = acts(&test).await;
    assert_eq!(
        acts.iter().filter(|act| *act == "terminal.enrol:other_door").count(),
        3,
        "{acts:?}"
    );
}

#[tokio::test]
async fn a_routers_certificate_logs_nobody_in_and_a_pcs_is_none_of_a_router() {
    let test = with_routers().await;
    let router = enrolled(&test, ROUTER, &key()).await;
    for role in [NameRole::Terminal, NameRole::Enrol] {
        let judged = FacilityConnection::judge(&test.app, &peer(role, &router)).await;
        assert!(matches!(judged, Err(FacilityError::NotOurs)), "{judged:?}");
    }
    assert!(RouterConnection::judge(&test.app, &peer(NameRole::Enrol, &router)).await.is_ok());
    let code = new_code(&test, TERMINAL).await;
    let own = key();
    let der = csr(&own, &Name::default());
    let pc = Ask::enrol(TERMINAL, &code, &der).send(&test).await.certificate();
    let judged = RouterConnection::judge(&test.app, &peer(NameRole::Enrol, &pc)).await;
    assert!(matches!(judged, Err(FacilityError::NotOurs)), "{judged:?}");
    let der = csr(&key(), &Name::default());
    let answer = Ask::renew(&router, &der).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "not one that we issued for this door");
    let answer = at_routers(Ask::renew(&pc, &der)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "not one that we issued for this door");
    // Nor does a router pass for another PC with that PC's key.
    let code = new_code(&test, FIXED).await;
    let answer = at_routers(Ask::enrol(FIXED, &code, &csr(&own, &Name::default())));
    answer.send(&test).await.is_refused(StatusCode::FORBIDDEN, "belongs to another terminal");
}

#[tokio::test]
async fn a_router_renews_and_the_old_certificate_ends_when_the_new_one_is_shown() {
    let test = with_routers().await;
    let first = enrolled(&test, ROUTER, &key()).await;
    test.clock.advance(Duration::days(600));
    let second_key = key();
    let ask = csr(&second_key, &name(&[Part::CommonName(ROUTER)]).unwrap());
    let second = at_routers(Ask::renew(&first, &ask)).send(&test).await.certificate();
    // The answer was lost: the same again, by the old one, which stays good.
    assert_eq!(at_routers(Ask::renew(&first, &ask)).send(&test).await.certificate(), second);
    let good = async || {
        let all = certificates(&test, ROUTER).await;
        all.iter().filter(|certificate| certificate.status == Status::Good).count()
    };
    assert_eq!(good().await, 2);
    assert_eq!(names(&second), names(&first));
    test.clock.advance(Duration::days(100));
    let third = csr(&key(), &Name::default());
    at_routers(Ask::renew(&second, &third)).send(&test).await.certificate();
    assert_eq!(good().await, 2);
    let answer = at_routers(Ask::renew(&first, &third)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "replaced by another one");
}

#[tokio::test]
async fn a_revoked_router_neither_renews_nor_enrols() {
    let test = with_routers().await;
    let certificate = enrolled(&test, ROUTER, &key()).await;
    let code = new_code(&test, ROUTER).await;
    let at = test.app.now();
    let revocation = terminal::Revocation {
        crl_reason: 5,
        cause: "retired",
        note: "",
        person_id: Some("p"),
        at,
    };
    let taken = change!(test, |tx| terminal::revoke(tx, ROUTER, FACILITY, revocation).await?);
    assert_eq!(taken.unwrap().certificates.len(), 1);
    let der = csr(&key(), &Name::default());
    let answer = at_routers(Ask::renew(&certificate, &der)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "revoked");
    let answer = at_routers(Ask::enrol(ROUTER, &code, &der)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "revoked, for ever");
}
