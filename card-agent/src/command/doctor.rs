mod browser;
mod finding;
mod pin_window;
mod readers;
mod terminal;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;
use sekisho_output::say;
use sekisho_protocol::door;
use time::OffsetDateTime;

use super::{Failure, refused};
use crate::platform;
use crate::terminal::key::{self, TerminalKey};
use crate::terminal::place::Place;

pub(super) use browser::policy_standing;
use finding::Finding;
use terminal::Asked;

/// Look for what keeps logins from working, and say what to do.
///
/// Each subject has its line, in this order whatever is wrong: enrolment, server, clock, portal (a line
/// each), certificate, browser store, browser policy, agent, PIN window, card service, drivers, readers,
/// cards. A line begins with ok, with FAULT and ends with what to do next, or with ? where another fault
/// kept doctor from looking: mend that one first. Exit code 0 only where every line is ok.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sekisho-agent doctor
  sekisho-agent doctor --port 14800 | grep ^FAULT
  sekisho-agent doctor --pinentry pinentry-qt   (where run is started with the same)")]
pub struct Doctor {
    /// Port of the agent.
    #[arg(long, default_value_t = door::DEFAULT_PORT)]
    port: u16,
    /// Program that `run` is told to ask for the PIN with.
    #[arg(long, value_name = "PROGRAM")]
    pinentry: Option<String>,
}

/// For an agent that the system starts when somebody connects.
const PATIENCE: Duration = Duration::from_secs(5);
/// How an agent begins to answer whoever is none of its portals.
const REFUSAL: &[u8; 12] = b"HTTP/1.1 403";

/// A subject and what was found of it.
type Line = (&'static str, Finding);

/// What hangs on the enrolment, in the order in which it is told.
const OF_TERMINAL: [&str; 6] =
    ["server", "clock", "portal", "certificate", "browser store", "browser policy"];

impl Doctor {
    pub(super) async fn execute(self, place: &Place) -> Result<(), Failure> {
        let mut lines = of_terminal(place).await;
        lines.push(("agent", listener(self.port)));
        lines.push(("PIN window", pin_window::finding(self.pinentry.as_deref()).await));
        lines.extend(readers::findings());
        for (subject, finding) in &lines {
            say(&finding.line(subject))?;
        }
        let faults = lines.iter().filter(|(_, finding)| finding.is_fault()).count();
        let unknown = lines.iter().filter(|(_, finding)| !finding.is_known()).count();
        match (faults, unknown) {
            (0, 0) => Ok(()),
            (faults, 0) => Err(refused(anyhow::anyhow!("{faults} faults"))),
            _ => Err(refused(anyhow::anyhow!("{faults} faults, {unknown} lines not known"))),
        }
    }
}

/// What this PC is enrolled as, and everything that hangs on that.
async fn of_terminal(place: &Place) -> Vec<Line> {
    let trust = match place.enrolment().and_then(|_| place.trust()) {
        Ok(trust) => trust,
        Err(error) => return without_enrolment(terminal::of_place(error)),
    };
    let mut lines = vec![("enrolment", Finding::Well(trust.terminal.id))];
    let key = key::load(place).map_err(terminal::of_place);
    let key = key.as_deref();
    let asked = terminal::ask_server(place, key).await;
    // The server may just have named others.
    let origins = place.trust().map_or(trust.portal_origins, |trust| trust.portal_origins);
    lines.extend(of_server(place, key, &origins, asked, OffsetDateTime::now_utc()).await);
    lines.push(("browser store", browser::store(place)));
    lines.push(("browser policy", browser::policy(place)));
    lines
}

/// What the server said, and everything that hangs on that; `now` by this PC's clock.
async fn of_server(
    place: &Place,
    key: Result<&dyn TerminalKey, &Finding>,
    origins: &[String],
    asked: Asked,
    now: OffsetDateTime,
) -> Vec<Line> {
    let may_ask = match key {
        Err(_) => Err("server"),
        // A portal's certificate may not be of this PC's time, and no login would be.
        Ok(_) if asked.clock.is_fault() => Err("clock"),
        Ok(key) => Ok(key),
    };
    let mut lines = vec![("server", asked.server), ("clock", asked.clock)];
    let portals = terminal::portals(place, may_ask, origins).await;
    lines.extend(portals.into_iter().map(|found| ("portal", found)));
    lines.push(("certificate", terminal::certificate(place, now, asked.ahead)));
    lines
}

fn without_enrolment(fault: Finding) -> Vec<Line> {
    let not_known = || Finding::behind("it comes with the enrolment", "enrolment");
    let hanging = OF_TERMINAL.map(|subject| (subject, not_known()));
    [("enrolment", fault)].into_iter().chain(hanging).collect()
}

/// Whether an agent of this user listens.
fn listener(port: u16) -> Finding {
    if let Some(user) = platform::foreign_listener(port) {
        return Finding::fault(
            format!("a program of user {user} listens on {port}"),
            "stop it, or give the agent another port",
        );
    }
    let mut listens = false;
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let at = SocketAddr::new(address, port);
        let Ok(connection) = TcpStream::connect_timeout(&at, PATIENCE) else { continue };
        if !refuses_as_an_agent(connection).unwrap_or_default() {
            return Finding::fault(
                format!("another program listens on {at}"),
                "stop it, or give the agent another port",
            );
        }
        listens = true;
    }
    if listens {
        return Finding::Well(format!("listens on port {port}"));
    }
    Finding::fault(
        format!("does not run (nothing listens on port {port})"),
        "start `sekisho-agent run`, at each login of this PC's user",
    )
}

/// Whether who listens there gives a stranger an agent's answer.
fn refuses_as_an_agent(mut connection: TcpStream) -> std::io::Result<bool> {
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    connection.write_all(b"GET / HTTP/1.1\r\nhost: doctor\r\nconnection: close\r\n\r\n")?;
    let mut said = [0; REFUSAL.len()];
    connection.read_exact(&mut said)?;
    Ok(said == *REFUSAL)
}

#[cfg(test)]
mod tests;
