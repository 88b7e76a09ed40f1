//! Commands that are told to end while they make something: nothing of it stays.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn signal(name: &str, child: &Child) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// `sekisho init` in the middle: keys are written, and it waits for a database that never answers.
fn init_that_waits(dir: &Path) -> (Child, TcpStream) {
    let database = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = database.local_addr().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(["init", "--database", &format!("postgres://nobody@{address}/none"), "--json"])
        .arg(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (connection, _) = database.accept().unwrap();
    (child, connection)
}

#[test]
fn init_that_is_told_to_end_takes_its_folder_and_its_keys_along() {
    let parent = tempfile::tempdir().unwrap();
    for name in ["INT", "TERM", "HUP"] {
        let (child, connection) = init_that_waits(&parent.path().join("instance"));
        let [making] = &names(parent.path())[..] else { panic!("not exactly one folder") };
        assert!(parent.path().join(making).join("root/root-key.p8").exists());
        signal(name, &child);
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        drop(connection);
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{name}: {said}");
        assert!(said.contains(&format!("SIG{name}")), "{said}");
        assert!(stdout.is_empty(), "{name}: secrets of nothing");
        assert_eq!(names(parent.path()), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_a_killed_init_left_is_removed_by_the_next_one_beside_it() {
    let parent = tempfile::tempdir().unwrap();
    let (mut killed, connection) = init_that_waits(&parent.path().join("killed"));
    let (waiting, other) = init_that_waits(&parent.path().join("waiting"));
    signal("KILL", &killed);
    killed.wait().unwrap();
    drop(connection);
    assert_eq!(names(parent.path()).len(), 2);
    let dir = parent.path().join("instance");
    let made = Command::new(env!("CARGO_BIN_EXE_sekisho")).arg("init").arg(&dir).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // That of the one which is still at work stays.
    let left = names(parent.path());
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.contains(&"instance".to_owned()) && !dir.join(".maker").exists());
    signal("TERM", &waiting);
    waiting.wait_with_output().unwrap();
    drop(other);
    assert_eq!(names(parent.path()), ["instance"]);
}

#[test]
fn init_into_a_link_to_nothing_is_refused_before_anything_is_shown() {
    let parent = tempfile::tempdir().unwrap();
    let link = parent.path().join("link");
    std::os::unix::fs::symlink(parent.path().join("nowhere"), &link).unwrap();
    let refused =
        Command::new(env!("CARGO_BIN_EXE_sekisho")).arg("init").arg(&link).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("is a link to what is not there"), "{said}");
    assert!(refused.stdout.is_empty());
    assert_eq!(names(parent.path()), ["link"]);
}

/// Processes whose command line names a path below `folder`.
fn processes_below(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(folder))
        .collect()
}

/// `demo --check` in the middle: its server runs, and one facility is accredited.
fn demo_that_walks(temporary: &Path) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(["demo", "--check"])
        .env("TMPDIR", temporary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.find(|line| line.as_ref().unwrap().contains("hospital applies")).unwrap().unwrap();
    // It may print on.
    std::thread::spawn(move || lines.count());
    child
}

#[test]
fn a_demonstration_that_is_told_to_end_ends_its_programs_and_removes_its_folder() {
    let temporary = tempfile::tempdir().unwrap();
    for name in ["INT", "TERM", "HUP"] {
        let child = demo_that_walks(temporary.path());
        assert!(!processes_below(temporary.path()).is_empty());
        signal(name, &child);
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{name}: {said}");
        assert_eq!(names(temporary.path()), Vec::<String>::new(), "{name}");
        assert_eq!(processes_below(temporary.path()), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_demonstration_says_who_can_log_in_where_and_ends_when_its_terminal_is_closed() {
    let temporary = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .arg("demo")
        .env("TMPDIR", temporary.path())
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told: Vec<_> = lines.take_while(|line| !line.starts_with("Stop with Ctrl-C")).collect();
    let cards = told.iter().filter_map(|line| Some((line, line.split_once(", card is ")?.1)));
    let cards: Vec<_> = cards.collect();
    assert_eq!(cards.len(), 4, "{told:?}");
    for (line, state) in cards {
        let (state, path) = state.split_once(": ").unwrap();
        let inserted = Path::new(path).join("inserted").exists();
        assert_eq!(inserted, state == "in", "{line}");
        let card = std::fs::read_to_string(Path::new(path).join("card.toml")).unwrap();
        assert!(card.contains("pin = \"1234\""), "{line}");
        let typed = Path::new(path).ancestors().nth(2).unwrap().join("pin");
        assert_eq!(std::fs::read_to_string(typed).unwrap(), "1234", "{line}");
    }
    assert!(told.iter().any(|line| line.contains("PIN of every card is 1234")), "{told:?}");
    signal("HUP", &child);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(names(temporary.path()), Vec::<String>::new());
    assert_eq!(processes_below(temporary.path()), Vec::<String>::new());
}

#[test]
fn the_programs_of_a_killed_demonstration_end_with_it() {
    let temporary = tempfile::tempdir().unwrap();
    let mut child = demo_that_walks(temporary.path());
    let server = std::fs::read_dir("/proc").unwrap().flatten().find_map(|process| {
        let line = std::fs::read(process.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let serves = line.contains(" serve ") && line.contains(temporary.path().to_str().unwrap());
        serves.then(|| process.file_name().into_string().unwrap())
    });
    signal("KILL", &child);
    child.wait().unwrap();
    // `tail` waits for a process that is not a child of ours.
    let ended = Command::new("timeout")
        .args(["60", "tail", "--pid", &server.unwrap(), "-f", "/dev/null"])
        .status()
        .unwrap();
    assert!(ended.success(), "the server goes on");
}
