//! What the page of a router's bundle says of a device whose texts nobody tried.

use sekisho_store::router::Router;

use crate::network::bundle::{Device, Other, Proof};

/// The device, and what of this pair it cannot do.
pub(super) struct Untried {
    pub(super) device: Device,
    /// Where its pre-shared key is asked for.
    pub(super) psk_address: String,
    /// Whether the pair is to prove itself by certificates, which the device does not know.
    pub(super) lacks_certificates: bool,
    /// Whether the text has no commands for the networks of the pair.
    pub(super) lacks_ipv6: bool,
    /// The message key of how it learns that the other end was revoked.
    pub(super) revocation: &'static str,
}

impl Untried {
    pub(super) fn of(device: Device, own: &Router, others: &[Other], enrol: &str) -> Self {
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
