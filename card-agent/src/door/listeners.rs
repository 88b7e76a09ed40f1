//! Where the door listens: on loopback addresses and nowhere else.

use std::io::{Error, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::net::TcpListener;

use crate::platform;

/// Binds the door on both loopback addresses, or on this one. Port 0 takes a free one, the same for both.
///
/// # Errors
/// The port is taken.
pub async fn bind(address: Option<IpAddr>, port: u16) -> Result<(Vec<TcpListener>, u16)> {
    if let Some(address) = address {
        let only = TcpListener::bind((address, port)).await?;
        let port = only.local_addr()?.port();
        return Ok((vec![only], port));
    }
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = first.local_addr()?.port();
    let mut listeners = vec![first];
    // A PC without IPv6 has one door.
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        Ok(second) => listeners.push(second),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Err(error),
        Err(error) => tracing::warn!(%error, "no IPv6 loopback"),
    }
    Ok((listeners, port))
}

/// The sockets that the system listens on for us, and their port; `None` where it handed over none
/// (systemd does: `sd_listen_fds(3)`). It holds them from the login on: while we restart, the port is nobody else's.
///
/// # Errors
/// One of them is no TCP socket, listens beyond loopback, or on another port than the rest.
pub fn inherited() -> Result<Option<(Vec<TcpListener>, u16)>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut port = None;
    for listener in platform::inherited_listeners()? {
        let at = listener.local_addr()?;
        if !at.ip().is_loopback() {
            let wide = format!("the socket unit listens on {at}, which is no loopback address");
            return Err(Error::other(wide));
        }
        if *port.get_or_insert(at.port()) != at.port() {
            return Err(Error::other("the socket unit names more than one port"));
        }
        listener.set_nonblocking(true)?;
        listeners.push(TcpListener::from_std(listener)?);
    }
    Ok(port.map(|port| (listeners, port)))
}
