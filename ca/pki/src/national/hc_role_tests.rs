use proptest::prelude::*;

use super::*;

/// Byte-identical to a genuine MEDIS test card's certificate.
const DOCTOR: &str = "303430320606288185420001312831263024a0223120a00c060a2a830886910f01060101a2100c0e4d65646963616c20446f63746f72";
const PHARMACIST: &str = "3030302e0606288185420001312431223020a01e311ca00c060a2a830886910f01060101a20c0c0a506861726d6163697374";
const DIRECTOR: &str = "303a30380606288185420001312e312c302aa0283126a00c060a2a830886910f01060101a2160c144469726563746f72206f6620486f73706974616c";
const BOTH: &str = "305e305c0606288185420001315231503024a0223120a00c060a2a830886910f01060101a2100c0e4d65646963616c20446f63746f723028a0263124a00c060a2a830886910f01060101a2140c124469726563746f72206f6620436c696e6963";
/// HCActor with codeDataValue "123"; the second with an empty regionalHCActorData.
const WITH_CODE: &str =
    "3027a0253123a00c060a2a830886910f01060101a1051203313233a20c0c0a506861726d6163697374";
const WITH_REGION: &str =
    "302ba0253123a00c060a2a830886910f01060101a1051203313233a20c0c0a506861726d6163697374a1023000";

fn names(hex_value: &str) -> Vec<String> {
    parse_extension(&hex::decode(hex_value).unwrap())
        .unwrap()
        .into_iter()
        .map(|role| role.name)
        .collect()
}

#[test]
fn the_published_values_are_read() {
    assert_eq!(names(DOCTOR), ["Medical Doctor"]);
    assert_eq!(names(PHARMACIST), ["Pharmacist"]);
    assert_eq!(names(DIRECTOR), ["Director of Hospital"]);
    assert_eq!(names(BOTH), ["Medical Doctor", "Director of Clinic"]);
    for actor in [WITH_CODE, WITH_REGION] {
        let role = parse_actor(&hex::decode(actor).unwrap()).unwrap();
        assert_eq!(role.name, "Pharmacist");
        assert_eq!(role.code.as_deref(), Some("123"));
        assert_eq!(role.coding_scheme, ID_JHPKI_CDATA);
    }
}

#[test]
fn what_we_write_is_byte_identical_to_the_genuine_value() {
    for (roles, expected) in [
        (vec!["Medical Doctor"], DOCTOR),
        (vec!["Pharmacist"], PHARMACIST),
        (vec!["Director of Clinic", "Medical Doctor"], BOTH),
    ] {
        assert_eq!(hex::encode(to_extension_value(&roles).unwrap()), expected);
    }
}

#[test]
fn members_of_the_set_may_stand_in_any_order() {
    let swapped = "303430320606288185420001312831263024a0223120a2100c0e4d65646963616c20446f63746f72a00c060a2a830886910f01060101";
    assert_eq!(names(swapped), ["Medical Doctor"]);
}

#[test]
fn an_unknown_role_is_kept_and_known_to_nobody() {
    let value = to_extension_value(&["medical doctor", "Wizard"]).unwrap();
    let roles = parse_extension(&value).unwrap();
    assert_eq!(roles.len(), 2);
    assert!(roles.iter().all(|role| role.known().is_none()));
    let foreign = HcRole {
        name: "Medical Doctor".to_owned(),
        coding_scheme: ObjectIdentifier::new_unwrap("1.2.3"),
        code: None,
    };
    assert!(foreign.known().is_none());
}

#[test]
fn other_attributes_are_passed_over_and_a_second_hcrole_is_refused() {
    // dateOfBirth (RFC 3739 §3.2.2) before the genuine attribute.
    let doctor = hex::decode(DOCTOR).unwrap();
    let birth = hex::decode(
        "301d06082b06010505070901311118 0f31393731303130313132303030305a".replace(' ', ""),
    )
    .unwrap();
    let both = [&birth[..], &doctor[2..]].concat();
    let mut value = vec![0x30, u8::try_from(both.len()).unwrap()];
    value.extend(both);
    assert_eq!(parse_extension(&value).unwrap().len(), 1);

    let mut twice = vec![0x30, u8::try_from((doctor.len() - 2) * 2).unwrap()];
    twice.extend(&doctor[2..]);
    twice.extend(&doctor[2..]);
    assert_eq!(
        parse_extension(&twice),
        Err(HcRoleError::Repeated { what: "the hcRole attribute" })
    );
}

#[test]
fn names_that_cannot_be_shown_are_refused() {
    for name in ["", "Medical\nDoctor", &"x".repeat(257)] {
        let value = to_extension_value(&[name]).unwrap();
        assert_eq!(parse_extension(&value), Err(HcRoleError::UnfitName));
    }
}

#[test]
fn a_crowd_of_roles_is_refused() {
    let many = vec!["Medical Doctor"; 17];
    let value = to_extension_value(&many).unwrap();
    assert_eq!(parse_extension(&value), Err(HcRoleError::TooMany));
}

#[test]
fn each_cut_and_each_flipped_octet_is_an_error_or_another_value() {
    let doctor = hex::decode(DOCTOR).unwrap();
    for end in 0..doctor.len() {
        assert!(parse_extension(&doctor[..end]).is_err());
    }
    let mut longer = doctor.clone();
    longer.push(0);
    assert!(parse_extension(&longer).is_err());
    for place in 0..doctor.len() {
        for bit in 0..8 {
            let mut flipped = doctor.clone();
            flipped[place] ^= 1 << bit;
            if let Ok(roles) = parse_extension(&flipped) {
                assert!(roles.iter().all(|role| role.known().is_none()));
            }
        }
    }
}

#[test]
fn the_table_is_whole() {
    let lines = include_str!("hc_roles.csv").lines().count() - 1;
    assert_eq!(known_roles().count(), lines);
    assert_eq!(known_roles().filter(|role| role.kind == RoleKind::Manager).count(), 5);
    assert_eq!(known("Medical Doctor").unwrap().japanese, "医師");
    assert_eq!(known("Medical Doctor").unwrap().confidence, Confidence::Seen);
    let mut names: Vec<_> = known_roles().map(|role| role.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), lines);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = parse_extension(&bytes);
        let _ = parse_actor(&bytes);
    }

    #[test]
    fn no_damage_to_a_good_value_panics(place in 0_usize..96, byte: u8) {
        let mut value = hex::decode(BOTH).unwrap();
        if let Some(slot) = value.get_mut(place) {
            *slot = byte;
        }
        let _ = parse_extension(&value);
    }
}
