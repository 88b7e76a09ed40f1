//! Keys in SoftHSM, Debian's package `softhsm2`. If it is missing, the tests fail and say so.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    future::poll_fn,
    path::Path,
    pin::pin,
    process::Command,
    sync::{Arc, mpsc},
    task::Poll,
};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_ASN1,
    RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use secrecy::SecretString;
use sekisho_key::{
    KeyError, SigningKey,
    pkcs11::{Token, TokenKeyKind},
};
use sekisho_test_token::{CONFIGURATION, PIN, SoftToken, module};
use spki::SubjectPublicKeyInfoRef;

const CHILD: &str = "TOKEN_TEST_CHILD";

/// SoftHSM reads its configuration from the environment when it is loaded, and a process must not
/// change its environment while threads run: so the test runs itself again as a child with a fresh
/// token. Answers whether this is the child.
fn in_child(test: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let token = SoftToken::new("authority");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CONFIGURATION, token.configuration())
        .env(CHILD, "1")
        .output()
        .unwrap();
    let shown = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("1 passed"), "{shown}");
    false
}

fn open() -> Arc<Token> {
    Token::open(&module(), "authority", SecretString::from(PIN)).unwrap()
}

fn verifies(
    key: &dyn SigningKey,
    with: &'static dyn VerificationAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let spki = SubjectPublicKeyInfoRef::try_from(key.public_key_der()).unwrap();
    UnparsedPublicKey::new(with, spki.subject_public_key.raw_bytes())
        .verify(message, signature)
        .is_ok()
}

#[tokio::test]
async fn a_key_made_in_the_token_signs_and_is_found_again() {
    if !in_child("a_key_made_in_the_token_signs_and_is_found_again") {
        return;
    }
    let token = open();
    let cases: [(&str, TokenKeyKind, &'static dyn VerificationAlgorithm); 4] = [
        ("p256", TokenKeyKind::P256, &ECDSA_P256_SHA256_ASN1),
        ("p384", TokenKeyKind::P384, &ECDSA_P384_SHA384_ASN1),
        ("rsa3072", TokenKeyKind::Rsa3072, &RSA_PKCS1_2048_8192_SHA256),
        ("rsa4096", TokenKeyKind::Rsa4096, &RSA_PKCS1_2048_8192_SHA256),
    ];
    for (label, kind, with) in cases {
        let made = token.generate(label, kind).unwrap();
        let again = token.key(label).unwrap();
        assert_eq!(made.public_key_der(), again.public_key_der());
        for key in [&made, &again] {
            let signature = key.sign(b"message").await.unwrap();
            assert!(verifies(key, with, b"message", &signature), "{label}");
            assert!(!verifies(key, with, b"messagf", &signature), "{label}");
        }
    }
    let key = token.key("p256").unwrap();
    for _ in 0..8 {
        let fixed = key.sign_fixed(b"header.payload").await.unwrap();
        assert!(verifies(&key, &ECDSA_P256_SHA256_FIXED, b"header.payload", &fixed));
    }
    // Many at once share the session without harm.
    let key = Arc::new(key);
    let tasks: Vec<_> = (0..16_u8)
        .map(|n| {
            let key = Arc::clone(&key);
            tokio::spawn(async move { (n, key.sign(&[n]).await.unwrap()) })
        })
        .collect();
    for task in tasks {
        let (n, signature) = task.await.unwrap();
        assert!(verifies(&*key, &ECDSA_P256_SHA256_ASN1, &[n], &signature));
    }
    assert!(!format!("{key:?} {token:?}").contains(PIN));
}

#[tokio::test]
async fn a_token_that_forgot_the_login_is_logged_in_again() {
    if !in_child("a_token_that_forgot_the_login_is_logged_in_again") {
        return;
    }
    let token = open();
    let key = token.generate("p256", TokenKeyKind::P256).unwrap();
    // The login belongs to the process: another part of it logs out and takes ours along.
    let context = cryptoki::context::Pkcs11::new(module()).unwrap();
    let slot = context.get_slots_with_initialized_token().unwrap()[0];
    context.open_ro_session(slot).unwrap().logout().unwrap();
    let signature = key.sign(b"message").await.unwrap();
    assert!(verifies(&key, &ECDSA_P256_SHA256_ASN1, b"message", &signature));
}

#[tokio::test]
async fn a_token_that_was_pulled_out_fails_and_signs_again_once_it_is_back() {
    if !in_child("a_token_that_was_pulled_out_fails_and_signs_again_once_it_is_back") {
        return;
    }
    let (token, reader) = (open(), SoftToken::of_environment());
    let key = token.generate("p256", TokenKeyKind::P256).unwrap();
    key.sign(b"before").await.unwrap();
    for _ in 0..2 {
        reader.pull_out();
        for _ in 0..2 {
            assert!(key.sign(b"away").await.is_err());
        }
        reader.put_back();
        let signature = key.sign(b"message").await.unwrap();
        assert!(verifies(&key, &ECDSA_P256_SHA256_ASN1, b"message", &signature));
    }
}

#[test]
fn a_token_that_is_slow_holds_up_no_worker() {
    if !in_child("a_token_that_is_slow_holds_up_no_worker") {
        return;
    }
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let key = open().generate("p256", TokenKeyKind::P256).unwrap();
        // The only thread on which a call may block is taken: a call on the worker would be answered.
        let (release, held) = mpsc::channel();
        let taken = tokio::task::spawn_blocking(move || held.recv());
        let mut signing = pin!(key.sign(b"message"));
        let poll = poll_fn(|context| Poll::Ready(signing.as_mut().poll(context)));
        assert!(poll.await.is_pending());
        release.send(()).unwrap();
        taken.await.unwrap().unwrap();
        let signature = signing.await.unwrap();
        assert!(verifies(&key, &ECDSA_P256_SHA256_ASN1, b"message", &signature));
    });
}

#[tokio::test]
async fn a_pin_that_was_refused_is_not_tried_again() {
    if !in_child("a_pin_that_was_refused_is_not_tried_again") {
        return;
    }
    open().generate("p256", TokenKeyKind::P256).unwrap();
    let wrong = SecretString::from("00000000");
    let token = Token::open(&module(), "authority", wrong).unwrap();
    let refused =
        || matches!(token.key("p256"), Err(KeyError::Token { act, .. }) if act.contains("PIN"));
    assert!(refused());
    // Logged in by another, this one would find its login done: it does not even ask.
    let other = open();
    let _held = other.key("p256").unwrap();
    assert!(refused());
}

#[tokio::test]
async fn wrong_labels_and_pins_are_named() {
    if !in_child("wrong_labels_and_pins_are_named") {
        return;
    }
    let right = || SecretString::from(PIN);
    assert!(matches!(Token::open(&module(), "nobody", right()), Err(KeyError::NoToken { .. })));
    assert!(matches!(
        Token::open(Path::new("/nowhere/lib.so"), "authority", right()),
        Err(KeyError::Token { .. })
    ));
    let wrong = Token::open(&module(), "authority", SecretString::from("00000000".to_owned()));
    assert!(matches!(
        wrong.unwrap().key("p256"),
        Err(KeyError::Token { act: "log in; check the PIN", .. })
    ));
    let token = open();
    assert!(matches!(
        token.key("missing"),
        Err(KeyError::KeyNotOnToken { what: "private key", .. })
    ));
    token.generate("one", TokenKeyKind::P256).unwrap();
    assert!(token.generate("one", TokenKeyKind::P256).is_err());
}
