//! Serial numbers that are reserved and not used yet.
//!
//! They are drawn at random and become durable in blocks; one is handed out only after its block is. What a process that ends has left of a block is never used by anybody: the row stays.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sekisho_ca::record::{DRAWS, RecordError, draw_serial_block};
use sekisho_key::Randomness;
use sekisho_pki::encoding::serial::Serial;
use time::OffsetDateTime;

use super::{batch::Step, refused};
use crate::{Store, StoreError};

/// The largest block. At 2,000 certificates a second it lasts an eighth of one.
const MOST: usize = 256;

/// The stock of each issuer.
#[derive(Debug, Default)]
pub(super) struct SerialStock {
    issuers: Mutex<HashMap<String, Arc<Shelf>>>,
}

#[derive(Debug)]
struct Shelf {
    ready: Mutex<Vec<Serial>>,
    /// Held while a block is being reserved; size of the next one. It doubles from one on, so that
    /// a command that issues one certificate leaves none reserved for nobody.
    next_block: tokio::sync::Mutex<usize>,
}

impl SerialStock {
    fn shelf(&self, issuer_id: &str) -> Arc<Shelf> {
        let mut issuers = lock(&self.issuers);
        if let Some(shelf) = issuers.get(issuer_id) {
            return Arc::clone(shelf);
        }
        let shelf =
            Arc::new(Shelf { ready: Mutex::default(), next_block: tokio::sync::Mutex::new(1) });
        issuers.insert(issuer_id.to_owned(), Arc::clone(&shelf));
        shelf
    }
}

/// A number from the stock; reserves a block when there is none, and ahead when there are few.
pub(super) async fn next(
    store: &Store,
    issuer_id: &str,
    rng: &dyn Randomness,
    at: OffsetDateTime,
) -> Result<Serial, RecordError> {
    let shelf = store.issuing.serials.shelf(issuer_id);
    if let Some(serial) = shelf.take() {
        reserve_ahead(store, issuer_id, rng, at, &shelf)?;
        return Ok(serial);
    }
    let mut next_block = shelf.next_block.lock().await;
    // Whoever held the lock before has filled the shelf.
    if let Some(serial) = shelf.take() {
        return Ok(serial);
    }
    let mut draws = 0;
    loop {
        draws += 1;
        let block = draw_serial_block((*next_block).max(1), rng)?;
        match reserve(store, issuer_id, &block, at).await {
            Ok(()) => {
                *next_block = (*next_block * 2).min(MOST);
                let mut ready = lock(&shelf.ready);
                ready.extend(block);
                if let Some(serial) = ready.pop() {
                    return Ok(serial);
                }
            }
            Err(StoreError::AlreadyExists { .. }) if draws < DRAWS => {}
            Err(error) => return Err(refused(error, issuer_id, &block[0])),
        }
    }
}

/// Starts reserving the next block while the last quarter of a full one is being used.
fn reserve_ahead(
    store: &Store,
    issuer_id: &str,
    rng: &dyn Randomness,
    at: OffsetDateTime,
    shelf: &Arc<Shelf>,
) -> Result<(), RecordError> {
    if lock(&shelf.ready).len() > MOST / 4 {
        return Ok(());
    }
    // Somebody is at it already.
    let Ok(size) = shelf.next_block.try_lock().map(|size| *size) else { return Ok(()) };
    if size < MOST {
        return Ok(());
    }
    let block = draw_serial_block(size, rng)?;
    let (store, issuer_id, shelf) = (store.clone(), issuer_id.to_owned(), Arc::clone(shelf));
    tokio::spawn(async move {
        let _reserving = shelf.next_block.lock().await;
        if lock(&shelf.ready).len() > MOST / 4 {
            return;
        }
        // A failure shows when the shelf is empty, to a request that can tell of it.
        if reserve(&store, &issuer_id, &block, at).await.is_ok() {
            lock(&shelf.ready).extend(block);
        }
    });
    Ok(())
}

async fn reserve(
    store: &Store,
    issuer_id: &str,
    block: &[Serial],
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let serials = block.iter().map(|serial| serial.as_octets().to_vec()).collect();
    let step = Step::Reserve { issuer_id: issuer_id.to_owned(), serials, at };
    store.issuing.committer.commit(step).await.map(drop)
}

impl Shelf {
    fn take(&self) -> Option<Serial> {
        lock(&self.ready).pop()
    }
}

/// Nothing panics while these locks are held: each use pushes, pops or looks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
