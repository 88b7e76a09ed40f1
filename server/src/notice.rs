//! Notices to people who run something here: written into the outbox with the change they tell of,
//! brought to the page `/console/notices` ([`crate::console::notices`]).

use sekisho_store::{StoreError, Tx, notice::Addressee, outbox, service::Service};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    app::App,
    outbox::{Delivery, Message},
    revocation::Standing,
};

/// Kind of the outbox messages that carry a notice.
pub const KIND: &str = "notice";

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// A used enrolment code was brought with another key, and refused.
    EnrolmentCodeMisused {
        /// The terminal that the code was for.
        terminal_id: String,
        /// Its name.
        terminal_name: String,
    },
    /// A device's request waits until somebody approves its key.
    EnrolmentAwaitsApproval {
        /// The device.
        terminal_id: String,
        /// Its name.
        terminal_name: String,
    },
    /// A member's card was renewed under another name, which was taken on.
    MemberRenamed {
        /// The name on the card.
        name: String,
        /// The name until then.
        before: String,
    },
    /// The operating body put a terminal on hold.
    TerminalHeld {
        /// Which.
        terminal_id: String,
        /// Its name.
        terminal_name: String,
        /// What it had then; earlier versions did not tell.
        #[serde(default)]
        standing: Standing,
    },
    /// The operating body ended the hold of a terminal.
    TerminalReleased {
        /// Which.
        terminal_id: String,
        /// Its name.
        terminal_name: String,
        /// What it had then; earlier versions did not tell.
        #[serde(default)]
        standing: Standing,
        /// Whether its certificate was on hold by itself, and stayed so.
        #[serde(default)]
        still_held: bool,
    },
    /// The operating body revoked a terminal.
    TerminalRevoked {
        /// Which.
        terminal_id: String,
        /// Its name.
        terminal_name: String,
    },
    /// A file with a key was not saved in time, or another took its place: its certificate was revoked.
    KeyFileTakenBack {
        /// For which device it was.
        terminal_id: String,
        /// Its name.
        terminal_name: String,
    },
    /// The operating body put a certificate of a terminal on hold.
    CertificateHeld {
        /// Which terminal's.
        terminal_id: String,
        /// Its name.
        terminal_name: String,
    },
    /// The operating body ended the hold of a certificate of a terminal.
    CertificateReleased {
        /// Which terminal's.
        terminal_id: String,
        /// Its name.
        terminal_name: String,
    },
    /// The operating body revoked a certificate of a terminal, or its key.
    CertificateRevoked {
        /// Which terminal's.
        terminal_id: String,
        /// Its name.
        terminal_name: String,
    },
    /// The operator of the host put all of the facility on hold.
    FacilityHeld,
    /// The operator of the host ended the hold of the facility.
    FacilityReleased,
    /// The operator of the host revoked the certificates of all its devices; the facility is suspended.
    FacilityRevoked,
    /// The operating body suspended the organisation.
    OrganisationSuspended {
        /// Why, in the words of who did it.
        reason: String,
    },
    /// The organisation may act again.
    OrganisationResumed {
        /// Why.
        reason: String,
    },
    /// The operating body closed the organisation.
    OrganisationClosed {
        /// Why.
        reason: String,
    },
    /// The operating body made a letter with whose code a further administrator can be made.
    LetterIssued {
        /// Why, in the officer's words.
        reason: String,
    },
    /// Somebody became administrator by the code of a letter.
    AdministratorAdded {
        /// Their name.
        name: String,
        /// Their login name.
        login_name: String,
    },
    /// The operator of the host entered a further administrator of the operating body.
    OperatingAdministratorAdded {
        /// Login name of the new one.
        login_name: String,
        /// Account of the operating system that did it.
        by: String,
    },
    /// The operator of the host made a one-time link for an administrator of the operating body.
    OperatingAdministratorLink {
        /// Login name of whom it is for.
        login_name: String,
        /// Account of the operating system that did it.
        by: String,
    },
    /// The owner of a service asked the operating body to let it out of the sandbox.
    GoingLiveAsked {
        /// Which service.
        service: ServiceNamed,
    },
    /// A service was let out of the sandbox.
    ServiceApproved {
        /// Which service.
        service: ServiceNamed,
    },
    /// The operating body did not let a service out of the sandbox.
    ServiceRefused {
        /// Which service.
        service: ServiceNamed,
        /// Why, in the words of who decided.
        reason: String,
    },
    /// Somebody proposed other rules for a live service.
    RulesProposed {
        /// Which service.
        service: ServiceNamed,
        /// The proposal.
        proposal: String,
        /// Name of who proposed them.
        by: String,
    },
    /// Other rules of a live service came into force.
    RulesPublished {
        /// Which service.
        service: ServiceNamed,
        /// The version that they are.
        version: i64,
    },
    /// Rules that the reader proposed were refused.
    RulesRefused {
        /// Which service.
        service: ServiceNamed,
        /// The proposal.
        proposal: String,
        /// Why, in the words of who decided.
        reason: String,
    },
    /// Other rules came into force than those that the reader's proposal was written for.
    RulesOvertaken {
        /// Which service.
        service: ServiceNamed,
        /// The proposal.
        proposal: String,
    },
    /// A passkey was enrolled that stands for the reader's one-time password.
    SecondFactorEnrolled {
        /// By which name.
        name: String,
    },
    /// Somebody opened an emergency access at the facility.
    EmergencyBegun {
        /// Its record.
        id: String,
        /// Who.
        name: String,
        /// At which terminal.
        terminal_name: String,
        /// Whether they are no member there; earlier versions let no such people in.
        #[serde(default)]
        visiting: bool,
    },
    /// Two colleagues gave a member a pass for a day.
    DayPassGiven {
        /// To whom.
        name: String,
        /// Who asked for it.
        asked_by: String,
        /// Who gave it.
        given_by: String,
        /// At which terminal.
        terminal_name: String,
    },
    /// Nobody reviewed an emergency access in time.
    EmergencyEscalated {
        /// Its record.
        id: String,
        /// At which facility.
        facility_name: String,
    },
    /// The reader, or somebody with the reader's password, used a recovery code.
    RecoveryCodeUsed {
        /// How many codes are left.
        left: i64,
    },
    /// An administrator asked for new factors of a member without a card.
    ResetAsked {
        /// Whose.
        name: String,
        /// Who asked.
        by: String,
    },
    /// Something happened in a group of routers that the reader's facility owns or belongs to.
    VpnGroup {
        /// Which.
        id: String,
        /// Its name.
        name: String,
        /// Name of the facility that it happened to.
        facility_name: String,
        /// What.
        what: VpnGroupNews,
    },
    /// Somebody made a one-time link for the reader's account.
    LinkIssued {
        /// Name of who made it.
        by: String,
    },
}

/// What happened in a group of routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VpnGroupNews {
    /// The owner asks the facility.
    Invited,
    /// The facility asks the owner.
    Asked,
    /// The other side agreed.
    Agreed,
    /// The other side did not.
    Declined,
    /// Who asked took it back.
    Withdrawn,
    /// The operating body entered it for both sides.
    Admitted,
    /// The facility left.
    Left,
    /// It was removed.
    Removed,
    /// The operating body ended it, or what waited.
    Ended,
    /// Its time is over.
    Over,
    /// The group was closed.
    Closed,
    /// The operating body made it for its owner.
    Made,
    /// A further router of a member takes part.
    RouterEntered,
    /// One takes part no more.
    RouterLeft,
}

impl VpnGroupNews {
    /// Message keys of what happened and of what to do.
    #[must_use]
    pub const fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::Invited => ("notices-group-invited-text", "notices-group-answer-help"),
            Self::Asked => ("notices-group-asked-text", "notices-group-answer-help"),
            Self::Agreed => ("notices-group-agreed-text", "notices-group-texts-help"),
            Self::Declined => ("notices-group-declined-text", "notices-group-nothing-help"),
            Self::Withdrawn => ("notices-group-withdrawn-text", "notices-group-nothing-help"),
            Self::Admitted => ("notices-group-admitted-text", "notices-group-texts-help"),
            Self::Left => ("notices-group-left-text", "notices-group-texts-help"),
            Self::Removed => ("notices-group-removed-text", "notices-group-texts-help"),
            Self::Ended => ("notices-group-ended-text", "notices-group-texts-help"),
            Self::Over => ("notices-group-over-text", "notices-group-texts-help"),
            Self::Closed => ("notices-group-closed-text", "notices-group-texts-help"),
            Self::Made => ("notices-group-made-text", "notices-group-made-help"),
            Self::RouterEntered => {
                ("notices-group-router-entered-text", "notices-group-texts-help")
            }
            Self::RouterLeft => ("notices-group-router-left-text", "notices-group-texts-help"),
        }
    }
}

/// A service, as a notice names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceNamed {
    /// `client_id`.
    pub id: String,
    /// Its name in Japanese.
    pub ja: String,
    /// Its name in English.
    pub en: String,
}

impl From<&Service> for ServiceNamed {
    fn from(service: &Service) -> Self {
        Self { id: service.id.clone(), ja: service.name_ja.clone(), en: service.name_en.clone() }
    }
}

impl Notice {
    /// As stored and in audit records.
    #[must_use]
    pub const fn token(&self) -> &'static str {
        match self {
            Self::EnrolmentCodeMisused { .. } => "enrolment_code_misused",
            Self::EnrolmentAwaitsApproval { .. } => "enrolment_awaits_approval",
            Self::MemberRenamed { .. } => "member_renamed",
            Self::TerminalHeld { .. } => "terminal_held",
            Self::TerminalReleased { .. } => "terminal_released",
            Self::TerminalRevoked { .. } => "terminal_revoked",
            Self::KeyFileTakenBack { .. } => "key_file_taken_back",
            Self::CertificateHeld { .. } => "certificate_held",
            Self::CertificateReleased { .. } => "certificate_released",
            Self::CertificateRevoked { .. } => "certificate_revoked",
            Self::FacilityHeld => "facility_held",
            Self::FacilityReleased => "facility_released",
            Self::FacilityRevoked => "facility_revoked",
            Self::OrganisationSuspended { .. } => "organisation_suspended",
            Self::OrganisationResumed { .. } => "organisation_resumed",
            Self::OrganisationClosed { .. } => "organisation_closed",
            Self::LetterIssued { .. } => "letter_issued",
            Self::OperatingAdministratorAdded { .. } => "operating_administrator_added",
            Self::OperatingAdministratorLink { .. } => "operating_administrator_link",
            Self::AdministratorAdded { .. } => "administrator_added",
            Self::LinkIssued { .. } => "link_issued",
            Self::VpnGroup { .. } => "vpn_group",
            Self::ResetAsked { .. } => "reset_asked",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::SecondFactorEnrolled { .. } => "second_factor_enrolled",
            Self::EmergencyBegun { .. } => "emergency_begun",
            Self::DayPassGiven { .. } => "day_pass_given",
            Self::EmergencyEscalated { .. } => "emergency_escalated",
            Self::GoingLiveAsked { .. } => "going_live_asked",
            Self::ServiceApproved { .. } => "service_approved",
            Self::ServiceRefused { .. } => "service_refused",
            Self::RulesProposed { .. } => "rules_proposed",
            Self::RulesPublished { .. } => "rules_published",
            Self::RulesRefused { .. } => "rules_refused",
            Self::RulesOvertaken { .. } => "rules_overtaken",
        }
    }
}

/// Whom a notice is for, as the outbox keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// Everybody who administers this facility when they look.
    FacilityAdministrators(String),
    /// Everybody who answers for this organisation's services when they look.
    ServiceOwners(String),
    /// Everybody who administers the operating body's instance when they look.
    OperatingAdministrators,
    /// One person.
    Person(String),
}

impl To {
    fn addressee(&self) -> Addressee<'_> {
        match self {
            Self::FacilityAdministrators(id) => {
                Addressee::Role { role: "facility_administrator", organisation_id: Some(id) }
            }
            Self::ServiceOwners(id) => {
                Addressee::Role { role: "service_owner", organisation_id: Some(id) }
            }
            Self::OperatingAdministrators => {
                Addressee::Role { role: "operating_administrator", organisation_id: None }
            }
            Self::Person(id) => Addressee::Person(id),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Payload {
    to: To,
    at: i64,
    #[serde(flatten)]
    notice: Notice,
}

/// Queues a notice, in the transaction of the change that it tells of.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn put(
    tx: &mut Tx,
    to: To,
    notice: Notice,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let payload = Payload { to, at: at.unix_timestamp(), notice };
    let payload = serde_json::to_value(&payload).map_err(|error| unreadable(&error))?;
    outbox::put(tx, KIND, &payload, at).await?;
    Ok(())
}

/// The same to all who have to do with a service: those who answer for it, and the operating body's
/// administrators.
///
/// # Errors
/// As [`put`].
pub async fn put_about_service(
    tx: &mut Tx,
    service: &Service,
    notice: Notice,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if let Some(organisation) = &service.organisation_id {
        put(tx, To::ServiceOwners(organisation.clone()), notice.clone(), at).await?;
    }
    put(tx, To::OperatingAdministrators, notice, at).await
}

fn unreadable(error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt { what: "notice", detail: error.to_string() }
}

/// Delivers a message of [`KIND`]: from then on its addressee finds it on the page.
pub async fn deliver(app: App, message: Message) -> Delivery {
    let read: Result<Payload, _> = serde_json::from_str(&message.payload);
    let Ok(Payload { to, at, notice }) = read else {
        return Delivery::Hopeless("the message is no notice of this version".to_owned());
    };
    let (Ok(facts), Ok(at)) =
        (serde_json::to_string(&notice), OffsetDateTime::from_unix_timestamp(at))
    else {
        return Delivery::Hopeless("the notice does not read back".to_owned());
    };
    let posted =
        app.store().post_notice(&message.id, to.addressee(), notice.token(), &facts, at).await;
    match posted {
        Ok(()) => Delivery::Delivered,
        Err(error) => Delivery::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_notice_is_the_tag_it_is_stored_under() {
        let text = String::new;
        let service = || ServiceNamed { id: text(), ja: text(), en: text() };
        for notice in [
            Notice::GoingLiveAsked { service: service() },
            Notice::ServiceApproved { service: service() },
            Notice::ServiceRefused { service: service(), reason: text() },
            Notice::RulesProposed { service: service(), proposal: text(), by: text() },
            Notice::RulesPublished { service: service(), version: 2 },
            Notice::RulesRefused { service: service(), proposal: text(), reason: text() },
            Notice::RulesOvertaken { service: service(), proposal: text() },
            Notice::VpnGroup {
                id: text(),
                name: text(),
                facility_name: text(),
                what: VpnGroupNews::Asked,
            },
            Notice::EnrolmentCodeMisused { terminal_id: text(), terminal_name: text() },
            Notice::EnrolmentAwaitsApproval { terminal_id: text(), terminal_name: text() },
            Notice::TerminalHeld {
                terminal_id: text(),
                terminal_name: text(),
                standing: Standing::NeverEnrolled,
            },
            Notice::TerminalReleased {
                terminal_id: text(),
                terminal_name: text(),
                standing: Standing::ToEnrolAnew,
                still_held: true,
            },
            Notice::FacilityHeld,
            Notice::FacilityReleased,
            Notice::FacilityRevoked,
            Notice::TerminalRevoked { terminal_id: text(), terminal_name: text() },
            Notice::KeyFileTakenBack { terminal_id: text(), terminal_name: text() },
            Notice::CertificateHeld { terminal_id: text(), terminal_name: text() },
            Notice::CertificateReleased { terminal_id: text(), terminal_name: text() },
            Notice::CertificateRevoked { terminal_id: text(), terminal_name: text() },
            Notice::OrganisationSuspended { reason: text() },
            Notice::OrganisationResumed { reason: text() },
            Notice::OrganisationClosed { reason: text() },
            Notice::LetterIssued { reason: text() },
            Notice::AdministratorAdded { name: text(), login_name: text() },
            Notice::OperatingAdministratorAdded { login_name: text(), by: text() },
            Notice::OperatingAdministratorLink { login_name: text(), by: text() },
            Notice::LinkIssued { by: text() },
            Notice::RecoveryCodeUsed { left: 9 },
            Notice::SecondFactorEnrolled { name: text() },
            Notice::ResetAsked { name: text(), by: text() },
            Notice::EmergencyBegun {
                id: text(),
                name: text(),
                terminal_name: text(),
                visiting: true,
            },
            Notice::DayPassGiven {
                name: text(),
                asked_by: text(),
                given_by: text(),
                terminal_name: text(),
            },
            Notice::EmergencyEscalated { id: text(), facility_name: text() },
        ] {
            let stored = serde_json::to_value(&notice).unwrap();
            assert_eq!(stored["notice"], notice.token());
            assert_eq!(serde_json::from_value::<Notice>(stored).unwrap(), notice);
        }
    }

    #[tokio::test]
    async fn a_message_that_is_no_notice_is_given_up_and_not_tried_for_ever() {
        let test = crate::testing::app().await;
        for payload in ["", "{}", "{\"to\":{\"person\":\"p\"},\"at\":0,\"notice\":\"war\"}"] {
            let message = Message {
                id: "m".to_owned(),
                kind: KIND.to_owned(),
                payload: payload.to_owned(),
                attempts: 0,
            };
            let outcome = deliver(test.app.clone(), message).await;
            assert!(matches!(outcome, Delivery::Hopeless(_)), "{payload}: {outcome:?}");
        }
    }
}
