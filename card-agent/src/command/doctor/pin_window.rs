//! What `doctor` finds of the window that asks for the PIN.

use std::time::Duration;

use super::finding::{Finding, in_words};
use crate::pin::pinentry::{self, Pinentry};
use crate::platform;

/// What a program takes to say what it is; more, and it waits for something.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a window could be shown from here, where the agent would ask for the PIN by this program or,
/// without one, by this system's own window.
pub(super) async fn finding(program: Option<&str>) -> Finding {
    if program.is_none() && platform::pin_window().is_some() {
        return Finding::Well("this system's own".to_owned());
    }
    let program = program.unwrap_or(pinentry::USUAL).to_owned();
    let entry = Pinentry { program: program.clone() };
    let flavour = match tokio::time::timeout(PATIENCE, entry.flavour()).await {
        Ok(Ok(flavour)) => flavour,
        Ok(Err(error)) => return Finding::fault(in_words(error), platform::REMEDIES.pin_window),
        Err(_) => {
            return Finding::fault(
                format!("{program} does not answer"),
                platform::REMEDIES.pin_window,
            );
        }
    };
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    judge(&program, &flavour, set("DISPLAY") || set("WAYLAND_DISPLAY"))
}

/// `flavour` is what the program says of itself: `gnome3`, `curses`, or `gtk2:curses` where it has fallen
/// back from the one to the other.
fn judge(program: &str, flavour: &str, desktop: bool) -> Finding {
    let (kind, fallen_back) = match flavour.split_once(':') {
        Some((kind, _)) => (kind, true),
        None => (flavour, false),
    };
    match kind {
        // The agent is no program of a terminal: nobody would see the question.
        "curses" | "tty" | "emacs" => Finding::fault(
            format!("{program} is the one for terminals ({kind}), and the agent has no terminal"),
            platform::REMEDIES.pin_window,
        ),
        "" => Finding::Well(format!("{program} answers; it does not say of what kind it is")),
        _ if fallen_back || !desktop => Finding::fault(
            format!(
                "{program} ({kind}) has no desktop here (DISPLAY and WAYLAND_DISPLAY name none)"
            ),
            "run doctor and the agent within the desktop's session of the user who works here",
        ),
        _ => Finding::Well(format!("{program} ({kind})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_there_where_a_graphical_one_has_a_desktop() {
        for (flavour, desktop, well, told) in [
            ("gnome3", true, true, "gnome3"),
            ("qt", true, true, "qt"),
            ("gnome3", false, false, "DISPLAY"),
            ("gtk2:curses", true, false, "DISPLAY"),
            ("gtk2:curses", false, false, "within the desktop's session"),
            ("curses", true, false, "apt install pinentry-gnome3"),
            ("tty", false, false, "for terminals"),
            ("", true, true, "does not say"),
            ("", false, true, "does not say"),
        ] {
            let found = judge("pinentry", flavour, desktop);
            assert_eq!(!found.is_fault(), well, "{flavour} {desktop}: {found:?}");
            assert!(found.line("PIN window").contains(told), "{found:?}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_program_that_is_not_there_or_is_none_is_a_fault() {
        for (program, told) in [
            ("/nonexistent/pinentry", "/nonexistent/pinentry"),
            ("true", "the PIN window ended"),
            ("echo", "the PIN window ended"),
        ] {
            let found = finding(Some(program)).await;
            let line = found.line("PIN window");
            assert!(found.is_fault() && line.contains(told), "{line}");
            assert!(line.trim_end().ends_with("--pinentry"), "{line}");
        }
    }
}
