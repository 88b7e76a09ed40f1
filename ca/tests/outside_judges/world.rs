//! One hierarchy, a certificate of every profile for every kind of key, and a folder of files for
//! the judges.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use sekisho_ca::{
    authority::Authority,
    ceremony::{CeremonyNames, MadeAuthorities, issue_server_certificate, make_authority},
    issuance::ApprovedRequest,
    profile::Profile,
    record::{IssuedCertificate, MemoryRecord},
    registration::{
        Approval, RegisterEntry, approve_registration_authority, approve_router, approve_terminal,
        terminal_identifier::TerminalIdentifier,
    },
    request::{UnverifiedRequest, VerifiedRequest},
    revocation::{
        CertificateStatus, RevocationReason,
        crl::{CrlKind, CrlSpec, Listed, RevokedEntry, encode_entry},
        ocsp::{OcspFailure, OcspResponder, OcspResponders},
    },
};
use sekisho_key::{RsaSize, SigningKey, SoftwareKey, SystemRandomness};
use sekisho_pki::{
    encoding::{
        name::{Part, name},
        request::to_be_signed,
        serial::Serial,
        signed_object::assemble,
    },
    national::facility_identifier::FacilityIdentifier,
};
use time::{Duration, OffsetDateTime};

use super::roll_over::RollOver;

pub struct World {
    pub folder: tempfile::TempDir,
    pub made: MadeAuthorities,
    pub now: OffsetDateTime,
}

/// A certificate and how to look at it.
pub struct Judged {
    pub what: String,
    pub certificate: IssuedCertificate,
    /// Who signed it.
    pub issuer: &'static str,
    /// What OpenSSL calls its purpose; none for authorities, and where it has no name for it.
    pub purpose: Option<&'static str>,
}

/// The kinds of key that devices have, made once: RSA-4096 takes its time.
pub fn keys() -> &'static [(&'static str, SoftwareKey); 4] {
    static KEYS: OnceLock<[(&str, SoftwareKey); 4]> = OnceLock::new();
    KEYS.get_or_init(|| {
        [
            ("P-256", SoftwareKey::generate_p256().unwrap()),
            ("P-384", SoftwareKey::generate_p384().unwrap()),
            ("RSA-3072", SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap()),
            ("RSA-4096", SoftwareKey::generate_rsa(RsaSize::Bits4096).unwrap()),
        ]
    })
}

impl World {
    /// The judges go by the machine's clock, so that is *now* here.
    pub async fn new() -> Self {
        let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
        let names = CeremonyNames {
            organisation: "Example Operating Body".to_owned(),
            network: "Example Healthcare Network G1".to_owned(),
            publication_base: "http://plain.sekisho.localhost:8080".to_owned(),
        };
        let made = make_authority(now, &SystemRandomness, &names, Duration::days(2)).await.unwrap();
        let world = Self { folder: tempfile::tempdir().unwrap(), made, now };
        world.pem("root.pem", "CERTIFICATE", &world.made.root.certificate.der);
        world.pem("root.crl", "X509 CRL", &world.made.root.crl_der);
        for issuing in &world.made.issuing {
            world.pem(&format!("{}.pem", issuing.id), "CERTIFICATE", &issuing.certificate.der);
        }
        world
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub fn pem(&self, file: &str, label: &str, der: &[u8]) {
        let text = der::pem::encode_string(label, der::pem::LineEnding::LF, der).unwrap();
        std::fs::write(self.path(file), text).unwrap();
    }

    pub fn run(&self, program: &str, package: &str, args: &[&str]) -> Output {
        Command::new(program)
            .args(args)
            .current_dir(self.folder.path())
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}; apt-get install {package}"))
    }

    pub fn openssl(&self, args: &[&str]) -> Output {
        self.run("openssl", "openssl", args)
    }

    /// A terminal's or a generic router's certificate for a key of its own.
    pub async fn issue(&self, id: &str, seed: u64) -> (IssuedCertificate, SoftwareKey) {
        let key = SoftwareKey::generate_p256().unwrap();
        let profile = if id == "routers" { "router" } else { "terminal" };
        (self.issue_device(profile, &key, seed).await, key)
    }

    /// A device's certificate: through request, registration and issuance.
    pub async fn issue_device(
        &self,
        profile: &str,
        key: &SoftwareKey,
        seed: u64,
    ) -> IssuedCertificate {
        let register = register(seed);
        let request = request(key, &register.terminal);
        let shipped = Profile::shipped(profile).unwrap();
        let (issuer, approved) = if profile.starts_with("router") {
            let addresses = ["2001:db8::1".parse().unwrap()];
            let names = ["r1.clinic.example"];
            let approved = approve_router(&request, &register, &shipped, &names, &addresses);
            ("routers", approved.unwrap())
        } else {
            ("terminals", approve_terminal(&request, &register, &shipped).unwrap())
        };
        self.sign(&self.made.find(issuer).unwrap().authority, approved).await
    }

    /// A certificate by an authority, recorded as every other.
    pub async fn sign(
        &self,
        authority: &Authority,
        approved: ApprovedRequest,
    ) -> IssuedCertificate {
        let record = MemoryRecord::default();
        let issued = authority.issue(&record, approved, self.now, &SystemRandomness).await.unwrap();
        assert_eq!(record.intentions().len(), 1);
        assert_eq!(record.certificates(), std::slice::from_ref(&issued));
        issued
    }

    /// Every profile of this build with every kind of key that it certifies here.
    pub async fn every_certificate(&self) -> Vec<Judged> {
        let mut all = vec![Judged {
            what: "root".to_owned(),
            certificate: self.made.root.certificate.clone(),
            issuer: "root",
            purpose: None,
        }];
        for issuing in &self.made.issuing {
            all.push(Judged {
                what: format!("issuing {}", issuing.id),
                certificate: issuing.certificate.clone(),
                issuer: "root",
                purpose: None,
            });
            let (responder, _) = issuing.ocsp_responder.as_ref().unwrap();
            all.push(Judged {
                what: format!("ocsp_responder of {}", issuing.id),
                certificate: responder.clone(),
                issuer: ["terminals", "routers", "servers"]
                    .into_iter()
                    .find(|id| *id == issuing.id)
                    .unwrap(),
                purpose: Some("ocsphelper"),
            });
        }
        let rolled = RollOver::of(self).await;
        let new_with_old = rolled.certificates.into_iter().find(|one| one.profile == "cross");
        all.push(Judged {
            what: "cross".to_owned(),
            certificate: new_with_old.unwrap(),
            issuer: "root",
            purpose: None,
        });
        for (kind, key) in &keys()[..2] {
            let certificate = issue_server_certificate(
                &self.made.find("servers").unwrap().authority,
                &MemoryRecord::default(),
                key,
                &["login.sekisho.localhost", "mtls.sekisho.localhost"],
                self.now,
                &SystemRandomness,
            )
            .await
            .unwrap();
            let what = format!("server {kind}");
            all.push(Judged { what, certificate, issuer: "servers", purpose: Some("sslserver") });
        }
        for (kind, size) in [("RSA-2048", RsaSize::Bits2048), ("RSA-3072", RsaSize::Bits3072)] {
            let key = SoftwareKey::generate_rsa(size).unwrap();
            let profile = Profile::shipped("scep_ra").unwrap();
            let approved = approve_registration_authority(&key, "SCEP routers", &profile).unwrap();
            all.push(Judged {
                what: format!("scep_ra {kind}"),
                certificate: self
                    .sign(&self.made.find("routers").unwrap().authority, approved)
                    .await,
                issuer: "routers",
                purpose: None,
            });
        }
        let key = SoftwareKey::generate_p256().unwrap();
        let profile = Profile::shipped("cmp_ra").unwrap();
        let approved = approve_registration_authority(&key, "CMP routers", &profile).unwrap();
        all.push(Judged {
            what: "cmp_ra P-256".to_owned(),
            certificate: self.sign(&self.made.find("routers").unwrap().authority, approved).await,
            issuer: "routers",
            purpose: None,
        });
        for (kind, key) in keys() {
            all.push(Judged {
                what: format!("terminal {kind}"),
                certificate: self.issue_device("terminal", key, 1).await,
                issuer: "terminals",
                purpose: Some("sslclient"),
            });
            for family in Profile::router_families() {
                all.push(Judged {
                    what: format!("{family} {kind}"),
                    certificate: self.issue_device(family, key, 2).await,
                    issuer: "routers",
                    purpose: Some("sslserver"),
                });
            }
        }
        // None is forgotten when a profile is added.
        for name in Profile::shipped_names() {
            assert!(all.iter().any(|one| one.certificate.profile == name), "{name}");
        }
        all
    }

    /// CRLs of each kind, with the authority that signed each: empty ones and one with every reason.
    pub async fn every_crl(&self) -> Vec<(String, &str, Vec<u8>)> {
        let mut all = vec![("root, first".to_owned(), "root", self.made.root.crl_der.clone())];
        for issuing in &self.made.issuing {
            let what = format!("{}, first", issuing.id);
            all.push((what, issuing.id.as_str(), issuing.crl_der.clone()));
        }
        let entries: Vec<_> = RevocationReason::ALL
            .into_iter()
            .map(|reason| RevokedEntry {
                serial: Serial::from_octets(&[[0x4b; 15].as_slice(), &[reason.code()]].concat())
                    .unwrap(),
                at: self.now - Duration::HOUR,
                reason,
            })
            .collect();
        for id in ["routers", "terminals"] {
            let authority = &self.made.find(id).unwrap().authority;
            let until = self.now + Duration::days(2);
            let crl = authority.sign_crl(2, &entries, self.now, until).await.unwrap();
            all.push((format!("{id}, every reason"), id, crl));
        }
        all
    }

    /// What an authority publishes whose list is divided: the complete list that points to its delta,
    /// the delta, with a release, and a partition, each without and with entries.
    pub async fn divided_crls(&self, authority: &Authority) -> Vec<(String, Vec<u8>)> {
        let serial = |octet: u8| Serial::from_octets(&[0x4b, octet, 1]).unwrap();
        let mut entries = Vec::new();
        let at = self.now - Duration::HOUR;
        let lost = Listed::Revoked(RevocationReason::KeyCompromise);
        encode_entry(&serial(1), at, lost, Some(at - Duration::DAY), &mut entries).unwrap();
        let held = Listed::Revoked(RevocationReason::CertificateHold);
        encode_entry(&serial(2), at, held, None, &mut entries).unwrap();
        let mut changes = entries.clone();
        encode_entry(&serial(3), at, Listed::Removed, None, &mut changes).unwrap();
        let publication = authority.publication();
        let (delta, partitions) = (publication.delta_url(), publication.crl_partitions.unwrap());
        let partition = publication.partition_url(partitions.of(&serial(1)));
        let kinds = [
            ("complete", CrlKind::Complete { freshest_url: Some(&delta) }, &entries),
            ("delta", CrlKind::Delta { base_number: 7 }, &changes),
            ("partition", CrlKind::Partition { url: &partition }, &entries),
        ];
        let mut all = Vec::new();
        for (what, kind, entries) in kinds {
            for entries in [&[][..], entries] {
                let next_update = self.now + Duration::days(2);
                let spec = CrlSpec { kind, number: 8, this_update: self.now, next_update };
                let mut draft = authority.draft_crl(&spec, entries.len()).unwrap();
                draft.push(entries);
                let frame = draft.sign().await.unwrap();
                let der = [&frame.head, entries, &frame.tail].concat();
                all.push((format!("{what}, {} octets of entries", entries.len()), der));
            }
        }
        all
    }

    /// OCSP answers of each kind about a terminal's certificate in `leaf.pem`.
    pub async fn every_ocsp_response(&self) -> Vec<(String, Vec<u8>)> {
        let terminals = self.made.find("terminals").unwrap();
        let (issued, _) = self.issue("terminals", 1).await;
        self.pem("leaf.pem", "CERTIFICATE", &issued.der);
        let (certificate, key) = terminals.ocsp_responder.as_ref().unwrap();
        let responders = [
            (
                "delegated",
                OcspResponder::delegated(&terminals.authority, &certificate.der, key.clone()),
            ),
            ("direct", OcspResponder::direct(&terminals.authority)),
        ];
        let held = CertificateStatus::Revoked {
            at: self.now - Duration::HOUR,
            reason: RevocationReason::CertificateHold,
        };
        let unspecified = CertificateStatus::Revoked {
            at: self.now - Duration::HOUR,
            reason: RevocationReason::Unspecified,
        };
        let mut all = Vec::new();
        for (who, responder) in responders {
            let responders = OcspResponders::new(vec![responder.unwrap()]);
            for (status, known) in [
                ("good", CertificateStatus::Good),
                ("held", held),
                ("revoked", unspecified),
                ("unknown", CertificateStatus::Unknown),
            ] {
                for nonce in ["-nonce", "-no_nonce"] {
                    let request = self.ask("terminals.pem", "leaf.pem", &["-sha256", nonce]);
                    let question = responders.question(&request).unwrap();
                    let answer =
                        question.answer(&[known], self.now, Duration::hours(1)).await.unwrap();
                    all.push((format!("{who} {status} {nonce}"), answer));
                }
            }
        }
        for failure in [OcspFailure::Unauthorized, OcspFailure::MalformedRequest] {
            all.push((format!("{failure:?}"), failure.to_der()));
        }
        all
    }

    /// OpenSSL's question about a certificate.
    pub fn ask(&self, issuer: &str, certificate: &str, more: &[&str]) -> Vec<u8> {
        let mut args = vec!["ocsp"];
        args.extend(more);
        args.extend(["-issuer", issuer, "-cert", certificate, "-reqout", "request.der"]);
        let output = self.openssl(&args);
        assert!(output.status.success(), "{}", text(&output));
        std::fs::read(self.path("request.der")).unwrap()
    }
}

pub fn register(seed: u64) -> RegisterEntry {
    RegisterEntry {
        organisation_id: "o1".to_owned(),
        facility: FacilityIdentifier::from_random(seed),
        facility_active: true,
        terminal: TerminalIdentifier::from_random(seed),
        terminal_active: true,
        approval: Some(Approval { by: "p1".to_owned(), at: OffsetDateTime::UNIX_EPOCH }),
        key_compromised: false,
        key_used_by: None,
    }
}

pub fn request(key: &SoftwareKey, terminal: &TerminalIdentifier) -> VerifiedRequest {
    let subject = name(&[Part::CommonName(&terminal.to_string())]).unwrap();
    let info = to_be_signed(&subject, key.public_key_der()).unwrap();
    let signature = key.sign_now(&info).unwrap();
    let der = assemble(&info, key.algorithm().identifier(), &signature).unwrap();
    UnverifiedRequest::parse(&der).unwrap().verify().unwrap()
}

pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The folder that Cargo gives to integration tests, kept between runs.
pub fn target_tmp() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}
