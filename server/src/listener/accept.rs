//! From an accepted connection to a handler, within limits, and to the end without losing a request.

use std::{collections::BTreeMap, convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    Network, Peer, Sockets, Tls,
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
    stop: CancellationToken,
}

/// Serves until `stop` is cancelled; then takes no more connections, lets requests under way finish
/// within the configured time, and returns.
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
        stop,
    };
    let graceful = Arc::new(GracefulShutdown::new());
    let mut loops = tokio::task::JoinSet::new();
    for listener in sockets.tls {
        loops.spawn(accept(
            listener,
            service.clone(),
            Arc::clone(&graceful),
            Some(Arc::clone(&tls)),
        ));
    }
    for listener in sockets.plain {
        loops.spawn(accept(listener, service.clone(), Arc::clone(&graceful), None));
    }
    // The loops end, and close their sockets, when `stop` is cancelled.
    while loops.join_next().await.is_some() {}
    let Some(graceful) = Arc::into_inner(graceful) else { return };
    let under_way = graceful.count();
    tracing::info!(connections = under_way, "stopping");
    if tokio::time::timeout(listen.stop(), graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

async fn accept(
    listener: TcpListener,
    service: Service,
    graceful: Arc<GracefulShutdown>,
    tls: Option<Arc<Tls>>,
) {
    loop {
        let permit = tokio::select! {
            () = service.stop.cancelled() => return,
            permit = Arc::clone(&service.connections).acquire_owned() => permit,
        };
        // The semaphore is never closed.
        let Ok(permit) = permit else { return };
        let (stream, addr) = tokio::select! {
            () = service.stop.cancelled() => return,
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
        let Some(place) = service.connections_by_network.enter(Network::of(addr.ip())) else {
            // Closed without a word: words would cost what is being saved.
            tracing::debug!(%addr, "its network holds all the connections it may");
            continue;
        };
        let watcher = graceful.watcher();
        let (service, tls) = (service.clone(), tls.clone());
        tokio::spawn(async move {
            match tls {
                Some(tls) => connection_tls(stream, addr, service, tls, watcher).await,
                None => {
                    let peer = Peer { addr, role: NameRole::Plain, chain: Arc::new([]) };
                    connection(stream, peer, false, service, watcher).await;
                }
            }
            drop::<(OwnedSemaphorePermit, Place)>((permit, place));
        });
    }
}

async fn connection_tls(
    stream: TcpStream,
    addr: SocketAddr,
    service: Service,
    tls: Arc<Tls>,
    watcher: Watcher,
) {
    // Small answers must not wait for each other's acknowledgement.
    let _ = stream.set_nodelay(true);
    // A stranger who begins handshakes and never ends them holds some of the places, not all.
    let Some(place) = service.handshakes_by_network.enter(Network::of(addr.ip())) else {
        tracing::debug!(%addr, "its network is in all the handshakes it may");
        return;
    };
    let handshake = handshake(stream, &tls, &service.handshakes);
    let outcome = tokio::select! {
        () = service.stop.cancelled() => return,
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
    let http2 = session.alpn_protocol() == Some(b"h2");
    drop::<Place>(place);
    connection(stream, Peer { addr, role, chain }, http2, service, watcher).await;
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

async fn connection<S>(stream: S, peer: Peer, http2: bool, service: Service, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    const MOST_HEAD_OCTETS: u32 = 32 * 1024;
    const MOST_HEADERS: usize = 64;
    const MOST_STREAMS: u32 = 100;
    let Some(router) = service.routers.get(&peer.role).cloned() else { return };
    let addr = peer.addr;
    let handler = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let router = router.clone();
        async move {
            let answer: Result<_, Infallible> = router.oneshot(request.map(Body::new)).await;
            answer
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The version is settled by ALPN: guessing it would wait for a silent client without limit.
    builder = if http2 { builder.http2_only() } else { builder.http1_only() };
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(service.listen.head())
        .max_headers(MOST_HEADERS)
        .max_buf_size(MOST_HEAD_OCTETS as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(MOST_HEAD_OCTETS)
        .keep_alive_interval(service.listen.head())
        .keep_alive_timeout(service.listen.handshake());
    // Who asks and does not read the answer is not waited for.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(service.listen.body()));
    let stream = TokioIo::new(Box::pin(stream));
    let connection = builder.serve_connection(stream, handler).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%addr, %error, "connection ended");
    }
}
