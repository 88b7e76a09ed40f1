//! What a key on a card is for, as types: one logs a person in, the other signs documents, and neither
//! can be handed what is the other's.
//!
//! A driver for a key is a `Driver<Login>` or a `Driver<Documents>`. The first takes [`SignedInput`], whose
//! octets begin with the length of its domain tag; the second takes [`SignedAttributes`], a SET in DER. Not
//! even one and the same key would sign for the one what counts as the other.

use sekisho_pki::encoding::cades::SignedAttributes;
use sekisho_protocol::Sha256Digest;
use sekisho_protocol::digest_info::DigestInfo;
use sekisho_protocol::signed_input::SignedInput;

use super::card_type::Learnt;
use super::session::ApplicationName;
use super::{hpki, jpki};

/// Something whose digest a card may sign.
pub trait ToBeSigned {
    /// The digest as a card takes it.
    fn digest_info(&self) -> DigestInfo;
}

impl ToBeSigned for SignedInput {
    fn digest_info(&self) -> DigestInfo {
        DigestInfo::new(self.digest())
    }
}

impl ToBeSigned for SignedAttributes {
    fn digest_info(&self) -> DigestInfo {
        DigestInfo::new(Sha256Digest::of(self.to_be_signed()))
    }
}

/// The application of an HPKI card that holds a key, and the one beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HpkiApplications {
    /// Holds the key.
    pub own: ApplicationName,
    /// Selecting it ends what was verified in the first.
    pub other: ApplicationName,
}

/// What a key is for.
pub trait KeyUse: std::fmt::Debug + Send + Sync + 'static {
    /// What such a key signs, and nothing else.
    type Input: ToBeSigned;
    /// Where an HPKI card has it.
    const HPKI: HpkiApplications;
    /// Where a My Number card has it.
    const JPKI: jpki::Files;

    /// What was learnt of such keys of a type of HPKI card.
    fn hpki(known: &mut Learnt) -> &mut hpki::Learnt;
    /// The same of My Number cards.
    fn jpki(known: &mut Learnt) -> &mut jpki::Learnt;
}

/// 認証用, 利用者証明用: logging in.
#[derive(Debug)]
pub enum Login {}

/// 署名用: documents that a person was shown.
#[derive(Debug)]
pub enum Documents {}

impl KeyUse for Login {
    type Input = SignedInput;
    const HPKI: HpkiApplications =
        HpkiApplications { own: hpki::AUTHENTICATION, other: hpki::SIGNATURE };
    const JPKI: jpki::Files = jpki::AUTHENTICATION;

    fn hpki(known: &mut Learnt) -> &mut hpki::Learnt {
        &mut known.hpki
    }

    fn jpki(known: &mut Learnt) -> &mut jpki::Learnt {
        &mut known.jpki
    }
}

impl KeyUse for Documents {
    type Input = SignedAttributes;
    const HPKI: HpkiApplications =
        HpkiApplications { own: hpki::SIGNATURE, other: hpki::AUTHENTICATION };
    const JPKI: jpki::Files = jpki::SIGNATURE;

    fn hpki(known: &mut Learnt) -> &mut hpki::Learnt {
        &mut known.hpki_documents
    }

    fn jpki(known: &mut Learnt) -> &mut jpki::Learnt {
        &mut known.jpki_documents
    }
}
