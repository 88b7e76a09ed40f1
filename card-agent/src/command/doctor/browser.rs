//! What `doctor` finds of the browser: the certificate that it shows, and what its policy lets through.

use std::path::Path;

use der::Decode;
use x509_cert::Certificate;

use super::finding::{Finding, in_words};
use super::terminal::of_place;
use crate::platform::{self, CERTIFICATE_STORE};
use crate::terminal::nss;
use crate::terminal::place::{Place, PlaceError, read};
use crate::terminal::policy::{self, Standing};

/// Whether the browser shows the certificate that the agent answers with.
pub(super) fn store(place: &Place) -> Finding {
    looked_into(place).unwrap_or_else(of_place)
}

fn looked_into(place: &Place) -> Result<Finding, PlaceError> {
    if let Some(store) = CERTIFICATE_STORE {
        let der = read(&place.certificate())?;
        let refill = "run `sekisho-agent renew --browser-only`";
        return Ok(match (store.holds)(&der) {
            Ok(true) => Finding::Well(format!("{} holds the agent's certificate", store.name)),
            Ok(false) => {
                Finding::fault(format!("{} lacks the agent's certificate", store.name), refill)
            }
            Err(error) => Finding::fault(format!("{}: {error}", store.name), refill),
        });
    }
    let chosen = place.settings()?.nss;
    let is_chosen = chosen.is_some();
    let Some(folder) = chosen.or_else(platform::usual_browser_store) else {
        return Ok(Finding::Well("none: no folder was given for one".to_owned()));
    };
    let shown = folder.display();
    if !folder.is_dir() {
        return Ok(if is_chosen {
            Finding::fault(format!("{shown} is no longer there"), fill(&folder))
        } else {
            Finding::Well(format!(
                "none: {shown} does not exist and no other was given; where a browser of this user \
                 is to show the certificate, {}",
                fill(&folder)
            ))
        });
    }
    Ok(match nss::held(place, &folder) {
        Err(error) => Finding::fault(format!("{shown}: {}", in_words(error)), fill(&folder)),
        Ok(held) if held == read(&place.certificate())? => {
            Finding::Well(format!("{shown} holds the agent's certificate"))
        }
        Ok(_) => Finding::fault(
            format!("{shown} holds another certificate than the agent"),
            fill(&folder),
        ),
    })
}

/// What gives a store the certificate.
fn fill(folder: &Path) -> String {
    let folder = platform::shell_word(&folder.display().to_string());
    format!("run `sekisho-agent renew --browser-only --nss {folder}`")
}

/// Whether the browser lets the portal's page reach the agent, and shows it our certificate.
pub(super) fn policy(place: &Place) -> Finding {
    let role = platform::REMEDIES.administrator;
    let remedy = |found_in| format!("{role}: {}", platform::policy_line(&place.folder, found_in));
    let (standing, navigation) = match (policy_standing(place), place.trust()) {
        (Ok(standing), Ok(trust)) => (standing, trust.navigation),
        (Err(error), _) | (_, Err(error)) => return of_place(error),
    };
    match standing {
        Standing::InPlace => Finding::Well("names this portal and picks the certificate".into()),
        Standing::PassesOver(found_in) => Finding::fault(
            format!(
                "{found_in} passes over this PC's certificate, as after a change of its authority"
            ),
            remedy(Some(&found_in)),
        ),
        Standing::Absent if navigation => Finding::Well(
            "none, and none is needed: this portal goes to the agent by navigation".to_owned(),
        ),
        Standing::Absent => Finding::fault("none names this portal", remedy(None)),
    }
}

/// Where the policies of this PC stand to what this PC is enrolled as.
pub(in crate::command) fn policy_standing(place: &Place) -> Result<Standing, PlaceError> {
    let trust = place.trust()?;
    let path = place.certificate();
    let certificate = Certificate::from_der(&read(&path)?).map_err(|error| {
        PlaceError::Malformed { path: path.display().to_string(), why: error.to_string() }
    })?;
    Ok(policy::standing(platform::browser_policies(), &trust, &certificate))
}
