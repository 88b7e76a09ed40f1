//! What people type, made uniform and checked, one field at a time.

use sekisho_pki::national::facility_code::{
    CodeError, CodeFinding, FeeTable, MedicalInstitutionCode, Strictness,
};
use sekisho_store::organisation_kind::OrganisationKind;
use unicode_normalization::UnicodeNormalization;

use crate::{
    catalogue::Text,
    form::{self, LineError},
    people::mailbox::{self, MailboxError},
};

/// What is wrong with one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldError {
    /// No line of text.
    Line(LineError),
    /// Not one of the choices.
    Choice,
    /// Not katakana.
    Kana,
    /// Not seven digits.
    PostalCode,
    /// Not a telephone number.
    Phone,
    /// Not a mail address.
    Email,
    /// Not ten digits.
    NotTenDigits,
    /// Refused by what the digits say.
    Finding(CodeFinding),
    /// The fee table in the code is not one of this kind of organisation.
    CodeOfOtherKind,
    /// Not the form of a 介護事業所番号.
    CareProvider,
    /// Not the form of a number of the operating body.
    OperatorAssigned,
    /// This kind of organisation must give this code.
    CodeNeeded,
    /// The same code twice.
    CodeRepeated,
}

impl FieldError {
    /// In words.
    #[must_use]
    pub fn words(self, text: &Text) -> String {
        match self {
            Self::Line(error) => error.words(text),
            Self::Choice => text.t("register-error-choice"),
            Self::Kana => text.t("register-error-kana"),
            Self::PostalCode => text.t("register-error-postal-code"),
            Self::Phone => text.t("register-error-phone"),
            Self::Email => text.t("register-error-email"),
            Self::NotTenDigits => text.t("register-error-ten-digits"),
            Self::Finding(finding) => finding_words(finding, text),
            Self::CodeOfOtherKind => text.t("register-error-code-kind"),
            Self::CareProvider => text.t("register-error-care-provider"),
            Self::OperatorAssigned => text.t("register-error-operator-assigned"),
            Self::CodeNeeded => text.t("register-error-code-needed"),
            Self::CodeRepeated => text.t("register-error-code-repeated"),
        }
    }
}

impl From<LineError> for FieldError {
    fn from(error: LineError) -> Self {
        Self::Line(error)
    }
}

/// A reason to look twice at a code, in words.
#[must_use]
pub fn finding_words(finding: CodeFinding, text: &Text) -> String {
    match finding {
        CodeFinding::Prefecture { found } => {
            text.t1("register-finding-prefecture", "found", format!("{found:02}"))
        }
        CodeFinding::FeeTable { found } => text.t1("register-finding-fee-table", "found", found),
        CodeFinding::CheckDigit { .. } => text.t("register-finding-check-digit"),
        CodeFinding::UnusualNumber { found } => {
            text.t1("register-finding-number", "found", format!("{found:04}"))
        }
    }
}

/// One line of text, by the rule of every form.
///
/// # Errors
/// [`FieldError::Line`].
pub fn line(typed: &str, most: usize) -> Result<String, FieldError> {
    Ok(form::line(typed, most)?)
}

/// Several lines of text, by the same rules; line breaks are kept.
///
/// # Errors
/// [`FieldError::Line`].
pub fn lines(typed: &str, most: usize) -> Result<String, FieldError> {
    Ok(form::lines(typed, most)?)
}

/// Katakana, whatever kana and width was typed.
///
/// # Errors
/// [`FieldError`].
pub fn kana(typed: &str, most: usize) -> Result<String, FieldError> {
    let folded: String = line(typed, most)?
        .nfkc()
        .map(|c| match c {
            // Hiragana and katakana stand in the same order, 0x60 apart (U+3041 to U+3096).
            '\u{3041}'..='\u{3096}' => char::from_u32(c as u32 + 0x60).unwrap_or(c),
            other => other,
        })
        .collect();
    let fits = |c: char| {
        matches!(c, '\u{30a1}'..='\u{30fa}' | 'ー' | '・' | ' ' | '-' | '.')
            || c.is_ascii_alphanumeric()
    };
    if folded.chars().all(fits) && folded.chars().any(|c| matches!(c, '\u{30a1}'..='\u{30fa}')) {
        line(&folded, most)
    } else {
        Err(FieldError::Kana)
    }
}

/// Katakana that may be left out.
///
/// # Errors
/// [`FieldError`].
pub fn kana_if_any(typed: &str, most: usize) -> Result<String, FieldError> {
    match kana(typed, most) {
        Err(FieldError::Line(LineError::Required)) => Ok(String::new()),
        read => read,
    }
}

/// Full-width forms to ASCII, hyphens of all kinds to `-`.
fn ascii(typed: &str) -> String {
    typed
        .trim()
        .nfkc()
        .map(|c| match c {
            '\u{2010}'..='\u{2015}' | '\u{2212}' | 'ー' => '-',
            other => other,
        })
        .collect()
}

/// A code's characters. One that nobody sees would be called a missing digit, and be looked for in vain.
fn code(typed: &str) -> Result<String, FieldError> {
    if form::holds_invisible(typed.trim()) {
        return Err(LineError::Invisible.into());
    }
    Ok(ascii(typed))
}

/// A postal code as `NNN-NNNN`.
///
/// # Errors
/// [`FieldError`].
pub fn postal_code(typed: &str) -> Result<String, FieldError> {
    line(typed, 20)?;
    let digits: String = ascii(typed).chars().filter(|c| !matches!(c, '-' | '〒' | ' ')).collect();
    if digits.len() == 7 && digits.bytes().all(|b| b.is_ascii_digit()) {
        Ok(format!("{}-{}", &digits[..3], &digits[3..]))
    } else {
        Err(FieldError::PostalCode)
    }
}

/// A telephone number: 9 to 15 digits, `+` before and `-`, `(`, `)` and spaces between.
///
/// # Errors
/// [`FieldError`].
pub fn phone(typed: &str) -> Result<String, FieldError> {
    line(typed, 30)?;
    let text = ascii(typed);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = |(at, c): (usize, char)| {
        c.is_ascii_digit() || matches!(c, '-' | '(' | ')' | ' ') || (c == '+' && at == 0)
    };
    if (9..=15).contains(&digits) && text.char_indices().all(plain) {
        Ok(text)
    } else {
        Err(FieldError::Phone)
    }
}

/// A mailbox, by the rule of every form.
///
/// # Errors
/// [`FieldError`].
pub fn email(typed: &str) -> Result<String, FieldError> {
    let text = line(typed, mailbox::MOST_OCTETS)?;
    mailbox::read(&text).map_err(|error| match error {
        MailboxError::Invisible => LineError::Invisible.into(),
        MailboxError::Form => FieldError::Email,
    })
}

/// A 医療機関コード for an organisation of this kind, with what one should look at twice.
///
/// # Errors
/// [`FieldError`]; [`FieldError::Finding`] and [`FieldError::CodeOfOtherKind`] only when strict.
pub fn medical_institution_code(
    typed: &str,
    kind: Option<OrganisationKind>,
    strictness: Strictness,
) -> Result<String, FieldError> {
    let text: String = code(typed)?.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let (code, _) =
        MedicalInstitutionCode::parse(&text, strictness).map_err(|error| match error {
            CodeError::NotTenDigits => FieldError::NotTenDigits,
            CodeError::Finding(finding) => FieldError::Finding(finding),
        })?;
    if strictness == Strictness::Strict
        && let Some(kind) = kind
        && !code.fee_table().is_some_and(|table| table_fits(table, kind))
    {
        return Err(FieldError::CodeOfOtherKind);
    }
    Ok(code.to_string())
}

/// Whether an organisation of this kind claims by this fee table. A hospital with dentistry claims
/// by two; kinds that claim nothing may run an institution that does.
fn table_fits(table: FeeTable, kind: OrganisationKind) -> bool {
    match kind {
        OrganisationKind::Hospital | OrganisationKind::Clinic => {
            matches!(table, FeeTable::Medical | FeeTable::Dental)
        }
        OrganisationKind::DentalClinic => table == FeeTable::Dental,
        OrganisationKind::Pharmacy => table == FeeTable::Dispensing,
        OrganisationKind::VisitingNursing => table == FeeTable::HomeNursing,
        OrganisationKind::CareFacility
        | OrganisationKind::ServiceProvider
        | OrganisationKind::RegionalNetwork
        | OrganisationKind::Government
        | OrganisationKind::Vendor
        | OrganisationKind::DataCollector => true,
    }
}

/// A 介護事業所番号: ten characters, digits but for the third, which may be a letter.
///
/// # Errors
/// [`FieldError::CareProvider`].
pub fn care_provider_code(typed: &str) -> Result<String, FieldError> {
    let text = code(typed)?.to_ascii_uppercase();
    let fits = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, b)| b.is_ascii_digit() || (at == 2 && b.is_ascii_uppercase()));
    if fits { Ok(text) } else { Err(FieldError::CareProvider) }
}

/// A number given by the operating body: 3 to 20 of `A`–`Z`, digits and hyphens.
///
/// # Errors
/// [`FieldError::OperatorAssigned`].
pub fn operator_assigned_code(typed: &str) -> Result<String, FieldError> {
    let text = code(typed)?.to_ascii_uppercase();
    let fits = (3..=20).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase() || b == b'-');
    if fits { Ok(text) } else { Err(FieldError::OperatorAssigned) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kana_of_any_width_becomes_katakana() {
        assert_eq!(kana("あおばｿｳｺﾞｳ びょういん", 30).unwrap(), "アオバソウゴウ ビョウイン");
        assert_eq!(kana("青葉", 30), Err(FieldError::Kana));
        assert_eq!(kana("ABC", 30), Err(FieldError::Kana));
    }

    #[test]
    fn numbers_are_read_however_they_are_written() {
        assert_eq!(postal_code("〒１００ー０００１").unwrap(), "100-0001");
        assert_eq!(postal_code("100000"), Err(FieldError::PostalCode));
        assert_eq!(phone("０３－１２３４－５６７８").unwrap(), "03-1234-5678");
        assert_eq!(phone("12-34"), Err(FieldError::Phone));
        assert_eq!(phone("03-1234-5678+"), Err(FieldError::Phone));
        assert_eq!(email("a@example.jp").unwrap(), "a@example.jp");
        assert_eq!(email("a@例え.jp").unwrap(), "a@xn--r8jz45g.jp");
        assert_eq!(email(""), Err(FieldError::Line(LineError::Required)));
        assert_eq!(email("a@b"), Err(FieldError::Email));
        assert_eq!(email("a@example.jp\u{200b}"), Err(FieldError::Line(LineError::Invisible)));
    }

    #[test]
    fn codes_are_judged_by_kind_and_strictness() {
        let read =
            |typed, kind, strictness| medical_institution_code(typed, Some(kind), strictness);
        let (hospital, pharmacy) = (OrganisationKind::Hospital, OrganisationKind::Pharmacy);
        assert_eq!(read("13-1100-0010", hospital, Strictness::Strict).unwrap(), "1311000010");
        assert_eq!(
            read("1311000010", pharmacy, Strictness::Strict),
            Err(FieldError::CodeOfOtherKind)
        );
        assert_eq!(read("1311000010", pharmacy, Strictness::Warn).unwrap(), "1311000010");
        assert!(matches!(
            read("1311000011", hospital, Strictness::Strict),
            Err(FieldError::Finding(CodeFinding::CheckDigit { .. }))
        ));
        assert_eq!(read("1311000011", hospital, Strictness::Warn).unwrap(), "1311000011");
        assert_eq!(read("131100001", hospital, Strictness::Warn), Err(FieldError::NotTenDigits));
        assert_eq!(care_provider_code("13a0100001").unwrap(), "13A0100001");
        assert_eq!(care_provider_code("1370A00001"), Err(FieldError::CareProvider));
        assert_eq!(operator_assigned_code("net-001").unwrap(), "NET-001");
        assert_eq!(operator_assigned_code("a b c"), Err(FieldError::OperatorAssigned));
        let invisible = Err(FieldError::Line(LineError::Invisible));
        assert_eq!(read("13110\u{200b}00017", hospital, Strictness::Warn), invisible);
        assert_eq!(care_provider_code("13701\u{2060}00001"), invisible);
        assert_eq!(operator_assigned_code("NET\u{feff}001"), invisible);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_panic(text in "\\PC{0,40}") {
            let _ = (kana(&text, 30), postal_code(&text), phone(&text), email(&text));
            let _ = (lines(&text, 30), care_provider_code(&text), operator_assigned_code(&text));
            let _ = medical_institution_code(&text, None, Strictness::Strict);
        }
    }

    #[test]
    fn the_example_beside_the_field_is_a_code_of_a_hospital_without_any_warning() {
        let catalogue = std::sync::Arc::new(crate::catalogue::Catalogue::load().unwrap());
        for lang in [crate::catalogue::Lang::Ja, crate::catalogue::Lang::En] {
            let text = Text::new(std::sync::Arc::clone(&catalogue), lang);
            let hint = text.t("register-hint-medical-institution");
            let example: String = hint.chars().filter(char::is_ascii_digit).collect();
            let example = &example[example.len() - 10..];
            let (code, findings) =
                MedicalInstitutionCode::parse(example, Strictness::Strict).unwrap();
            assert_eq!((code.fee_table(), findings), (Some(FeeTable::Medical), vec![]), "{hint}");
        }
    }
}
