//! A library that speaks PKCS #11, loaded once a process.
//!
//! Some libraries never find a token again that was away (SoftHSM is one, clients of network
//! appliances are others): only finalising and initialising them helps. Both count for the whole
//! process (PKCS #11 v2.40 §5.4), so nobody may be in a call meanwhile, and every session and handle
//! from before is void. It may even have been given to somebody else since.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
};

use super::failed;
use crate::KeyError;

pub(super) struct Library {
    context: Pkcs11,
    /// How often it was started again. Read while calls are made, written between them.
    starts: RwLock<u64>,
}

/// The right to make calls; the library is not started again while it is held.
pub(super) struct Calls<'l> {
    pub(super) context: &'l Pkcs11,
    starts: RwLockReadGuard<'l, u64>,
}

impl Calls<'_> {
    /// What sessions and handles belong to: those of another start are void.
    pub(super) fn start(&self) -> u64 {
        *self.starts
    }
}

impl Library {
    /// The library at `module`, loaded and started unless it was before.
    pub(super) fn at(module: &Path) -> Result<Arc<Self>, KeyError> {
        static LOADED: Mutex<BTreeMap<PathBuf, Arc<Library>>> = Mutex::new(BTreeMap::new());
        // A panic while it was held left the map as it was.
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = loaded.get(module) {
            return Ok(Arc::clone(library));
        }
        let context = Pkcs11::new(module).map_err(failed("load the PKCS #11 library"))?;
        initialise(&context)?;
        let library = Arc::new(Self { context, starts: RwLock::new(0) });
        loaded.insert(module.to_owned(), Arc::clone(&library));
        Ok(library)
    }

    pub(super) fn calls(&self) -> Calls<'_> {
        // A number cannot be left half written.
        let starts = self.starts.read().unwrap_or_else(PoisonError::into_inner);
        Calls { context: &self.context, starts }
    }

    /// Starts it again, unless somebody did since `start`.
    pub(super) fn start_again(&self, start: u64) -> Result<(), KeyError> {
        let mut starts = self.starts.write().unwrap_or_else(PoisonError::into_inner);
        if *starts == start {
            *starts += 1;
            // One that does not finalise may still be of use.
            let _ = self.context.clone().finalize();
            initialise(&self.context)?;
        }
        Ok(())
    }
}

fn initialise(context: &Pkcs11) -> Result<(), KeyError> {
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Another part of this process came first.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(error) => Err(failed("start the PKCS #11 library")(error)),
    }
}
