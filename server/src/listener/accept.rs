//! From a listening socket to a connection, within limits, and to the end without losing a request.
//!
//! The end comes in steps:
//! 1. No more connections are taken, after those that the kernel holds ready: their clients believe
//!    themselves connected and may have asked already.
//! 2. HTTP/2 connections are told to open no more streams (GOAWAY). Requests under way are answered.
//!    Handshakes go on, and idle HTTP/1.1 connections still answer what arrives, with
//!    `Connection: close`: their clients cannot know yet.
//! 3. After a while ([`Listen::idle_stop`]) what is idle is closed, and unfinished handshakes with it.
//! 4. What is still under way after [`Listen::stop`] is cut off.
//!
//! A request that crosses step 3's end of the connection on the wire gets no answer; HTTP has
//! no way to prevent it (RFC 9112 §9.5), and clients try such requests again.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Network, Peer, Sockets, Tls,
    connection::{self, Ending, Version},
    network::{Crowd, Place},
};
use crate::{config::Listen, names::NameRole};

/// The paths of each name.
pub type Routers = BTreeMap<NameRole, Router>;

/// Everything one connection needs.
#[derive(Clone)]
struct Service {
    routers: Arc<Routers>,
    handshakes: Arc<Semaphore>,
    handshakes_by_network: Arc<Crowd>,
    connections: Arc<Semaphore>,
    connections_by_network: Arc<Crowd>,
    listen: Listen,
    ending: Ending,
    open: TaskTracker,
}

/// Serves until `stop` is cancelled, ends in the order above, and returns.
pub async fn serve(
    sockets: Sockets,
    tls: Arc<Tls>,
    routers: Routers,
    listen: &Listen,
    stop: CancellationToken,
) {
    let service = Service {
        routers: Arc::new(routers),
        handshakes: Arc::new(Semaphore::new(listen.most_handshakes())),
        handshakes_by_network: Arc::new(Crowd::new(listen.most_handshakes_of_a_network())),
        connections: Arc::new(Semaphore::new(listen.most_connections())),
        connections_by_network: Arc::new(Crowd::new(listen.most_connections_of_a_network())),
        listen: listen.clone(),
        ending: Ending { begins: stop, idle_closes: CancellationToken::new() },
        open: TaskTracker::new(),
    };
    let mut loops = tokio::task::JoinSet::new();
    for listener in sockets.tls {
        loops.spawn(accept(listener, service.clone(), Some(Arc::clone(&tls))));
    }
    for listener in sockets.plain {
        loops.spawn(accept(listener, service.clone(), None));
    }
    // The loops end, and close their sockets, when `stop` is cancelled.
    while loops.join_next().await.is_some() {}
    let Service { ending, open, .. } = service;
    open.close();
    tracing::info!(connections = open.len(), "stopping");
    let ended = async {
        let _ = tokio::time::timeout(listen.idle_stop(), open.wait()).await;
        ending.idle_closes.cancel();
        open.wait().await;
    };
    if tokio::time::timeout(listen.stop(), ended).await.is_err() {
        ending.idle_closes.cancel();
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

async fn accept(listener: TcpListener, service: Service, tls: Option<Arc<Tls>>) {
    loop {
        let permit = tokio::select! {
            () = service.ending.begins.cancelled() => break,
            permit = Arc::clone(&service.connections).acquire_owned() => permit,
        };
        // The semaphore is never closed.
        let Ok(permit) = permit else { return };
        let (stream, addr) = tokio::select! {
            () = service.ending.begins.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, mostly: waiting lets some close.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        enter(stream, addr, permit, &service, tls.clone());
    }
    // Those that the kernel accepted for us before the end.
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((stream, addr)) = listener.accept() {
        let Ok(permit) = Arc::clone(&service.connections).try_acquire_owned() else { return };
        let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
        if let Ok(stream) = stream {
            enter(stream, addr, permit, &service, tls.clone());
        }
    }
}

fn enter(
    stream: TcpStream,
    addr: SocketAddr,
    permit: OwnedSemaphorePermit,
    service: &Service,
    tls: Option<Arc<Tls>>,
) {
    let Some(place) = service.connections_by_network.enter(Network::of(addr.ip())) else {
        // Closed without a word: words would cost what is being saved.
        tracing::debug!(%addr, "its network holds all the connections it may");
        return;
    };
    let entered = service.clone();
    service.open.spawn(async move {
        match tls {
            Some(tls) => connection_tls(stream, addr, entered, tls).await,
            None => {
                let peer = Peer { addr, role: NameRole::Plain, chain: Arc::new([]) };
                connection(stream, peer, Version::Http1, entered).await;
            }
        }
        drop::<(OwnedSemaphorePermit, Place)>((permit, place));
    });
}

async fn connection_tls(stream: TcpStream, addr: SocketAddr, service: Service, tls: Arc<Tls>) {
    // Small answers must not wait for each other's acknowledgement.
    let _ = stream.set_nodelay(true);
    // A stranger who begins handshakes and never ends them holds some of the places, not all.
    let Some(place) = service.handshakes_by_network.enter(Network::of(addr.ip())) else {
        tracing::debug!(%addr, "its network is in all the handshakes it may");
        return;
    };
    let handshake = handshake(stream, &tls, &service.handshakes);
    let outcome = tokio::select! {
        () = service.ending.idle_closes.cancelled() => return,
        outcome = tokio::time::timeout(service.listen.handshake(), handshake) => outcome,
    };
    let (role, stream) = match outcome {
        Ok(Ok((role, stream))) => (role, stream),
        Ok(Err(error)) => {
            tracing::info!(%addr, %error, "handshake failed");
            return;
        }
        Err(_) => {
            tracing::info!(%addr, "handshake took too long");
            return;
        }
    };
    let session = stream.get_ref().1;
    let chain: Arc<[CertificateDer<'static>]> = session
        .peer_certificates()
        .unwrap_or_default()
        .iter()
        .map(|certificate| certificate.clone().into_owned())
        .collect();
    // The version is settled by ALPN: guessing it would wait for a silent client without limit.
    let version =
        if session.alpn_protocol() == Some(b"h2") { Version::Http2 } else { Version::Http1 };
    drop::<Place>(place);
    connection(stream, Peer { addr, role, chain }, version, service).await;
}

async fn handshake(
    stream: TcpStream,
    tls: &Tls,
    places: &Semaphore,
) -> std::io::Result<(NameRole, TlsStream<TcpStream>)> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
    // Only from here on it costs a signature; who sends nothing takes nobody's place.
    let _permit = places.acquire().await;
    let (role, config) = tls.choose(&start.client_hello());
    let stream = start.into_stream(config).await?;
    // Without a role the configuration has no certificate, so the line above has failed already.
    let role = role.ok_or_else(|| std::io::Error::other("no name of ours was asked for"))?;
    Ok((role, stream))
}

async fn connection<S>(stream: S, peer: Peer, version: Version, service: Service)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(router) = service.routers.get(&peer.role).cloned() else { return };
    connection::serve(stream, peer, version, router, &service.listen, &service.ending).await;
}
