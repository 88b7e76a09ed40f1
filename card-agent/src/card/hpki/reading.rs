//! The reading of an HPKI application: its certificate, and where key and PIN are.

use super::{EF_OD, Layout, Structures, USUAL};
use crate::card::holder::Holder;
use crate::card::reader::CardError;
use crate::card::session::Session;
use crate::card::structure::{self, Directory, FilePath};

/// A certificate, and where it was.
pub(super) struct Certificate {
    pub(super) path: FilePath,
    pub(super) der: Vec<u8>,
    /// It was read by the short identifier that its path implies.
    by_short_id: bool,
}

impl Certificate {
    /// Whether it is a person's, and not an authority's.
    fn is_persons(&self) -> bool {
        Holder::of(&self.der).is_some_and(|holder| !holder.is_authority())
    }
}

/// A selected application that is being read, and what the card turned out to take.
pub(super) struct Reading<'a, 's> {
    pub(super) card: &'a mut Session<'s>,
    pub(super) extended: bool,
    pub(super) short_ids: Option<bool>,
}

impl Reading<'_, '_> {
    /// Structure and certificate: as this issuer's cards had them before, else by the directory files.
    pub(super) fn find(&mut self, known: &Structures) -> Result<(Layout, Vec<u8>), CardError> {
        let mut found = None;
        for path in known.places() {
            let Some(certificate) = self.certificate_at(path)? else { continue };
            if let Some(layout) = known.of(&certificate) {
                return Ok((layout, certificate.der));
            }
            let is_persons = certificate.is_persons();
            found = Some(certificate);
            if is_persons {
                break;
            }
        }
        self.structure(found)
    }

    /// Structure and certificate of a card of which nothing is known but what was `found` already: by its
    /// directory files, or as they were seen. The certificate is read before the list of certificates
    /// where one of the usual layouts has it.
    fn structure(
        &mut self,
        mut found: Option<Certificate>,
    ) -> Result<(Layout, Vec<u8>), CardError> {
        let directory = match self.card.read_file(EF_OD) {
            Ok(octets) => structure::directory(&octets),
            Err(CardError::Refused { .. }) => None,
            Err(error) => return Err(error),
        };
        let mut layout = Layout::OBSERVED;
        if let Some(directory) = directory {
            let usual = USUAL.iter().find(|(usual, _)| *usual == directory);
            if let Some((_, path)) = usual
                && found.as_ref().is_none_or(|found| found.path != *path)
            {
                found = self.certificate_at(*path)?;
            }
            let persons = found.as_ref().filter(|found| found.is_persons());
            let by_short_id = persons.is_some_and(|found| found.by_short_id);
            if let Some((pin_reference, key)) = self.pin_and_key(directory, by_short_id)? {
                let in_its_place = persons.filter(|found| usual.is_some_and(|u| u.1 == found.path));
                layout = Layout { pin_reference, key, ..layout };
                layout.certificate = match in_its_place {
                    Some(found) => found.path,
                    None => {
                        let list = self.card.read_file(directory.certificates)?;
                        structure::end_entity_certificate(&list).unwrap_or(layout.certificate)
                    }
                };
            }
        }
        if let Some(found) = found.filter(|found| found.path == layout.certificate) {
            return Ok((layout, found.der));
        }
        Ok((layout, self.certificate(layout.certificate)?.der))
    }

    /// Where the PIN and the key are, by EF.AOD and EF.PrKD. By the short identifiers that their paths
    /// imply only where this card's own certificate came by the one of its path, and only if both make
    /// sense: a PIN goes where EF.AOD says.
    fn pin_and_key(
        &mut self,
        directory: Directory,
        by_short_id: bool,
    ) -> Result<Option<(u8, FilePath)>, CardError> {
        let named = (directory.authentication, directory.private_keys);
        let short = named.0.implied_short().zip(named.1.implied_short());
        if let Some((pin, key)) = short.filter(|_| by_short_id) {
            match self.lists(pin, key) {
                Err(CardError::Refused { .. }) | Ok(None) => {}
                told => return told,
            }
        }
        self.lists(named.0, named.1)
    }

    fn lists(
        &mut self,
        authentication: FilePath,
        private_keys: FilePath,
    ) -> Result<Option<(u8, FilePath)>, CardError> {
        let pin = structure::pin_reference(&self.card.read_file(authentication)?);
        let key = structure::private_key(&self.card.read_file(private_keys)?);
        Ok(pin.zip(key))
    }

    /// What lies there, if it is a certificate.
    fn certificate_at(&mut self, path: FilePath) -> Result<Option<Certificate>, CardError> {
        match self.certificate(path) {
            Ok(certificate) => Ok(Some(certificate)),
            Err(CardError::Refused { .. } | CardError::Structure(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A certificate by its short identifier, which spares the selection of its file. That cards in the
    /// field have short identifiers for files that their lists name by two octets was not seen; so
    /// nothing but a person's certificate is believed from there, and what is refused, or something else,
    /// is read after a selection. Only that the selection finds what the short identifier did not proves
    /// that the type has none: a file that is not there has neither.
    fn certificate(&mut self, path: FilePath) -> Result<Certificate, CardError> {
        let short = path.implied_short().filter(|_| self.short_ids != Some(false));
        if let Some(short) = short {
            match self.card.read_certificate(short, &mut self.extended) {
                Ok(der) => {
                    let certificate = Certificate { path, der, by_short_id: true };
                    if certificate.is_persons() {
                        self.short_ids = Some(true);
                        return Ok(certificate);
                    }
                }
                Err(CardError::Refused { .. } | CardError::Structure(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let der = self.card.read_certificate(path, &mut self.extended)?;
        if short.is_some() {
            self.short_ids = Some(false);
        }
        Ok(Certificate { path, der, by_short_id: false })
    }
}
