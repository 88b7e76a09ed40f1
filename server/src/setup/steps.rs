//! The steps at one router, as the console prints them and the technician's page shows them
//! (`templates/routers/steps.html`).

use sekisho_store::router::Router;

use crate::network::bundle::{self, Device, Key, Other, Proof, Suite, Texts};

/// What the steps need to know.
pub struct Steps {
    pub(crate) id: String,
    pub(crate) key: &'static str,
    /// Whether they stand at the console: there the files are below, and its pages can be reached.
    pub(crate) at_console: bool,
    pub(crate) has_certificate: bool,
    pub(crate) has_psk: bool,
    /// The line that loads what was installed.
    pub(crate) load: &'static str,
    /// What is said of a device whose texts nobody tried.
    pub(crate) untried: Option<Untried>,
    /// What has to be added to a text that was tried, for a device that knows less.
    pub(crate) amends: Vec<Suite>,
    /// Routers whose tunnel of several networks carries the first pair alone.
    pub(crate) first_alone: Vec<String>,
    /// Names of the files, in the order in which they are used; none where there are no texts.
    pub(crate) files: Vec<String>,
}

impl Steps {
    /// For this router with these at the other ends.
    pub(crate) fn of(own: &Router, others: &[Other], key: Key, enrol: &str, console: bool) -> Self {
        let (load, untried) = match Texts::of_family(&own.family) {
            Some(Texts::Tried(daemon)) => (daemon.load(), None),
            Some(Texts::Untried(device)) => ("", Some(Untried::of(device, own, others, enrol))),
            None => ("", None),
        };
        let mut amends: Vec<Suite> = Vec::new();
        for suite in others.iter().map(|other| Suite::of(&own.family, &other.router.family)) {
            if suite.amends() && !amends.contains(&suite) {
                amends.push(suite);
            }
        }
        let first_alone = others.iter().filter(|other| other.carries_first_alone(own));
        Self {
            first_alone: first_alone.map(|other| other.router.terminal_id.clone()).collect(),
            id: own.terminal_id.clone(),
            key: key.as_str(),
            at_console: console,
            has_certificate: bundle::wants_certificate(others),
            has_psk: bundle::wants_psk(others),
            load,
            untried,
            amends,
            files: Vec::new(),
        }
    }
}

/// The device, and what of this pair it cannot do.
pub(crate) struct Untried {
    pub(crate) device: Device,
    /// Where its pre-shared key is asked for.
    pub(crate) psk_address: String,
    /// Whether the pair is to prove itself by certificates, which the device does not know.
    pub(crate) lacks_certificates: bool,
    /// Whether the text has no commands for the networks of the pair.
    pub(crate) lacks_ipv6: bool,
    /// The message key of how it learns that the other end was revoked.
    pub(crate) revocation: &'static str,
}

impl Untried {
    fn of(device: Device, own: &Router, others: &[Other], enrol: &str) -> Self {
        let by_certificate = |other: &Other| other.proof != Proof::Psk;
        let keys_alone = !others.is_empty() && !others.iter().any(by_certificate);
        Self {
            device,
            psk_address: format!("{enrol}/router/psk"),
            lacks_certificates: !device.knows_certificates() && others.iter().any(by_certificate),
            lacks_ipv6: own.network.addr().is_ipv6() && !device.knows_ipv6(),
            revocation: if keys_alone {
                "routers-untried-keys-by-hand"
            } else {
                device.revocation_key()
            },
        }
    }
}
