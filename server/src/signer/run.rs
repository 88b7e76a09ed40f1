//! From a folder to a process that signs, and to its orderly end.

use std::sync::Arc;

use sekisho_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use super::{
    desk::{Desk, DeskError},
    door::{Door, DoorError},
    settings::Config,
};
use crate::clock::Clock;

/// Why the process did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The database.
    #[error("the instance's database cannot be used")]
    Store(#[from] StoreError),
    /// The keys.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The socket.
    #[error(transparent)]
    Door(#[from] DoorError),
}

/// Signs until `stop` is cancelled. `ready` is called once the socket answers.
///
/// # Errors
/// [`RunError`]: it did not start.
pub async fn run(
    config: &Config,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    ready: impl FnOnce(),
) -> Result<(), RunError> {
    let store = Store::join(&config.database, &config.node).await?;
    let desk = Desk::open(config, store.clone(), clock)?;
    let door = Door::open(&config.socket, &config.users)?;
    ready();
    door.serve(Arc::new(desk), stop).await;
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}
