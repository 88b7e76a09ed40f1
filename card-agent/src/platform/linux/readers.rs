//! Readers on USB, and who has the smart card service's library loaded, by `/proc/PID/maps`
//! (proc_pid_maps(5)).

use std::path::{Path, PathBuf};

use crate::platform::Program;

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

#[cfg(test)]
mod tests {
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
}
