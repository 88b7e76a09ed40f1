//! Crowds, loops and bombs: an answer within the budget, and never a wrong one.

use const_oid::ObjectIdentifier;
use der::asn1::Ia5String;
use sekisho_ca::lookalike::extension;
use sekisho_key::SoftwareKey;
use sekisho_pki::path::{
    self, Budget, PathError, PolicyInputs, PolicyRule, Purpose, Requirements, Revocation,
};
use x509_cert::ext::pkix::{
    CertificatePolicies, NameConstraints, PolicyMapping, PolicyMappings, SubjectAltName,
    certpolicy::PolicyInformation, constraints::name::GeneralSubtree, name::GeneralName,
};

use super::world::{Holder, authority, judge, named, now};

#[test]
fn a_path_is_found_among_a_thousand_cross_certificates() {
    let root = Holder::root("Root");
    let authorities: Vec<Holder> =
        (0..25).map(|number| Holder::root(&format!("Authority {number}"))).collect();
    // Everybody certifies everybody, with their own roots among them, and one is under our root.
    let mut crowd: Vec<Vec<u8>> = Vec::new();
    for issuer in &authorities {
        for subject in &authorities {
            for serial in 1..3 {
                crowd.push(issuer.certify(subject, serial));
            }
        }
    }
    assert!(crowd.len() > 1_000);
    let end_entity = authorities[0].end_entity(|_| ());
    let untrusted: Vec<&[u8]> = crowd.iter().map(Vec::as_slice).collect();
    let refused = judge(&end_entity, &untrusted, &root.anchors()).unwrap_err();
    assert!(matches!(refused, PathError::NoTrustedIssuer { .. }), "{refused:?}");

    let bridge = root.certify(&authorities[24], 9);
    let mut candidates = untrusted.clone();
    candidates.push(&bridge);
    let found = judge(&end_entity, &candidates, &root.anchors()).unwrap();
    assert_eq!(found.certificates_der().len(), 3, "the shortest");
}

#[test]
fn a_crowd_without_any_valid_path_ends_at_the_budget() {
    let root = Holder::root("Root");
    let authorities: Vec<Holder> =
        (0..12).map(|number| Holder::root(&format!("Authority {number}"))).collect();
    let mut crowd = Vec::new();
    for issuer in &authorities {
        for subject in &authorities {
            crowd.push(issuer.certify(subject, 1));
        }
    }
    // The only way in allows no authority below itself but names none that anybody has.
    let closed = {
        let mut forge =
            authority(&root.name, &root.key, &authorities[11].name, &authorities[11].key);
        let base = GeneralName::DirectoryName(named("Elsewhere"));
        let subtree = GeneralSubtree { base, minimum: 0, maximum: None };
        forge
            .put(
                true,
                &NameConstraints {
                    permitted_subtrees: Some(vec![subtree]),
                    excluded_subtrees: None,
                },
            )
            .unwrap();
        forge.sign(&root.key).unwrap()
    };
    crowd.push(closed);
    let candidates: Vec<&[u8]> = crowd.iter().map(Vec::as_slice).collect();
    let end_entity = authorities[0].end_entity(|_| ());
    let requirements = Requirements {
        budget: Budget { signatures: 1_000, ..Budget::default() },
        ..Requirements::new(Purpose::Any, Revocation::JudgedByCaller)
    };
    let refused =
        path::validate(&end_entity.der, &candidates, &root.anchors(), &requirements, now())
            .unwrap_err();
    // The reason of the paths that were tried is more useful than that not all were.
    assert!(matches!(refused, PathError::NameNotPermitted { .. }), "{refused:?}");
}

#[test]
fn a_loop_and_an_endless_chain_end() {
    let root = Holder::root("Root");
    let (left, right) = (Holder::root("Left"), Holder::root("Right"));
    let (one, other) = (left.certify(&right, 1), right.certify(&left, 2));
    let end_entity = left.end_entity(|_| ());
    let refused = judge(&end_entity, &[&one, &other], &root.anchors()).unwrap_err();
    assert!(matches!(refused, PathError::NoTrustedIssuer { .. }));

    let mut chain = vec![root.authority("Link 0", |_| ())];
    for number in 1..60 {
        let next = chain.last().unwrap().authority(&format!("Link {number}"), |_| ());
        chain.push(next);
    }
    let candidates: Vec<&[u8]> = chain.iter().map(|link| link.der.as_slice()).collect();
    let low = chain[20].end_entity(|_| ());
    assert_eq!(judge(&low, &candidates, &root.anchors()).unwrap().certificates_der().len(), 22);
    let deep = chain[59].end_entity(|_| ());
    let refused = judge(&deep, &candidates, &root.anchors()).unwrap_err();
    assert!(matches!(refused, PathError::TooDeep { .. }), "{refused:?}");
}

#[test]
fn a_depth_that_the_caller_sets_counts_authorities_that_are_not_self_issued() {
    let root = Holder::root("Root");
    let authority = root.authority("Authority", |_| ());
    let renewed = authority.authority("Authority", |_| ());
    let end_entity = renewed.end_entity(|_| ());
    let judged = |most| {
        let requirements = Requirements {
            most_depth: Some(most),
            ..Requirements::new(Purpose::Any, Revocation::JudgedByCaller)
        };
        let candidates: [&[u8]; 2] = [&renewed.der, &authority.der];
        path::validate(&end_entity.der, &candidates, &root.anchors(), &requirements, now())
    };
    assert!(judged(1).is_ok());
    assert!(matches!(judged(0), Err(PathError::TooDeep { most: 0, .. })));
}

#[test]
fn the_right_one_is_found_behind_an_expired_and_a_constrained_twin() {
    let root = Holder::root("Root");
    let authority_key = SoftwareKey::generate_p256().unwrap();
    let name = named("Authority");
    let twin = |change: &dyn Fn(&mut sekisho_ca::lookalike::Forge)| {
        let mut forge = authority(&root.name, &root.key, &name, &authority_key);
        change(&mut forge);
        forge.sign(&root.key).unwrap()
    };
    let expired = twin(&|forge| forge.not_after = now() - time::Duration::SECOND);
    let constrained = twin(&|forge| {
        let base = GeneralName::DirectoryName(named("Elsewhere"));
        let subtree = GeneralSubtree { base, minimum: 0, maximum: None };
        let constraints =
            NameConstraints { permitted_subtrees: Some(vec![subtree]), excluded_subtrees: None };
        forge.put(true, &constraints).unwrap();
    });
    let good = twin(&|forge| forge.serial = 3);
    let holder = Holder { name: name.clone(), key: authority_key, der: good.clone() };
    let end_entity = holder.end_entity(|_| ());
    assert!(judge(&end_entity, &[&expired, &constrained, &good], &root.anchors()).is_ok());
    let refused = judge(&end_entity, &[&expired], &root.anchors()).unwrap_err();
    assert!(matches!(refused, PathError::Expired { .. }));
    let refused = judge(&end_entity, &[&expired, &constrained], &root.anchors()).unwrap_err();
    assert!(matches!(refused, PathError::NameNotPermitted { .. }));
}

#[test]
fn many_names_times_many_constraints_end_at_the_budget() {
    let root = Holder::root("Root");
    let dns = |text: String| GeneralName::DnsName(Ia5String::new(&text).unwrap());
    let subtrees = |count| {
        (0..count)
            .map(|number| GeneralSubtree {
                base: dns(format!("x{number}.example")),
                minimum: 0,
                maximum: None,
            })
            .collect::<Vec<_>>()
    };
    let authority = root.authority("Authority", |forge| {
        let constraints =
            NameConstraints { permitted_subtrees: None, excluded_subtrees: Some(subtrees(600)) };
        forge.put(true, &constraints).unwrap();
    });
    let end_entity = authority.end_entity(|forge| {
        let names = (0..600).map(|number| dns(format!("y{number}.example"))).collect();
        forge.put(false, &SubjectAltName(names)).unwrap();
    });
    let judged = |budget| {
        let requirements =
            Requirements { budget, ..Requirements::new(Purpose::Any, Revocation::JudgedByCaller) };
        path::validate(&end_entity.der, &[&authority.der], &root.anchors(), &requirements, now())
    };
    assert!(matches!(judged(Budget::default()), Err(PathError::BudgetSpent { .. })));
    assert!(judged(Budget::generous()).is_ok());
}

/// CVE-2023-0464: each level maps each policy to all of the next, so that a tree would have
/// 30 to the power of its depth nodes.
#[test]
fn mappings_that_multiply_cost_a_graph_and_no_tree() {
    let policy = |number: usize| ObjectIdentifier::new(&format!("1.2.3.{number}")).unwrap();
    let policies = CertificatePolicies(
        (0..30)
            .map(|number| PolicyInformation {
                policy_identifier: policy(number),
                policy_qualifiers: None,
            })
            .collect(),
    );
    let mappings = PolicyMappings(
        (0..30)
            .flat_map(|from| (0..30).map(move |to| (from, to)))
            .map(|(from, to)| PolicyMapping {
                issuer_domain_policy: policy(from),
                subject_domain_policy: policy(to),
            })
            .collect(),
    );
    let root = Holder::root("Root");
    let mut chain = Vec::new();
    for number in 0..12 {
        let above = chain.last().unwrap_or(&root);
        let next = above.authority(&format!("Link {number}"), |forge| {
            forge.extensions.push(extension(false, &policies).unwrap());
            forge.extensions.push(extension(true, &mappings).unwrap());
        });
        chain.push(next);
    }
    let end_entity = chain.last().unwrap().end_entity(|forge| {
        forge.extensions.push(extension(false, &policies).unwrap());
    });
    let candidates: Vec<&[u8]> = chain.iter().map(|link| link.der.as_slice()).collect();
    let judged = |budget| {
        let requirements = Requirements {
            policy: PolicyRule::Processed(PolicyInputs { explicit: true, ..Default::default() }),
            budget,
            ..Requirements::new(Purpose::Any, Revocation::JudgedByCaller)
        };
        path::validate(&end_entity.der, &candidates, &root.anchors(), &requirements, now())
    };
    assert_eq!(
        judged(Budget { certificate_octets: 64 * 1024, ..Budget::generous() })
            .unwrap()
            .policies()
            .len(),
        30
    );
    let small = Budget { certificate_octets: 64 * 1024, ..Budget::default() };
    assert!(matches!(judged(small), Err(PathError::BudgetSpent { .. })));
}
