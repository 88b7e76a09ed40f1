//! The application form: what was typed, and what it amounts to.

use std::collections::BTreeMap;

use sekisho_pki::national::facility_code::Strictness;
use sekisho_store::{
    application::{Code, Particulars},
    organisation_kind::{CodeScheme, OrganisationKind},
};
use serde::Deserialize;

use super::{
    prefecture,
    typed::{self, FieldError},
};
use crate::{config::CodeCheck, form::LineError};

/// Longest name, in characters.
pub const MOST_NAME: usize = 100;
/// Longest address, in characters.
pub const MOST_ADDRESS: usize = 200;
const MOST_CONTACT_NAME: usize = 60;

/// What was typed, kept as it is for showing again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApplicationForm {
    /// What the form was given when it was shown; it can be sent once.
    pub form: String,
    /// Token of the kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Name in kana.
    pub name_kana: String,
    /// Number of the prefecture.
    pub prefecture: String,
    /// Postal code.
    pub postal_code: String,
    /// Address.
    pub address: String,
    /// 医療機関コード.
    pub medical_institution_code: String,
    /// A second one: dentistry in a hospital.
    pub medical_institution_code_2: String,
    /// 介護事業所番号.
    pub care_provider_code: String,
    /// Number given by the operating body.
    pub operator_assigned_code: String,
    /// Contact's name.
    pub contact_name: String,
    /// Contact's telephone.
    pub contact_phone: String,
    /// Contact's mail.
    pub contact_email: String,
    /// Sent by the language switch of a form that came back: it is shown again and not taken in.
    pub again: bool,
}

/// What is wrong, by field name.
pub type Errors = BTreeMap<&'static str, FieldError>;

impl ApplicationForm {
    /// Reads the whole form.
    ///
    /// # Errors
    /// [`Errors`]: everything that is wrong, so that one round of corrections is enough.
    pub fn check(&self, code_check: CodeCheck) -> Result<Particulars, Errors> {
        let mut errors = Errors::new();
        let kind = OrganisationKind::parse(&self.kind);
        if kind.is_none() {
            errors.insert("kind", required_or_choice(&self.kind));
        }
        let prefecture = prefecture::parse(&self.prefecture);
        if prefecture.is_none() {
            errors.insert("prefecture", required_or_choice(&self.prefecture));
        }
        let codes = self.codes(kind, code_check, &mut errors);
        let mut keep = |field, outcome: Result<String, FieldError>| match outcome {
            Ok(text) => text,
            Err(error) => {
                errors.insert(field, error);
                String::new()
            }
        };
        let name = keep("name", typed::line(&self.name, MOST_NAME));
        let name_kana = keep("name_kana", typed::kana(&self.name_kana, MOST_NAME));
        let postal_code = keep("postal_code", typed::postal_code(&self.postal_code));
        let address = keep("address", typed::line(&self.address, MOST_ADDRESS));
        let contact_name = keep("contact_name", typed::line(&self.contact_name, MOST_CONTACT_NAME));
        let contact_phone = keep("contact_phone", typed::phone(&self.contact_phone));
        let contact_email = keep("contact_email", typed::email(&self.contact_email));
        match (kind, prefecture) {
            (Some(kind), Some(prefecture)) if errors.is_empty() => Ok(Particulars {
                kind,
                name,
                name_kana,
                prefecture,
                postal_code,
                address,
                contact_name,
                contact_phone,
                contact_email,
                codes,
            }),
            _ => Err(errors),
        }
    }

    fn codes(
        &self,
        kind: Option<OrganisationKind>,
        code_check: CodeCheck,
        errors: &mut Errors,
    ) -> Vec<Code> {
        let strictness = strictness(code_check);
        let medical = |typed: &str| typed::medical_institution_code(typed, kind, strictness);
        let mut codes: Vec<Code> = Vec::new();
        let mut read = |field: &'static str, typed: &str, scheme, outcome: Result<String, _>| {
            if typed.trim().is_empty() {
                return;
            }
            let code = match outcome {
                Ok(value) => Code { scheme, value },
                Err(error) => {
                    errors.insert(field, error);
                    return;
                }
            };
            if codes.contains(&code) {
                errors.insert(field, FieldError::CodeRepeated);
            } else {
                codes.push(code);
            }
        };
        let (first, second) = (&self.medical_institution_code, &self.medical_institution_code_2);
        let institution = CodeScheme::MedicalInstitution;
        read("medical_institution_code", first, institution, medical(first));
        read("medical_institution_code_2", second, institution, medical(second));
        read(
            "care_provider_code",
            &self.care_provider_code,
            CodeScheme::CareProvider,
            typed::care_provider_code(&self.care_provider_code),
        );
        read(
            "operator_assigned_code",
            &self.operator_assigned_code,
            CodeScheme::OperatorAssigned,
            typed::operator_assigned_code(&self.operator_assigned_code),
        );
        if let Some(field) = kind.and_then(|kind| self.code_missing(kind)) {
            errors.insert(field, FieldError::CodeNeeded);
        }
        codes
    }

    /// The field of a code that this kind of organisation must give and that is empty.
    fn code_missing(&self, kind: OrganisationKind) -> Option<&'static str> {
        let empty = |typed: &str| typed.trim().is_empty();
        let (field, missing) = match kind {
            OrganisationKind::Hospital
            | OrganisationKind::Clinic
            | OrganisationKind::DentalClinic
            | OrganisationKind::Pharmacy => {
                ("medical_institution_code", empty(&self.medical_institution_code))
            }
            // A station may claim from either insurance.
            OrganisationKind::VisitingNursing => (
                "medical_institution_code",
                empty(&self.medical_institution_code) && empty(&self.care_provider_code),
            ),
            OrganisationKind::CareFacility => {
                ("care_provider_code", empty(&self.care_provider_code))
            }
            OrganisationKind::ServiceProvider
            | OrganisationKind::RegionalNetwork
            | OrganisationKind::Government
            | OrganisationKind::Vendor
            | OrganisationKind::DataCollector => return None,
        };
        missing.then_some(field)
    }
}

/// How codes are read under this configuration.
#[must_use]
pub fn strictness(code_check: CodeCheck) -> Strictness {
    match code_check {
        CodeCheck::Strict => Strictness::Strict,
        CodeCheck::Warn => Strictness::Warn,
    }
}

fn required_or_choice(typed: &str) -> FieldError {
    if typed.is_empty() { LineError::Required.into() } else { FieldError::Choice }
}

#[cfg(test)]
pub(crate) fn example() -> ApplicationForm {
    ApplicationForm {
        form: {
            let shown = uuid::Uuid::new_v4();
            sekisho_protocol::octets::encode([shown.into_bytes(), shown.into_bytes()].concat())
        },
        kind: "hospital".into(),
        name: "青葉総合病院".into(),
        name_kana: "アオバソウゴウビョウイン".into(),
        prefecture: "13".into(),
        postal_code: "100-0001".into(),
        address: "東京都千代田区千代田1-1".into(),
        medical_institution_code: "1311000010".into(),
        contact_name: "中村 直樹".into(),
        contact_phone: "03-0000-0000".into(),
        contact_email: "nakamura@example.jp".into(),
        ..ApplicationForm::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_form_is_accepted() {
        let read = example().check(CodeCheck::Strict).unwrap();
        assert_eq!(read.kind, OrganisationKind::Hospital);
        assert_eq!(read.prefecture, 13);
        assert_eq!(read.codes.len(), 1);
    }

    #[test]
    fn an_empty_form_names_every_field_that_is_missing_at_once() {
        let errors = ApplicationForm::default().check(CodeCheck::Strict).unwrap_err();
        let fields: Vec<_> = errors.keys().copied().collect();
        assert_eq!(
            fields,
            [
                "address",
                "contact_email",
                "contact_name",
                "contact_phone",
                "kind",
                "name",
                "name_kana",
                "postal_code",
                "prefecture"
            ]
        );
        assert!(errors.values().all(|error| *error == LineError::Required.into()));
    }

    #[test]
    fn kinds_must_give_their_codes_and_none_twice() {
        let with = |change: fn(&mut ApplicationForm)| {
            let mut form = example();
            change(&mut form);
            form.check(CodeCheck::Strict)
        };
        let missing = with(|form| form.medical_institution_code.clear()).unwrap_err();
        assert_eq!(missing["medical_institution_code"], FieldError::CodeNeeded);
        let care = with(|form| form.kind = "care_facility".into()).unwrap_err();
        assert_eq!(care["care_provider_code"], FieldError::CodeNeeded);
        let twice = with(|form| form.medical_institution_code_2 = "1311000010".into());
        assert_eq!(twice.unwrap_err()["medical_institution_code_2"], FieldError::CodeRepeated);
        let network = with(|form| {
            form.kind = "regional_network".into();
            form.medical_institution_code.clear();
        });
        assert!(network.unwrap().codes.is_empty());
    }

    #[test]
    fn an_unknown_kind_or_prefecture_is_no_choice() {
        let form = ApplicationForm { kind: "castle".into(), prefecture: "48".into(), ..example() };
        let errors = form.check(CodeCheck::Strict).unwrap_err();
        assert_eq!(
            (errors["kind"], errors["prefecture"]),
            (FieldError::Choice, FieldError::Choice)
        );
    }

    #[test]
    fn a_wrong_check_digit_is_refused_only_in_strict_mode() {
        let form = ApplicationForm { medical_institution_code: "1311000011".into(), ..example() };
        assert!(
            form.check(CodeCheck::Strict).unwrap_err().contains_key("medical_institution_code")
        );
        assert_eq!(form.check(CodeCheck::Warn).unwrap().codes[0].value, "1311000011");
    }
}
