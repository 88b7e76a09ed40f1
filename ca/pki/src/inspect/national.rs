//! What is particular to healthcare in Japan, in words: the facility behind a certificate, the
//! profession in hcRole, the four attributes of JPKI.

use super::{
    Context,
    field::Field,
    oid,
    report::{Object, Value},
    strings,
    term::Term,
    time_value,
};
use crate::{
    encoding::{
        permanent_identifier::PermanentIdentifier,
        tlv::{Malformed, Tag, Tlv},
    },
    national::{
        facility_identifier::FacilityIdentifier,
        hc_role::{self, Confidence, HcRole, HcRoleError, RoleKind},
    },
};

/// OtherName (RFC 5280 §4.2.1.6): ours, JPKI's, or octets.
pub(super) fn other_name(object: Object, tlv: Tlv<'_>) -> Result<Object, Malformed> {
    let mut members = tlv.children()?;
    let kind = members.next_as(Tag::OID, "OtherName.type-id")?;
    let value = members.next_as(Tag::context(0), "OtherName.value")?.only()?;
    members.finish()?;
    let name = oid::text(&kind);
    let object = object
        .with(Field::OtherNameType, oid::value(&kind))
        .with_some(Field::Meaning, oid::meaning(&name));
    Ok(match oid::meaning(&name) {
        Some(Term::MeansPermanentIdentifier) => permanent_identifier(object, &value)?,
        Some(Term::JpkiSex) => coded(object, &value, sex),
        Some(Term::JpkiBirth) => coded(object, &value, birth),
        _ if strings::decode(&value).is_some() => object.with(Field::Value, strings::value(&value)),
        _ => object
            .with(Field::Remark, Term::Unknown)
            .with(Field::Octets, Value::octets(value.whole)),
    })
}

fn permanent_identifier(object: Object, value: &Tlv<'_>) -> Result<Object, Malformed> {
    use der::Decode;
    let identifier = PermanentIdentifier::from_der(value.whole)
        .map_err(|_| value.expected("PermanentIdentifier"))?;
    let ours = identifier.assigner == Some(sekisho_wire::oid::FACILITY_IDENTIFIER);
    let verdict = match (&identifier.identifier_value, ours) {
        (_, false) => Term::AssignerForeign,
        (Some(value), true) if FacilityIdentifier::parse(value).is_ok() => Term::FacilityWellFormed,
        (_, true) => Term::FacilityMalformed,
    };
    Ok(object
        .with_some(Field::Identifier, identifier.identifier_value)
        .with_some(
            Field::Assigner,
            identifier.assigner.map(|assigner| oid::of(assigner.to_string())),
        )
        .with(Field::Verdict, verdict))
}

/// A text and what it stands for.
fn coded(object: Object, value: &Tlv<'_>, read: impl Fn(&str) -> Option<Value>) -> Object {
    let Some(decoded) = strings::decode(value) else {
        return object.with(Field::Octets, Value::octets(value.whole));
    };
    let meaning = read(&decoded.text);
    object.with(Field::Value, decoded.text).with_some(Field::ReadAs, meaning)
}

fn sex(text: &str) -> Option<Value> {
    let term = match text {
        "1" => Term::SexMale,
        "2" => Term::SexFemale,
        "3" => Term::SexUnknown,
        _ => return None,
    };
    Some(term.into())
}

/// 生年月日: a digit for the era, then the date in the Gregorian calendar; zeros where unknown.
fn birth(text: &str) -> Option<Value> {
    let date = text.get(1..).filter(|date| date.bytes().all(|octet| octet.is_ascii_digit()))?;
    if text.len() != 9 || !matches!(text.as_bytes().first(), Some(b'1'..=b'5')) {
        return None;
    }
    if date.bytes().all(|octet| octet == b'0') {
        return Some(Term::BirthUnknown.into());
    }
    Some(Value::Text(format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..])))
}

/// SubjectDirectoryAttributes (RFC 5280 §4.2.1.8), hcRole among them.
pub(super) fn directory_attributes(
    context: &Context<'_>,
    extension: &Tlv<'_>,
    der: Tlv<'_>,
) -> Result<Value, Malformed> {
    let attributes = der.members(Tag::SEQUENCE, "SubjectDirectoryAttributes")?;
    context.list(attributes, |attribute| {
        let mut parts = attribute.members(Tag::SEQUENCE, "Attribute")?;
        let kind = parts.next_as(Tag::OID, "Attribute.type")?;
        let values = parts.next_as(Tag::SET, "Attribute.values")?;
        parts.finish()?;
        let name = oid::text(&kind);
        let mut object = Object::new()
            .with(Field::Type, oid::value(&kind))
            .with_some(Field::Meaning, oid::meaning(&name));
        match oid::name(&name) {
            Some("hcRole") => match hc_role::parse_extension(extension.value) {
                Ok(found) => {
                    object.set(Field::Roles, found.iter().map(role).collect::<Vec<_>>());
                }
                Err(error) => {
                    object.set(Field::Remark, role_error(error));
                    object.set(Field::Octets, Value::octets(values.value));
                }
            },
            Some(_) => {
                let list = context.list(values.children()?, |value| {
                    Ok(match value.tag {
                        Tag::GENERALIZED_TIME => time_value::value(&value),
                        _ => strings::value(&value),
                    })
                })?;
                object.set(Field::Values, list);
            }
            None => {
                object.set(Field::Remark, Term::Unknown);
                object.set(Field::Octets, Value::octets(values.value));
            }
        }
        Ok(object.into())
    })
}

fn role(role: &HcRole) -> Value {
    let object = Object::new()
        .with(Field::RoleName, role.name.clone())
        .with(Field::CodingScheme, oid::of(role.coding_scheme.to_string()))
        .with_some(Field::Code, role.code.clone());
    let Some(known) = role.known() else {
        return object.with(Field::Verdict, Term::RoleUnknown).into();
    };
    let kind = match known.kind {
        RoleKind::Licence => Term::RoleLicence,
        RoleKind::Manager => Term::RoleManager,
    };
    let confidence = match known.confidence {
        Confidence::Seen => Term::SpellingSeen,
        Confidence::Read => Term::SpellingRead,
        Confidence::Remembered => Term::SpellingRemembered,
    };
    object
        .with(Field::Profession, known.japanese.to_owned())
        .with(Field::Verdict, kind)
        .with(Field::Spelling, confidence)
        .into()
}

const fn role_error(error: HcRoleError) -> Term {
    match error {
        HcRoleError::Malformed { .. } => Term::RolesMalformed,
        HcRoleError::TooMany => Term::RolesTooMany,
        HcRoleError::Repeated { .. } => Term::RolesRepeated,
        HcRoleError::UnfitName => Term::RolesUnfitName,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birth_date_is_read_and_an_unknown_one_is_called_so() {
        assert_eq!(birth("419900102"), Some(Value::Text("1990-01-02".to_owned())));
        assert_eq!(birth("400000000"), Some(Term::BirthUnknown.into()));
        for wrong in ["", "919900102", "41990010", "4199001023", "4１９９００１０", "4199O0102"]
        {
            assert_eq!(birth(wrong), None, "{wrong}");
        }
    }
}
