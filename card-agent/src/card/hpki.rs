//! The two applications of an HPKI card, for authentication (認証用) and for signatures (署名用): read,
//! then verify and sign.
//!
//! Structure comes from the card's own directory files; the identifiers observed on a real card are
//! the fallback. Both applications are built alike; what each key signs, its [`KeyUse`] says.

use std::marker::PhantomData;
use std::sync::Arc;

use sekisho_protocol::Sha256Digest;
use sekisho_protocol::digest_info::DigestInfo;

use super::apdu::{self, StatusWord};
use super::card_type::CardType;
use super::driver::Driver;
use super::holder::Holder;
use super::key_use::{Documents, KeyUse, Login, ToBeSigned};
use super::reader::CardError;
use super::session::{ApplicationName, Session};
use super::structure::{self, Directory, FilePath};

/// 署名用.
pub const SIGNATURE: ApplicationName = ApplicationName {
    aid: &[0xe8, 0x28, 0xbd, 0x08, 0x0f, 0xa0, 0, 0, 3, 0x91, 0, 0, 0, 0, 0, 1],
    answers: true,
};
/// 認証用.
pub const AUTHENTICATION: ApplicationName = ApplicationName {
    aid: &[0xe8, 0x28, 0xbd, 0x08, 0x0f, 0xa0, 0, 0, 3, 0x91, 0, 0, 0, 0, 0, 2],
    answers: true,
};

/// EF.OD (ISO/IEC 7816-15 §8.4): short identifier of file 5031.
const EF_OD: FilePath = FilePath::Short(0x11);

/// Where the lists lie on the card observed.
const OBSERVED: Directory = Directory {
    private_keys: FilePath::Id(0x0002),
    certificates: FilePath::Id(0x0004),
    authentication: FilePath::Id(0x0001),
};

/// Where everything lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// P2 of VERIFY.
    pub pin_reference: u8,
    /// The private key.
    pub key: FilePath,
    /// The end entity certificate.
    pub certificate: FilePath,
}

impl Layout {
    /// As seen on a real card (2019).
    pub const OBSERVED: Self =
        Self { pin_reference: 0x88, key: FilePath::Id(0x000c), certificate: FilePath::Id(0x0016) };
}

/// A layout, and whose cards have it. Another issuer may use the same chip with another PIN reference,
/// where a try would be lost: its cards are asked for their structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Structure {
    /// Where everything lies.
    pub layout: Layout,
    /// SHA-256 of the issuer's name, DER.
    pub issuer: Sha256Digest,
}

/// Ways to have a block signed, in the order in which a new type of card is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// PSO over the padded block with extended lengths.
    Extended,
    /// The same as a chain of short commands.
    Chained,
    /// `80 2A` over the DigestInfo; the card pads.
    Old,
}

/// What is remembered of a type of card.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Learnt {
    /// What the directory files of the last one said.
    pub structure: Option<Structure>,
    /// Card or reader have no extended lengths.
    pub short_only: bool,
    /// MSE names the key with this tag.
    pub tag: Option<u8>,
    /// This is how it signs.
    pub form: Option<Form>,
    /// Whether it forgets the PIN when another application is selected.
    pub forgets: Option<bool>,
}

/// The key for logging in of one card.
pub type Authentication = Key<Login>;
/// The key for documents of one card. It wants the PIN before every signature.
pub type Signature = Key<Documents>;

/// One application of one card.
#[derive(Debug)]
pub struct Key<U> {
    layout: Layout,
    kind: Arc<CardType>,
    use_: PhantomData<U>,
}

impl<U: KeyUse> Key<U> {
    /// With a structure that is known already.
    pub fn new(layout: Layout, kind: Arc<CardType>) -> Self {
        Self { layout, kind, use_: PhantomData }
    }

    /// Reads the certificate, and the structure where this type of card is new; `None` where the card
    /// has no such application.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn read(
        card: &mut Session<'_>,
        kind: &Arc<CardType>,
    ) -> Result<Option<(Vec<u8>, Self)>, CardError> {
        match card.select(U::HPKI.own) {
            Ok(()) => {}
            Err(CardError::Refused { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        let learnt = *U::hpki(&mut kind.learnt());
        let mut extended = !learnt.short_only;
        if let Some(known) = learnt.structure {
            match card.read_certificate(known.layout.certificate, &mut extended) {
                Ok(der) if Holder::issuer_sha256(&der) == Some(known.issuer) => {
                    return Ok(Some((der, Self::new(known.layout, kind.clone()))));
                }
                Ok(_) | Err(CardError::Refused { .. } | CardError::Structure(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let (layout, certificate_der) = read_structure(card, &mut extended)?;
        let issuer = Holder::issuer_sha256(&certificate_der);
        kind.learn(|known| {
            let known = U::hpki(known);
            known.short_only = !extended;
            known.structure = issuer.map(|issuer| Structure { layout, issuer });
        });
        Ok(Some((certificate_der, Self::new(layout, kind.clone()))))
    }

    fn learnt(&self) -> Learnt {
        *U::hpki(&mut self.kind.learnt())
    }

    fn learn(&self, change: impl FnOnce(&mut Learnt)) {
        self.kind.learn(|known| change(U::hpki(known)));
    }

    /// Tells the card which key; with the tag that it is known to take, or both in turn.
    fn set_key(&self, card: &mut Session<'_>) -> Result<(), CardError> {
        // Cards in the field take the key reference (84), the guideline's example the file (81).
        let known = self.learnt().tag;
        let tags = if known == Some(0x81) { [0x81, 0x84] } else { [0x84, 0x81] };
        let mut status = StatusWord(0);
        for tag in tags {
            status = card.exchange(&apdu::set_key(tag, self.layout.key.reference()))?.1;
            if status == StatusWord::OK {
                self.learn(|known| known.tag = Some(tag));
                return Ok(());
            }
        }
        Err(CardError::Refused { step: "the choice of the key", status })
    }

    fn sign_as(
        &self,
        card: &mut Session<'_>,
        form: Form,
        info: &DigestInfo,
    ) -> Result<Vec<u8>, CardError> {
        const STEP: &str = "the signature";
        // 2048 bits: every HPKI card (JAHIS guideline Ver. 3.1, EF.PrKD).
        let block = || info.encoded_message(256).ok_or(CardError::Structure("key length"));
        match form {
            Form::Extended => card.demand(&apdu::sign_extended(&block()?), STEP),
            Form::Chained => {
                let mut signature = Vec::new();
                for command in apdu::sign_chained(&block()?) {
                    signature = card.demand(&command, STEP)?;
                }
                Ok(signature)
            }
            Form::Old => {
                card.select_file(u16::from_be_bytes(self.layout.key.reference()))?;
                card.demand(&apdu::sign_digest_info(0x80, info), STEP)
            }
        }
    }
}

impl<U: KeyUse> Driver<U> for Key<U> {
    fn select_pin(&self, card: &mut Session<'_>) -> Result<u8, CardError> {
        card.select(U::HPKI.own)?;
        Ok(self.layout.pin_reference)
    }

    fn sign(&self, card: &mut Session<'_>, input: &U::Input) -> Result<Vec<u8>, CardError> {
        card.select(U::HPKI.own)?;
        let info = input.digest_info();
        let known = self.learnt().form;
        let all = [Form::Extended, Form::Chained, Form::Old];
        let others = all.into_iter().filter(|form| Some(*form) != known);
        let mut refused = CardError::Structure("way of signing");
        let mut key_set = false;
        for form in known.into_iter().chain(others) {
            let chosen = if form == Form::Old || key_set { Ok(()) } else { self.set_key(card) };
            key_set |= form != Form::Old && chosen.is_ok();
            match chosen.and_then(|()| self.sign_as(card, form, &info)) {
                Ok(signature) => {
                    self.learn(|known| known.form = Some(form));
                    return Ok(signature);
                }
                Err(CardError::Refused { step, status }) if status.asks_for_another_form() => {
                    refused = CardError::Refused { step, status };
                }
                Err(error) => return Err(error),
            }
        }
        Err(refused)
    }

    /// Selecting the other application ends the verified state; a card without one forgets it when
    /// its own is selected anew.
    fn leave(&self, card: &mut Session<'_>) -> Result<(), CardError> {
        match card.select(U::HPKI.other) {
            Err(CardError::Refused { .. }) => card.select_again(U::HPKI.own),
            done => done,
        }
    }

    fn forgets(&self) -> Option<bool> {
        self.learnt().forgets
    }

    fn learn_forgets(&self, forgets: bool) {
        self.learn(|known| known.forgets = Some(forgets));
    }
}

/// Structure and certificate of a card of which nothing is known: by its directory files, or as they
/// were seen.
fn read_structure(
    card: &mut Session<'_>,
    extended: &mut bool,
) -> Result<(Layout, Vec<u8>), CardError> {
    let directory = match card.read_file(EF_OD) {
        Ok(octets) => structure::directory(&octets),
        Err(CardError::Refused { .. }) => None,
        Err(error) => return Err(error),
    };
    let mut layout = Layout::OBSERVED;
    if let Some(directory) = directory {
        let pin = structure::pin_reference(&card.read_file(directory.authentication)?);
        let key = structure::private_key(&card.read_file(directory.private_keys)?);
        if let Some((pin_reference, key)) = pin.zip(key) {
            let seen = Layout { pin_reference, key, ..Layout::OBSERVED };
            if directory == OBSERVED
                && let Some(der) = own_certificate(card, seen.certificate, extended)?
            {
                return Ok((seen, der));
            }
            let list = card.read_file(directory.certificates)?;
            if let Some(certificate) = structure::end_entity_certificate(&list) {
                layout = Layout { certificate, ..seen };
            }
        }
    }
    Ok((layout, card.read_certificate(layout.certificate, extended)?))
}

/// What lies there, if it is a person's certificate: then the list of certificates need not be read.
fn own_certificate(
    card: &mut Session<'_>,
    path: FilePath,
    extended: &mut bool,
) -> Result<Option<Vec<u8>>, CardError> {
    match card.read_certificate(path, extended) {
        Ok(der) => {
            let own = Holder::of(&der).is_some_and(|holder| !holder.is_authority());
            Ok(own.then_some(der))
        }
        Err(CardError::Refused { .. } | CardError::Structure(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "hpki_tests.rs"]
mod tests;
