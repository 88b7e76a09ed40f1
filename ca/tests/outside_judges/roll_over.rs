//! A root's roll-over: a new root, and the two certified by each other (RFC 9810 §4.4).

use std::{collections::BTreeMap, sync::Arc};

use sekisho_ca::{
    authority::{Authority, Publication},
    ceremony::{Ceremony, Journal, JournalError, Keys, Live, Material, Plan, Step},
    record::IssuedCertificate,
    revocation::CrlPartitions,
};
use sekisho_key::{SigningKey, SoftwareKey};
use time::{Duration, format_description::well_known::Rfc3339};

use super::world::{World, text};

/// The new root, new-with-old, old-with-new, an issuing authority of the new root.
pub struct RollOver {
    pub certificates: Vec<IssuedCertificate>,
    pub crl_der: Vec<u8>,
    /// The new issuing authority.
    pub terminals_2: Authority,
}

const PUBLICATION: &str = "http://plain.sekisho.localhost:8080";

impl RollOver {
    pub async fn of(world: &World) -> Self {
        let old = &world.made.root;
        let begins = world.now.format(&Rfc3339).unwrap();
        let ends = (world.now + Duration::days(3652)).format(&Rfc3339).unwrap();
        let mut plan = format!(
            "title = 'roll-over'\nat = '{begins}'\norganisation = 'Example Operating Body'
publication = '{PUBLICATION}'\n"
        );
        for name in ["root", "root-2", "terminals-2"] {
            plan += &format!("[[key]]\nname = '{name}'\nkind = 'p384'\nfile = '{name}.p8'\n");
        }
        plan += "[[authority]]\nid = 'root'\nkey = 'root'\ncertificate = 'root.crt'\n";
        for (id, name) in [("root-2", "Root CA"), ("terminals-2", "Terminal CA")] {
            let common_name = format!("Example Healthcare Network G2 {name}");
            plan += &format!(
                "[[authority]]\nid = '{id}'\nkey = '{id}'\ncommon_name = '{common_name}'\n"
            );
        }
        for (profile, subject, issuer) in [
            ("root", "root-2", "root-2"),
            ("cross", "root-2", "root"),
            ("cross", "root", "root-2"),
            ("issuing", "terminals-2", "root-2"),
        ] {
            plan += &format!(
                "[[certificate]]\nprofile = '{profile}'\nsubject = '{subject}'
issuer = '{issuer}'\nuntil = '{ends}'\n"
            );
        }
        plan += "[[crl]]\nissuer = 'root-2'\nnumber = 1\ndays = 366\n";
        let plan = Plan::from_toml(&plan).unwrap();
        let keys = Keys::from([
            ("root".to_owned(), old.key.clone() as Arc<dyn SigningKey>),
            ("root-2".to_owned(), Arc::new(SoftwareKey::generate_p384().unwrap())),
            ("terminals-2".to_owned(), Arc::new(SoftwareKey::generate_p384().unwrap())),
        ]);
        let material = Material {
            public_keys: keys
                .iter()
                .map(|(name, key)| (name.clone(), key.public_key_der().to_vec()))
                .collect(),
            certificates: BTreeMap::from([("root".to_owned(), old.certificate.der.clone())]),
        };
        let ceremony = Ceremony::prepare(&plan, &material, &[3; 32]).unwrap();
        let live = Live {
            reviewed_hash: ceremony.statement().hash(),
            operator: "test",
            now: world.now,
            journal: &InMemory,
            progress: &|_, _| (),
        };
        let outcome = ceremony.run(&keys, &live).await.unwrap();
        let crl_der = outcome.results.last().unwrap().der.clone();
        let certificates: Vec<_> =
            outcome.results.into_iter().filter_map(|made| made.certificate).collect();
        let der = &certificates.last().unwrap().der;
        let publication =
            Publication::under(PUBLICATION, "terminals-2", true).divided(CrlPartitions::new(128));
        let key = keys["terminals-2"].clone();
        let terminals_2 = Authority::new("terminals-2", der, key, publication).unwrap();
        Self { certificates, crl_der, terminals_2 }
    }
}

struct InMemory;

impl Journal for InMemory {
    fn find(&self, _: &Step) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(None)
    }

    fn intend(&self, _: &Step) -> Result<(), JournalError> {
        Ok(())
    }

    fn keep(&self, _: &Step, _: &[u8]) -> Result<(), JournalError> {
        Ok(())
    }
}

#[tokio::test]
async fn who_knows_one_root_accepts_what_the_other_certified() {
    let world = World::new().await;
    let RollOver { certificates, crl_der, .. } = RollOver::of(&world).await;
    let [new_root, new_by_old, old_by_new, terminals_2] = &certificates[..] else { panic!() };
    world.pem("root-2.pem", "CERTIFICATE", &new_root.der);
    world.pem("new-by-old.pem", "CERTIFICATE", &new_by_old.der);
    world.pem("old-by-new.pem", "CERTIFICATE", &old_by_new.der);
    world.pem("terminals-2.pem", "CERTIFICATE", &terminals_2.der);
    world.pem("root-2.crl", "X509 CRL", &crl_der);
    let verify = |root: &str, over: &[&str], leaf: &str| {
        let mut args = vec!["verify", "-x509_strict", "-check_ss_sig", "-trusted", root];
        for crl in ["root.crl", "root-2.crl"] {
            args.extend(["-CRLfile", crl]);
        }
        args.push("-crl_check_all");
        for certificate in over {
            args.extend(["-untrusted", certificate]);
        }
        args.push(leaf);
        let output = world.openssl(&args);
        (output.status.success(), text(&output))
    };
    for (root, over, leaf, holds) in [
        ("root-2.pem", &[][..], "terminals-2.pem", true),
        ("root.pem", &["new-by-old.pem"], "terminals-2.pem", true),
        ("root-2.pem", &["old-by-new.pem"], "terminals.pem", true),
        ("root.pem", &[], "terminals-2.pem", false),
        ("root-2.pem", &[], "terminals.pem", false),
        ("root.pem", &["old-by-new.pem"], "terminals-2.pem", false),
    ] {
        let (held, said) = verify(root, over, leaf);
        assert_eq!(held, holds, "{root} {over:?} {leaf}: {said}");
    }
}
