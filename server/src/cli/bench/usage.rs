//! What a process uses: time on the processor, and memory.

use std::{collections::HashMap, ffi::OsString, time::Duration};

use anyhow::Context;

/// No such process (errno(3)), in Linux's numbering.
const ESRCH: i32 = 3;

/// CPU time of each thread of a process: `/proc/PID/task/*/schedstat` counts nanoseconds, where
/// `/proc/PID/stat` counts hundredths of a second.
pub(super) struct CpuTime(HashMap<OsString, u64>);

impl CpuTime {
    /// Of a process that has just begun.
    pub(super) fn zero() -> Self {
        Self(HashMap::new())
    }

    pub(super) fn of(process: u32) -> anyhow::Result<Self> {
        let mut threads = HashMap::new();
        for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
            let task = task?;
            let text = match std::fs::read_to_string(task.path().join("schedstat")) {
                // It ended since it was listed: opening says the first, reading the second.
                Err(error)
                    if error.kind() == std::io::ErrorKind::NotFound
                        || error.raw_os_error() == Some(ESRCH) =>
                {
                    continue;
                }
                text => text?,
            };
            let on_cpu = text.split_whitespace().next().context("schedstat is empty")?;
            threads.insert(task.file_name(), on_cpu.parse()?);
        }
        Ok(Self(threads))
    }

    /// What was spent since. A thread that ended meanwhile is not counted; the server's workers
    /// stay.
    pub(super) fn since(&self, before: &Self) -> Duration {
        let spent = self.0.iter().map(|(thread, on_cpu)| {
            on_cpu.saturating_sub(before.0.get(thread).copied().unwrap_or_default())
        });
        Duration::from_nanos(spent.sum())
    }
}

/// A figure of `/proc/PID/status` in KiB: `VmRSS`, `VmHWM` (proc(5)).
pub(super) fn memory_kib(process: u32, figure: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(figure).and_then(|rest| rest.strip_prefix(':')));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    Ok(kib.context("the system does not tell the resident memory")?.trim().parse()?)
}

/// Lets `VmHWM`, the most that was resident, begin anew.
pub(super) fn forget_peak(process: u32) -> anyhow::Result<()> {
    Ok(std::fs::write(format!("/proc/{process}/clear_refs"), "5")?)
}

#[cfg(test)]
mod tests {
    use sekisho_key::SoftwareKey;

    use super::*;

    #[test]
    fn the_cpu_time_of_this_process_is_told_and_grows() {
        let before = CpuTime::of(std::process::id()).unwrap();
        let key = SoftwareKey::generate_p256().unwrap();
        // The kernel may count in ticks: work until one of them fell into this.
        let grown = (0..1_000).any(|_| {
            for _ in 0..100 {
                key.sign_now(b"work").unwrap();
            }
            // This thread is one of those counted, and it is still here.
            CpuTime::of(std::process::id()).unwrap().since(&before) > Duration::ZERO
        });
        assert!(grown);
    }
}
