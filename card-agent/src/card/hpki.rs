//! The two applications of an HPKI card, for authentication (認証用) and for signatures (署名用): read,
//! then verify and sign.
//!
//! Structure comes from the card's own directory files; the identifiers observed on a real card are
//! the fallback. Both applications are built alike; what each key signs, its [`KeyUse`] says.

mod reading;

use std::marker::PhantomData;
use std::sync::Arc;

use sekisho_protocol::Sha256Digest;
use sekisho_protocol::digest_info::DigestInfo;

use self::reading::{Certificate, Reading};
use super::apdu::{self, StatusWord};
use super::card_type::{CardType, Here};
use super::driver::Driver;
use super::holder::Holder;
use super::key_use::{Documents, KeyUse, Login, ToBeSigned};
use super::reader::CardError;
use super::session::{ApplicationName, Session};
use super::structure::{Directory, FilePath};

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

/// Where the lists lie, and where the certificate lies then: on the card observed, and in the guideline's
/// example (JAHIS Ver. 3.1 annex B).
const USUAL: [(Directory, FilePath); 2] = [
    (
        Directory {
            private_keys: FilePath::Id(0x0002),
            certificates: FilePath::Id(0x0004),
            authentication: FilePath::Id(0x0001),
        },
        Layout::OBSERVED.certificate,
    ),
    (
        Directory {
            private_keys: FilePath::Short(0x14),
            certificates: FilePath::Short(0x15),
            authentication: FilePath::Short(0x13),
        },
        FilePath::Short(0x18),
    ),
];

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

/// Ways to have a block signed, in the order in which a new type of card with extended lengths is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// PSO over the padded block with extended lengths.
    Extended,
    /// The same as a chain of short commands.
    Chained,
    /// `80 2A` over the DigestInfo; the card pads.
    Old,
}

/// The structures of the issuers whose cards came last, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Structures(Vec<Structure>);

impl Structures {
    /// More issuers than share a chip.
    const MOST: usize = 8;

    /// The structure of this issuer's cards, if it has their certificate where this one was.
    fn of(&self, found: &Certificate) -> Option<Layout> {
        let issuer = Holder::issuer_sha256(&found.der)?;
        let known = self.0.iter().find(|known| known.issuer == issuer)?;
        (known.layout.certificate == found.path).then_some(known.layout)
    }

    fn learn(&mut self, issuer: Sha256Digest, layout: Layout) {
        self.0.retain(|known| known.issuer != issuer);
        self.0.truncate(Self::MOST - 1);
        self.0.insert(0, Structure { layout, issuer });
    }

    /// Where certificates lay, each place once.
    fn places(&self) -> Vec<FilePath> {
        let mut places = Vec::new();
        for known in &self.0 {
            if !places.contains(&known.layout.certificate) {
                places.push(known.layout.certificate);
            }
        }
        places
    }
}

/// What is remembered of a type of card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learnt {
    /// What the directory files said.
    pub structures: Structures,
    /// Whether files are read by their [`FilePath::implied_short`]; `None` before it was tried.
    pub short_ids: Option<bool>,
    /// MSE names the key with this tag.
    pub tag: Option<u8>,
    /// Whether it forgets the PIN when another application is selected.
    pub forgets: Option<bool>,
    /// There is no other application of ours: it is left by selecting its own anew.
    pub alone: bool,
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
        let Learnt { structures, short_ids, .. } = U::hpki(&mut kind.learnt()).clone();
        let mut reading = Reading { card, extended: !kind.here().short_only, short_ids };
        let found = reading.find(&structures);
        // However it ended: only what a card was seen to take is in there.
        let (extended, short_ids) = (reading.extended, reading.short_ids);
        kind.learn_here(|here| here.short_only = !extended);
        kind.learn(|known| U::hpki(known).short_ids = short_ids);
        let (layout, certificate_der) = found?;
        if let Some(issuer) = Holder::issuer_sha256(&certificate_der) {
            kind.learn(|known| U::hpki(known).structures.learn(issuer, layout));
        }
        Ok(Some((certificate_der, Self::new(layout, kind.clone()))))
    }

    fn learnt(&self) -> Learnt {
        U::hpki(&mut self.kind.learnt()).clone()
    }

    fn learn(&self, change: impl FnOnce(&mut Learnt)) {
        self.kind.learn(|known| change(U::hpki(known)));
    }

    /// Tells the card which key; with the tag that it is known to take, or both in turn.
    fn set_key(&self, card: &mut Session<'_>) -> Result<(), CardError> {
        // Cards in the field take the key reference (84). The guideline's example, which names files by one
        // octet, takes the file (81).
        let is_short = matches!(self.layout.key, FilePath::Short(_));
        let first = self.learnt().tag.unwrap_or(if is_short { 0x81 } else { 0x84 });
        let tags = if first == 0x81 { [0x81, 0x84] } else { [0x84, 0x81] };
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
        let Here { short_only, form: known } = self.kind.here();
        // Where the certificate came by short commands only, the long one is tried last.
        let all = match short_only {
            false => [Form::Extended, Form::Chained, Form::Old],
            true => [Form::Chained, Form::Old, Form::Extended],
        };
        let others = all.into_iter().filter(|form| Some(*form) != known);
        let mut refused = CardError::Structure("way of signing");
        let mut key_set = false;
        for form in known.into_iter().chain(others) {
            let chosen = if form == Form::Old || key_set { Ok(()) } else { self.set_key(card) };
            key_set |= form != Form::Old && chosen.is_ok();
            match chosen.and_then(|()| self.sign_as(card, form, &info)) {
                Ok(signature) => {
                    self.kind.learn_here(|here| here.form = Some(form));
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
        if self.learnt().alone {
            return card.select_again(U::HPKI.own);
        }
        match card.select(U::HPKI.other) {
            Err(CardError::Refused { status, .. }) => {
                if status.names_no_file() {
                    // What was seen of the other way is not believed of this one.
                    self.learn(|known| (known.alone, known.forgets) = (true, None));
                }
                card.select_again(U::HPKI.own)
            }
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

#[cfg(test)]
#[path = "hpki_tests.rs"]
mod tests;
