//! A look-alike HPKI and JPKI for the demonstration: hierarchies, revocation lists, and software cards,
//! the good ones and those that must be refused.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use sekisho_ca::lookalike::{
    CardHolder as Subject, CardUse, LookalikeCard, LookalikeHpki, LookalikeJpki,
};
use sekisho_software_card::{ApplicationData, Family, INSERTED, Layout, Personalisation, Token};
use time::{Duration, OffsetDateTime};

use super::cast::{CARD_HOLDERS, CardHolder, PIN};

/// The folders of the cards.
#[derive(Debug, Clone)]
pub struct Cards {
    folder: PathBuf,
    /// Who issued them, where they were made here.
    issuers: Option<Arc<Issuers>>,
}

#[derive(Debug)]
struct Issuers {
    instance: PathBuf,
    hpki: LookalikeHpki,
    jpki: LookalikeJpki,
}

/// Has an instance trust the cards of this look-alike, of which none is revoked: anchors, and lists from
/// `this_update` on.
///
/// # Errors
/// When a file cannot be written.
pub fn trust(
    instance: &Path,
    hpki: &LookalikeHpki,
    this_update: OffsetDateTime,
) -> anyhow::Result<()> {
    let (anchors, lists) = (instance.join("anchors/hpki"), instance.join("crls/hpki"));
    std::fs::write(anchors.join("root.pem"), hpki.anchor_pem()?)?;
    std::fs::write(anchors.join("authentication.pem"), hpki.sub_ca_pem()?)?;
    std::fs::write(lists.join("root.crl"), hpki.root_crl(&[], this_update)?)?;
    std::fs::write(lists.join("auth.crl"), hpki.card_crl(&[], this_update)?)?;
    Ok(())
}

/// Cards that must be refused; each bears the first physician's name.
pub const REVOKED: &str = "revoked";
/// See [`REVOKED`].
pub const EXPIRED: &str = "expired";
/// Issued by a hierarchy of the same shape that nobody trusts.
pub const FOREIGN: &str = "foreign";

/// My Number cards; they name nobody, and are whoever's links them. All have the PIN of the other cards.
pub const MY_NUMBER: [&str; 2] = ["my-number-1", "my-number-2"];

const TRIES: u8 = 15;
/// Serial number of the first of [`MY_NUMBER`].
const FIRST_MY_NUMBER: u32 = 300;

struct Order {
    key: &'static str,
    holder: CardHolder,
    serial: u32,
    foreign: bool,
    validity: (OffsetDateTime, OffsetDateTime),
}

impl Cards {
    /// Makes hierarchy and cards, puts anchors and lists into the instance, and the cards under
    /// `folder`.
    ///
    /// # Errors
    /// When a key cannot be made or a file not be written.
    pub fn make(instance: &Path, folder: &Path, now: OffsetDateTime) -> anyhow::Result<Self> {
        let lists = "http://lists.lookalike.example";
        let (trusted, foreign) = std::thread::scope(|scope| {
            let foreign = scope.spawn(|| LookalikeHpki::make(now, 1, lists));
            let trusted = LookalikeHpki::make(now, 0, lists);
            (trusted, foreign.join())
        });
        let jpki = LookalikeJpki::make(now)?;
        let trusted = trusted?;
        let foreign =
            foreign.map_err(|_| anyhow::anyhow!("key generation ended unexpectedly"))??;
        let orders = orders(now);
        // RSA keys take long; two at a time, as the machine has cores.
        let (even, odd) = orders.split_at(orders.len() / 2);
        let issue = |orders: &[Order]| -> anyhow::Result<()> {
            for order in orders {
                let hierarchy = if order.foreign { &foreign } else { &trusted };
                let card = hierarchy.issue_card(
                    &Subject {
                        common_name: order.holder.romaji,
                        kanji_name: order.holder.name,
                        serial_number: order.holder.serial_number,
                        roles: &[order.holder.role],
                        organisation: None,
                    },
                    CardUse::Authentication,
                    order.serial,
                    order.validity,
                )?;
                write_card(&folder.join(order.key), card)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(|| issue(odd));
            issue(even)?;
            other.join().map_err(|_| anyhow::anyhow!("card issuing ended unexpectedly"))?
        })?;
        for (serial, key) in (FIRST_MY_NUMBER..).zip(MY_NUMBER) {
            write_my_number_card(&folder.join(key), &jpki, serial, now)?;
        }
        trust(instance, &trusted, now - Duration::HOUR)?;
        std::fs::write(instance.join("anchors/jpki/authentication.pem"), jpki.anchor_pem()?)?;
        let issuers = Issuers { instance: instance.to_owned(), hpki: trusted, jpki };
        let cards = Self { folder: folder.to_owned(), issuers: Some(Arc::new(issuers)) };
        cards.publish(&[], now - Duration::HOUR)?;
        Ok(cards)
    }

    /// Takes these cards back, of either family, beside [`REVOKED`]: the lists in the instance say so from
    /// `this_update` on.
    ///
    /// # Errors
    /// When a file cannot be written, or the cards were not made here.
    pub fn publish(&self, revoked: &[&str], this_update: OffsetDateTime) -> anyhow::Result<()> {
        let issuers = self.issuers.as_ref().context("these cards were not made here")?;
        let hpki: Vec<u32> = orders(this_update)
            .iter()
            .filter(|order| order.key == REVOKED || revoked.contains(&order.key))
            .map(|order| order.serial)
            .collect();
        let jpki: Vec<u32> = (FIRST_MY_NUMBER..)
            .zip(MY_NUMBER)
            .filter(|(_, key)| revoked.contains(key))
            .map(|(serial, _)| serial)
            .collect();
        let lists = issuers.instance.join("crls");
        let hpki = issuers.hpki.card_crl(&hpki, this_update)?;
        std::fs::write(lists.join("hpki/auth.crl"), hpki)?;
        let jpki = issuers.jpki.card_crl(&jpki, this_update)?;
        std::fs::write(lists.join("jpki/auth.crl"), jpki)?;
        Ok(())
    }

    /// The cards within reach of a reader whose folder this is.
    #[must_use]
    pub fn of_reader(folder: PathBuf) -> Self {
        Self { folder, issuers: None }
    }

    /// Lays a copy of each card within reach of a reader: what is put into one PC is not in another.
    ///
    /// # Errors
    /// When a file cannot be copied.
    pub fn copy_to(&self, reader: &Self) -> anyhow::Result<()> {
        for card in std::fs::read_dir(&self.folder)? {
            let card = card?;
            let copy = reader.folder.join(card.file_name());
            std::fs::create_dir_all(&copy)?;
            for file in std::fs::read_dir(card.path())? {
                let file = file?;
                std::fs::copy(file.path(), copy.join(file.file_name()))
                    .with_context(|| format!("cannot copy {}", file.path().display()))?;
            }
        }
        Ok(())
    }

    /// Every card that is here.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn all(&self) -> anyhow::Result<Vec<PathBuf>> {
        std::fs::read_dir(&self.folder)?.map(|card| Ok(card?.path())).collect()
    }

    /// Folder of a card.
    #[must_use]
    pub fn of(&self, key: &str) -> PathBuf {
        self.folder.join(key)
    }

    /// Puts a card into the reader; whichever was in comes out.
    ///
    /// # Errors
    /// When a card's folder cannot be changed.
    pub fn insert(&self, key: &str) -> anyhow::Result<()> {
        for card in std::fs::read_dir(&self.folder)? {
            let mark = card?.path().join(INSERTED);
            if mark.exists() && mark != self.of(key).join(INSERTED) {
                std::fs::remove_file(&mark)
                    .with_context(|| format!("cannot remove {}", mark.display()))?;
            }
        }
        let path = self.of(key).join(INSERTED);
        if path.exists() {
            return Ok(());
        }
        std::fs::write(&path, b"").with_context(|| format!("cannot write {}", path.display()))
    }
}

fn orders(now: OffsetDateTime) -> Vec<Order> {
    let running = (now - Duration::days(30), now + Duration::days(5 * 365));
    let mut orders: Vec<Order> = (100..)
        .zip(CARD_HOLDERS)
        .map(|(serial, holder)| Order {
            key: holder.key,
            holder,
            serial,
            foreign: false,
            validity: running,
        })
        .collect();
    let physician = CARD_HOLDERS[0];
    let over = (now - Duration::days(400), now - Duration::days(1));
    for (key, serial, foreign, validity) in
        [(REVOKED, 200, false, running), (EXPIRED, 201, false, over), (FOREIGN, 100, true, running)]
    {
        orders.push(Order { key, holder: physician, serial, foreign, validity });
    }
    orders
}

fn write_my_number_card(
    folder: &Path,
    jpki: &LookalikeJpki,
    serial: u32,
    now: OffsetDateTime,
) -> anyhow::Result<()> {
    let validity = (now - Duration::days(30), now + Duration::days(4 * 365));
    let card = jpki.issue_card(CardUse::Authentication, serial, validity)?;
    let personal = Personalisation {
        family: Family::Jpki { token: Token::MyNumberCard, pin: PIN.to_owned(), password: None },
        authentication: ApplicationData {
            certificate_der: card.certificate_der,
            chain_der: vec![card.authority_der],
            key_pkcs8_der: card.key_pkcs8,
        },
        signature: None,
    };
    personal.write(folder)?;
    Ok(())
}

fn write_card(folder: &Path, card: LookalikeCard) -> anyhow::Result<()> {
    let personal = Personalisation {
        family: Family::Hpki { layout: Layout::Observed, pin: PIN.to_owned(), tries: TRIES },
        authentication: ApplicationData {
            certificate_der: card.certificate_der,
            chain_der: vec![card.root_der, card.sub_ca_der],
            key_pkcs8_der: card.key_pkcs8,
        },
        signature: None,
    };
    personal.write(folder)?;
    Ok(())
}
