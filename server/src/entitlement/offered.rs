//! What is on offer, kept with its rules ready to be asked, and read anew as soon as a service or a rule has
//! changed: five hundred services are not read for each look at a portal.

use std::sync::{Arc, Mutex, PoisonError};

use sekisho_store::{
    Queries, StoreError,
    offer::{self, Offer},
};

use super::{Entitlements, Judge};

/// The most services that are listed.
const MOST_SERVICES: i64 = 1_000;

/// A service on offer beside its rules.
#[derive(Debug)]
pub struct Offered {
    /// The service.
    pub offer: Offer,
    /// Its rules in force.
    pub judge: Judge,
}

/// What was read last, and the number that was in force before it was read.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Option<(i64, Arc<[Offered]>)>>);

impl Entitlements {
    /// All services on offer, by Japanese name, as the database has them now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn offered(&self, queries: &mut impl Queries) -> Result<Arc<[Offered]>, StoreError> {
        // Before the list: what is kept may be newer than its number, and is then read once more.
        let revision = offer::revision(queries).await?;
        {
            let kept = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((of, offered)) = &*kept
                && *of == revision
            {
                return Ok(Arc::clone(offered));
            }
        }
        let offers = offer::list(queries, MOST_SERVICES).await?;
        let ready = |offer| Offered { judge: self.judge(&offer), offer };
        let offered: Arc<[Offered]> = offers.into_iter().map(ready).collect();
        let mut kept = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((revision, Arc::clone(&offered)));
        Ok(offered)
    }
}

#[cfg(test)]
mod tests {
    use sekisho_store::{
        Store, Tx,
        audit::{Actor, Audited, Entry},
        service::{self, AuthMethod, Service},
        service_change, transaction,
    };
    use time::OffsetDateTime;

    use super::*;
    use crate::testing;

    const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn referral() -> Service {
        Service {
            id: "referral".into(),
            organisation_id: None,
            name_ja: "紹介".into(),
            name_en: "Referral".into(),
            description_ja: String::new(),
            description_en: String::new(),
            home_url: "https://referral.example/".into(),
            sector: "referral.example".into(),
            auth_method: AuthMethod::None,
            secret_hash: None,
            jwks: None,
            backchannel_logout_uri: None,
            metadata: "{}".into(),
            personal_data: None,
            scopes: Vec::new(),
            redirect_uris: Vec::new(),
            logout_uris: Vec::new(),
            created_at: AT,
            live_at: Some(AT),
            withdrawn_at: None,
        }
    }

    async fn changed(store: &Store, change: impl AsyncFn(&mut Tx) -> Result<(), StoreError>) {
        transaction!(store, StoreError, |tx| {
            change(tx).await?;
            Ok(Audited::new((), Entry::done("test", Actor::System, AT)))
        })
        .unwrap();
    }

    #[tokio::test]
    async fn it_is_kept_until_any_process_changes_a_service_or_a_rule() {
        let test = testing::app().await;
        let other = testing::second_process(&test, "other").await;
        let offered =
            async || test.app.entitlements().offered(&mut test.app.store().read()).await.unwrap();
        let versions = |offered: &[Offered]| -> Vec<Option<i64>> {
            offered.iter().map(|one| one.offer.version).collect()
        };
        assert!(offered().await.is_empty());
        changed(other.store(), async |tx| service::add(tx, &referral()).await).await;
        let first = offered().await;
        assert_eq!(versions(&first), [None]);
        assert!(Arc::ptr_eq(&first, &offered().await), "read again for nothing");
        let rules = r#"{"rules":[{"id":"a"}]}"#;
        changed(other.store(), async |tx| {
            service::add_rules(tx, "referral", rules, None, AT).await.map(|_| ())
        })
        .await;
        assert_eq!(versions(&offered().await), [Some(1)]);
        changed(other.store(), async |tx| {
            service_change::withdraw(tx, "referral", AT).await.map(|_| ())
        })
        .await;
        assert!(offered().await.is_empty());
    }
}
