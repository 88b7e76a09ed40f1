//! Every route with a good request. A route without a line here fails the test.

mod certificates;
mod console;
mod groups;
mod register;
mod router_models;
mod services;
mod terminal;

use super::{row::Row, scene::Scene};
use crate::{
    assets::Assets,
    names::NameRole::{Mtls, Public},
};

/// An identifier in the form of ours, of nothing.
const NOTHING: &str = "01990000-0000-7000-8000-000000000000";

pub async fn rows(scene: &Scene) -> Vec<Row> {
    // Good requests are sent in this order: what ends something comes after what needs it.
    let mut rows = services::public(scene);
    rows.extend([Public, Mtls].into_iter().flat_map(|role| services::programs(scene, role)));
    rows.extend(services::registration(scene));
    rows.extend(terminal::terminal(scene).await);
    rows.extend(certificates::enrol(scene));
    rows.extend(console::console(scene));
    rows.extend(router_models::rows(scene));
    rows.extend(groups::rows(scene).await);
    rows.extend(register::members(scene));
    rows.extend(register::register(scene));
    rows.extend(certificates::plain(scene));
    rows
}

fn asset() -> String {
    Assets::load().path("sekisho.css").trim_start_matches("/assets/").to_owned()
}
