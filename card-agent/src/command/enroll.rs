use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use secrecy::SecretString;
use sekisho_output::say;
use url::Url;

use super::{Failure, local, refused};
use crate::platform;
use crate::terminal::browser_store;
use crate::terminal::client::ClientError;
use crate::terminal::enrol::{self, EnrolError};
use crate::terminal::invitation::Invitation;
use crate::terminal::nss::NssError;
use crate::terminal::pkcs11_uri::Pkcs11Uri;
use crate::terminal::place::Place;

/// Enrol this PC: makes a key here and fetches its certificate.
///
/// Paste the line that the facility's administrator received. Running it again continues where it
/// stopped. On a PC that is enrolled a new code brings a new key and a new certificate; those of
/// before are set aside in a folder of their own.
#[derive(Args)]
#[command(
    after_help = "Example:\n  sekisho-agent enroll --server https://enrol.example:8443 --root 3f9a… --terminal T0123456789 --code ABCD-EFGH-JKMN-PQRS --nss ~/.pki/nssdb"
)]
pub struct Enroll {
    /// Enrolment address.
    #[arg(long)]
    server: Url,
    /// SHA-256 of the root certificate, hexadecimal.
    #[arg(long)]
    root: String,
    /// Terminal identifier.
    #[arg(long)]
    terminal: String,
    /// One-time code.
    #[arg(long, env = "SEKISHO_ENROLL_CODE", hide_env_values = true)]
    code: String,
    /// Make the key in a token that does not let it out, such as the PC's TPM, and not in a file: a
    /// PKCS #11 URI (RFC 7512) that names token, library and the file with its PIN.
    #[arg(
        long,
        value_name = "URI",
        long_help = "Make the key in a token that does not let it out, such as the PC's TPM, and not in a file: a PKCS #11 URI (RFC 7512); for Debian's softhsm2 'pkcs11:token=desk' with '?module-path=/usr/lib/softhsm/libsofthsm2.so' and '&pin-source=file:/home/USER/.config/desk.pin' behind it, as one word.\nThe PIN's file has mode 0600 and holds the PIN in its first line. A PIN that the token refuses is not tried again before that file has changed."
    )]
    key_in: Option<Pkcs11Uri>,
    /// NSS database of the browser, to be given the key too, now and at each renewal. Where the key lies
    /// in a token, the database is told of the token instead.
    #[arg(long)]
    nss: Option<PathBuf>,
}

impl Enroll {
    pub(super) async fn execute(self, place: &Place) -> Result<(), Failure> {
        if self.key_in.as_ref().is_some_and(|uri| uri.object.is_some()) {
            return Err(Failure::Usage(anyhow!(
                "--key-in names a key, and each enrolment makes one under a label of its own; leave \
                 object=… out"
            )));
        }
        let place = Place::create(&place.folder)?;
        let invitation = Invitation {
            server: self.server,
            root_sha256: self.root,
            terminal: self.terminal,
            code: SecretString::from(self.code),
            key_in: self.key_in,
        };
        let enrolled = enrol::enrol(&place, &invitation).await.map_err(failure)?;
        if let Some(folder) = enrolled.set_aside {
            say(&format!(
                "A new key was made. The key and the certificate that this PC had lie in\n  {}\n\
                 Delete that folder once a login has worked.\n",
                folder.display()
            ))?;
        }
        browser_store::supply(&place, self.nss.as_deref())
            .map_err(|error| store_failure("this PC is enrolled", error))?;
        let trust = enrolled.trust;
        say(&format!(
            "{}: {} ({})\nEnrolled. Next, once {}, the browser's settings:\n  {}\nand {}\n",
            trust.facility.name,
            trust.terminal.name,
            trust.terminal.id,
            platform::REMEDIES.administrator,
            platform::policy_line(&place.folder, None),
            platform::start_line(&place.folder)
        ))?;
        Ok(())
    }
}

/// The browser's store was not written, though what went before it stands.
pub(super) fn store_failure(done: &'static str, error: NssError) -> Failure {
    local(anyhow::Error::new(error).context(format!(
        "{done}, but the browser does not have the certificate yet. Put right what follows, then \
         run `sekisho-agent renew --browser-only --nss FOLDER`"
    )))
}

/// Whose fault it is decides the exit code.
pub(super) fn failure(error: EnrolError) -> Failure {
    match error {
        EnrolError::Place(error) => error.into(),
        error @ (EnrolError::FingerprintForm | EnrolError::Client(ClientError::Address(_))) => {
            Failure::Usage(error.into())
        }
        EnrolError::Client(_) | EnrolError::Encode(_) => local(error),
        error => refused(error),
    }
}
