//! What a service says about personal data that leave the purpose of the facility, so that people know and, where
//! the law wants it, agree: the grounds are those of 個人情報の保護に関する法律, article 27.

use sekisho_store::{StoreError, service::Service};
use serde::{Deserialize, Serialize};

use super::{InLanguages, RegistrationError};

/// Most characters of each text.
pub const MOST_TEXT: usize = 500;

/// On what ground they leave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// 共同利用 (article 27 (5) (iii)): named parties use them jointly, of which people are told beforehand.
    JointUse,
    /// 第三者提供 (article 27 (1)): somebody else's purpose, to which the person agrees.
    ThirdParty,
}

impl Ground {
    /// All.
    pub const ALL: [Self; 2] = [Self::JointUse, Self::ThirdParty];

    /// As in a file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JointUse => "joint_use",
            Self::ThirdParty => "third_party",
        }
    }
}

/// `[personal_data]` of a service's file, the member `personal_data` of its metadata, and the column in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalData {
    /// On what ground.
    pub ground: Ground,
    /// Which data.
    pub items: InLanguages,
    /// Who uses them jointly, or to whom they are given.
    pub users: InLanguages,
    /// What for.
    pub purpose: InLanguages,
    /// Who answers for them: name, address and representative.
    pub responsible: InLanguages,
}

impl PersonalData {
    /// What a service says, if anything.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]: it does not read back.
    pub fn of(service: &Service) -> Result<Option<Self>, StoreError> {
        service.personal_data.as_deref().map(Self::from_column).transpose()
    }

    /// As it was stored.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn from_column(json: &str) -> Result<Self, StoreError> {
        serde_json::from_str(json).map_err(|error| StoreError::Corrupt {
            what: "personal_data",
            detail: error.to_string(),
        })
    }

    /// As the column wants it.
    ///
    /// # Errors
    /// [`serde_json::Error`], which texts never cause.
    pub fn to_column(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Each text with its key, in the order of the notices.
    #[must_use]
    pub const fn texts(&self) -> [(&'static str, &InLanguages); 4] {
        [
            ("personal_data.items", &self.items),
            ("personal_data.users", &self.users),
            ("personal_data.purpose", &self.purpose),
            ("personal_data.responsible", &self.responsible),
        ]
    }

    /// Whether every text is there in both languages.
    pub(super) fn validate(&self) -> Result<(), RegistrationError> {
        self.texts().into_iter().try_for_each(|(key, text)| text.check(key, MOST_TEXT))
    }
}
