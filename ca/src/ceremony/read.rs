//! From a plan's file to its validated twin.

use time::Duration;
use toml::Spanned;

use super::{
    file::{AuthorityTable, CertificateTable, CrlTable, KeyTable, PlanFile, RevokedTable},
    plan::{
        KeyPlace, Origin, Plan, PlannedAuthority, PlannedCertificate, PlannedCrl, PlannedKey,
        ensure,
    },
    problem::{PlanError, Problem},
};
use crate::{profile::Profile, revocation::crl::RevokedEntry};

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// [`PlanError`]: the first thing that is wrong, with its line.
    pub fn from_toml(text: &str) -> Result<Self, PlanError> {
        let file: PlanFile =
            toml::from_str(text).map_err(|error| PlanError::Toml(error.to_string()))?;
        let mut plan = Self::begin(
            &file.title,
            file.at.0,
            &file.organisation,
            file.publication.trim_end_matches('/'),
        )
        .map_err(PlanError::Head)?;
        each(text, "key", file.key, |table| plan.add_key(key(table)?))?;
        each(text, "authority", file.authority, |table| plan.add_authority(authority(table)?))?;
        each(text, "certificate", file.certificate, |table| {
            let certificate = plan.certificate(table)?;
            plan.add_certificate(certificate)
        })?;
        each(text, "crl", file.crl, |table| {
            let crl = plan.crl(table)?;
            plan.add_crl(crl)
        })?;
        plan.finish().map_err(PlanError::Head)
    }

    fn certificate(&self, table: CertificateTable) -> Result<PlannedCertificate, Problem> {
        const PROFILES: [&str; 4] = ["root", "issuing", "cross", "ocsp_responder"];
        ensure(PROFILES.contains(&table.profile.as_str()), || {
            Problem::Profile(table.profile.clone())
        })?;
        let not_after = match (table.days, table.until) {
            (Some(days), None) => self.at + Duration::days(days.into()) - Duration::SECOND,
            (None, Some(until)) => until.0,
            _ => return Err(Problem::OneOf("days, until")),
        };
        let key = match table.key {
            Some(key) => key,
            None => self.authority(&table.subject)?.key.clone(),
        };
        Ok(PlannedCertificate {
            profile: Profile::shipped(&table.profile)?,
            subject: table.subject,
            issuer: table.issuer,
            key,
            not_after,
        })
    }

    fn crl(&self, table: CrlTable) -> Result<PlannedCrl, Problem> {
        let revoked = |table: RevokedTable| RevokedEntry {
            serial: table.serial.0,
            at: table.at.0,
            reason: table.reason,
        };
        Ok(PlannedCrl {
            issuer: table.issuer,
            number: table.number,
            next_update: self.at + Duration::days(table.days.into()),
            revoked: table.revoked.into_iter().map(revoked).collect(),
        })
    }
}

fn key(table: KeyTable) -> Result<PlannedKey, Problem> {
    let KeyTable { name, kind, file, token, request, sha256 } = table;
    let kind = || kind.ok_or(Problem::Together("kind = p256, p384, rsa3072 or rsa4096 is missing"));
    let place = match (file, token, request) {
        (Some(file), None, None) if sha256.is_none() => {
            KeyPlace::File { kind: kind()?, file: beside(file)? }
        }
        (None, Some(token), None) if sha256.is_none() => KeyPlace::Token {
            kind: kind()?,
            module: token.module,
            token: token.token,
            label: token.label,
        },
        (None, None, Some(request)) => {
            let mut digest = [0; 32];
            hex::decode_to_slice(sha256.unwrap_or_default(), &mut digest)
                .map_err(|_| Problem::Sha256)?;
            KeyPlace::Elsewhere { request: beside(request)?, sha256: digest }
        }
        _ => return Err(Problem::OneOf("file, token, request (the last with sha256)")),
    };
    Ok(PlannedKey { name, place })
}

fn authority(table: AuthorityTable) -> Result<PlannedAuthority, Problem> {
    let origin = match (table.common_name, table.certificate) {
        (Some(common_name), None) => Origin::New { common_name },
        (None, Some(certificate)) => Origin::Existing { certificate: beside(certificate)? },
        _ => return Err(Problem::OneOf("common_name, certificate")),
    };
    Ok(PlannedAuthority { id: table.id, key: table.key, origin })
}

/// Reviewed is what lies beside the plan and is carried with it.
fn beside(file: String) -> Result<String, Problem> {
    let simple = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    ensure(!file.is_empty() && !file.starts_with('.') && file.bytes().all(simple), || {
        Problem::File(file.clone())
    })?;
    Ok(file)
}

fn each<T>(
    text: &str,
    table: &'static str,
    list: Vec<Spanned<T>>,
    mut add: impl FnMut(T) -> Result<(), Problem>,
) -> Result<(), PlanError> {
    for (index, entry) in list.into_iter().enumerate() {
        let line = text[..entry.span().start.min(text.len())].matches('\n').count() + 1;
        add(entry.into_inner()).map_err(|problem| PlanError::Table {
            line,
            table,
            number: index + 1,
            problem,
        })?;
    }
    Ok(())
}
