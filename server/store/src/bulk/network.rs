//! A whole network at once: facilities in operation, and people who are members there.

use sekisho_wire::acr;
use time::OffsetDateTime;
use uuid::Uuid;

use super::ROWS;
use crate::{
    Store, StoreError, Tx,
    db::{housekeeping, sql_rows},
    search,
};

/// A facility that is made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredFacility {
    /// Its identifier, twelve digits.
    pub id: String,
    /// Its kind, a token.
    pub kind: &'static str,
    /// Its prefecture, JIS X 0401, 1 to 47.
    pub prefecture: i64,
}

/// A person that is made up, a member of one facility.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredPerson {
    /// Where.
    pub facility_id: String,
    /// The roles of their HPKI card, JSON list; absent: they have none and never logged in by one.
    pub hc_roles: Option<&'static str>,
}

impl Store {
    /// Enters facilities that are in operation since `at`, though nobody applied for them.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`]: one of these identifiers was entered before.
    pub async fn enter_facilities(
        &self,
        facilities: &[MeasuredFacility],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        housekeeping!(self, |tx| {
            for some in facilities.chunks(ROWS) {
                self::facilities(tx, some, at).await?;
            }
        })
    }

    /// Enters people, each with a membership since `at`; whoever has roles logged in by HPKI card once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: one of the facilities is not there.
    pub async fn enter_people(
        &self,
        people: &[MeasuredPerson],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        housekeeping!(self, |tx| {
            for some in people.chunks(ROWS) {
                self::people(tx, some, at).await?;
            }
        })
    }
}

async fn facilities(
    tx: &mut Tx,
    facilities: &[MeasuredFacility],
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let count = facilities.len();
    let mut applications = sql_rows(
        "INSERT INTO application (id, receipt, kind, name, name_kana, prefecture, postal_code,
             address, contact_name, contact_phone, contact_email, created_at) VALUES ",
        count,
        12,
        "",
    );
    let mut organisations = sql_rows(
        "INSERT INTO organisation (id, application_id, kind, prefecture, postal_code, address,
             created_at) VALUES ",
        count,
        7,
        "",
    );
    let mut names = sql_rows(
        "INSERT INTO organisation_name (organisation_id, name, name_kana, search_key, valid_from)
         VALUES ",
        count,
        5,
        "",
    );
    let mut events = sql_rows(
        "INSERT INTO organisation_event (id, organisation_id, at, kind, reason) VALUES ",
        count,
        5,
        "",
    );
    for MeasuredFacility { id, kind, prefecture } in facilities {
        let application = Uuid::now_v7().to_string();
        let (name, kana) = (format!("計測施設　{id}"), "ケイソクシセツ");
        applications = applications
            .bind(&application)
            .bind(&application)
            .bind(*kind)
            .bind(&name)
            .bind(kana)
            .bind(*prefecture)
            .bind("1000001")
            .bind("東京都千代田区")
            .bind("計測係")
            .bind("0300000000")
            .bind("measure@example.jp")
            .bind(at);
        organisations = organisations
            .bind(id)
            .bind(application)
            .bind(*kind)
            .bind(*prefecture)
            .bind("1000001")
            .bind("東京都千代田区")
            .bind(at);
        let key = search::key(&format!("{name} {kana}"));
        names = names.bind(id).bind(name).bind(kana).bind(key).bind(at);
        events =
            events.bind(Uuid::now_v7().to_string()).bind(id).bind(at).bind("activated").bind("");
    }
    tx.execute(applications).await?;
    tx.execute(organisations).await?;
    tx.execute(names).await?;
    tx.execute(events).await?;
    Ok(())
}

async fn people(
    tx: &mut Tx,
    people: &[MeasuredPerson],
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let count = people.len();
    let mut persons = sql_rows("INSERT INTO person (id, created_at) VALUES ", count, 2, "");
    let mut names = sql_rows(
        "INSERT INTO person_name (person_id, name, name_kana, name_romaji, search_key) VALUES ",
        count,
        5,
        "",
    );
    let mut memberships = sql_rows(
        "INSERT INTO membership (id, person_id, organisation_id, created_at) VALUES ",
        count,
        4,
        "",
    );
    let mut events = sql_rows(
        "INSERT INTO membership_event (id, membership_id, at, kind, reason) VALUES ",
        count,
        5,
        "",
    );
    let by_card = people.iter().filter(|person| person.hc_roles.is_some()).count();
    let mut sessions = sql_rows(
        "INSERT INTO session (id_hash, realm, person_id, organisation_id, membership_id, hc_roles,
             acr, amr, auth_time, created_at, last_seen_at, expires_at, ended_at, end_reason)
         VALUES ",
        by_card,
        14,
        "",
    );
    for MeasuredPerson { facility_id, hc_roles } in people {
        let id = Uuid::now_v7();
        let (person_id, membership_id) = (id.to_string(), Uuid::now_v7().to_string());
        let (name, kana) = (format!("計測　{person_id}"), "ケイソク");
        let key = search::key(&format!("{name} {kana}"));
        persons = persons.bind(&person_id).bind(at);
        names = names.bind(&person_id).bind(name).bind(kana).bind("").bind(key);
        memberships = memberships.bind(&membership_id).bind(&person_id).bind(facility_id).bind(at);
        events = events
            .bind(Uuid::now_v7().to_string())
            .bind(&membership_id)
            .bind(at)
            .bind("started")
            .bind("measure");
        let Some(roles) = hc_roles else { continue };
        let mut id_hash = [0x4b; 32];
        id_hash[..16].copy_from_slice(id.as_bytes());
        sessions = sessions
            .bind(id_hash)
            .bind("portal")
            .bind(person_id)
            .bind(facility_id)
            .bind(membership_id)
            .bind(*roles)
            .bind(acr::HPKI_CARD)
            .bind(r#"["sc","pin"]"#)
            .bind(at)
            .bind(at)
            .bind(at)
            .bind(at)
            .bind(at)
            .bind("logout");
    }
    tx.execute(persons).await?;
    tx.execute(names).await?;
    tx.execute(memberships).await?;
    tx.execute(events).await?;
    if by_card > 0 {
        tx.execute(sessions).await?;
    }
    Ok(())
}
