//! Other programs on the same PC: another user's, and one that took the port first.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use sekisho_agent::door::http::Bounds;
use sekisho_agent::door::listeners;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::world::as_nobody;

use super::{
    Ask, STRANGER, assert_serves, assert_untouched, desk, desk_with, door, insert, touches,
};

/// The page's good request, down to the last octet, from another user's program.
#[tokio::test]
async fn a_program_of_another_user() {
    let world = desk().await;
    insert(&world).await;
    let before = touches(&world);
    let octets = Ask::begin(&world).octets();
    // The shell keeps the connection open until it has read everything.
    let script = r#"exec 3<>/dev/tcp/127.0.0.1/$1; printf %s "$2" >&3; cat <&3"#;
    let said = Command::from(as_nobody("bash"))
        .args(["-c", script, "bash", &world.port.to_string()])
        .arg(String::from_utf8(octets).unwrap())
        .output()
        .await
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), STRANGER, "{said:?}");
    assert_untouched(&world, before);
    assert_serves(&world).await;
}

/// Another user's idle connections, more than there are places for anybody, and nobody's time is up:
/// the person's login does not wait for them.
#[tokio::test]
async fn a_crowd_of_another_user() {
    let long = Duration::from_secs(600);
    let few = Bounds { connections: 4, foreign_connections: 2, head: long, body: long };
    let world = desk_with(few).await;
    insert(&world).await;
    // Opened one after the other, all kept; says so and stays until it is ended.
    let script = r#"for n in {10..29}; do eval "exec $n<>/dev/tcp/127.0.0.1/$1"; done; echo; read"#;
    let mut crowd = Command::from(as_nobody("bash"))
        .args(["-c", script, "bash", &world.port.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    crowd.stdout.take().unwrap().read_u8().await.unwrap();
    let served = tokio::time::timeout(Duration::from_secs(30), assert_serves(&world));
    served.await.expect("the person waits for another user's connections");
}

/// The agent does not stand beside a squatter at half a door: a browser may try either address.
#[tokio::test]
async fn a_squatter_on_either_address_or_on_all() {
    for squatted in [
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    ] {
        let squatter = TcpListener::bind(squatted).unwrap();
        let port = squatter.local_addr().unwrap().port();
        let refused = listeners::bind(None, port).await;
        let refused = refused.map(|_| ()).expect_err(&squatted.to_string());
        assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse, "{squatted}");
    }
}

/// Nobody shares the port afterwards, on no address.
#[tokio::test]
async fn a_squatter_that_comes_later() {
    let world = desk().await;
    for address in ["127.0.0.1", "[::1]", "0.0.0.0", "[::]"] {
        let at: SocketAddr = format!("{address}:{}", world.port).parse().unwrap();
        assert!(TcpListener::bind(at).is_err(), "{at}");
    }
    // Nor does the network reach the door.
    assert!(door(&world).ip().is_loopback());
}
