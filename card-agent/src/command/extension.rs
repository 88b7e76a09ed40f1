use std::path::PathBuf;

use clap::{ArgGroup, Args};
use sekisho_output::say;
use serde_json::{Value, json};

use super::{Failure, local};
use crate::platform;
use crate::terminal::place::{Place, write_public};

/// Browsers call the agent by this name.
pub(super) const NAME: &str = "jp.sekisho.agent";
/// The identifier of the extension as it is written here, not packed under a key of one's own: the
/// first 128 bits of the digest of [`KEY`], in letters (Chrome for Developers, "Manifest: key").
pub(super) const ID: &str = "fgaofglhkoieflfjbcacgmnckalcjdhf";
/// A public key whose private half nobody has: it names the extension and signs nothing.
const KEY: &str = "\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwjxjNhOjLfmVf8HWba+bxr/IUu4vH5aVVNNW7POjJv+yVp10\
h354y4RBZUNtGy6Vsa76BXrjYAJS3YSU4QKMtQl+Q6SStGsJ7HXHC5L/VhanVcxhpZ/1+szVjKpf5Mae6vr9vCt25gz8\
uctNRuTmaBu+2B0AgobgXM2Nb1W9q7nyUisNdahWHsWMCoXTQz98GF6a/J2WBOy0nk7e+7F5e98OMeUuTNKmP53hKeEM\
CYh3qvdsZXB5eysu/ql7OUvKnZ4PUHta0PFytIA/m4osf99JdEpKQQulEl0trw4FrC9xU3aO2f2EFqpwRCxP9UU4QiE9\
RZl+wDzFjQfWwrCauQIDAQAB";
const BACKGROUND: &str = include_str!("../../extension/background.js");
const CONTENT: &str = include_str!("../../extension/content.js");

/// Write the browser's extension, or the file by which browsers find the agent.
///
/// The extension is the way to the agent on hosts where several people are logged in at a time, and
/// where no policy lets pages onto loopback. It serves the portals of this enrolment and no other page.
#[derive(Args)]
#[command(
    group(ArgGroup::new("what").required(true)),
    after_help = "Examples:\n  sekisho-agent extension --write sekisho-extension\n      then pack it (chromium --pack-extension=sekisho-extension) and let the policy ExtensionInstallForcelist install it\n  sekisho-agent extension --host-manifest --id THE-PACKED-ONES-ID | sudo tee /etc/chromium/native-messaging-hosts/jp.sekisho.agent.json"
)]
pub struct Extension {
    /// Write the extension for this enrolment's portals into this folder, which is made.
    #[arg(long, value_name = "FOLDER", group = "what")]
    write: Option<PathBuf>,
    /// Print the native messaging host's manifest.
    #[arg(long, group = "what")]
    host_manifest: bool,
    /// Of the extension that may call the agent; one packed under your own key has its own.
    #[arg(long, requires = "host_manifest", default_value = ID, value_parser = identifier)]
    id: String,
    /// The program that the browser starts; it runs `sekisho-agent native-host`.
    #[arg(long, requires = "host_manifest", default_value_os_t = platform::native_messaging())]
    program: PathBuf,
}

pub(super) fn identifier(text: &str) -> Result<String, String> {
    let is_one = text.len() == 32 && text.bytes().all(|letter| (b'a'..=b'p').contains(&letter));
    is_one.then(|| text.to_owned()).ok_or_else(|| "an identifier has 32 letters a to p".to_owned())
}

impl Extension {
    pub(super) fn execute(self, place: &Place) -> Result<(), Failure> {
        let Some(folder) = self.write else {
            return Ok(say(&pretty(&host_manifest(&self.id, &self.program)))?);
        };
        let manifest = manifest(&place.trust()?.portal_origins);
        std::fs::create_dir_all(&folder).map_err(local)?;
        for (name, text) in [
            ("manifest.json", pretty(&manifest).as_str()),
            ("background.js", BACKGROUND),
            ("content.js", CONTENT),
        ] {
            write_public(&folder.join(name), text.as_bytes())?;
        }
        Ok(())
    }
}

pub(super) fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn manifest(portal_origins: &[String]) -> Value {
    let pages: Vec<String> = portal_origins.iter().map(|origin| format!("{origin}/*")).collect();
    json!({
        "manifest_version": 3,
        "name": "Sekisho カードログイン",
        "description": "Card login: the portal's way to the agent on this PC.",
        "version": env!("CARGO_PKG_VERSION"),
        "key": KEY,
        "permissions": ["nativeMessaging"],
        "background": { "service_worker": "background.js" },
        "content_scripts": [
            { "matches": pages, "js": ["content.js"], "run_at": "document_start" }
        ],
    })
}

pub(super) fn host_manifest(id: &str, program: &std::path::Path) -> Value {
    json!({
        "name": NAME,
        "description": "Sekisho card login",
        "path": program,
        "type": "stdio",
        "allowed_origins": [format!("chrome-extension://{id}/")],
    })
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use sekisho_protocol::Sha256Digest;

    use super::*;

    #[test]
    fn the_identifier_is_that_of_the_key() {
        let digest = Sha256Digest::of(STANDARD.decode(KEY).unwrap());
        let nibbles = digest.as_bytes()[..16].iter().flat_map(|octet| [octet >> 4, octet & 15]);
        let id: String = nibbles.map(|nibble| char::from(b'a' + nibble)).collect();
        assert_eq!(id, ID);
        assert!(identifier(ID).is_ok());
        assert!(identifier("chrome-extension://x/").is_err());
    }

    #[test]
    fn the_scripts_speak_of_the_agent_by_its_name() {
        assert!(BACKGROUND.contains(&format!("\"{NAME}\"")));
    }
}
