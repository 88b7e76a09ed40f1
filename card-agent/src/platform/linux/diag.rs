//! Asks the kernel for one connection (sock_diag(7)): a few microseconds, where `/proc/net/tcp` is made
//! anew for each reader by a walk through all of the kernel's table, milliseconds on a large machine.

use std::net::{IpAddr, SocketAddr};

use rustix::io::Result;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

// <linux/netlink.h>, <linux/sock_diag.h>, <linux/inet_diag.h>, <net/tcp_states.h>
const REQUEST: u16 = 1;
const ERROR: u16 = 2;
const BY_FAMILY: u16 = 20;
const INET: u8 = 2;
const INET6: u8 = 10;
const TCP: u8 = 6;
const ESTABLISHED: u8 = 1;
const NO_COOKIE: u32 = u32::MAX;
/// `struct nlmsghdr`.
const HEADER: usize = 16;
/// `struct inet_diag_sockid` in an answer, and the user behind it.
const IDENTITY: usize = HEADER + 4;
const USER: usize = IDENTITY + 48 + 12;

/// The user of the socket at `local` that is connected to `remote`; `None` where there is none.
///
/// # Errors
/// The kernel does not answer such questions, or not to us.
pub fn user_of(local: SocketAddr, remote: SocketAddr) -> Result<Option<u32>> {
    let protocol = Some(netlink::SOCK_DIAG);
    let flags = SocketFlags::CLOEXEC;
    let kernel = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    send(&kernel, &question(local, remote), SendFlags::empty())?;
    let mut octets = [0; 1024];
    // It has answered by now: a question is worked off while it is sent.
    let (_, length) = recv(&kernel, &mut octets, RecvFlags::DONTWAIT)?;
    let answer = octets.get(..length).unwrap_or_default();
    if u16_at(answer, 4) == Some(ERROR) {
        let number = u32_at(answer, HEADER).unwrap_or(0).cast_signed();
        return match rustix::io::Errno::from_raw_os_error(number.wrapping_neg()) {
            rustix::io::Errno::NOENT => Ok(None),
            error => Err(error),
        };
    }
    Ok(user_in(answer, local, remote))
}

/// The user that an answer names, where it speaks of this connection and the connection stands.
fn user_in(answer: &[u8], local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let stands = u16_at(answer, 4) == Some(BY_FAMILY)
        && answer.get(HEADER + 1) == Some(&ESTABLISHED)
        && answer.get(IDENTITY..IDENTITY + 36) == Some(&identity(local, remote)[..36]);
    if stands { u32_at(answer, USER) } else { None }
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
fn question(local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    let family = if local.is_ipv4() { INET } else { INET6 };
    let states = 1_u32 << ESTABLISHED;
    let body =
        [[family, TCP, 0, 0].as_slice(), &states.to_ne_bytes(), &identity(local, remote)].concat();
    let length = (HEADER + body.len()) as u32;
    let (sequence, sender) = (1_u32, 0_u32);
    [
        length.to_ne_bytes().as_slice(),
        &BY_FAMILY.to_ne_bytes(),
        &REQUEST.to_ne_bytes(),
        &sequence.to_ne_bytes(),
        &sender.to_ne_bytes(),
        &body,
    ]
    .concat()
}

/// `struct inet_diag_sockid`: ports and addresses in the network's order, any interface, no cookie.
fn identity(local: SocketAddr, remote: SocketAddr) -> [u8; 48] {
    let mut octets = [0; 48];
    octets[..2].copy_from_slice(&local.port().to_be_bytes());
    octets[2..4].copy_from_slice(&remote.port().to_be_bytes());
    for (at, ip) in [(4, local.ip()), (20, remote.ip())] {
        match ip {
            IpAddr::V4(ip) => octets[at..at + 4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => octets[at..at + 16].copy_from_slice(&ip.octets()),
        }
    }
    octets[40..44].copy_from_slice(&NO_COOKIE.to_ne_bytes());
    octets[44..].copy_from_slice(&NO_COOKIE.to_ne_bytes());
    octets
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*octets.get(at..)?.first_chunk()?))
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*octets.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// The two ends of a connection over loopback, and what keeps it.
    fn connection(address: &str) -> (SocketAddr, SocketAddr, (TcpListener, TcpStream)) {
        let listener = TcpListener::bind(address).unwrap();
        let here = listener.local_addr().unwrap();
        let client = TcpStream::connect(here).unwrap();
        (client.local_addr().unwrap(), here, (listener, client))
    }

    #[test]
    fn the_kernel_names_the_user_of_a_connection_of_either_protocol_and_of_no_other() {
        use std::os::unix::fs::MetadataExt;
        let ours = std::fs::metadata("/proc/self").unwrap().uid();
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (peer, here, _kept) = connection(address);
            assert_eq!(user_of(peer, here), Ok(Some(ours)));
            let nobody = SocketAddr::new(peer.ip(), 1);
            assert_eq!(user_of(nobody, here), Ok(None));
            // A listener answers where no connection does, and is none.
            assert_eq!(user_of(here, nobody), Ok(None));
        }
    }

    #[test]
    fn an_answer_of_another_connection_state_or_kind_names_nobody() {
        let (peer, here) = ("127.0.0.1:49153".parse().unwrap(), "127.0.0.1:14790".parse().unwrap());
        let mut answer = question(peer, here);
        answer.truncate(HEADER);
        answer.extend([INET, ESTABLISHED, 0, 0]);
        answer.extend(identity(peer, here));
        answer.extend([0; 12]);
        answer.extend(1000_u32.to_ne_bytes());
        assert_eq!(user_in(&answer, peer, here), Some(1000));
        assert_eq!(user_in(&answer, here, peer), None);
        for (at, with) in [(4, 3), (HEADER + 1, 8), (IDENTITY + 1, 9), (IDENTITY + 20, 10)] {
            let mut other = answer.clone();
            other[at] = with;
            assert_eq!(user_in(&other, peer, here), None, "octet {at}");
        }
        for length in 0..answer.len() {
            assert_eq!(user_in(&answer[..length], peer, here), None);
        }
    }
}
