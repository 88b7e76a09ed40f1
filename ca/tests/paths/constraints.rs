//! Name constraints and anchors' own constraints, over whole paths.

use const_oid::ObjectIdentifier;
use der::{
    Encode,
    asn1::{Any, Ia5String, OctetString},
};
use sekisho_ca::lookalike::Forge;
use sekisho_pki::path::{
    self, Anchors, PathError, PeerName, Purpose, Requirements, Revocation, TrustAnchor,
};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, NameConstraints, SubjectAltName,
    SubjectKeyIdentifier,
    constraints::name::GeneralSubtree,
    name::{GeneralName, OtherName},
};

use super::world::{Holder, authority, judge, named, now};

fn dns(text: &str) -> GeneralName {
    GeneralName::DnsName(Ia5String::new(text).unwrap())
}

fn other_name() -> GeneralName {
    let type_id = ObjectIdentifier::new_unwrap("1.2.3.4");
    GeneralName::OtherName(OtherName { type_id, value: Any::null() })
}

fn subtree(base: GeneralName) -> GeneralSubtree {
    GeneralSubtree { base, minimum: 0, maximum: None }
}

fn permitting(subtrees: Vec<GeneralSubtree>) -> impl FnOnce(&mut Forge) {
    move |forge| {
        let constraints =
            NameConstraints { permitted_subtrees: Some(subtrees), excluded_subtrees: None };
        forge.put(true, &constraints).unwrap();
    }
}

fn with_names(names: Vec<GeneralName>) -> impl FnOnce(&mut Forge) {
    move |forge| forge.put(false, &SubjectAltName(names)).unwrap()
}

fn below(subtrees: Vec<GeneralSubtree>, names: Vec<GeneralName>) -> Result<(), PathError> {
    let root = Holder::root("Root");
    let authority = root.authority("Authority", permitting(subtrees));
    let end_entity = authority.end_entity(with_names(names));
    judge(&end_entity, &[&authority.der], &root.anchors()).map(drop)
}

#[test]
fn a_name_of_a_constrained_form_must_be_permitted_and_others_are_free() {
    let permitted = || vec![subtree(dns("example.jp"))];
    assert_eq!(below(permitted(), vec![dns("a.example.jp")]), Ok(()));
    assert_eq!(below(permitted(), vec![other_name()]), Ok(()));
    for names in [vec![dns("example.com")], vec![dns("a.example.jp"), dns("example.com")]] {
        let refused = below(permitted(), names);
        assert!(matches!(refused, Err(PathError::NameNotPermitted { .. })), "{refused:?}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused_only_where_it_matters() {
    let minimum = GeneralSubtree { base: dns("example.jp"), minimum: 1, maximum: None };
    let maximum = GeneralSubtree { base: dns("example.jp"), minimum: 0, maximum: Some(3) };
    for odd in [minimum, maximum, subtree(dns(".example.jp")), subtree(dns("*.example.jp"))] {
        let refused = below(vec![odd.clone()], vec![dns("a.example.jp")]);
        assert!(matches!(refused, Err(PathError::NameNotPermitted { .. })), "{refused:?}");
        assert_eq!(below(vec![odd], vec![other_name()]), Ok(()));
    }
    let refused = below(vec![subtree(other_name())], vec![other_name()]);
    assert!(matches!(refused, Err(PathError::NameNotPermitted { .. })));
}

#[test]
fn constraints_narrow_from_authority_to_authority() {
    let root = Holder::root("Root");
    let upper = root.authority("Upper", permitting(vec![subtree(dns("example.jp"))]));
    let lower = upper.authority("Lower", permitting(vec![subtree(dns("jp"))]));
    let judged = |name| {
        let end_entity = lower.end_entity(with_names(vec![dns(name)]));
        judge(&end_entity, &[&upper.der, &lower.der], &root.anchors())
    };
    assert!(judged("a.example.jp").is_ok());
    assert!(matches!(judged("a.other.jp"), Err(PathError::NameNotPermitted { .. })));
}

#[test]
fn an_anchors_own_constraints_hold_if_they_are_enforced() {
    let key = sekisho_key::SoftwareKey::generate_p256().unwrap();
    let name = named("Root");
    let anchor = |change: &dyn Fn(&mut Forge)| {
        let mut forge = authority(&name, &key, &name, &key);
        change(&mut forge);
        forge.sign(&key).unwrap()
    };
    let constrained = anchor(&|forge| permitting(vec![subtree(dns("example.jp"))])(forge));
    let short = anchor(&|forge| {
        forge.put(true, &BasicConstraints { ca: true, path_len_constraint: Some(0) }).unwrap();
    });
    let no_authority = anchor(&|forge| forge.drop_extension::<BasicConstraints>());
    let odd = anchor(&|forge| {
        forge.extensions.push(x509_cert::ext::Extension {
            extn_id: ObjectIdentifier::new_unwrap("1.2.3.4"),
            critical: true,
            extn_value: OctetString::new(der::asn1::Null.to_der().unwrap()).unwrap(),
        });
    });
    let root = Holder { name: name.clone(), der: constrained.clone(), key };
    let middle = root.authority("Authority", |_| ());
    let end_entity = middle.end_entity(with_names(vec![dns("example.com")]));
    for der in [constrained, short, no_authority, odd] {
        let anchors = Anchors::new(vec![TrustAnchor::from_der(&der).unwrap()]);
        let judged = |enforce_anchor_constraints| {
            let requirements = Requirements {
                enforce_anchor_constraints,
                ..Requirements::new(Purpose::Any, Revocation::JudgedByCaller)
            };
            path::validate(&end_entity.der, &[&middle.der], &anchors, &requirements, now())
        };
        assert!(judged(false).is_ok());
        assert!(judged(true).is_err());
    }
}

#[test]
fn the_name_that_was_asked_for_must_be_there() {
    let root = Holder::root("Root");
    let end_entity = root.end_entity(with_names(vec![dns("*.example.jp")]));
    let judged = |name: &PeerName| {
        let requirements = Requirements {
            name: Some(name),
            ..Requirements::new(Purpose::PkixClient, Revocation::JudgedByCaller)
        };
        path::validate(&end_entity.der, &[], &root.anchors(), &requirements, now())
    };
    assert!(judged(&PeerName::dns("www.example.jp").unwrap()).is_ok());
    for other in [
        PeerName::dns("example.jp").unwrap(),
        PeerName::Ip([192, 0, 2, 1].into()),
        PeerName::email("a@www.example.jp").unwrap(),
    ] {
        assert!(matches!(judged(&other), Err(PathError::NameMismatch { .. })));
    }
}

#[test]
fn what_issuers_must_keep_to_is_asked_unless_the_caller_bears_with_them() {
    let root = Holder::root("Root");
    let judged = |middle: &Holder, end_entity: &Holder, anchors: &Anchors, conforming| {
        let requirements = Requirements {
            conforming,
            ..Requirements::new(Purpose::Any, Revocation::JudgedByCaller)
        };
        path::validate(&end_entity.der, &[&middle.der], anchors, &requirements, now())
    };
    let plain = |_: &mut Forge| ();
    let nameless = |forge: &mut Forge| forge.drop_extension::<SubjectKeyIdentifier>();
    let fatherless = |forge: &mut Forge| forge.drop_extension::<AuthorityKeyIdentifier>();
    let optional = |forge: &mut Forge| {
        let constraints = NameConstraints {
            permitted_subtrees: Some(vec![subtree(dns("example.jp"))]),
            excluded_subtrees: None,
        };
        forge.put(false, &constraints).unwrap();
    };
    let good = root.authority("Authority", plain);
    let careless =
        [(&good, good.end_entity(fatherless)), (&good, good.end_entity(|forge| forge.serial = 0))];
    let made = [nameless as fn(&mut Forge), fatherless, optional]
        .map(|change| root.authority("Authority", change));
    let below = made.each_ref().map(|middle| (middle, middle.end_entity(plain)));
    for (middle, end_entity) in careless.iter().chain(&below) {
        let refused = judged(middle, end_entity, &root.anchors(), true);
        assert!(matches!(refused, Err(PathError::NonConforming { .. })), "{refused:?}");
        assert!(judged(middle, end_entity, &root.anchors(), false).is_ok());
    }
    // An anchor is asked as its constraints are.
    let mut forge = authority(&root.name, &root.key, &root.name, &root.key);
    nameless(&mut forge);
    let der = forge.sign(&root.key).unwrap();
    let anchors = Anchors::new(vec![TrustAnchor::from_der(&der).unwrap()]);
    let end_entity = good.end_entity(plain);
    let refused = judged(&good, &end_entity, &anchors, true);
    assert!(matches!(refused, Err(PathError::NonConforming { .. })), "{refused:?}");
    assert!(judged(&good, &end_entity, &anchors, false).is_ok());
    assert!(judged(&good, &end_entity, &root.anchors(), true).is_ok());
}
