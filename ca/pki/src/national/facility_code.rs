//! The number under which a medical institution claims its fees.

use std::fmt;

use super::luhn;

/// 医療機関コード (保険医療機関コード), ten digits `PP T AA NNNN C`: prefecture, fee table
/// (点数表), municipality (郡市区番号), institution, check digit.
///
/// The paper claim shows the last seven; the check digit is Luhn's over all nine before it. A
/// hospital with dentistry has two codes; a code changes when the owner or the area does, so it
/// never identifies a facility: [`super::facility_identifier::FacilityIdentifier`] does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MedicalInstitutionCode([u8; 10]);

/// What to do with a code that looks wrong but may be in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// Prefecture, fee table and check digit must hold.
    Strict,
    /// Ten digits are enough; what does not hold comes back as warnings. For networks that must
    /// take vendors' sample codes, many of which have wrong check digits.
    Warn,
}

/// 点数表: which fee table the institution claims by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeeTable {
    /// 医科 (1).
    Medical,
    /// 歯科 (3).
    Dental,
    /// 調剤 (4): a pharmacy.
    Dispensing,
    /// 訪問看護 (6).
    HomeNursing,
}

/// A reason to look twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeFinding {
    /// Not 01–47.
    #[error("the first two digits, {found:02}, are no prefecture (01 to 47)")]
    Prefecture {
        /// What stands there.
        found: u8,
    },
    /// Not a fee table that we know.
    #[error("the third digit, {found}, is no fee table (1, 3, 4 or 6)")]
    FeeTable {
        /// What stands there.
        found: u8,
    },
    /// Luhn does not hold.
    #[error("the check digit is {found} but should be {expected}: one of the digits is wrong")]
    CheckDigit {
        /// What stands there.
        found: u8,
        /// What would fit the nine digits before it.
        expected: u8,
    },
    /// Outside the numbers usually given for this fee table. Never more than a warning: the
    /// ranges are custom, not rule.
    #[error("the institution number {found:04} is unusual for this fee table")]
    UnusualNumber {
        /// The four digits.
        found: u16,
    },
}

/// Why a text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not ten ASCII digits.
    #[error("a medical institution code is ten digits")]
    NotTenDigits,
    /// Refused in strict mode.
    #[error(transparent)]
    Finding(CodeFinding),
}

impl MedicalInstitutionCode {
    /// Reads ten ASCII digits; the second part is what one should look at twice.
    ///
    /// # Errors
    /// [`CodeError::NotTenDigits`] always, [`CodeError::Finding`] in [`Strictness::Strict`].
    pub fn parse(
        text: &str,
        strictness: Strictness,
    ) -> Result<(Self, Vec<CodeFinding>), CodeError> {
        let code = Self(luhn::digits::<10>(text).ok_or(CodeError::NotTenDigits)?);
        let findings = code.findings();
        if strictness == Strictness::Strict {
            let grave = findings
                .iter()
                .find(|finding| !matches!(finding, CodeFinding::UnusualNumber { .. }));
            if let Some(finding) = grave {
                return Err(CodeError::Finding(*finding));
            }
        }
        Ok((code, findings))
    }

    /// Prefecture number, 1–47 unless the code was read with warnings.
    #[must_use]
    pub fn prefecture(&self) -> u8 {
        self.0[0] * 10 + self.0[1]
    }

    /// Fee table, if it is one that we know.
    #[must_use]
    pub fn fee_table(&self) -> Option<FeeTable> {
        match self.0[2] {
            1 => Some(FeeTable::Medical),
            3 => Some(FeeTable::Dental),
            4 => Some(FeeTable::Dispensing),
            6 => Some(FeeTable::HomeNursing),
            _ => None,
        }
    }

    /// The seven digits that the paper claim shows.
    #[must_use]
    pub fn seven_digits(&self) -> String {
        self.0[3..].iter().map(|digit| (digit + b'0') as char).collect()
    }

    fn findings(&self) -> Vec<CodeFinding> {
        let mut findings = Vec::new();
        if !(1..=47).contains(&self.prefecture()) {
            findings.push(CodeFinding::Prefecture { found: self.prefecture() });
        }
        let table = self.fee_table();
        if table.is_none() {
            findings.push(CodeFinding::FeeTable { found: self.0[2] });
        }
        let expected = luhn::check_digit(&self.0[..9]);
        if expected != self.0[9] {
            findings.push(CodeFinding::CheckDigit { found: self.0[9], expected });
        }
        let number =
            self.0[5..9].iter().fold(0_u16, |number, digit| number * 10 + u16::from(*digit));
        let usual = match table {
            Some(FeeTable::Medical) => Some(1000..=2999),
            Some(FeeTable::Dental) => Some(3000..=3999),
            Some(FeeTable::Dispensing) => Some(4000..=4999),
            Some(FeeTable::HomeNursing) | None => None,
        };
        if usual.is_some_and(|range| !range.contains(&number)) {
            findings.push(CodeFinding::UnusualNumber { found: number });
        }
        findings
    }
}

impl fmt::Display for MedicalInstitutionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for digit in self.0 {
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for MedicalInstitutionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MedicalInstitutionCode({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn published_and_computed_codes_are_accepted() {
        for text in ["0110113719", "1311000010", "1344000011", "1412345009", "4710123458"] {
            let (code, _) = MedicalInstitutionCode::parse(text, Strictness::Strict).unwrap();
            assert_eq!(code.to_string(), text);
        }
        let (code, findings) =
            MedicalInstitutionCode::parse("0110113719", Strictness::Strict).unwrap();
        assert_eq!(code.prefecture(), 1);
        assert_eq!(code.fee_table(), Some(FeeTable::Medical));
        assert_eq!(code.seven_digits(), "0113719");
        assert_eq!(findings, []);
    }

    #[test]
    fn sample_codes_with_wrong_check_digits_pass_only_with_a_warning() {
        for (text, found, expected) in [("1312345670", 0, 9), ("1311234567", 7, 0)] {
            let finding = match MedicalInstitutionCode::parse(text, Strictness::Strict) {
                Err(CodeError::Finding(finding)) => finding,
                other => panic!("{other:?}"),
            };
            if text == "1312345670" {
                assert_eq!(finding, CodeFinding::CheckDigit { found, expected });
            } else {
                assert!(matches!(finding, CodeFinding::CheckDigit { found: 7, .. }));
            }
            let (code, findings) = MedicalInstitutionCode::parse(text, Strictness::Warn).unwrap();
            assert_eq!(code.to_string(), text);
            assert!(findings.contains(&finding));
        }
    }

    #[test]
    fn impossible_prefectures_and_tables_are_refused_in_strict_mode() {
        for (nine, finding) in [
            ("001011371", CodeFinding::Prefecture { found: 0 }),
            ("481011371", CodeFinding::Prefecture { found: 48 }),
            ("012011371", CodeFinding::FeeTable { found: 2 }),
        ] {
            let digits = luhn::digits::<9>(nine).unwrap();
            let text = format!("{nine}{}", luhn::check_digit(&digits));
            assert_eq!(
                MedicalInstitutionCode::parse(&text, Strictness::Strict),
                Err(CodeError::Finding(finding))
            );
            let (_, findings) = MedicalInstitutionCode::parse(&text, Strictness::Warn).unwrap();
            assert_eq!(findings, [finding]);
        }
    }

    #[test]
    fn other_lengths_and_letters_are_refused_in_both_modes() {
        for text in ["", "011011371", "01101137190", "011011371x", "０１１０１１３７１９"]
        {
            for strictness in [Strictness::Strict, Strictness::Warn] {
                assert_eq!(
                    MedicalInstitutionCode::parse(text, strictness),
                    Err(CodeError::NotTenDigits)
                );
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*|[0-9]{10}") {
            let _ = MedicalInstitutionCode::parse(&text, Strictness::Warn);
        }
    }
}
