//! Who takes part in a use case, in the demonstration's words and in the register's.

use sekisho_store::organisation_kind::OrganisationKind;
use serde::{Deserialize, Serialize};

use crate::catalogue::Text;

/// One of the seven stakeholders of the demonstration's table, in the order of its columns here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stakeholder {
    /// 医療機関等.
    MedicalInstitution,
    /// サービス事業者.
    ServiceProvider,
    /// 地連運営主体 (地域医療連携ネットワーク運営主体).
    RegionalNetwork,
    /// 患者.
    Patient,
    /// 行政.
    Government,
    /// 医療システム事業者.
    Vendor,
    /// 情報収集機関.
    DataCollector,
}

impl Stakeholder {
    /// All, in the order of the table's columns.
    pub const ALL: [Self; 7] = [
        Self::MedicalInstitution,
        Self::ServiceProvider,
        Self::RegionalNetwork,
        Self::Patient,
        Self::Government,
        Self::Vendor,
        Self::DataCollector,
    ];

    /// As in files and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MedicalInstitution => "medical_institution",
            Self::ServiceProvider => "service_provider",
            Self::RegionalNetwork => "regional_network",
            Self::Patient => "patient",
            Self::Government => "government",
            Self::Vendor => "vendor",
            Self::DataCollector => "data_collector",
        }
    }

    /// The kinds of organisation that it stands for in the register; none for patients, who are at none.
    ///
    /// Care facilities are among 医療機関等: ⑨ joins medical and long-term care, and no other stakeholder of
    /// it could be theirs.
    #[must_use]
    pub const fn kinds(self) -> &'static [OrganisationKind] {
        match self {
            Self::MedicalInstitution => &[
                OrganisationKind::Hospital,
                OrganisationKind::Clinic,
                OrganisationKind::DentalClinic,
                OrganisationKind::Pharmacy,
                OrganisationKind::VisitingNursing,
                OrganisationKind::CareFacility,
            ],
            Self::ServiceProvider => &[OrganisationKind::ServiceProvider],
            Self::RegionalNetwork => &[OrganisationKind::RegionalNetwork],
            Self::Patient => &[],
            Self::Government => &[OrganisationKind::Government],
            Self::Vendor => &[OrganisationKind::Vendor],
            Self::DataCollector => &[OrganisationKind::DataCollector],
        }
    }

    /// As people call it.
    #[must_use]
    pub fn name(self, text: &Text) -> String {
        text.t(&format!("use-case-stakeholder-{}", self.as_str().replace('_', "-")))
    }
}
