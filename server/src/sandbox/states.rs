//! Cards in the states that a service's owner, or who writes software for cards, has to know: what the first
//! of the sandbox's people has beside the card that works.

use sekisho_ca::lookalike::{CardHolder, CardUse, LookalikeHpki, LookalikeJpki};
use sekisho_software_card::{ApplicationData, Family, Layout, Personalisation, Token};
use time::{Duration, OffsetDateTime};

use super::{
    cast::{PASSWORD, PIN},
    make::MakeError,
};

/// One of these states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It works: the layout that was seen on cards, keys for logging in and for signing.
    Usual,
    /// It works, in the layout of the JAHIS guideline's example.
    Guideline,
    /// Two wrong PINs, and it is blocked: the agent asks for a confirmation first.
    FewTries,
    /// Its PIN is blocked.
    Blocked,
    /// Its certificate ended the day before the sandbox was made.
    Expired,
    /// Its certificate stands on the sandbox's list.
    Revoked,
    /// A My Number card of nobody: it is read, signs, and counts at no portal of a test facility.
    MyNumber,
}

impl State {
    /// All, in the order in which they are handed out.
    pub const ALL: [Self; 7] = [
        Self::Usual,
        Self::Guideline,
        Self::FewTries,
        Self::Blocked,
        Self::Expired,
        Self::Revoked,
        Self::MyNumber,
    ];

    /// The word for it in lists; the ending of its folder's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Guideline => "guideline",
            Self::FewTries => "few-tries",
            Self::Blocked => "blocked",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::MyNumber => "my-number",
        }
    }

    /// The folder of this state of a card.
    #[must_use]
    pub fn folder(self, card: &str) -> String {
        match self {
            Self::Usual => card.to_owned(),
            state => format!("{card}-{}", state.word()),
        }
    }

    /// The state of a folder that was handed out with a card.
    #[must_use]
    pub fn of_folder(folder: &str, card: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.folder(card) == folder)
    }
}

/// Wrong PINs until a card is blocked, as on genuine ones.
const TRIES: u8 = 15;
/// From here on nothing is tried without a confirmation.
const FEW_TRIES: u8 = 2;
/// Serial numbers of certificates: those for logging in begin at 1, in the order of the people.
const SIGNING: u32 = 100;
const EXPIRED: u32 = 201;
/// What the sandbox's list names.
pub(super) const REVOKED: u32 = 202;
/// The same of their keys for signatures, of which one ended, and one is on the list.
const SIGNING_EXPIRED: u32 = 204;
pub(super) const SIGNING_REVOKED: u32 = 205;
const MY_NUMBER: u32 = 203;

/// Who signs, and for how long.
pub(super) struct Issuers {
    pub(super) hpki: LookalikeHpki,
    pub(super) validity: (OffsetDateTime, OffsetDateTime),
}

impl Issuers {
    fn key(
        &self,
        holder: &CardHolder<'_>,
        used_for: CardUse,
        serial: u32,
        validity: (OffsetDateTime, OffsetDateTime),
    ) -> Result<ApplicationData, MakeError> {
        let card = self.hpki.issue_card(holder, used_for, serial, validity)?;
        Ok(ApplicationData {
            certificate_der: card.certificate_der,
            chain_der: vec![card.root_der, card.sub_ca_der],
            key_pkcs8_der: card.key_pkcs8,
        })
    }

    /// The card that works.
    pub(super) fn usual(
        &self,
        holder: &CardHolder<'_>,
        serial: u32,
    ) -> Result<Personalisation, MakeError> {
        let key = |used_for, serial| self.key(holder, used_for, serial, self.validity);
        Ok(Personalisation {
            family: hpki(Layout::Observed, TRIES),
            authentication: key(CardUse::Authentication, serial)?,
            signature: Some(key(CardUse::Signing, SIGNING + serial)?),
        })
    }

    /// The same person's in another state.
    pub(super) fn in_state(
        &self,
        usual: &Personalisation,
        holder: &CardHolder<'_>,
        state: State,
    ) -> Result<Personalisation, MakeError> {
        let of_family = |family| Personalisation { family, ..usual.clone() };
        let with_keys = |serial, signing, validity| -> Result<Personalisation, MakeError> {
            let authentication = self.key(holder, CardUse::Authentication, serial, validity)?;
            let signature = Some(self.key(holder, CardUse::Signing, signing, validity)?);
            Ok(Personalisation { authentication, signature, ..usual.clone() })
        };
        Ok(match state {
            State::Usual => usual.clone(),
            State::Guideline => of_family(hpki(Layout::Ic31, TRIES)),
            State::FewTries => of_family(hpki(Layout::Observed, FEW_TRIES)),
            State::Blocked => of_family(hpki(Layout::Observed, 0)),
            State::Expired => {
                let ended = self.validity.0 - Duration::DAY;
                with_keys(EXPIRED, SIGNING_EXPIRED, (ended - Duration::days(365), ended))?
            }
            State::Revoked => with_keys(REVOKED, SIGNING_REVOKED, self.validity)?,
            State::MyNumber => my_number(self.validity)?,
        })
    }
}

fn hpki(layout: Layout, tries: u8) -> Family {
    Family::Hpki { layout, pin: PIN.to_owned(), tries }
}

fn my_number(validity: (OffsetDateTime, OffsetDateTime)) -> Result<Personalisation, MakeError> {
    let issuers = LookalikeJpki::make(validity.0)?;
    let key = |used_for| -> Result<ApplicationData, MakeError> {
        let card = issuers.issue_card(used_for, MY_NUMBER, validity)?;
        Ok(ApplicationData {
            certificate_der: card.certificate_der,
            chain_der: vec![card.authority_der],
            key_pkcs8_der: card.key_pkcs8,
        })
    };
    Ok(Personalisation {
        family: Family::Jpki {
            token: Token::MyNumberCard,
            pin: PIN.to_owned(),
            password: Some(PASSWORD.to_owned()),
        },
        authentication: key(CardUse::Authentication)?,
        signature: Some(key(CardUse::Signing)?),
    })
}
