//! A bridge in a network namespace of its own, to which routers are connected.

use std::{
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use crate::world::done;

/// The bridge; it goes with the process that holds its namespace.
pub struct Network(Child);

impl Network {
    pub fn new() -> Self {
        let holder = Command::new("unshare")
            .args([
                "--net",
                "sh",
                "-c",
                "ip link add bridge type bridge && ip link set bridge up && exec sleep 3600",
            ])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let network = Self(holder);
        let there =
            || network.inside(&["ip", "link", "show", "bridge"]).status().unwrap().success();
        while !there() {
            sleep(Duration::from_millis(20));
        }
        network
    }

    /// Connects the network namespace of a process, as `eth0` with this address.
    pub fn connect(&self, process: u32, address: &str) {
        let (process, cable) = (process.to_string(), format!("v{process}"));
        done(&mut self.inside(&[
            "ip", "link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &process,
        ]));
        done(&mut self.inside(&["ip", "link", "set", &cable, "master", "bridge", "up"]));
        let within = |arguments: &[&str]| {
            let mut command = Command::new("nsenter");
            command.args(["--net", "--target", &process]).args(arguments);
            done(&mut command);
        };
        within(&["ip", "link", "set", "lo", "up"]);
        within(&["ip", "link", "set", "eth0", "up"]);
        within(&["ip", "address", "add", &format!("{address}/24"), "dev", "eth0"]);
    }

    fn inside(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.0.id().to_string()]).args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
