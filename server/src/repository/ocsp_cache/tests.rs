use time::macros::datetime;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-21 09:00 UTC);

fn answer(tag: &str) -> Answer {
    Answer {
        der: Bytes::from_static(b"x"),
        tag: tag.to_owned(),
        told: Told {
            status: CertificateStatus::Good,
            this_update: NOW,
            next_update: NOW + time::Duration::HOUR,
        },
    }
}

async fn looked(cache: &OcspCache) -> (tempfile::TempDir, Store, Instant) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("t.db").display());
    let store = Store::open(&url.into(), "one").await.unwrap();
    let at = Instant::now();
    cache.follow_at(&store, &["a"], at).await.unwrap();
    (folder, store, at)
}

fn find(cache: &OcspCache, serial: u8, at: Instant) -> Option<String> {
    cache.find("a", &[serial], b"id", NOW, at).map(|answer| answer.tag)
}

fn status(cache: &OcspCache, serial: u8, at: Instant) -> Option<CertificateStatus> {
    cache.status("a", &[serial], NOW, at)
}

fn change(serial: u8) -> Changed {
    Changed { certificates: vec![("a".to_owned(), vec![serial])], everything: false }
}

#[tokio::test]
async fn nothing_is_given_out_while_the_database_is_not_asked() {
    let cache = OcspCache::new(100);
    let keep = || cache.keep("a", &[1], b"id", answer("x"), cache.generation());
    keep();
    assert_eq!(find(&cache, 1, Instant::now()), None, "never looked");
    let (_folder, _store, at) = looked(&cache).await;
    keep();
    assert_eq!(find(&cache, 1, at).as_deref(), Some("x"));
    let soon = at + MOST_IGNORANCE - Duration::from_millis(2);
    assert_eq!(find(&cache, 1, soon).as_deref(), Some("x"));
    let later = at + MOST_IGNORANCE + Duration::from_millis(2);
    assert_eq!(find(&cache, 1, later), None);
}

#[tokio::test]
async fn a_change_removes_its_own_answers_and_refuses_those_under_way() {
    let cache = OcspCache::new(100);
    let (_folder, _store, at) = looked(&cache).await;
    for serial in [1, 2] {
        cache.keep("a", &[serial], b"id", answer("x"), cache.generation());
    }
    // A status is read, changes, and only then is its answer ready to be kept.
    let before = cache.generation();
    cache.changed(&change(1));
    cache.keep("a", &[1], b"id", answer("old"), before);
    assert_eq!(find(&cache, 1, at), None);
    assert_eq!(find(&cache, 2, at).as_deref(), Some("x"));
    cache.keep("a", &[1], b"id", answer("new"), cache.generation());
    assert_eq!(find(&cache, 1, at).as_deref(), Some("new"));
    cache.changed(&Changed { certificates: vec![], everything: true });
    assert_eq!((find(&cache, 1, at), find(&cache, 2, at)), (None, None));
}

#[tokio::test]
async fn it_holds_no_more_than_it_may_and_renews_at_half_time() {
    let cache = OcspCache::new(SHARDS * 4);
    let (_folder, store, at) = looked(&cache).await;
    for serial in 0..=255 {
        for id in [&b"id"[..], b"2", b"3", b"4", b"5", b"6"] {
            cache.keep("a", &[serial], id, answer("x"), cache.generation());
        }
    }
    let mut kept = 0;
    for shard in &cache.shards {
        let shard = shard.lock().unwrap();
        assert_eq!(shard.kept.len(), shard.order.len());
        assert!(shard.kept.len() <= 4);
        assert!(shard.kept.values().all(|kept| kept.forms.len() <= MOST_FORMS));
        kept += shard.kept.len();
    }
    assert!(kept > 0);
    cache.keep("a", &[1], b"id", answer("x"), cache.generation());
    let at_time = |now| cache.find("a", &[1], b"id", now, at).is_some();
    assert!(at_time(NOW) && at_time(NOW + time::Duration::minutes(29)));
    assert!(!at_time(NOW + time::Duration::minutes(30)));
    assert!(!at_time(NOW - time::Duration::SECOND), "a clock that went back");
    let none = OcspCache::new(0);
    none.follow_at(&store, &["a"], at).await.unwrap();
    none.keep("a", &[1], b"id", answer("x"), none.generation());
    assert_eq!(find(&none, 1, at), None);
}

/// One whose time begins so many minutes later.
fn later(minutes: i64) -> Answer {
    let shift = time::Duration::minutes(minutes);
    let mut answer = answer("later");
    answer.told.this_update += shift;
    answer.told.next_update += shift;
    answer
}

#[tokio::test]
async fn what_is_asked_for_is_due_after_a_third_of_its_time_and_let_go_when_nobody_asks() {
    let cache = OcspCache::new(100);
    let (_folder, _store, at) = looked(&cache).await;
    let minute = |minutes| NOW + time::Duration::minutes(minutes);
    let due = |minutes| -> Vec<Vec<u8>> {
        let mut due: Vec<_> =
            cache.take_due(minute(minutes), 1000).iter().map(|id| id.to_vec()).collect();
        due.sort();
        due
    };
    for (serial, id) in [(1, b"1a"), (1, b"1b"), (2, b"2a")] {
        cache.keep("a", &[serial], id, answer("x"), cache.generation());
    }
    assert_eq!(due(19), [b""; 0]);
    assert_eq!(due(20), [b"1a", b"1b", b"2a"]);
    assert_eq!(due(20), [b""; 0], "taken once");
    // Until they are signed anew the old ones are given out.
    assert!(cache.find("a", &[2], b"2a", minute(21), at).is_some());
    for (serial, id) in [(1, b"1a"), (1, b"1b"), (2, b"2a")] {
        cache.keep("a", &[serial], id, later(20), cache.generation());
    }
    assert!(cache.find("a", &[1], b"1b", minute(40), at).is_some());
    assert_eq!(due(40), [b"1a", b"1b", b"2a"]);
    assert_eq!(due(60), [b"1a", b"1b", b"2a"]);
    assert_eq!(due(80), [b"1a", b"1b", b"2a"]);
    assert_eq!(due(100), [b"1a", b"1b", b"2a"]);
    // Two hours after somebody asked last.
    assert_eq!(due(120), [b"1b", b"2a"]);
    assert_eq!(due(140), [b"1b", b"2a"]);
    assert_eq!(due(160), [b""; 0]);
    let kept: usize = cache.shards.iter().map(|shard| shard.lock().unwrap().kept.len()).sum();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn a_turn_takes_no_more_than_it_may_and_leaves_the_rest_for_the_next() {
    let cache = OcspCache::new(10_000);
    for serial in 0..=255 {
        cache.keep("a", &[serial], &[serial], answer("x"), cache.generation());
    }
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let due = cache.take_due(NOW + time::Duration::minutes(20), SHARDS * 2);
        assert!(due.len() <= SHARDS * 2);
        if due.is_empty() {
            break;
        }
        for id in due {
            assert!(seen.insert(id), "taken twice");
        }
    }
    assert_eq!(seen.len(), 256);
}

#[tokio::test]
async fn a_status_is_known_as_long_as_an_answer_is_kept_and_no_longer() {
    let good = Some(CertificateStatus::Good);
    let cache = OcspCache::new(100);
    let told = answer("x").told;
    cache.keep_status("a", &[1], told, cache.generation());
    assert_eq!(status(&cache, 1, Instant::now()), None, "never looked");
    let (_folder, _store, at) = looked(&cache).await;
    for serial in [1, 2] {
        cache.keep_status("a", &[serial], told, cache.generation());
    }
    assert_eq!((status(&cache, 1, at), status(&cache, 2, at)), (good, good));
    assert_eq!(status(&cache, 1, at + MOST_IGNORANCE + Duration::from_millis(2)), None);
    assert_eq!(find(&cache, 1, at), None, "a status is no answer");
    let until = NOW + time::Duration::minutes(30);
    assert_eq!(cache.status("a", &[1], until - time::Duration::SECOND, at), good);
    assert_eq!(cache.status("a", &[1], until, at), None);
    // One that was read before it changed is not kept after.
    let before = cache.generation();
    cache.changed(&change(1));
    cache.keep_status("a", &[1], told, before);
    assert_eq!((status(&cache, 1, at), status(&cache, 2, at)), (None, good));
    // With an answer that is renewed, it is read anew.
    cache.keep("a", &[2], b"id", answer("x"), cache.generation());
    assert_eq!(cache.take_due(NOW + time::Duration::minutes(20), 100).len(), 1);
    assert_eq!(status(&cache, 2, at), None);
    assert!(find(&cache, 2, at).is_some());
    cache.changed(&Changed { certificates: vec![], everything: true });
    assert!(cache.shards.iter().all(|shard| shard.lock().unwrap().kept.is_empty()));
}
