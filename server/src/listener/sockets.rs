//! Listening sockets, IPv6 and IPv4 side by side on one port.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener as StdListener},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::config::Listen;

/// Connections that wait in the kernel before they are accepted.
const BACKLOG: i32 = 1024;

/// The bound sockets of an instance. Binding comes before everything that needs to know a port.
#[derive(Debug)]
pub struct Sockets {
    pub(super) tls: Vec<TcpListener>,
    pub(super) plain: Vec<TcpListener>,
    tls_port: u16,
    plain_port: u16,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; {}", self.remedy())]
pub struct BindError {
    /// Which one.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

impl BindError {
    fn remedy(&self) -> &'static str {
        match self.source.kind() {
            ErrorKind::AddrInUse => {
                "another process does: stop it, or choose another port under [listen] in sekisho.toml"
            }
            ErrorKind::PermissionDenied => {
                "the port needs privilege: give this program CAP_NET_BIND_SERVICE, or choose a port \
                 from 1024 on under [listen] in sekisho.toml"
            }
            _ => "is it an address of this host? See [listen] in sekisho.toml",
        }
    }
}

impl Sockets {
    /// Binds all addresses of the configuration. Port 0 takes a free port, the same for all
    /// addresses of a list. Must run within a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`]: the first address that is not to be had.
    pub fn bind(listen: &Listen) -> Result<Self, BindError> {
        let (tls, tls_port) = bind_all(listen.tls())?;
        let (plain, plain_port) = bind_all(listen.plain())?;
        Ok(Self { tls, plain, tls_port, plain_port })
    }

    /// The TLS port.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.tls_port
    }

    /// The plain port.
    #[must_use]
    pub fn plain_port(&self) -> u16 {
        self.plain_port
    }

    /// Every address that is listened on, TLS first.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.tls.iter().chain(&self.plain).filter_map(|l| l.local_addr().ok()).collect()
    }
}

fn bind_all(addresses: &[SocketAddr]) -> Result<(Vec<TcpListener>, u16), BindError> {
    // A free port on one address may be taken on another: then draw again.
    const DRAWS: usize = 32;
    let mut draw = 0;
    loop {
        draw += 1;
        match bind_once(addresses) {
            Ok(bound) => return Ok(bound),
            Err(error)
                if error.source.kind() == ErrorKind::AddrInUse
                    && addresses.iter().all(|address| address.port() == 0)
                    && draw < DRAWS => {}
            Err(error) => return Err(error),
        }
    }
}

fn bind_once(addresses: &[SocketAddr]) -> Result<(Vec<TcpListener>, u16), BindError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    let mut port = 0;
    for address in addresses {
        let mut address = *address;
        if address.port() == 0 {
            address.set_port(port);
        }
        let bound = bind(address).and_then(|listener| {
            port = listener.local_addr()?.port();
            TcpListener::from_std(listener)
        });
        listeners.push(bound.map_err(|source| BindError { address, source })?);
    }
    Ok((listeners, port))
}

fn bind(address: SocketAddr) -> std::io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Or `[::]` would take the port of `0.0.0.0` too.
        socket.set_only_v6(true)?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
