//! CMP as `openssl cmp` of Debian speaks it, unmodified, at a running instance over plain HTTP: requests of each
//! kind, under codes and under certificates, with both kinds of confirmation.

use std::{
    path::PathBuf,
    process::{Command, Output},
    time::{Duration, Instant},
};

use sekisho::{
    config::{Config, Settings},
    enrol::new_code::NewCode,
    instance::{Folder, sealing_key},
};
use sekisho_key::SystemRandomness;
use sekisho_store::{audit, certificate, revocation::Status};
use time::OffsetDateTime;

use crate::{
    table::{Operation, Table},
    unpacked::said,
    world::{Router, TERMINAL, World, openssl, text},
};

/// For the first registration authority on two busy cores.
const PATIENCE: Duration = Duration::from_secs(60);
const PC: &str = ".well-known/cmp";
const ROUTERS: &str = ".well-known/cmp/p/routers";

struct Client<'a> {
    world: &'a World,
    folder: PathBuf,
}

impl Client<'_> {
    fn file(&self, name: &str) -> String {
        text(&self.folder.join(name))
    }

    fn key(&self, name: &str) -> String {
        let path = self.file(name);
        openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &path]);
        path
    }

    fn cmp(&self, path: &str, arguments: &[&str]) -> Output {
        let server = self.world.plain().replace("http://", "");
        let mut command = Command::new("openssl");
        command.args([
            "cmp",
            "-config",
            "",
            "-server",
            &server,
            "-path",
            path,
            "-no_proxy",
            "127.0.0.1",
        ]);
        command.args(["-recipient", "/CN=Sekisho", "-total_timeout", "60", "-verbosity", "6"]);
        command.args(arguments).current_dir(&self.folder).output().unwrap()
    }

    fn must(&self, path: &str, arguments: &[&str]) -> String {
        let output = self.cmp(path, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    }

    fn must_not(&self, path: &str, arguments: &[&str], says: &str) {
        let output = self.cmp(path, arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(says), "{arguments:?} {says}: {}", said(&output));
    }

    /// Subject and names, once the certificate is found good.
    fn verified(&self, name: &str, authority: &str) -> String {
        let (certificate, issuer) = (self.file(name), self.world.authority(authority));
        let root = self.world.authority("root");
        let verify = ["verify", "-x509_strict", "-CAfile", &root, "-untrusted", &issuer];
        openssl(&[&verify[..], &[&certificate]].concat());
        let shown = ["x509", "-in", &certificate, "-noout", "-subject", "-ext", "subjectAltName"];
        String::from_utf8(openssl(&shown).stdout).unwrap()
    }

    async fn statuses(&self, id: &str) -> Vec<Status> {
        let all = certificate::of_terminal(&mut self.world.store.read(), id).await.unwrap();
        all.into_iter().map(|one| one.status).collect()
    }
}

/// A code as the console makes it.
async fn code_of_pc(world: &World) -> String {
    let config = Config::read(&world.file("instance")).unwrap();
    let sealing = sealing_key(&Folder::new(config.folder())).unwrap();
    let now = OffsetDateTime::now_utc();
    let code = NewCode::draw(&SystemRandomness, &sealing, &config, now).unwrap();
    change!(world.store, |tx| code.keep(tx, TERMINAL, "p").await?);
    code.code().reveal().to_string()
}

fn by_code<'a>(id: &'a str, secret: &'a str) -> [&'a str; 6] {
    ["-ref", id, "-secret", secret, "-mac", "hmacWithSHA256"]
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_enrols_renews_revokes_and_is_refused_by_cmp() {
    let mut settings = Settings::default();
    settings.cmp.enabled = true;
    settings.enrolment.poll_seconds = 1;
    let world = World::start_with(settings).await;
    let folder = world.file("openssl");
    std::fs::create_dir_all(&folder).unwrap();
    let client = Client { world: &world, folder };
    let first = world.enter_router(1, "router_strongswan");

    // The registration authority is made by the first job that finds none.
    let secret = format!("pass:{}", first.code);
    let began = Instant::now();
    let genm = [&by_code(&first.id, &secret)[..], &["-cmd", "genm"]].concat();
    while !client.cmp(ROUTERS, &genm).status.success() {
        assert!(began.elapsed() < PATIENCE, "{}", said(&client.cmp(ROUTERS, &genm)));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let version = String::from_utf8(openssl(&["version"]).stdout).unwrap();
    let version = version.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let mut table = Table::of("CMP");
    let row = table.client(format!("{version} `openssl cmp`"));
    refusals(&client, &first).await;
    row.did_so(Operation::Refusal, "wrong code, HMAC-SHA-1, another's name, the other door");
    router(&client, &first).await;
    row.did_so(Operation::First, "ir");
    row.did_so(Operation::Renewal, "kur, cr");
    row.did_so(Operation::Revocation, "rr");
    row.did_so(Operation::Authorities, "caPubs, genm");
    pc(&client).await;
    request_by_pkcs10(&client).await;
    row.did_so(Operation::First, "p10cr, cr");
    waits_for_approval(&client).await;
    row.did_so(Operation::Approval, "yes, by pollReq");
    table.keep();
    world.stop().await;
}

/// Nothing is issued for a wrong secret or a weak MAC, and the text says what would help.
async fn refusals(client: &Client<'_>, router: &Router) {
    let key = client.key("refused.pem");
    let ask = ["-cmd", "ir", "-newkey", &key, "-subject", "/CN=x", "-certout", "refused.crt"];
    let wrong = by_code(&router.id, "pass:0000-0000-0000-0000-0000");
    let unprotected = &["-unprotected_errors"][..];
    client.must_not(ROUTERS, &[&wrong[..], &ask, unprotected].concat(), "badMessageCheck");
    // Without that word the client does not show what nobody has proven.
    client.must_not(ROUTERS, &[&wrong[..], &ask].concat(), "missing protection");
    let secret = format!("pass:{}", router.code);
    let weak = ["-ref", &router.id, "-secret", &secret];
    client.must_not(ROUTERS, &[&weak[..], &ask].concat(), "hmacWithSHA256");
    // Another router's name in the request.
    let right = by_code(&router.id, &secret);
    let other = ["-cmd", "ir", "-newkey", &key, "-subject", "/CN=T0000000000", "-certout", "x.crt"];
    client.must_not(ROUTERS, &[&right[..], &other].concat(), "T0000000000");
    // At the door for PCs.
    let own = format!("/CN={}", router.id);
    let at_pcs = ["-cmd", "ir", "-newkey", &key, "-subject", &own, "-certout", "x.crt"];
    client.must_not(PC, &[&right[..], &at_pcs].concat(), "this code is for a router");
    assert!(client.statuses(&router.id).await.is_empty());
}

/// ir with explicit confirmation, kur, cr, genm and rr under the certificate.
async fn router(client: &Client<'_>, router: &Router) {
    let (key, next) = (client.key("router.pem"), client.key("next.pem"));
    let (secret, subject) = (format!("pass:{}", router.code), format!("/CN={}", router.id));
    let right = by_code(&router.id, &secret);
    let ask = ["-cmd", "ir", "-newkey", &key, "-subject", &subject, "-certout", "router.crt"];
    let more = ["-cacertsout", "roots.pem", "-extracertsout", "extra.pem"];
    let told = client.must(ROUTERS, &[&right[..], &ask, &more].concat());
    assert!(told.contains("CERTCONF") && told.contains("PKICONF"), "{told}");
    let names = client.verified("router.crt", "routers");
    assert!(names.contains(&router.id), "{names}");
    assert!(names.contains(&format!("DNS:{}.router.", router.id.to_lowercase())), "{names}");
    // caPubs is the root of this network.
    let root = std::fs::read_to_string(client.world.authority("root")).unwrap();
    let told = std::fs::read_to_string(client.file("roots.pem")).unwrap();
    let body = |pem: &str| pem.split("-----").nth(2).unwrap().replace('\n', "");
    assert_eq!(body(&told), body(&root));

    let root = client.world.authority("root");
    let by_certificate = |certificate: &'static str, key: &str| {
        let own = ["-cert", certificate, "-key", key, "-trusted", &root];
        own.map(str::to_owned)
    };
    let run = |command: &[&str], own: &[String]| {
        let all: Vec<&str> =
            own.iter().map(String::as_str).chain(command.iter().copied()).collect();
        client.cmp(ROUTERS, &all)
    };
    let own = by_certificate("router.crt", &key);
    let kur = run(&["-cmd", "kur", "-newkey", &next, "-certout", "next.crt"], &own);
    assert!(kur.status.success(), "{}", said(&kur));
    client.verified("next.crt", "routers");
    let own = by_certificate("next.crt", &next);
    let third = client.key("third.pem");
    let cr = ["-cmd", "cr", "-newkey", &third, "-certout", "third.crt", "-implicit_confirm"];
    let cr = run(&cr, &own);
    assert!(cr.status.success() && !said(&cr).contains("CERTCONF"), "{}", said(&cr));
    client.verified("third.crt", "routers");
    let genm = run(&["-cmd", "genm"], &own);
    assert!(genm.status.success(), "{}", said(&genm));
    // The first was replaced by the use of the second.
    let old = run(
        &["-cmd", "kur", "-newkey", &key, "-certout", "x.crt"],
        &by_certificate("router.crt", &key),
    );
    assert!(!old.status.success(), "{}", said(&old));
    let own = by_certificate("third.crt", &third);
    let rr = run(&["-cmd", "rr", "-oldcert", "third.crt", "-revreason", "1"], &own);
    assert!(rr.status.success(), "{}", said(&rr));
    let gone = run(&["-cmd", "genm"], &own);
    assert!(!gone.status.success(), "{}", said(&gone));
    let statuses = client.statuses(&router.id).await;
    assert_eq!(statuses.len(), 3, "{statuses:?}");
    assert!(statuses.iter().all(|status| status.is_final()), "{statuses:?}");
}

/// A PC by ir and implicit confirmation, its code without hyphens; the code is used up.
async fn pc(client: &Client<'_>) {
    let key = client.key("pc.pem");
    let secret = format!("pass:{}", code_of_pc(client.world).await.replace('-', ""));
    let right = by_code(TERMINAL, &secret);
    let subject = format!("/CN={TERMINAL}");
    let ask = ["-cmd", "ir", "-newkey", &key, "-subject", &subject, "-implicit_confirm"];
    let told = client.must(PC, &[&right[..], &ask, &["-certout", "pc.crt"]].concat());
    assert!(!told.contains("CERTCONF"), "{told}");
    let names = client.verified("pc.crt", "terminals");
    assert!(names.contains(TERMINAL), "{names}");
    let other = client.key("other.pem");
    let again = ["-cmd", "cr", "-newkey", &other, "-subject", &subject, "-certout", "x.crt"];
    client.must_not(PC, &[&right[..], &again].concat(), "with another key");
    assert_eq!(client.statuses(TERMINAL).await, [Status::Good]);
    let trail = audit::list(&mut client.world.store.read(), "", None, 1000).await.unwrap();
    let trail = trail.iter().map(|one| String::from_utf8_lossy(&one.canonical)).collect::<String>();
    for act in ["terminal.cmp_begin", "terminal.cmp_answer", "terminal.cmp_confirm", "cmp_ra.make"]
    {
        assert!(trail.contains(act), "{act}");
    }
}

/// p10cr and cr by code.
async fn request_by_pkcs10(client: &Client<'_>) {
    for (number, kind) in [(2, "p10cr"), (3, "cr")] {
        let router = client.world.enter_router(number, "router_strongswan");
        let (secret, subject) = (format!("pass:{}", router.code), format!("/CN={}", router.id));
        let (key, csr) = (client.key("p10.pem"), client.file("p10.csr"));
        openssl(&["req", "-new", "-key", &key, "-subj", &subject, "-out", &csr]);
        let ask = match kind {
            "p10cr" => vec!["-csr", &csr],
            _ => vec!["-newkey", &key, "-subject", &subject],
        };
        let right = by_code(&router.id, &secret);
        let out = ["-cmd", kind, "-certout", "p10.crt"];
        let told = client.must(ROUTERS, &[&right[..], &out, &ask].concat());
        assert!(told.contains("PKICONF"), "{told}");
        assert!(client.verified("p10.crt", "routers").contains(&router.id));
    }
}

/// It polls by itself until a person has approved its key.
async fn waits_for_approval(client: &Client<'_>) {
    let router = client.world.enter_router(4, "router_strongswan");
    let instance = text(&client.world.file("instance"));
    let code = ["router", "code", &instance, &router.id, "--approve-first", "--json"];
    let code: serde_json::Value = serde_json::from_str(&client.world.sekisho(&code)).unwrap();
    let secret = format!("pass:{}", code["code"].as_str().unwrap());
    let (key, subject) = (client.key("waits.pem"), format!("/CN={}", router.id));
    let right = by_code(&router.id, &secret);
    let ask = ["-cmd", "ir", "-newkey", &key, "-subject", &subject, "-certout", "waits.crt"];
    let asked = [&right[..], &ask].concat();
    let output = client.world.approving(&router.id, || client.cmp(ROUTERS, &asked)).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("POLLREQ"), "{}", said(&output));
    assert!(client.verified("waits.crt", "routers").contains(&router.id));
    assert_eq!(client.statuses(&router.id).await, [Status::Good]);
}
