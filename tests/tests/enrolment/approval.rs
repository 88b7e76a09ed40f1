//! A key that a person approves first, as routers and their technicians see it: the bundle's `enrol.sh` waits
//! and goes on by itself, and a PC's client is told when to ask again.

use std::{path::Path, process::Command};

use sekisho::{
    config::{ApprovalPolicy, Settings},
    instance::fingerprint_groups,
};
use sekisho_store::{certificate, waiting_enrolment};

use crate::world::{Pc, TERMINAL, World, openssl, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_routers_own_script_waits_for_approval_and_a_client_of_est_is_told_to() {
    let mut settings = Settings::default();
    settings.enrolment.approval = ApprovalPolicy::Routers;
    settings.enrolment.poll_seconds = 1;
    let world = World::start_with(settings).await;
    router(&world).await;

    // PCs' codes need none here, except where it is asked for: the answer has when to ask again.
    let user = format!("{TERMINAL}:{}", world.code_to_approve_of(TERMINAL).await);
    let request = world.request("key.pem");
    let (status, said) = world.post("simpleenroll", &request, &["--user", &user, "--include"]);
    assert_eq!(status, 202, "{said}");
    assert!(said.to_lowercase().contains("\nretry-after: 1\r\n"), "{said}");
    let der = text(&world.file("key.pub.der"));
    let key = text(&world.file("key.pem"));
    openssl(&["pkey", "-in", &key, "-pubout", "-outform", "DER", "-out", &der]);
    assert!(said.contains(&fingerprint(&der)), "{said}");
    assert!(world.approve_what_waits(TERMINAL).await);
    assert_eq!(world.post("simpleenroll", &request, &["--user", &user]).0, 200);
    agent(&world).await;
    world.stop().await;
}

/// The operating body has routers' keys approved: the technician runs one script, which waits.
async fn router(world: &World) {
    let instance = text(&world.file("instance"));
    let router = world.enter_router(1, "router_strongswan");
    assert!(router.approval);
    let (id, code) = (router.id.as_str(), router.code.as_str());
    let folder = world.file("bundle");
    world.sekisho(&["router", "bundle", &instance, id, "--to", &text(&folder)]);
    std::fs::write(folder.join("code"), format!("{code}\n")).unwrap();
    let mut script = Command::new("sh");
    script.args(["-c", "sh enrol.sh <code 2>said"]).current_dir(&folder).env("NO_PROXY", "*");
    let mut running = script.spawn().unwrap();
    let approved = world.approve_what_waits(id).await;
    let ended = tokio::task::block_in_place(|| running.wait().unwrap());
    let said = std::fs::read_to_string(folder.join("said")).unwrap();
    assert!(approved && ended.success(), "{said}");
    let der = text(&folder.join("public.der"));
    let key = text(&folder.join("router.key"));
    openssl(&["pkey", "-in", &key, "-pubout", "-outform", "DER", "-out", &der]);
    assert!(said.contains(&fingerprint(&der)), "what the console shows: {said}");
    assert!(Path::new(&folder.join("router.pem")).exists());
    let issued = certificate::of_terminal(&mut world.store.read(), id).await.unwrap();
    assert_eq!(issued.len(), 1);
}

/// The desk program shows the fingerprint of the key that lies there; the same line once more fetches the
/// certificate.
async fn agent(world: &World) {
    let pc = Pc::new(world, "pc");
    let code = world.code_to_approve_of(TERMINAL).await;
    let (exit, said) = pc.enroll(TERMINAL, &code);
    assert_eq!(exit, 1, "{said}");
    let mut reader = world.store.read();
    let now = time::OffsetDateTime::now_utc();
    let waiting =
        waiting_enrolment::of_terminal(&mut reader, TERMINAL, now).await.unwrap().unwrap();
    drop(reader);
    let fingerprint = fingerprint_groups(&hex::encode(waiting.spki_sha256));
    assert!(said.contains(&fingerprint) && said.contains("waits for approval"), "{said}");
    assert_eq!(pc.enroll(TERMINAL, &code).0, 1, "it waits on");
    assert!(world.approve_what_waits(TERMINAL).await);
    let (exit, said) = pc.enroll(TERMINAL, &code);
    assert_eq!(exit, 0, "{said}");
}

/// Of a public key, in the console's groups.
fn fingerprint(der: &str) -> String {
    let digest = String::from_utf8(openssl(&["dgst", "-sha256", "-r", der]).stdout).unwrap();
    fingerprint_groups(digest.split(' ').next().unwrap())
}
