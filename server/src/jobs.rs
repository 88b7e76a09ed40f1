//! Every scheduled job of the service on one page.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use sekisho_store::audit_chain::Look;

use crate::{
    audit::sequencer,
    emergency,
    enrol::{cmp, key_file, ra, server_made, tunnels},
    housekeeping,
    instance::{CaKeys, renew_ocsp_responders, renew_server_certificates},
    listener::Tls,
    login::{presence, upkeep},
    network::{groups, psk},
    notice,
    oidc::{logout::backchannel, self_check},
    outbox::{self, Deliverers},
    own_keys,
    repository::{ocsp_ahead, publish},
    revocation,
    schedule::{Job, Runs},
};

/// A record that was committed late waits for its link about half a minute.
const PASSES_TO_A_THOROUGH_ONE: u32 = 30;

/// All jobs of an instance.
#[must_use]
pub fn all(tls: Arc<Tls>, ca_keys: CaKeys) -> Vec<Job> {
    let deliverers = deliverers();
    let passes = AtomicU32::new(0);
    // By which reading of the trust folders the cards in use were judged last.
    let judged = Arc::new(AtomicU64::new(0));
    vec![
        Job::new("audit-chain", Duration::from_secs(1), Runs::OnEachNode, move |app| {
            let pass = passes.fetch_add(1, Ordering::Relaxed);
            let thorough = pass.is_multiple_of(PASSES_TO_A_THOROUGH_ONE);
            sequencer::run(app, if thorough { Look::Thorough } else { Look::Recent })
        }),
        // Each revocation is on a list within seconds; otherwise the list is made by the clock.
        Job::new("crl", Duration::from_secs(2), Runs::OnOneNode, |app| async move {
            revocation::follow_facilities(app.store(), app.now()).await?;
            Ok(publish::publish_due(&app).await?)
        }),
        // What other processes took back: a kept answer is given out only while this has looked.
        Job::new("ocsp-changes", Duration::from_millis(250), Runs::OnEachNode, |app| async move {
            let issuers: Vec<_> =
                app.authority().issuing().map(|authority| authority.id()).collect();
            Ok(app.ocsp().follow(app.store(), &issuers).await?)
        }),
        // Each process keeps its own answers.
        Job::new("ocsp-ahead", Duration::from_secs(5), Runs::OnEachNode, |app| async move {
            ocsp_ahead::renew_due(&app).await?;
            Ok(())
        }),
        // A message is claimed before it is delivered, so every process may deliver.
        Job::new("outbox", Duration::from_secs(2), Runs::OnEachNode, move |app| {
            let deliverers = deliverers.clone();
            async move { Ok(outbox::deliver_due(&app, &deliverers).await?) }
        }),
        // Each process holds what it read; a file that changed counts within half a minute.
        Job::new("card-trust", Duration::from_secs(30), Runs::OnEachNode, |app| async move {
            app.card_trust().reload().await;
            Ok(())
        }),
        Job::new("card-silence", Duration::from_secs(10), Runs::OnOneNode, |app| async move {
            Ok(presence::judge_silence(&app).await?)
        }),
        // That an hour is over is read at each decision; this notes it, and what nobody reviewed.
        Job::new("emergency", Duration::from_secs(10), Runs::OnOneNode, |app| async move {
            Ok(emergency::upkeep::run(&app).await?)
        }),
        Job::new("router-keys", Duration::from_secs(60), Runs::OnOneNode, |app| async move {
            Ok(psk::end_expired(&app).await?)
        }),
        // A router that tells no more leaves the trail at what it last said.
        Job::new("router-tunnels", Duration::from_secs(60), Runs::OnOneNode, |app| async move {
            Ok(tunnels::tell_of_silent(&app).await?)
        }),
        // That a membership is over is read at each look; this notes it, and ends keys.
        Job::new("group-memberships", Duration::from_secs(10), Runs::OnOneNode, |app| async move {
            Ok(groups::end_over(&app).await?)
        }),
        Job::new("session-limits", Duration::from_secs(60), Runs::OnOneNode, |app| async move {
            Ok(upkeep::end_overdue(&app).await?)
        }),
        // A card that was revoked opens nothing from then on; this tells the services that were open.
        Job::new("card-sessions", Duration::from_secs(30), Runs::OnOneNode, move |app| {
            let judged = Arc::clone(&judged);
            async move {
                let generation = app.card_trust().generation();
                let all = judged.load(Ordering::Relaxed) != generation;
                upkeep::end_of_lapsed_cards(&app, all).await?;
                judged.store(generation, Ordering::Relaxed);
                Ok(())
            }
        }),
        // A command or another process may have changed them; a key is published long before it signs.
        Job::new("own-keys", Duration::from_secs(10), Runs::OnEachNode, |app| async move {
            // One kind's trouble must not hold up the other.
            let tokens = app.token_keys().refresh(&app).await;
            app.login_request_keys().refresh(&app).await?;
            Ok(tokens?)
        }),
        Job::new("own-key-rotation", Duration::from_secs(60), Runs::OnOneNode, |app| async move {
            Ok(own_keys::keep_up(&app).await?)
        }),
        // A router may fetch its certificate from one process and send its request to another.
        Job::new(
            "registration-authorities",
            Duration::from_secs(10),
            Runs::OnEachNode,
            |app| async move { Ok(ra::refresh(&app).await?) },
        ),
        Job::new(
            "registration-authority-renewal",
            Duration::from_secs(60),
            Runs::OnOneNode,
            |app| async move { Ok(ra::keep_up(&app).await?) },
        ),
        // A certificate that its device did not confirm in time counts for nothing.
        Job::new("cmp-confirmations", Duration::from_secs(15), Runs::OnOneNode, |app| async move {
            Ok(cmp::take_back_unconfirmed(&app).await?)
        }),
        // Nobody has the key of a certificate whose file was not fetched.
        Job::new("key-files", Duration::from_secs(30), Runs::OnOneNode, |app| async move {
            Ok(key_file::end_expired(&app).await?)
        }),
        // Each process holds its own, in memory.
        Job::new("keys-ahead", Duration::from_secs(5), Runs::OnEachNode, |app| async move {
            Ok(server_made::keep_up(&app).await?)
        }),
        Job::new("housekeeping", Duration::from_secs(600), Runs::OnOneNode, |app| async move {
            Ok(housekeeping::run(&app).await?)
        }),
        // Each process shows its own certificates.
        Job::new("server-certificates", Duration::from_secs(3600), Runs::OnEachNode, move |app| {
            let (tls, ca_keys) = (Arc::clone(&tls), ca_keys.clone());
            async move {
                // The responders of the other authorities are renewed whatever became of the names.
                let names = renew_server_certificates(&app, &tls, ca_keys.passphrase()).await;
                renew_ocsp_responders(&app, &ca_keys).await?;
                Ok(names?)
            }
        }),
    ]
}

/// Who delivers which kind of message; each slice that writes to the outbox adds its line.
fn deliverers() -> Deliverers {
    Deliverers::new()
        .with(backchannel::KIND, backchannel::deliver)
        .with(notice::KIND, notice::deliver)
        .with(self_check::notice::KIND, self_check::notice::deliver)
}
