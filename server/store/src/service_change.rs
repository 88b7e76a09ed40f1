//! What becomes of a registered service: changed, approved, withdrawn.

use time::OffsetDateTime;

use crate::{
    StoreError, Tx, acme_certificate,
    service::{Service, add_uris},
    service_check, sql,
};

/// Replaces what is registered for a service that was not withdrawn; `id`, `organisation_id` and the
/// times stay, and what was seen of the service is forgotten. Answers whether there was one.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn replace(tx: &mut Tx, service: &Service) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE service SET name_ja = $2, name_en = $3, description_ja = $4,
                     description_en = $5, home_url = $6, sector = $7, auth_method = $8,
                     secret_hash = $9, jwks = $10, backchannel_logout_uri = $11, metadata = $12,
                     scopes = $13, personal_data = $14
                 WHERE id = $1 AND withdrawn_at IS NULL")
            .bind(&service.id)
            .bind(&service.name_ja)
            .bind(&service.name_en)
            .bind(&service.description_ja)
            .bind(&service.description_en)
            .bind(&service.home_url)
            .bind(&service.sector)
            .bind(service.auth_method.as_str())
            .bind(service.secret_hash.map(|hash| hash.to_vec()))
            .bind(service.jwks.as_deref())
            .bind(service.backchannel_logout_uri.as_deref())
            .bind(&service.metadata)
            .bind(service.scopes.join(" "))
            .bind(service.personal_data.as_deref()),
        )
        .await?;
    if changed == 0 {
        return Ok(false);
    }
    tx.execute(sql("DELETE FROM service_redirect_uri WHERE service_id = $1").bind(&service.id))
        .await?;
    add_uris(tx, service).await?;
    service_check::forget(tx, &service.id).await?;
    Ok(true)
}

/// Replaces what a service says about personal data that leave the facility's purpose; answers whether there was
/// one that was not withdrawn.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn declare(
    tx: &mut Tx,
    id: &str,
    personal_data: Option<&str>,
) -> Result<bool, StoreError> {
    let statement =
        sql("UPDATE service SET personal_data = $2 WHERE id = $1 AND withdrawn_at IS NULL");
    Ok(tx.execute(statement.bind(id).bind(personal_data)).await? == 1)
}

/// Notes that the operating body approved a service of the sandbox; answers whether this call did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn approve(tx: &mut Tx, id: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
    let statement = sql("UPDATE service SET live_at = $2
                         WHERE id = $1 AND live_at IS NULL AND withdrawn_at IS NULL");
    Ok(tx.execute(statement.bind(id).bind(at)).await? == 1)
}

/// Withdraws a service, for ever, and with it all that it was granted and the certificates of its servers;
/// answers how many of these, and `None` where it was not this call that did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw(
    tx: &mut Tx,
    id: &str,
    at: OffsetDateTime,
) -> Result<Option<usize>, StoreError> {
    let statement =
        sql("UPDATE service SET withdrawn_at = $2 WHERE id = $1 AND withdrawn_at IS NULL");
    if tx.execute(statement.bind(id).bind(at)).await? == 0 {
        return Ok(None);
    }
    tx.execute(
        sql("UPDATE token_grant SET withdrawn_at = $2
             WHERE service_id = $1 AND withdrawn_at IS NULL")
        .bind(id)
        .bind(at),
    )
    .await?;
    acme_certificate::end_of_service(tx, id, at).await.map(Some)
}
