//! Who owns a socket: the process by the system's table of TCP connections (GetExtendedTcpTable), its
//! user by the process's token.

use std::net::SocketAddr;

use netstat2::{
    AddressFamilyFlags, ProtocolFlags, ProtocolSocketInfo, TcpSocketInfo, TcpState,
    iterate_sockets_info,
};

use super::user;

/// Whether the program at the other end of a loopback connection runs under our own user.
///
/// `peer` and `here` are the two ends as `accept` told them. Where the system knows no such connection,
/// or does not let us see whose process it is, the answer is no.
pub fn is_own_connection(peer: SocketAddr, here: SocketAddr) -> bool {
    rows().any(|(tcp, processes)| {
        tcp.state == TcpState::Established
            && SocketAddr::new(tcp.local_addr, tcp.local_port) == peer
            && SocketAddr::new(tcp.remote_addr, tcp.remote_port) == here
            && !processes.is_empty()
            && processes.into_iter().all(user::is_own_process)
    })
}

/// The user of a program that listens on this loopback port and isn't ours.
pub fn foreign_listener(port: u16) -> Option<String> {
    let (_, processes) = rows().find(|(tcp, processes)| {
        tcp.state == TcpState::Listen
            && tcp.local_port == port
            && !processes.iter().copied().any(user::is_own_process)
    })?;
    let named = processes.into_iter().find_map(user::of_process);
    Some(named.unwrap_or_else(|| "that hides from this one".to_owned()))
}

fn rows() -> impl Iterator<Item = (TcpSocketInfo, Vec<u32>)> {
    let families = AddressFamilyFlags::IPV4 | AddressFamilyFlags::IPV6;
    let table = iterate_sockets_info(families, ProtocolFlags::TCP).into_iter().flatten();
    table.filter_map(|socket| {
        let socket = socket.ok()?;
        match socket.protocol_socket_info {
            ProtocolSocketInfo::Tcp(tcp) => Some((tcp, socket.associated_pids)),
            ProtocolSocketInfo::Udp(_) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn our_own_connection_is_recognised_on_both_protocols_and_no_other() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let here = listener.local_addr().unwrap();
            let _client = TcpStream::connect(here).unwrap();
            let (_accepted, peer) = listener.accept().unwrap();
            assert!(is_own_connection(peer, here), "{address}");
            assert!(!is_own_connection(SocketAddr::new(peer.ip(), 1), here));
            assert!(!is_own_connection(here, SocketAddr::new(peer.ip(), 1)));
            assert_eq!(foreign_listener(here.port()), None);
        }
    }
}
