//! Groups of routers: the list, a group's page, and what its owner and a facility do there.

use NameRole::Public;
use sekisho_store::vpn_peers;

use super::NOTHING;
use crate::{
    hostile::{
        row::{Payload, Row, free, optional, required},
        scene::Scene,
    },
    names::NameRole,
};

pub(super) async fn rows(s: &Scene) -> Vec<Row> {
    let (a, b) = (&s.here.terminal.organisation_id, &s.elsewhere.terminal.organisation_id);
    let app = s.app();
    let peers = vpn_peers::of_router(&mut app.store().read(), &s.router, app.now()).await.unwrap();
    let fingerprint = hex::encode(vpn_peers::fingerprint(&peers));
    let manager =
        |method, path| Row::new(Public, method, path).cookie(&s.manager, &[&s.officer, &s.auditor]);
    let of_own = |path| {
        manager("POST", path)
            .foreign_cookie(&s.other_manager)
            .parameter(&s.own_group, &[&s.other_group, NOTHING, &s.membership])
    };
    let of_membership = |path| {
        manager("POST", path)
            .foreign_cookie(&s.owner)
            .parameter(&s.invited, &[NOTHING, &s.membership, &s.own_group])
    };
    let router = |id: &str| {
        required("router", id).foreign("T0000000000").foreign(&s.new_terminal).foreign("<script>")
    };
    vec![
        manager("POST", "/console/routers/{id}/bundle")
            .foreign_cookie(&s.other_manager)
            .parameter(&s.router, &[&s.new_terminal, "T0000000000", "x"])
            .form([required("fingerprint", &fingerprint).foreign("00").foreign("<script>")])
            .good(303),
        manager("GET", "/console/groups").query([free("after", NOTHING)]).good(200),
        manager("POST", "/console/groups")
            .foreign_cookie(&s.other_manager)
            .form([
                required("facility", a).foreign(b).foreign("<script>"),
                required("name", "東地域連携"),
                optional("name_en", "East"),
                required("purpose", "conference").foreign("fun"),
                required("topology", "hub").foreign("star"),
                optional("transit", "yes").foreign("no"),
            ])
            .good(303),
        manager("GET", "/console/groups/{id}")
            .parameter(&s.own_group, &[NOTHING, &s.membership])
            .query([free("notice", "invited")])
            .good(200),
        of_own("/console/groups/{id}/invite")
            .form([
                required("invited", b).foreign(a).foreign(NOTHING).foreign("<script>"),
                optional("part", "hub").foreign("king"),
                optional("until", "2027-03-31").foreign("2020-01-01").foreign("soon"),
            ])
            .good(303),
        // Of another owner's, one's own facility may well ask.
        manager("POST", "/console/groups/{id}/ask")
            .foreign_cookie(&s.other_manager)
            .parameter(&s.own_group, &[NOTHING, &s.membership])
            .form([
                required("facility", a).foreign(b).foreign("<script>"),
                router(&s.router),
                optional("own_part", "spoke").foreign("king"),
                optional("own_until", "2027-03-31").foreign("2020-01-01").foreign("soon"),
            ])
            .good(303),
        of_membership("/console/group-memberships/{id}/agree").form([router(&s.router)]).good(303),
        of_membership("/console/group-memberships/{id}/router")
            .form([router(&s.new_router).foreign(&s.router)])
            .good(303),
        of_membership("/console/group-memberships/{id}/router/end")
            .form([router(&s.new_router)])
            .good(303),
        of_membership("/console/group-memberships/{id}/end").payload(Payload::NoFields).good(303),
        of_own("/console/groups/{id}/close")
            .form([required("sure", "yes").foreign("no")])
            .good(303),
    ]
}
