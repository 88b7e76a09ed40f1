//! What a signature of a card is bound to beside what it says: where, when, at which PC and for which page
//! it was asked for. The same at a login and at a consent; what stands before and behind it differs.

use crate::octets::{ChallengeNonce, Sha256Digest, framed};
use crate::request::{LoginRequest, VerifiedLoginRequest};

/// One time that a portal asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occasion {
    /// SHA-256 of the origin's text.
    pub origin: Sha256Digest,
    /// The portal's challenge.
    pub nonce: ChallengeNonce,
    /// SHA-256 of the facility certificate that this PC shows in TLS.
    pub facility_x5t: Sha256Digest,
    /// Thumbprint of the page's own key.
    pub page_key: Sha256Digest,
    /// SHA-256 of the request as it was sent, compact JWS.
    pub request: Sha256Digest,
}

impl Occasion {
    /// That of claims whose compact JWS has this digest, as they tell it themselves.
    pub fn of_claims(claims: &LoginRequest, request: Sha256Digest) -> Self {
        Self {
            origin: Sha256Digest::of(&claims.origin),
            nonce: claims.nonce,
            facility_x5t: claims.facility.x5t_s256,
            page_key: claims.page_key,
            request,
        }
    }

    /// That of a request which the agent has verified, where the page comes from `origin` and the PC has
    /// this certificate: a card signs what its PC sees, not what the request says of it.
    pub fn seen(request: &VerifiedLoginRequest, origin: &str, facility_x5t: Sha256Digest) -> Self {
        Self {
            origin: Sha256Digest::of(origin),
            facility_x5t,
            ..Self::of_claims(request.claims(), request.digest())
        }
    }

    /// `tag`, the fields and what stands `behind` them, each with its length.
    pub(crate) fn framed(&self, tag: &[u8], behind: &[&[u8]]) -> Vec<u8> {
        let fields: [&[u8]; 6] = [
            tag,
            self.origin.as_bytes(),
            self.nonce.as_bytes(),
            self.facility_x5t.as_bytes(),
            self.page_key.as_bytes(),
            self.request.as_bytes(),
        ];
        framed(&[&fields, behind].concat())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One of fields that differ.
    pub(crate) fn sample() -> Occasion {
        let of = |octet: u8| Sha256Digest::new([octet; 32]);
        Occasion {
            origin: of(1),
            nonce: ChallengeNonce::new([2; 32]),
            facility_x5t: of(3),
            page_key: of(4),
            request: of(5),
        }
    }

    /// The sample with another value in each of its fields, or with two exchanged.
    pub(crate) fn others() -> Vec<Occasion> {
        let of = |octet: u8| Sha256Digest::new([octet; 32]);
        vec![
            Occasion { origin: of(9), ..sample() },
            Occasion { nonce: ChallengeNonce::new([9; 32]), ..sample() },
            Occasion { facility_x5t: of(9), ..sample() },
            Occasion { page_key: of(9), ..sample() },
            Occasion { request: of(9), ..sample() },
            Occasion { origin: of(4), page_key: of(1), ..sample() },
        ]
    }
}
