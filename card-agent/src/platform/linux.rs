//! Linux: who owns a socket, by the kernel's word or `/proc/net/tcp` and `tcp6` (proc_net(5)), and
//! who has a library loaded, by `/proc/PID/maps` (proc_pid_maps(5)).

mod diag;

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Program;

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
pub fn foreign_listener(port: u16) -> Option<u32> {
    let ours = own_user()?;
    let ending = format!(":{port:04X}");
    rows()
        .find(|row| row.state == LISTEN && row.local.ends_with(&ending) && row.user != ours)
        .map(|row| row.user)
}

/// The NSS database that Chromium reads for this user, whether it exists or not (Chromium, "Linux Cert
/// Management").
pub fn usual_browser_store() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    home.map(|home| home.join(".pki/nssdb"))
}

/// Programs that speak to the smart card service, as far as they can be known: those that have its
/// library loaded and whose memory map we may read, which are our own user's, or all for root.
///
/// The service itself tells nobody who its callers are (pcsc-lite has no such request).
pub fn smart_card_programs() -> Vec<Program> {
    let ours = std::process::id();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut programs: Vec<Program> = processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process: &u32| *process != ours)
        .filter_map(|process| {
            let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).ok()?;
            maps.contains("/libpcsclite").then_some(())?;
            let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
            Some(Program { process, name: name.chars().filter(|c| !c.is_control()).collect() })
        })
        .collect();
    programs.sort_by_key(|program| program.process);
    programs
}

/// Readers that hang on USB: devices with an interface of the smart card class (USB CCID §4.1), by
/// the names that they give themselves.
pub fn plugged_readers() -> Vec<String> {
    readers_among(Path::new("/sys/bus/usb/devices"))
}

fn readers_among(devices: &Path) -> Vec<String> {
    const SMART_CARD: &str = "0b";
    let entries = std::fs::read_dir(devices).into_iter().flatten().flatten();
    let read = |path: PathBuf| Some(std::fs::read_to_string(path).ok()?.trim().to_owned());
    let mut readers: Vec<(String, String)> = entries
        .filter_map(|entry| {
            let class = read(entry.path().join("bInterfaceClass"))?;
            // `1-2:1.0` is an interface of the device `1-2`.
            let interface = entry.file_name().into_string().ok()?;
            let (device, _) = interface.split_once(':').filter(|_| class == SMART_CARD)?;
            let name = read(devices.join(device).join("product"));
            Some((device.to_owned(), name.unwrap_or_else(|| format!("USB device {device}"))))
        })
        .collect();
    readers.sort();
    readers.dedup_by(|one, other| one.0 == other.0);
    readers.into_iter().map(|(_, name)| name).collect()
}

/// A file that whoever started us left open under this number.
///
/// # Errors
/// Where there is none, or it is of a kind that cannot be opened again, such as a socket.
pub fn inherited_file(descriptor: u32) -> std::io::Result<File> {
    File::open(format!("/proc/self/fd/{descriptor}"))
}

/// Whether we run as root.
pub fn is_administrator() -> bool {
    own_user() == Some(0)
}

/// Whether this is the number of our own user.
pub fn is_own_user(user: u32) -> bool {
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
    fn a_reader_is_told_from_other_devices_and_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("1-2/product", "ACR39U ICC Reader\n");
        put("1-2:1.0/bInterfaceClass", "0b\n");
        put("1-2:1.1/bInterfaceClass", "0b\n");
        put("1-3/product", "Keyboard\n");
        put("1-3:1.0/bInterfaceClass", "03\n");
        put("2-1:1.0/bInterfaceClass", "0b\n");
        put("usb1/product", "xHCI\n");
        assert_eq!(readers_among(folder.path()), ["ACR39U ICC Reader", "USB device 2-1"]);
        assert!(readers_among(&folder.path().join("nowhere")).is_empty());
    }

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
