//! A reader and a PIN window that count how often they were touched.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use sekisho_agent::card::reader::{CardError, Channel, Readers, Slot};
use sekisho_agent::pin::{PinEntry, PinError, Prompt};

/// How often something was touched.
#[derive(Clone, Default)]
pub struct Count(Arc<AtomicUsize>);

impl Count {
    fn up(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Counts the cards that were opened. Looking whether one is in is no touch: the agent always looks.
pub struct CountingReaders<R> {
    pub inner: R,
    pub opened: Count,
}

impl<R: Readers> Readers for CountingReaders<R> {
    fn slots(&self) -> Result<Vec<Slot>, CardError> {
        self.inner.slots()
    }

    fn wait(&self, most: Duration) {
        self.inner.wait(most);
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, CardError> {
        self.opened.up();
        self.inner.connect(reader)
    }
}

/// Counts the windows that were shown.
pub struct CountingWindow<P> {
    pub inner: P,
    pub shown: Count,
}

#[async_trait]
impl<P: PinEntry> PinEntry for CountingWindow<P> {
    async fn ask(&self, prompt: &Prompt) -> Result<SecretString, PinError> {
        self.shown.up();
        self.inner.ask(prompt).await
    }

    fn is_interactive(&self) -> bool {
        self.inner.is_interactive()
    }
}
