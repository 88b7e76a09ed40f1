//! A look-alike HPKI for the demonstration: hierarchy, revocation lists, and software cards, the good
//! ones and those that must be refused.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sekisho_ca::lookalike::{CardHolder as Subject, CardUse, LookalikeCard, LookalikeHpki};
use sekisho_software_card::{ApplicationData, Family, INSERTED, Layout, Personalisation};
use time::{Duration, OffsetDateTime};

use super::cast::{CARD_HOLDERS, CardHolder, PIN};

/// The folders of the cards.
#[derive(Debug, Clone)]
pub struct Cards {
    folder: PathBuf,
}

/// Cards that must be refused; each bears the first physician's name.
pub const REVOKED: &str = "revoked";
/// See [`REVOKED`].
pub const EXPIRED: &str = "expired";
/// Issued by a hierarchy of the same shape that nobody trusts.
pub const FOREIGN: &str = "foreign";

const TRIES: u8 = 15;

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
        let revoked: Vec<u32> =
            orders.iter().filter(|order| order.key == REVOKED).map(|order| order.serial).collect();
        let anchors = instance.join("anchors/hpki");
        let crls = instance.join("crls/hpki");
        std::fs::write(anchors.join("root.pem"), trusted.anchor_pem()?)?;
        std::fs::write(anchors.join("authentication.pem"), trusted.sub_ca_pem()?)?;
        std::fs::write(crls.join("root.crl"), trusted.root_crl(&[], now - Duration::HOUR)?)?;
        std::fs::write(crls.join("auth.crl"), trusted.card_crl(&revoked, now - Duration::HOUR)?)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The cards within reach of a reader whose folder this is.
    #[must_use]
    pub fn of_reader(folder: PathBuf) -> Self {
        Self { folder }
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
