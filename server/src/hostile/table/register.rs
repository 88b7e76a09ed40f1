//! The register: organisations, their members and PCs.

use NameRole::Public;

use super::NOTHING;
use crate::{
    hostile::{
        row::{Payload, Row, free, optional, required},
        scene::{Scene, application_fields, institution_code},
    },
    names::NameRole,
};

pub(super) fn members(s: &Scene) -> Vec<Row> {
    let (a, b) = (&s.here.terminal.organisation_id, &s.elsewhere.terminal.organisation_id);
    let at = |method, path| {
        Row::new(Public, method, path)
            .cookie(&s.manager, &[&s.other_manager, &s.officer, &s.administrator])
    };
    let organisation = || required("organisation", a).foreign(b).foreign(NOTHING);
    vec![
        at("GET", "/console/members")
            .query([
                optional("organisation", a).foreign(b),
                optional("notice", "ended").foreign("<script>"),
            ])
            .good(200),
        at("POST", "/console/members/invitations")
            .form([
                organisation(),
                required("name", "鈴木 一郎"),
                required("name_kana", "スズキ イチロウ"),
                required("role", "Pharmacist").foreign("King"),
                optional("licence_number", "123456"),
            ])
            .good(200),
        at("POST", "/console/members/invitations/{id}/withdraw")
            .parameter(&s.invitation, &[NOTHING, &s.claim])
            .form([organisation()])
            .good(303),
        at("POST", "/console/members/claims/{id}")
            .parameter(&s.claim, &[NOTHING, &s.invitation])
            .form([organisation(), required("decision", "refused").foreign("maybe")])
            .good(303),
        at("POST", "/console/members/card-removal")
            .form([organisation(), required("policy", "lock").foreign("never")])
            .good(303),
        at("POST", "/console/members/untold-services")
            .form([organisation(), required("policy", "forbidden").foreign("perhaps")])
            .good(303),
        at("POST", "/console/members/{id}/end")
            .parameter(&s.membership, &[NOTHING, &s.claim])
            .form([organisation(), required("sure", "yes").foreign("no")])
            .good(303),
        // No pass was given to anybody.
        at("POST", "/console/members/day-passes/{id}/end")
            .parameter(NOTHING, &[&s.membership])
            .form([organisation()]),
    ]
}

pub(super) fn register(s: &Scene) -> Vec<Row> {
    let (a, application, checked) =
        (&s.here.terminal.organisation_id, &s.application, &s.checked_application);
    let b = &s.elsewhere.terminal.organisation_id;
    let at = |method, path| Row::new(Public, method, path);
    let officer = |method, path| at(method, path).cookie(&s.officer, &[&s.manager, &s.auditor]);
    let administrator =
        |method, path| at(method, path).cookie(&s.administrator, &[&s.officer, &s.manager]);
    let apply = application_fields(&institution_code(200_001))
        .into_iter()
        .map(|(name, value)| match name {
            "form" => required(name, &value).foreign("short"),
            "kind" => required(name, &value).foreign("medical_clinic"),
            "prefecture" => required(name, &value).foreign("48").foreign("-1"),
            "medical_institution_code" => required(name, &value).foreign("1311000011"),
            _ => required(name, &value),
        })
        .chain([optional("again", "false").foreign("maybe")])
        .collect::<Vec<_>>();
    vec![
        at("GET", "/apply").good(200),
        at("POST", "/apply").form(apply).good(201),
        at("GET", "/apply/status").good(200),
        at("POST", "/apply/status")
            .form([required("receipt", &s.receipt)
                .foreign(&s.activation_code)
                .foreign(&s.invitation_code)])
            .good(200),
        officer("GET", "/console/applications")
            .query([optional("from", "0").foreign("-1").foreign("99999999999")])
            .good(200),
        officer("GET", "/console/applications/{id}")
            .parameter(application, &[NOTHING, &s.grant])
            .good(200),
        officer("POST", "/console/applications/{id}/checks")
            .parameter(application, &[NOTHING, &s.grant])
            .form([required("source", "名簿"), optional("note", "一致")])
            .good(303),
        officer("POST", "/console/applications/{id}/approve")
            .parameter(checked, &[NOTHING, &s.grant])
            .form([
                required("letter_postal_code", "100-0001").foreign("1"),
                required("letter_address", "東京都千代田区1"),
            ])
            .good(200),
        officer("POST", "/console/applications/{id}/reject")
            .parameter(application, &[NOTHING, &s.grant])
            .form([required("reason", "名簿にない")])
            .good(303),
        officer("GET", "/console/organisations")
            .query([free("q", "病院"), optional("page", "0").foreign("-1")])
            .good(200),
        administrator("GET", "/console/organisations/{id}/status")
            .parameter(b, &[NOTHING, application])
            .good(200),
        administrator("POST", "/console/organisations/{id}/status")
            .parameter(b, &[NOTHING, application])
            .form([
                required("change", "suspend").foreign("burn"),
                required("reason", "定期点検"),
                required("sure", "yes").foreign("no"),
            ])
            .good(303),
        officer("GET", "/console/organisations/{id}")
            .parameter(a, &[NOTHING, application])
            .good(200),
        officer("POST", "/console/organisations/{id}/letter")
            .parameter(a, &[NOTHING, application])
            .payload(Payload::NoFields),
        officer("POST", "/console/organisations/{id}/further-letter")
            .parameter(a, &[NOTHING, application])
            .form([required("reason", "管理者の退職")])
            .good(200),
        administrator("POST", "/console/organisations/{id}/name")
            .parameter(a, &[NOTHING, application])
            .form([required("name", "新病院"), required("name_kana", "シンビョウイン")]),
        administrator("POST", "/console/organisations/{id}/codes")
            .parameter(a, &[NOTHING, application])
            .form([
                required("scheme", "medical_institution").foreign("king"),
                required("value", &institution_code(300_001)).foreign("1311000011"),
                required("change", "add").foreign("burn"),
            ])
            .good(303),
    ]
}
