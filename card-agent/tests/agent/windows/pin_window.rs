//! The PIN window, seen and typed into as by a person: on a screen of its own, through X11.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sekisho_software_card::Layout;
use serde_json::Value;

use super::wine::Wine;
use crate::desk::Desk;
use crate::world::PIN;

const LONGEST: Duration = Duration::from_secs(60);
/// In the title of an HPKI card's window in either language; xdotool finds no Japanese.
const TITLE: &str = "PIN";
/// Places in the window, from its lower right corner.
const FIELD: (i32, i32) = (160, 72);
const GO_ON: (i32, i32) = (190, 30);
const BESIDE: (i32, i32) = (300, 10);

/// A screen that nobody sees; it goes with the value.
struct Screen {
    server: Child,
    display: String,
}

impl Screen {
    fn new() -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb (package xvfb) is installed");
        let mut number = String::new();
        BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut number).unwrap();
        assert!(!number.trim().is_empty(), "Xvfb started");
        Self { server, display: format!(":{}", number.trim()) }
    }

    fn xdotool(&self, arguments: &[&str]) -> String {
        let mut xdotool = Command::new("xdotool");
        let told = xdotool.args(arguments).env("DISPLAY", &self.display).output();
        let told = told.expect("xdotool (package xdotool) is installed");
        String::from_utf8(told.stdout).unwrap().trim().to_owned()
    }

    /// Waits for the PIN window that is not `before`.
    fn window(&self, before: &str) -> String {
        let until = Instant::now() + LONGEST;
        loop {
            let found = self.xdotool(&["search", "--onlyvisible", "--name", TITLE]);
            if let Some(window) = found.lines().find(|window| *window != before) {
                return window.to_owned();
            }
            assert!(Instant::now() < until, "no window {TITLE}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// There is no window manager that would give a window the keyboard: a click does. The place is in
    /// points from the window's lower right corner.
    fn click(&self, window: &str, (left, up): (i32, i32)) {
        let told = self.xdotool(&["getwindowgeometry", "--shell", window]);
        let of = |name: &str| -> i32 {
            told.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
        };
        let (x, y) = (of("WIDTH=") - left, of("HEIGHT=") - up);
        let (x, y) = (x.to_string(), y.to_string());
        self.xdotool(&["mousemove", "--window", window, &x, &y, "click", "1"]);
    }

    fn press(&self, keys: &[&str]) {
        self.xdotool(&[&["key"], keys].concat());
    }

    /// Starts a self-test that has no other way to a PIN than the window, in this language.
    fn self_test(&self, wine: &Wine<'_>, locale: &str) -> Child {
        wine.command("sekisho-agent.exe")
            .args(["self-test", "--json", "--software-card", "card"])
            .env("DISPLAY", &self.display)
            .env("LC_ALL", locale)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

/// What it said until it ended; it does not wait for ever for a window that nobody answers.
fn ended(mut asking: Child) -> Output {
    let until = Instant::now() + LONGEST;
    while asking.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            asking.kill().unwrap();
            panic!("the window is still open");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    asking.wait_with_output().unwrap()
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
#[ignore = "needs the program for Windows"]
fn a_pin_that_is_typed_into_the_window_opens_the_card() {
    let desk = Desk::new(Layout::Ic31);
    let (wine, screen) = (Wine::new(&desk), Screen::new());
    let asking = screen.self_test(&wine, "ja_JP.UTF-8");
    let window = screen.window("");
    screen.click(&window, FIELD);
    // An empty field is no answer: the window stays.
    screen.press(&["Return"]);
    screen.xdotool(&["type", PIN]);
    screen.press(&["Return"]);
    let said = ended(asking);
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stderr));
    let report: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(report["signature"], "verified");
}

#[test]
#[ignore = "needs the program for Windows"]
fn a_window_that_is_closed_tries_nothing_and_a_stray_enter_risks_no_last_try() {
    let desk = Desk::new(Layout::Ic31);
    let (wine, screen) = (Wine::new(&desk), Screen::new());
    let asking = screen.self_test(&wine, "en_GB.UTF-8");
    let window = screen.window("");
    screen.click(&window, FIELD);
    screen.press(&["Escape"]);
    let said = ended(asking);
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("the person closed the window"));

    desk.with_tries(3);
    let asking = screen.self_test(&wine, "ja_JP.UTF-8");
    let window = screen.window("");
    screen.click(&window, BESIDE);
    screen.press(&["Return", "Escape"]);
    let said = ended(asking);
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("3 tries are left"));

    let asking = screen.self_test(&wine, "ja_JP.UTF-8");
    let question = screen.window("");
    screen.click(&question, GO_ON);
    let window = screen.window(&question);
    screen.click(&window, FIELD);
    screen.xdotool(&["type", PIN]);
    screen.press(&["Return"]);
    let said = ended(asking);
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stderr));
}
