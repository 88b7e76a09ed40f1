//! The configuration file `sekisho.toml`.
//!
//! What a person wrote ([`Settings`]) becomes a validated twin with private fields ([`Config`])
//! before anything starts. Unknown keys stop the start. Every key stands with its meaning in
//! `sekisho.example.toml`; a test compares the two.

mod acme;
mod authority;
mod card_login;
mod cmp;
mod emergency;
mod enrolment;
mod error;
mod example;
mod instance;
mod jpki;
mod listen;
mod names;
mod network;
mod oidc;
mod operator;
mod people;
mod register;
mod routers;
mod sandbox;
mod scep;
mod session;
mod signer;
mod token;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use acme::{Acme, AcmeSettings};
pub use authority::{AuthorityPolicy, AuthoritySettings};
pub use card_login::{CardLogin, CardLoginSettings, RemovalPolicy};
pub use cmp::{Cmp, CmpSettings};
pub use emergency::{EmergencyPolicy, EmergencySettings};
pub use enrolment::{ApprovalPolicy, Enrolment, EnrolmentSettings, ServerMadeKeys};
pub use error::{ConfigError, Place};
pub(crate) use error::{bounded, invalid};
pub use example::EXAMPLE;
pub(crate) use example::annotated;
pub use instance::{Instance, InstanceSettings, LogFormat};
pub(crate) use instance::{LOG_FILTER, is_log_filter};
pub use jpki::{Jpki, JpkiSettings, Nonce as JpkiNonce, Source as JpkiSource, StatusSource};
pub use listen::{Listen, ListenSettings};
pub use names::{HostNames, NamesSettings};
pub use network::{Network, NetworkSettings};
pub use oidc::{Oidc, OidcSettings};
pub use operator::{Operator, OperatorSettings};
pub use people::{People, PeopleSettings};
pub use register::{CodeCheck, Register, RegisterSettings};
pub use routers::{Routers, RoutersSettings};
pub use sandbox::{Sandbox, SandboxSettings};
pub use scep::{Scep, ScepSettings};
pub use session::{SessionPolicy, SessionSettings};
pub use signer::SignerSettings;
pub use token::{TokenPlace, TokenSettings};

/// The file's name within an instance folder.
pub const FILE_NAME: &str = "sekisho.toml";

/// The file as written: sections of plain values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `[instance]`
    pub instance: InstanceSettings,
    /// `[operator]`
    pub operator: OperatorSettings,
    /// `[names]`
    pub names: NamesSettings,
    /// `[listen]`
    pub listen: ListenSettings,
    /// `[authority]`
    pub authority: AuthoritySettings,
    /// `[signer]`
    pub signer: SignerSettings,
    /// `[enrolment]`
    pub enrolment: EnrolmentSettings,
    /// `[acme]`
    pub acme: AcmeSettings,
    /// `[scep]`
    pub scep: ScepSettings,
    /// `[cmp]`
    pub cmp: CmpSettings,
    /// `[routers]`
    pub routers: RoutersSettings,
    /// `[network]`
    pub network: NetworkSettings,
    /// `[register]`
    pub register: RegisterSettings,
    /// `[people]`
    pub people: PeopleSettings,
    /// `[card_login]`
    pub card_login: CardLoginSettings,
    /// `[jpki]`
    pub jpki: JpkiSettings,
    /// `[session]`
    pub session: SessionSettings,
    /// `[emergency]`
    pub emergency: EmergencySettings,
    /// `[oidc]`
    pub oidc: OidcSettings,
    /// `[sandbox]`
    pub sandbox: SandboxSettings,
}

/// The configuration, validated.
#[derive(Debug, Clone)]
pub struct Config {
    folder: PathBuf,
    instance: Instance,
    operator: Operator,
    names: HostNames,
    listen: Listen,
    authority: AuthorityPolicy,
    token: Option<TokenPlace>,
    signer_socket: Option<PathBuf>,
    enrolment: Enrolment,
    acme: Acme,
    scep: Scep,
    cmp: Cmp,
    routers: Routers,
    network: Network,
    register: Register,
    people: People,
    card_login: CardLogin,
    jpki: Jpki,
    session: SessionPolicy,
    emergency: EmergencyPolicy,
    oidc: Oidc,
    sandbox: Sandbox,
}

impl Settings {
    /// Reads `DIR/sekisho.toml`.
    ///
    /// # Errors
    /// [`ConfigError::NoInstance`], [`ConfigError::Unreadable`], [`ConfigError::Malformed`].
    pub fn read(folder: &Path) -> Result<Self, ConfigError> {
        let path = folder.join(FILE_NAME);
        let text = std::fs::read_to_string(&path).map_err(|source| match source.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                ConfigError::NoInstance { path: path.clone() }
            }
            _ => ConfigError::Unreadable { path: path.clone(), source },
        })?;
        toml::from_str(&text).map_err(|error| {
            // Without a span the fault is that the text ends too early.
            let offset = error.span().map_or(text.len(), |span| span.start);
            let fault = error.message().trim_end().to_owned();
            ConfigError::Malformed { path, place: Place::of(&text, offset), fault }
        })
    }

    /// Checks every value. Relative paths are below `folder`.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`]: the first value out of bounds.
    pub fn validate(&self, folder: &Path) -> Result<Config, ConfigError> {
        Ok(Config {
            folder: folder.to_owned(),
            instance: self.instance.validate(folder)?,
            operator: self.operator.validate()?,
            names: self.names.validate()?,
            listen: self.listen.validate()?,
            authority: self.authority.validate()?,
            token: self
                .authority
                .token
                .validate(folder)
                .map_err(|fault| invalid("authority.token", fault))?,
            signer_socket: self.signer.socket(folder),
            enrolment: self.enrolment.validate()?,
            acme: self.acme.validate()?,
            scep: self.scep.validate()?,
            cmp: self.cmp.validate(),
            routers: self.routers.validate()?,
            network: self.network.validate()?,
            register: self.register.validate()?,
            people: self.people.validate(folder)?,
            card_login: self.card_login.validate(folder)?,
            jpki: self.jpki.validate(folder)?,
            session: self.session.validate()?,
            emergency: self.emergency.validate()?,
            oidc: self.oidc.validate()?,
            sandbox: self.sandbox.validate(folder)?,
        })
    }
}

impl Config {
    /// Reads and validates `DIR/sekisho.toml`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(folder: &Path) -> Result<Self, ConfigError> {
        Settings::read(folder)?.validate(folder)
    }

    /// The instance folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Database, node name, log.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The operating body.
    #[must_use]
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// Host names by role.
    #[must_use]
    pub fn host_names(&self) -> &HostNames {
        &self.names
    }

    /// Sockets and limits.
    #[must_use]
    pub fn listen(&self) -> &Listen {
        &self.listen
    }

    /// Lifetimes of certificates and revocation lists.
    #[must_use]
    pub fn authority(&self) -> &AuthorityPolicy {
        &self.authority
    }

    /// Token that holds keys of authorities; `None` if there is none.
    #[must_use]
    pub fn token(&self) -> Option<&TokenPlace> {
        self.token.as_ref()
    }

    /// Socket of the process that holds the authorities' keys; `None` while they lie in the folder.
    #[must_use]
    pub fn signer_socket(&self) -> Option<&Path> {
        self.signer_socket.as_deref()
    }

    /// Enrolment codes.
    #[must_use]
    pub fn enrolment(&self) -> &Enrolment {
        &self.enrolment
    }

    /// Certificates for services' servers.
    #[must_use]
    pub fn acme(&self) -> &Acme {
        &self.acme
    }

    /// Enrolment by CMP.
    #[must_use]
    pub fn cmp(&self) -> Cmp {
        self.cmp
    }

    /// Enrolment of routers by SCEP.
    #[must_use]
    pub fn scep(&self) -> &Scep {
        &self.scep
    }

    /// Addresses of facilities.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What the texts for routers say.
    #[must_use]
    pub fn routers(&self) -> &Routers {
        &self.routers
    }

    /// The register of organisations.
    #[must_use]
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// Links, invitations, passwords.
    #[must_use]
    pub fn people(&self) -> &People {
        &self.people
    }

    /// Card login.
    #[must_use]
    pub fn card_login(&self) -> &CardLogin {
        &self.card_login
    }

    /// Login by My Number card.
    #[must_use]
    pub fn jpki(&self) -> &Jpki {
        &self.jpki
    }

    /// Sessions.
    #[must_use]
    pub fn session(&self) -> &SessionPolicy {
        &self.session
    }

    /// Emergency accesses.
    #[must_use]
    pub fn emergency(&self) -> &EmergencyPolicy {
        &self.emergency
    }

    /// Codes and tokens.
    #[must_use]
    pub fn oidc(&self) -> &Oidc {
        &self.oidc
    }

    /// Test facilities, and whose cards count there.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_stops_the_start_and_is_told_with_its_place() {
        for (text, place) in [
            ("[oidc]\ncode_secs = 60\n", "line 2, in [oidc]: unknown field `code_secs`"),
            ("[oidc]\n\n[people] # last\n# a\nx = 1", "line 5, in [people]: unknown field `x`"),
            ("[oidc]\ncode_seconds = \"a\"\n[people]\n", "line 2, in [oidc]: invalid type"),
            ("[oidc]\ncode_seconds = ", "line 2, in [oidc]: "),
            ("[nonsense]\n", "line 1, in [nonsense]: unknown field `nonsense`"),
            ("# あ\n[oidc.nonsense]\n", "line 2, in [oidc.nonsense]: unknown field `nonsense`"),
            ("[oidc]\n\n[nosuch]\n", "line 3, in [nosuch]: unknown field `nosuch`"),
            ("[oidc]\n[nosuch]\nx = 1\n", "line 2, in [nosuch]: unknown field `nosuch`"),
            ("[[nosuch]]\nx = 1\n[oidc]\n", "line 1, in [nosuch]: unknown field `nosuch`"),
            ("[oidc]\ncode_seconds = 60\n[nosuch.inner]\nx = 1\n", "line 3, in [nosuch.inner]: "),
            ("[oidc]\n\n[nosuch] # a [b]\nx = 1\n\n[people]\n", "line 3, in [nosuch]: unknown"),
            ("[oidc]\r\n[ nosuch ]\r\n", "line 2, in [nosuch]: unknown field `nosuch`"),
            ("x = 1\n", "line 1: unknown field `x`"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
            let error = Config::read(folder.path()).unwrap_err();
            assert!(matches!(error, ConfigError::Malformed { .. }), "{text}");
            let told = error.to_string();
            assert!(told.contains(&format!("{FILE_NAME}, {place}")), "{told}");
        }
    }

    #[test]
    fn a_value_out_of_bounds_is_named() {
        let folder = Path::new("/srv/sekisho");
        for (text, key) in [
            ("[oidc]\ncode_seconds = 0", "oidc.code_seconds"),
            ("[card_login]\nrequest_seconds = 61", "card_login.request_seconds"),
            ("[names]\nterminal = \"Not A Host\"", "names.terminal"),
            ("[names]\nenrol = \"login.sekisho.localhost\"", "names.enrol"),
            ("[people]\npassword_least_characters = 3", "people.password_least_characters"),
            ("[authority.token]\nlabel = \"hsm\"", "authority.token"),
            ("[listen]\ntls12 = [\"plain\"]", "listen.tls12"),
            ("[listen]\ntls = [\"127.0.0.1:8080\"]", "listen.plain"),
            ("[instance]\ndatabase = \"mysql://x\"", "instance.database"),
            ("[jpki]\nstatus = \"ocsp\"", "jpki.responder"),
            ("[acme]\ncertificate_days = 6", "acme.certificate_days"),
            ("[acme]\nnetworks = [\"10.0.0.0/40\"]", "acme.networks"),
            ("[acme]\nhttp_port = 0", "acme.http_port"),
            ("[scep]\nra_key_bits = 1024", "scep.ra_key_bits"),
            ("[scep]\nlegacy_families = [\"router_unheard_of\"]", "scep.legacy_families"),
            ("[routers]\nreauthentication_seconds = 29", "routers.reauthentication_seconds"),
            ("[network]\nipv6_plan = \"fd00::1/32\"", "network.ipv6_plan"),
            ("[network]\nfacility_prefix_length = 65", "network.facility_prefix_length"),
            ("[sandbox]\nfacilities = [\"123456789000\"]", "sandbox.facilities"),
        ] {
            let settings: Settings = toml::from_str(text).unwrap();
            match settings.validate(folder) {
                Err(ConfigError::Invalid { key: named, .. }) => assert_eq!(named, key),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
