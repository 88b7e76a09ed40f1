//! Clients without a secret: services whose own page in the browser logs in.

use crate::{Queries, StoreError, sql};

/// Whether a redirect URI of some service without a secret, not withdrawn, lies at this origin
/// (`https://host[:port]`, without a slash).
///
/// Redirect URIs are kept as a browser writes them, so what follows an origin is a slash.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn lies_at(queries: &mut impl Queries, origin: &str) -> Result<bool, StoreError> {
    let found: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT s.id FROM service s
                 JOIN service_redirect_uri u ON u.service_id = s.id AND u.kind = 'login'
                 WHERE s.auth_method = 'none' AND s.withdrawn_at IS NULL
                     AND substr(u.uri, 1, length(CAST($1 AS TEXT))) = CAST($1 AS TEXT)
                 LIMIT 1")
            .bind(format!("{origin}/")),
        )
        .await?;
    Ok(found.is_some())
}
