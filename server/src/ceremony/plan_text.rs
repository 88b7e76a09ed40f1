//! Tables of a plan, as the instance writes them for the people who review it.

use sekisho_ca::{ceremony::ISSUING, revocation::RevocationReason};
use sekisho_pki::encoding::name::only_text;
use sekisho_store::{Queries, crl};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use x509_cert::{Certificate, der::Decode};

use super::lists::ListPlanError;
use crate::authority::FIRST_ROOT;

/// The plan of a first ceremony: a root, its issuing authorities by their requests, and its list.
///
/// # Errors
/// The moment cannot be written.
pub(crate) fn first_plan(
    network: &str,
    organisation: &str,
    publication: &str,
    keys: &[(String, [u8; 32])],
    at: OffsetDateTime,
) -> Result<String, time::error::Format> {
    let comment = "# The first ceremony. Look through it, write where the root's key lies, then `sekisho ceremony keys`
# and `sekisho ceremony dry-run` on the root's computer.";
    let title = format!("{network}, first ceremony");
    let mut text = head(comment, &title, at, organisation, publication)?;
    let common_name = format!("{network} Root CA");
    text += &root(FIRST_ROOT, &format!("common_name = {common_name:?}"));
    text += &own_certificate(FIRST_ROOT);
    text += &list(FIRST_ROOT, 1);
    for ((id, sha256), (_, title)) in keys.iter().zip(ISSUING) {
        text += &issuing(id, sha256, &format!("{network} {title}"), FIRST_ROOT);
    }
    Ok(text)
}

/// The plan's head. `first_lines` are comments.
pub(super) fn head(
    first_lines: &str,
    title: &str,
    at: OffsetDateTime,
    organisation: &str,
    publication: &str,
) -> Result<String, time::error::Format> {
    let at = at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339)?;
    Ok(format!(
        "{first_lines}
title = {title:?}
at = \"{at}\"
organisation = {organisation:?}
publication = {publication:?}
"
    ))
}

/// organizationName of a root, which the plan's other authorities share; empty where it has none.
pub(super) fn organisation_of(root_der: &[u8]) -> der::Result<String> {
    let root = Certificate::from_der(root_der)?;
    let subject = root.tbs_certificate().subject();
    Ok(only_text(subject, const_oid::db::rfc4519::ORGANIZATION_NAME).unwrap_or_default())
}

/// A root whose key is in a safe. `origin` is its `common_name` or `certificate`.
pub(super) fn root(id: &str, origin: &str) -> String {
    format!(
        "
[[key]]
name = \"{id}\"
kind = \"p384\"
file = \"{id}-key.p8\" # or: token = {{ module = \"…\", token = \"…\", label = \"…\" }}

[[authority]]
id = \"{id}\"
key = \"{id}\"
{origin}
"
    )
}

/// A root that certifies itself, for as long as the certificate policy lets it.
pub(super) fn own_certificate(root_id: &str) -> String {
    format!(
        "
[[certificate]]
profile = \"root\"
subject = \"{root_id}\"
issuer = \"{root_id}\"
days = 9131
"
    )
}

/// An issuing authority whose key is in its instance.
pub(super) fn issuing(id: &str, key_sha256: &[u8; 32], common_name: &str, root_id: &str) -> String {
    format!(
        "
[[key]]
name = \"{id}\"
request = \"{id}.csr\"
sha256 = \"{sha256}\"

[[authority]]
id = \"{id}\"
key = \"{id}\"
common_name = {common_name:?}

[[certificate]]
profile = \"issuing\"
subject = \"{id}\"
issuer = \"{root_id}\"
days = 3653
",
        sha256 = hex::encode(key_sha256),
    )
}

/// A root's list of this number, with nothing on it.
pub(super) fn list(root_id: &str, number: i64) -> String {
    format!(
        "
[[crl]]
issuer = \"{root_id}\"
number = {number}
days = 366 # at most, certificate policy §4.9.7
"
    )
}

/// A root's next list, with every certificate of its that was taken back; and its number.
pub(super) async fn next_list(
    queries: &mut impl Queries,
    root_id: &str,
    now: OffsetDateTime,
) -> Result<(String, i64), ListPlanError> {
    let number = crl::next_number(queries, root_id).await?;
    let mut text = list(root_id, number);
    for event in crl::taken_back(queries, root_id, now - Duration::days(1)).await? {
        let reason =
            RevocationReason::from_code(event.reason).unwrap_or(RevocationReason::Unspecified);
        text += &format!(
            "\n[[crl.revoked]]\nserial = \"{}\"\nat = \"{}\"\nreason = \"{}\"\n",
            hex::encode(&event.serial),
            event.at.replace_nanosecond(0).unwrap_or(event.at).format(&Rfc3339)?,
            word(reason),
        );
    }
    Ok((text, number))
}

/// As a plan writes a reason.
fn word(reason: RevocationReason) -> String {
    serde_json::to_value(reason)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
