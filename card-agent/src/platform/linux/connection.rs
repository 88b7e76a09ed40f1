//! Who owns a socket, by the kernel's word or `/proc/net/tcp` and `tcp6` (proc_net(5)).

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;

use super::diag;

const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";

/// Whether the program at the other end of a loopback connection runs under our own user.
///
/// `peer` and `here` are the two ends as `accept` told them. Where the kernel knows no such connection,
/// the answer is no; also where the other end was closed already, for such a one has lost its owner
/// and names root.
pub fn is_own_connection(peer: SocketAddr, here: SocketAddr) -> bool {
    own_user().is_some_and(|ours| match diag::user_of(peer, here) {
        Ok(user) => user == Some(ours),
        // A kernel without that interface, or a sandbox around us: the slow way.
        Err(_) => is_connection_of(ours, rows(), peer, here),
    })
}

fn is_connection_of(
    user: u32,
    mut rows: impl Iterator<Item = Row>,
    peer: SocketAddr,
    here: SocketAddr,
) -> bool {
    let (peer_end, our_end) = (hexadecimal(peer), hexadecimal(here));
    rows.any(|row| {
        row.local == peer_end
            && row.remote == our_end
            && row.state == ESTABLISHED
            && row.user == user
    })
}

/// The user of a program that listens on this loopback port and isn't ours.
pub fn foreign_listener(port: u16) -> Option<String> {
    let ours = own_user()?;
    let ending = format!(":{port:04X}");
    rows()
        .find(|row| row.state == LISTEN && row.local.ends_with(&ending) && row.user != ours)
        .map(|row| row.user.to_string())
}

/// Whether we run as root.
pub fn is_administrator() -> bool {
    own_user() == Some(0)
}

/// Whether this is the number of our own user.
pub(super) fn is_own_user(user: u32) -> bool {
    own_user() == Some(user)
}

fn own_user() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}

struct Row {
    local: String,
    remote: String,
    state: String,
    user: u32,
}

fn rows() -> impl Iterator<Item = Row> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .flat_map(|text| text.lines().skip(1).filter_map(row).collect::<Vec<_>>())
}

/// `sl local rem st tx:rx tr:tm retrnsmt uid …`
fn row(line: &str) -> Option<Row> {
    let mut columns = line.split_ascii_whitespace().skip(1);
    let (local, remote, state) = (columns.next()?, columns.next()?, columns.next()?);
    let user = columns.nth(3)?.parse().ok()?;
    Some(Row { local: local.into(), remote: remote.into(), state: state.into(), user })
}

/// An address as the kernel prints it: 32-bit words in host order.
fn hexadecimal(address: SocketAddr) -> String {
    let octets = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words: String = octets
        .chunks_exact(4)
        .map(|word| format!("{:08X}", u32::from_ne_bytes([word[0], word[1], word[2], word[3]])))
        .collect();
    format!("{words}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn our_own_connection_is_recognised_on_both_protocols() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let here = listener.local_addr().unwrap();
            let _client = TcpStream::connect(here).unwrap();
            let (accepted, peer) = listener.accept().unwrap();
            let ours = own_user().unwrap();
            assert_eq!(accepted.local_addr().unwrap(), here);
            assert!(is_own_connection(peer, here));
            assert!(is_connection_of(ours, rows(), peer, here), "the table says the same");
            let nobody = SocketAddr::new(peer.ip(), 1);
            assert!(!is_own_connection(nobody, here));
            assert!(!is_connection_of(ours, rows(), nobody, here));
        }
    }

    #[test]
    fn a_connection_whose_other_end_was_closed_is_nobodys() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        drop(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let (accepted, peer) = listener.accept().unwrap();
        let here = accepted.local_addr().unwrap();
        assert!(!is_own_connection(peer, here));
        assert!(!is_connection_of(own_user().unwrap(), rows(), peer, here));
    }

    /// As the kernel prints it: user 1000's connection from port 0xC001 to 0x39C6.
    const ROW: &str = "   3: 0100007F:C001 0100007F:39C6 01 00000000:00000000 00:00000000 00000000  1000        0 5301 1 0 20 0 0 10 -1";

    #[test]
    fn a_row_of_another_user_port_or_state_is_not_our_own() {
        let (peer, here) = ("127.0.0.1:49153".parse().unwrap(), "127.0.0.1:14790".parse().unwrap());
        let own = |line: &str| is_connection_of(1000, row(line).into_iter(), peer, here);
        assert!(own(ROW));
        for (of, with) in [("  1000 ", "  1001 "), ("  1000 ", "     0 "), (" 01 ", " 05 ")] {
            assert!(!own(&ROW.replace(of, with)), "{with}");
        }
        for (of, with) in [("C001", "C002"), ("39C6", "39C7"), ("0100007F:C", "0200007F:C")] {
            assert!(!own(&ROW.replace(of, with)), "{with}");
        }
        let swapped = ROW.replace("0100007F:C001 0100007F:39C6", "0100007F:39C6 0100007F:C001");
        assert!(!own(&swapped), "our own end is not the caller's");
    }
}
