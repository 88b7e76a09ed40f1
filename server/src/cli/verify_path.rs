//! `sekisho verify-path`.

use std::net::IpAddr;

use const_oid::ObjectIdentifier;
use sekisho_output::{remark, say};
use sekisho_pki::{
    national::{
        hpki::{HpkiError, HpkiRules, VerifiedHpkiCertificate},
        jpki::{JpkiError, JpkiRules, StoredEvidence},
    },
    path::{
        self, Anchors, Budget, Crl, OcspAnswer, PathError, PeerName, PolicyInputs, PolicyRule,
        Purpose, Requirements, Revocation, TrustAnchor, VerifiedPath,
    },
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Exit, Failure, Named, named,
    verify_files::{self, FileError, Object},
};

/// Judge a certificate: is there a path to a trust anchor, and does it hold?
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is fetched and no clock but --time is read. Every file may be DER or PEM; a file that cannot
be read is left out and told on standard error. CRLs count for every certificate of the path below
the anchor; with --revocation ocsp, the CRLs of --crl count where no response is about a certificate.

Profiles:
  pkix  RFC 5280; an anchor is a name, a key and a validity, unless --enforce-anchor-constraints
  hpki  the end entity's own policy is compared with a list (--policy, or the HPKI's known ones);
        --purpose clientAuth judges as the login does, any also takes certificates for signing
  jpki  likewise for the JPKI; anchors of one name are told apart by their keys

Examples:
  sekisho verify-path --trust roots/ --chain server.pem --purpose serverAuth --dns www.example.jp \\
      --revocation none
      is it a server's certificate for that name?
  sekisho verify-path --trust roots/ --chain leaf.pem --time 2026-01-01T00:00:00Z --purpose any \\
      --revocation crl --crl crls/ --policy 2.16.840.1.101.3.2.1.48.1 --explicit-policy
      was it good then, for that policy?
  sekisho verify-path --profile hpki --trust hpki/ --chain card.pem --purpose clientAuth \\
      --revocation crl --crl crls/
      would this card be let in?

Exit codes:
  0  valid
  1  not valid; standard error says why, with the certificate and the rule
  2  the command line was not understood, or names what is not there
  3  an input that we do not support: an algorithm, or more than we look at")]
pub(super) struct VerifyPath {
    /// Folder with the trust anchors' certificates
    #[arg(long, value_name = "DIR")]
    trust: Named<named::FileOrFolder>,
    /// PEM file: the end entity's certificate first, then candidates in any order
    #[arg(long, value_name = "FILE")]
    chain: Named<named::File>,
    /// Moment to judge at; now, if not given
    #[arg(long, value_name = "RFC3339", value_parser = moment)]
    time: Option<OffsetDateTime>,
    /// What the key is to be used for
    #[arg(long, value_enum)]
    purpose: PurposeArgument,
    /// What tells whether certificates were revoked
    #[arg(long, value_enum)]
    revocation: RevocationArgument,
    /// Folder with CRLs: complete, delta and indirect ones, of any issuer
    #[arg(long, value_name = "DIR")]
    crl: Option<Named<named::FileOrFolder>>,
    /// Folder with OCSP responses
    #[arg(long, value_name = "DIR")]
    ocsp: Option<Named<named::FileOrFolder>>,
    /// Host that the certificate must be for
    #[arg(long, value_name = "N", value_parser = PeerName::dns, group = "name")]
    dns: Option<PeerName>,
    /// Address that the certificate must be for
    #[arg(long, value_name = "A", group = "name")]
    ip: Option<IpAddr>,
    /// Mailbox that the certificate must be for
    #[arg(long, value_name = "M", value_parser = PeerName::email, group = "name")]
    email: Option<PeerName>,
    /// Acceptable certificate policy; may be given several times
    #[arg(long, value_name = "OID", value_parser = oid)]
    policy: Vec<ObjectIdentifier>,
    /// Require a valid policy (initial-explicit-policy)
    #[arg(long)]
    explicit_policy: bool,
    /// Take no policy mapping (initial-policy-mapping-inhibit)
    #[arg(long)]
    inhibit_mapping: bool,
    /// Take anyPolicy for no policy (initial-any-policy-inhibit)
    #[arg(long)]
    inhibit_any_policy: bool,
    /// Most authorities between end entity and anchor, not counting self-issued ones
    #[arg(long, value_name = "N")]
    max_depth: Option<u32>,
    /// Hold anchors to what their own certificates say (RFC 5937), and everybody to what RFC 5280
    /// asks of who issues: key identifiers, criticality, serial and CRL numbers
    #[arg(long)]
    enforce_anchor_constraints: bool,
    /// Whose rules
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "camelCase")]
enum PurposeArgument {
    Any,
    ServerAuth,
    ClientAuth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum RevocationArgument {
    None,
    Crl,
    Ocsp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Profile {
    #[default]
    Pkix,
    Hpki,
    Jpki,
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|error| format!("not a time such as 2026-01-01T00:00:00Z: {error}"))
}

fn oid(text: &str) -> Result<ObjectIdentifier, String> {
    ObjectIdentifier::new(text).map_err(|_| "not an object identifier such as 1.2.3".to_owned())
}

/// What was read.
struct Inputs {
    chain: Vec<Object>,
    anchors: Anchors,
    crls: Vec<Crl>,
    answers: Vec<OcspAnswer>,
}

/// How it ended, with what to print.
enum Verdict {
    Valid(String),
    /// The text may have several lines.
    Invalid(String),
    Usage(String),
    Unsupported(String),
}

impl From<FileError> for Verdict {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Unreadable(..) => Self::Usage(error.to_string()),
            FileError::TooLarge(..) => Self::Unsupported(error.to_string()),
        }
    }
}

impl VerifyPath {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.verdict() {
            Verdict::Valid(text) => {
                say(&text)?;
                Ok(Exit::Done)
            }
            Verdict::Invalid(text) => {
                remark(&format!("invalid: {text}"));
                Ok(Exit::INVALID)
            }
            Verdict::Usage(text) => {
                remark(&format!("sekisho: {text}"));
                Ok(Exit::Usage)
            }
            Verdict::Unsupported(text) => {
                remark(&format!("unsupported: {text}"));
                Ok(Exit::UNSUPPORTED)
            }
        }
    }

    fn verdict(&self) -> Verdict {
        if let Some(flag) = self.unfit_flag() {
            return Verdict::Usage(format!("{flag} does not go with --profile hpki or jpki"));
        }
        let inputs = match self.read() {
            Ok(inputs) => inputs,
            Err(verdict) => return verdict,
        };
        let Some((end_entity, candidates)) = inputs.chain.split_first() else {
            return Verdict::Unsupported(format!(
                "{} holds no certificate (PEM, the end entity's first)",
                self.chain.display()
            ));
        };
        if inputs.anchors.is_empty() {
            return Verdict::Invalid(format!(
                "{} holds no trust anchor, so nothing can be believed",
                self.trust.display()
            ));
        }
        let candidates: Vec<&[u8]> =
            candidates.iter().map(|candidate| candidate.der.as_slice()).collect();
        let now = self.time.unwrap_or_else(OffsetDateTime::now_utc);
        match self.profile {
            Profile::Pkix => self.pkix(&end_entity.der, &candidates, &inputs, now),
            Profile::Hpki => self.hpki(&end_entity.der, &candidates, &inputs, now),
            Profile::Jpki => self.jpki(&end_entity.der, &candidates, &inputs, now),
        }
    }

    /// A flag that a national profile has no use for; passing over it would promise too much.
    fn unfit_flag(&self) -> Option<&'static str> {
        if self.profile == Profile::Pkix {
            return None;
        }
        let flags = [
            (self.purpose == PurposeArgument::ServerAuth, "--purpose serverAuth"),
            (self.name().is_some(), "a name"),
            (self.explicit_policy, "--explicit-policy"),
            (self.inhibit_mapping, "--inhibit-mapping"),
            (self.inhibit_any_policy, "--inhibit-any-policy"),
            (self.max_depth.is_some(), "--max-depth"),
        ];
        flags.into_iter().find_map(|(given, flag)| given.then_some(flag))
    }

    fn name(&self) -> Option<PeerName> {
        self.dns.clone().or_else(|| self.email.clone()).or_else(|| self.ip.map(PeerName::Ip))
    }

    fn read(&self) -> Result<Inputs, Verdict> {
        const CERTIFICATE: &[&str] = &["CERTIFICATE", "X509 CERTIFICATE"];
        let mut anchors = Vec::new();
        for object in verify_files::folder(&self.trust, CERTIFICATE)? {
            match TrustAnchor::from_der(&object.der) {
                Ok(anchor) => anchors.push(anchor),
                Err(error) => verify_files::skipped(&object.path, &error),
            }
        }
        let chain = verify_files::read(&self.chain)?;
        let chain = verify_files::objects(&self.chain, chain, CERTIFICATE);
        let mut crls = Vec::new();
        if let Some(folder) = self.crl.as_ref().filter(|_| self.asks_for_status()) {
            for object in verify_files::folder(folder, &["X509 CRL"])? {
                match Crl::parse(&object.der) {
                    Ok(crl) => crls.push(crl),
                    Err(error) => verify_files::skipped(&object.path, &error),
                }
            }
        }
        let mut answers = Vec::new();
        if let Some(folder) = self.ocsp.as_ref().filter(|_| self.asks_for_status()) {
            for object in verify_files::folder(folder, &["OCSP RESPONSE"])? {
                match OcspAnswer::parse(&object.der) {
                    Ok(answer) => answers.push(answer),
                    Err(error) => verify_files::skipped(&object.path, &error),
                }
            }
        }
        Ok(Inputs { chain, anchors: Anchors::new(anchors), crls, answers })
    }

    fn asks_for_status(&self) -> bool {
        self.revocation != RevocationArgument::None
    }

    /// Evidence of any age counts as far as it says itself, unless the profile says less.
    fn status<'a>(&self, inputs: &'a Inputs, most_age: Duration) -> Revocation<'a> {
        match self.revocation {
            RevocationArgument::None => Revocation::JudgedByCaller,
            RevocationArgument::Crl => Revocation::Crls { crls: &inputs.crls, most_age },
            RevocationArgument::Ocsp => {
                Revocation::Ocsp { answers: &inputs.answers, crls: &inputs.crls, most_age }
            }
        }
    }

    fn pkix(
        &self,
        end_entity: &[u8],
        candidates: &[&[u8]],
        inputs: &Inputs,
        now: OffsetDateTime,
    ) -> Verdict {
        let purpose = match self.purpose {
            PurposeArgument::Any => Purpose::Any,
            PurposeArgument::ServerAuth => Purpose::PkixServer,
            PurposeArgument::ClientAuth => Purpose::PkixClient,
        };
        let name = self.name();
        let requirements = Requirements {
            policy: PolicyRule::Processed(PolicyInputs {
                initial_set: (!self.policy.is_empty()).then_some(&self.policy),
                explicit: self.explicit_policy,
                inhibit_mapping: self.inhibit_mapping,
                inhibit_any_policy: self.inhibit_any_policy,
            }),
            name: name.as_ref(),
            enforce_anchor_constraints: self.enforce_anchor_constraints,
            conforming: self.enforce_anchor_constraints,
            most_depth: self.max_depth,
            budget: Budget::generous(),
            ..Requirements::new(purpose, self.status(inputs, Duration::MAX))
        };
        match path::validate(end_entity, candidates, &inputs.anchors, &requirements, now) {
            Ok(path) => Verdict::Valid(told(&path)),
            Err(error) => refused(&error),
        }
    }

    fn hpki(
        &self,
        end_entity: &[u8],
        candidates: &[&[u8]],
        inputs: &Inputs,
        now: OffsetDateTime,
    ) -> Verdict {
        let mut rules = match self.purpose {
            PurposeArgument::ClientAuth => HpkiRules::default(),
            _ => HpkiRules::any_use(),
        };
        rules.budget = Budget::generous();
        if !self.policy.is_empty() {
            rules.accepted_policies.clone_from(&self.policy);
        }
        let status = self.status(inputs, rules.most_crl_age);
        match rules.judge_by(end_entity, candidates, &inputs.anchors, status, now) {
            Ok(card) => Verdict::Valid(format!("{}{}", told(card.path()), holder(&card))),
            Err(HpkiError::Path(error)) => refused(&error),
            Err(error) => Verdict::Invalid(format!("{error}\n  rule: HPKI certificate profile")),
        }
    }

    fn jpki(
        &self,
        end_entity: &[u8],
        candidates: &[&[u8]],
        inputs: &Inputs,
        now: OffsetDateTime,
    ) -> Verdict {
        let mut rules = match self.purpose {
            PurposeArgument::ClientAuth => JpkiRules::default(),
            _ => JpkiRules::any_use(),
        };
        rules.budget = Budget::generous();
        if !self.policy.is_empty() {
            rules.accepted_policies.clone_from(&self.policy);
        }
        let anchors = &inputs.anchors;
        let judged = if self.asks_for_status() {
            let answers = match self.revocation {
                RevocationArgument::Ocsp => inputs.answers.clone(),
                _ => Vec::new(),
            };
            let provider =
                StoredEvidence { answers, crls: inputs.crls.clone(), budget: rules.budget };
            rules
                .judge(end_entity, candidates, anchors, &provider, now)
                .map(|certificate| told(certificate.path()))
        } else {
            rules
                .examine(end_entity, candidates, anchors, now)
                .map(|certificate| told(certificate.path()))
        };
        match judged {
            Ok(text) => Verdict::Valid(text),
            Err(JpkiError::Path(error)) => refused(&error),
            Err(error) => Verdict::Invalid(format!("{error}\n  rule: JPKI certificate profile")),
        }
    }
}

/// The reason, the certificate and the rule.
fn refused(error: &PathError) -> Verdict {
    use std::error::Error;
    let mut text = error.to_string();
    if let Some(source) = error.source() {
        text.push_str(&format!(": {source}"));
    }
    if let Some(which) = error.certificate() {
        text.push_str(&format!(
            "\n  certificate: {} (serial number {}, SHA-256 {})",
            which.subject,
            which.serial,
            hex::encode(which.sha256)
        ));
    }
    text.push_str(&format!("\n  rule: {}", error.rule()));
    if error.is_unsupported() { Verdict::Unsupported(text) } else { Verdict::Invalid(text) }
}

/// What a valid path is.
fn told(path: &VerifiedPath) -> String {
    let mut text = "valid\n".to_owned();
    for subject in path.subjects() {
        text.push_str(&format!("  {subject}\n"));
    }
    text.push_str(&format!("  anchor {}\n", path.anchor_subject()));
    for policy in path.policies() {
        text.push_str(&format!("  policy {policy}\n"));
    }
    for evidence in path.evidence() {
        text.push_str(&format!(
            "  {} of {} until {}\n",
            evidence.kind.words(),
            evidence.this_update,
            evidence.next_update
        ));
    }
    text
}

/// Who a card's holder is. Role names stand as the certificate has them.
fn holder(card: &VerifiedHpkiCertificate) -> String {
    let mut text = format!("  holder {} ({})\n", card.common_name(), card.serial_number());
    if let Some(name) = card.kanji_name() {
        text.push_str(&format!("  holder {name}\n"));
    }
    for role in card.roles() {
        text.push_str(&format!("  hcRole {}\n", role.name));
    }
    text
}
