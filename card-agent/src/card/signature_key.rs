//! The key for documents (署名用) of a card: whose it is, and having it sign what a person was shown.

use std::sync::Arc;

use sekisho_pki::encoding::cades::{CadesError, SignedAttributes};
use time::OffsetDateTime;

use super::card_type::{CardType, CardTypes};
use super::driver::{self, Driver, PinState};
use super::holder::Holder;
use super::key_use::Documents;
use super::known::{Application, Family};
use super::pin_kind::{Pin, PinKind};
use super::reader::{CardError, Readers, Slot};
use super::session::{Session, with_card};
use super::{hpki, jpki};

/// A card's key for documents.
#[derive(Debug)]
pub struct SignatureKey {
    half: Half,
}

#[derive(Debug)]
enum Half {
    /// With its certificate, which anybody may read.
    Hpki(hpki::Signature, Vec<u8>),
    /// The certificate holds name and address, and is told after the password.
    Jpki(jpki::Signature),
}

/// A document that a card signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDocument {
    /// Whose certificate.
    pub certificate_der: Vec<u8>,
    /// Detached CAdES signature, DER.
    pub signature_der: Vec<u8>,
}

/// Makes what is signed for a certificate (DER, and what it says), once that is known.
pub type MakeAttributes<'a> =
    &'a mut dyn FnMut(&[u8], &Holder) -> Result<SignedAttributes, CardError>;

impl SignatureKey {
    /// Looks for such a key on the card in a slot, in a transaction of its own; also what its PIN stands
    /// at.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_with_pin_state(
        readers: &dyn Readers,
        slot: &Slot,
        types: &CardTypes,
    ) -> Result<(Self, PinState), CardError> {
        let kind = types.of(slot);
        with_card(readers, &slot.reader, |card| Self::read_in(card, &kind))
    }

    /// The same within a transaction.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_in(
        card: &mut Session<'_>,
        kind: &Arc<CardType>,
    ) -> Result<(Self, PinState), CardError> {
        let key = Self::read(card, kind)?;
        let pin = key.driver().pin_state(card)?;
        Ok((key, pin))
    }

    /// Looks for such a key. Needs no PIN.
    ///
    /// # Errors
    /// [`CardError::NoSignatureKey`]: there is none. [`CardError::NotForDocuments`];
    /// [`CardError::UnknownCertificate`] where an HPKI application holds another certificate.
    pub fn read(card: &mut Session<'_>, kind: &Arc<CardType>) -> Result<Self, CardError> {
        for application in Application::in_order(kind) {
            let found = match application {
                Application::Hpki => {
                    hpki::Signature::read(card, kind)?.map(|(der, key)| Half::Hpki(key, der))
                }
                Application::Jpki => jpki::Signature::find(card, kind)?.map(Half::Jpki),
            };
            if let Some(half) = found {
                let key = Self { half };
                if let Some(holder) = key.holder() {
                    is_of(&holder?, Family::Hpki)?;
                }
                return Ok(key);
            }
        }
        Err(CardError::NoSignatureKey)
    }

    /// Whose kind of card.
    pub fn family(&self) -> Family {
        match self.half {
            Half::Hpki(..) => Family::Hpki,
            Half::Jpki(_) => Family::Jpki,
        }
    }

    /// The certificate, where it can be read before the PIN.
    pub fn certificate_der(&self) -> Option<&[u8]> {
        match &self.half {
            Half::Hpki(_, der) => Some(der),
            Half::Jpki(_) => None,
        }
    }

    /// What that certificate says.
    pub fn holder(&self) -> Option<Result<Holder, CardError>> {
        self.certificate_der().map(holder)
    }

    /// What its PIN looks like.
    pub fn pin_kind(&self) -> PinKind {
        match self.family() {
            Family::Hpki => PinKind::HpkiSignature,
            Family::Jpki => PinKind::JpkiSignature,
        }
    }

    fn driver(&self) -> &dyn Driver<Documents> {
        match &self.half {
            Half::Hpki(key, _) => key,
            Half::Jpki(key) => key,
        }
    }

    /// Verifies the PIN, has `attributes` made for the certificate, signs them, and leaves no verified
    /// state behind. One transaction. What comes back verifies under the certificate.
    ///
    /// # Errors
    /// [`CardError::PinMalformed`], [`CardError::PinWrong`], [`CardError::PinBlocked`]; as
    /// [`Holder::may_sign_documents`], and then nothing was signed; what `attributes` returned.
    pub fn sign(
        &self,
        card: &mut Session<'_>,
        pin: &Pin,
        now: OffsetDateTime,
        attributes: MakeAttributes<'_>,
    ) -> Result<SignedDocument, CardError> {
        let mut certificate_der = Vec::new();
        let mut signed = Err(CardError::Malformed);
        let prepare = |card: &mut Session<'_>| {
            certificate_der = match &self.half {
                Half::Hpki(_, der) => der.clone(),
                Half::Jpki(key) => key.certificate(card)?,
            };
            let holder = holder(&certificate_der)?;
            is_of(&holder, self.family())?;
            holder.may_sign_documents(now)?;
            attributes(&certificate_der, &holder)
        };
        let tell = &mut |input: &SignedAttributes, signature: Vec<u8>| {
            signed = input.clone().attach(&signature).map_err(CardError::from);
        };
        pin.enter(self.pin_kind(), |pin| driver::sign(self.driver(), card, pin, prepare, tell))?;
        Ok(SignedDocument { signature_der: signed?, certificate_der })
    }
}

fn holder(certificate_der: &[u8]) -> Result<Holder, CardError> {
    Holder::of(certificate_der).ok_or(CardError::Structure("certificate"))
}

fn is_of(holder: &Holder, family: Family) -> Result<(), CardError> {
    if holder.family() == Some(family) {
        return Ok(());
    }
    Err(CardError::UnknownCertificate { issuer: holder.issuer().to_owned() })
}

impl From<CadesError> for CardError {
    fn from(error: CadesError) -> Self {
        Self::Signature(error.to_string())
    }
}
