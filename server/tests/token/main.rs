//! An authority whose key is in a token, SoftHSM here: from the request to certificates, lists and
//! OCSP answers, with the token pulled out and put back, after a backup, and behind the signing
//! process.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs)]

mod house;

use std::fs;

use house::{House, ID, LABEL, done, edit, fails, name_token, text, write_pin};
use sekisho::config::Settings;
use sekisho_test_token::{PIN, SoftToken, module};

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_in_a_token_certifies_and_survives_that_the_token_is_pulled_out() {
    let mut house = House::build().await;
    let serving = house.start("serve", &house.instance).await;
    let (first, request) = house.newcomer();
    let certificate = house.enrol(&first, &request).await;
    house.judge(&certificate).await;

    house.token.pull_out();
    for _ in 0..2 {
        house.is_refused_for_now().await;
    }
    // What does not need the token goes on: its responder's key is in the folder.
    house.judge(&certificate).await;
    house.token.put_back();
    let (second, request) = house.newcomer();
    let certificate = house.enrol(&second, &request).await;
    house.judge(&certificate).await;

    // A backup is made while it serves, does not hold the key and says so, and is tried without the
    // token; what is restored goes on with it.
    let (instance, backup) = (text(&house.instance).to_owned(), house.path("backup.age"));
    let passphrase = house.path("backup-passphrase");
    fs::write(&passphrase, "a passphrase of many words\n").unwrap();
    let with = ["--passphrase-file", text(&passphrase)];
    let told =
        done(&house.token, &[&["backup", &instance, "--to", text(&backup)], &with[..]].concat());
    assert!(told.contains("does not hold the keys of terminals-2"), "{told}");
    let elsewhere = SoftToken::new("another");
    done(&elsewhere, &[&["restore", "--check", text(&backup)], &with[..]].concat());
    assert_eq!(serving.stop().await.unwrap().code(), Some(0));
    assert!(!house.log("serve").contains(PIN));
    let restored = house.path("restored");
    let told =
        done(&house.token, &[&["restore", text(&backup), text(&restored)], &with[..]].concat());
    assert!(told.contains("does not hold the keys of terminals-2"), "{told}");
    fails(&elsewhere, &["serve", text(&restored)], 1, "one token is labelled `hsm`");
    let serving = house.start("serve", &restored).await;
    let (third, request) = house.newcomer();
    // Known to the restored instance, which alone goes on.
    let certificate = house.enrol(&third, &request).await;
    house.judge(&certificate).await;
    assert_eq!(serving.stop().await.unwrap().code(), Some(0));
    done(&house.token, &["audit", "verify", text(&restored)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_used_stops_the_start_and_is_told_of() {
    let house = House::build().await;
    let instance = house.instance.clone();
    let serve = ["serve", text(&instance)];
    let refuses = |why: &str| fails(&house.token, &serve, 1, why);

    write_pin(&instance, "00000000", 0o600);
    refuses("log in; check the PIN");
    write_pin(&instance, "", 0o600);
    refuses("token.pin is empty");
    write_pin(&instance, PIN, 0o644);
    refuses("chmod 600");
    fs::remove_file(instance.join("secrets/token.pin")).unwrap();
    refuses("write the PIN of the token `hsm`");
    write_pin(&instance, PIN, 0o600);

    edit(&instance, |settings| settings.authority.token.module = "/nowhere/p11.so".to_owned());
    refuses("load the PKCS #11 library");
    edit(&instance, |settings| settings.authority.token.module = "p11.so".to_owned());
    refuses("whole path");
    edit(&instance, |settings| settings.authority.token.label = "other".to_owned());
    edit(&instance, |settings| settings.authority.token.module = module().display().to_string());
    refuses("one token is labelled `other`");
    edit(&instance, |settings| settings.authority.token.label = LABEL.to_owned());

    // Other tokens of that label: without the key, and with another of its name.
    let empty = SoftToken::new(LABEL);
    fails(&empty, &serve, 1, "neither keys/terminals-2.p8 nor one private key labelled");
    let other = house.path("other");
    done(&empty, &["init", text(&other)]);
    name_token(&other);
    let out = house.path("other.csr");
    let ask = ["ceremony", "request", text(&other), ID, "--out", text(&out)];
    let in_token = [&ask[..], &["--in-token"]].concat();
    done(&empty, &in_token);
    fails(&empty, &serve, 1, "is not that of ca/terminals-2.crt");
    // A file of that name would go before the token.
    fails(&empty, &ask, 1, "has a key labelled `terminals-2` already");
    assert!(!other.join("keys/terminals-2.p8").exists());
    let third = ["ceremony", "request", text(&other), "terminals-3", "--out", text(&out)];
    done(&empty, &third);
    fails(
        &empty,
        &[&third[..], &["--in-token"]].concat(),
        1,
        "keys/terminals-3.p8 is there already",
    );

    // With the right one everything is as it was.
    let serving = house.start("serve", &instance).await;
    assert_eq!(serving.stop().await.unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signing_process_takes_the_token_over() {
    let mut house = House::build().await;
    let (instance, signer) = (house.instance.clone(), house.path("signer"));
    let split = ["signer", "split", text(&instance), text(&signer)];
    let empty = SoftToken::new(LABEL);
    fails(&empty, &split, 1, "neither keys/terminals-2.p8 nor one private key labelled");
    assert!(instance.join("keys/terminals.p8").exists());
    let told = done(&house.token, &split);
    assert!(told.contains("7 keys moved"), "{told}");
    assert!(!instance.join("secrets/token.pin").exists());
    let settings = fs::read_to_string(signer.join("signer.toml")).unwrap();
    assert!(settings.contains("label = \"hsm\""), "{settings}");
    assert!(done(&house.token, &split).contains("Nothing changed"));
    // Stopped before the instance's configuration was written.
    name_token(&instance);
    fs::remove_file(instance.join("secrets/token.pin")).unwrap();
    assert!(done(&house.token, &split).contains("Nothing changed"));
    assert!(Settings::read(&instance).unwrap().authority.token.label.is_empty());

    fails(&empty, &["signer", text(&signer)], 1, "nor one private key labelled");
    let signing = house.start("signer", &signer).await;
    let serving = house.start("serve", &instance).await;
    let (newcomer, request) = house.newcomer();
    let certificate = house.enrol(&newcomer, &request).await;
    house.judge(&certificate).await;
    house.token.pull_out();
    house.is_refused_for_now().await;
    house.token.put_back();
    let (newcomer, request) = house.newcomer();
    let certificate = house.enrol(&newcomer, &request).await;
    house.judge(&certificate).await;
    assert_eq!(serving.stop().await.unwrap().code(), Some(0));

    // The next roll-over makes its key here; until it is handed over nothing serves.
    name_token(&instance);
    let pin = instance.join("pin-of-mine");
    fs::rename(instance.join("secrets/token.pin"), &pin).unwrap();
    edit(&instance, |settings| settings.authority.token.pin_file = text(&pin).to_owned());
    fails(&house.token, &["serve", text(&instance)], 1, "finish `sekisho signer split`");
    let out = house.path("third.csr");
    let ask = ["ceremony", "request", text(&instance), "terminals-3", "--out", text(&out)];
    done(&house.token, &[&ask[..], &["--in-token"]].concat());
    let told = done(&house.token, &split);
    assert!(told.contains("Remove it from") && told.contains(text(&pin)), "{told}");
    let serving = house.start("serve", &instance).await;
    assert_eq!(serving.stop().await.unwrap().code(), Some(0));
    assert_eq!(signing.stop().await.unwrap().code(), Some(0));
    // Another token beside the one that the process has.
    name_token(&instance);
    edit(&instance, |settings| settings.authority.token.label = "second".to_owned());
    fails(&house.token, &split, 1, "names the token `hsm` already");
}
