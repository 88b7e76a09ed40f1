//! What an organisation in the register is, and what its codes are codes of.

/// Kind of an organisation: all seven groups of stakeholders, as stored, in rules and in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrganisationKind {
    /// 病院.
    Hospital,
    /// 医科診療所.
    Clinic,
    /// 歯科診療所.
    DentalClinic,
    /// 薬局.
    Pharmacy,
    /// 訪問看護ステーション.
    VisitingNursing,
    /// 介護施設.
    CareFacility,
    /// サービス事業者.
    ServiceProvider,
    /// 地域医療連携ネットワーク運営主体.
    RegionalNetwork,
    /// 行政機関.
    Government,
    /// 医療システム事業者・医療機器事業者.
    Vendor,
    /// 情報収集機関.
    DataCollector,
}

impl OrganisationKind {
    /// All, in the order of forms.
    pub const ALL: [Self; 11] = [
        Self::Hospital,
        Self::Clinic,
        Self::DentalClinic,
        Self::Pharmacy,
        Self::VisitingNursing,
        Self::CareFacility,
        Self::ServiceProvider,
        Self::RegionalNetwork,
        Self::Government,
        Self::Vendor,
        Self::DataCollector,
    ];

    /// The token: on the wire for years, so it never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hospital => "hospital",
            Self::Clinic => "clinic",
            Self::DentalClinic => "dental_clinic",
            Self::Pharmacy => "pharmacy",
            Self::VisitingNursing => "visiting_nursing",
            Self::CareFacility => "care_facility",
            Self::ServiceProvider => "service_provider",
            Self::RegionalNetwork => "regional_network",
            Self::Government => "government",
            Self::Vendor => "vendor",
            Self::DataCollector => "data_collector",
        }
    }

    /// From its token.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == token)
    }
}

/// Whose numbers a code is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodeScheme {
    /// 医療機関コード, ten digits.
    MedicalInstitution,
    /// 介護事業所番号, ten characters.
    CareProvider,
    /// Given by the operating body to those who have neither.
    OperatorAssigned,
}

impl CodeScheme {
    /// All.
    pub const ALL: [Self; 3] =
        [Self::MedicalInstitution, Self::CareProvider, Self::OperatorAssigned];

    /// The token, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MedicalInstitution => "medical_institution",
            Self::CareProvider => "care_provider",
            Self::OperatorAssigned => "operator_assigned",
        }
    }

    /// From its token.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_reads_back_and_others_do_not() {
        for kind in OrganisationKind::ALL {
            assert_eq!(OrganisationKind::parse(kind.as_str()), Some(kind));
        }
        for scheme in CodeScheme::ALL {
            assert_eq!(CodeScheme::parse(scheme.as_str()), Some(scheme));
        }
        assert_eq!(OrganisationKind::parse("Hospital"), None);
        assert_eq!(CodeScheme::parse(""), None);
    }
}
