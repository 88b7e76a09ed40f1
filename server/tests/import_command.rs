//! `sekisho ceremony import` as an operator meets it, with an authority that OpenSSL ran.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../src/ceremony/import/old_authority.rs"]
mod old_authority;

use std::{
    fs,
    process::{Command, Output},
    sync::OnceLock,
};

use old_authority::OldAuthority;
use sekisho_test_token::{CONFIGURATION, PIN, SoftToken, module};

const P256: [&str; 3] = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// An instance that nobody changes: dry runs and refusals leave it as it is.
fn instance() -> &'static str {
    static INSTANCE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = INSTANCE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        init(&folder);
        folder
    });
    made.path().to_str().unwrap()
}

fn init(folder: &tempfile::TempDir) {
    let made = Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(["init", "instance"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", err(&made));
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

struct Desk {
    old: OldAuthority,
    instance: String,
    token: Option<SoftToken>,
}

impl Desk {
    fn new() -> Self {
        Self::of(OldAuthority::p256())
    }

    fn of(old: OldAuthority) -> Self {
        Self { old, instance: format!("{}/instance", instance()), token: None }
    }

    fn sekisho(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
        command
            .args(arguments)
            .current_dir(self.old.path(""))
            .env_remove("LC_ALL")
            .env_remove("LC_MESSAGES")
            .env("LANG", "en_US.UTF-8");
        if let Some(token) = &self.token {
            command.env(CONFIGURATION, token.configuration());
        }
        command.output().unwrap()
    }

    fn import(&self, more: &[&str]) -> Output {
        let papers = [
            "--certificate",
            "ca.crt",
            "--above",
            "root.crt",
            "--issued",
            "newcerts",
            "--crl",
            "last.crl",
        ];
        let begin = ["ceremony", "import", &self.instance, "imported-1"];
        self.sekisho(&[&begin[..], &papers, more].concat())
    }

    /// The hash of a dry run.
    fn hash(&self) -> String {
        let shown = self.import(&[]);
        assert!(shown.status.success(), "{}", err(&shown));
        let shown = String::from_utf8(shown.stdout).unwrap();
        let hash = shown.split("--hash ").nth(1).unwrap();
        hash.split_whitespace().next().unwrap().to_owned()
    }

    /// What the dry run says against it; nothing was changed by it.
    fn refused(&self, why: &str) {
        let refused = self.import(&[]);
        assert_eq!(refused.status.code(), Some(1), "{why}: {:?}", refused.stdout);
        assert!(err(&refused).contains(why), "{why}: {}", err(&refused));
    }

    fn taken(&self, more: &[&str]) {
        let hash = self.hash();
        let go = ["--hash", &hash, "--out", "transcript.json"];
        let taken = self.import(&[&go, more].concat());
        assert!(taken.status.success(), "{}", err(&taken));
        let verify = ["ceremony", "verify", "transcript.json", "--import", "ca.crt", "--hash"];
        let verified = self.sekisho(&[&verify[..], &[&hash]].concat());
        assert!(verified.status.success(), "{}", err(&verified));
        let said = String::from_utf8(verified.stdout).unwrap();
        assert!(said.contains("list number 500") && said.contains("was compared"), "{said}");
    }
}

/// With an instance of its own.
fn own() -> (Desk, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    init(&folder);
    let mut desk = Desk::new();
    desk.instance = folder.path().join("instance").display().to_string();
    (desk, folder)
}

#[test]
fn it_is_shown_compared_taken_and_told() {
    let (desk, folder) = own();
    let shown = String::from_utf8(desk.import(&[]).stdout).unwrap();
    for part in ["CN=Old CA", "4 certificates, 2 of them", "number 500", "Stop the other system"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let japanese = String::from_utf8(desk.import(&["--lang", "ja"]).stdout).unwrap();
    assert!(japanese.contains("証明書 4 枚"), "{japanese}");
    let hash = desk.hash();
    assert_eq!(desk.hash(), hash);
    let key = ["--key", "ca.p8", "--secret", "passphrase"];
    let out = ["--out", "transcript.json"];
    let zeros = "0".repeat(64);
    let refused = desk.import(&[&["--hash", &zeros], &out[..], &key].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("nothing was taken"), "{}", err(&refused));
    let refused = desk.import(&[&["--hash", &hash], &out[..]].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", err(&refused));
    assert!(!folder.path().join("instance/ca/imported-1.crt").exists());
    desk.taken(&key);
    let wrapped = fs::read_to_string(folder.path().join("instance/keys/imported-1.p8")).unwrap();
    assert!(wrapped.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    // Under the instance's passphrase, not under the old one any more.
    let (opens, _) = desk.old.try_openssl(&[
        "pkey",
        "-in",
        folder.path().join("instance/keys/imported-1.p8").to_str().unwrap(),
        "-passin",
        "file:passphrase",
        "-noout",
    ]);
    assert!(!opens);
    desk.taken(&key);
    let trail = desk.sekisho(&["audit", "list", &desk.instance, "--json"]);
    let trail = String::from_utf8(trail.stdout).unwrap();
    assert!(trail.contains("authority.import") && trail.contains(&hash), "{trail}");
    // A transcript is of its authority and its content.
    let text = fs::read_to_string(desk.old.path("transcript.json")).unwrap();
    desk.old.write("spoilt.json", &text.replacen("\"payload\": \"e", "\"payload\": \"f", 1));
    for (file, certificate, hash) in [
        ("spoilt.json", "ca.crt", hash.as_str()),
        ("transcript.json", "root.crt", hash.as_str()),
        ("transcript.json", "ca.crt", zeros.as_str()),
    ] {
        let verify = ["ceremony", "verify", file, "--import", certificate, "--hash", hash];
        assert_eq!(desk.sekisho(&verify).status.code(), Some(3), "{file} {certificate}");
    }
}

#[test]
fn the_key_comes_as_pkcs_8_as_pkcs_12_or_in_the_token() {
    let desk = Desk::new();
    desk.old.openssl(&[
        "pkcs12",
        "-export",
        "-inkey",
        "ca.pem",
        "-in",
        "ca.crt",
        "-certfile",
        "root.crt",
        "-out",
        "ca.p12",
        "-passout",
        "file:passphrase",
    ]);
    desk.old.openssl(&[
        "pkcs8",
        "-topk8",
        "-in",
        "ca.pem",
        "-outform",
        "DER",
        "-out",
        "ca.der",
        "-passout",
        "file:passphrase",
    ]);
    desk.old.openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", "ca.pem", "-out", "open.pem"]);
    for key in ["ca.p12", "ca.der", "ca.p8", "open.pem"] {
        let opened = desk.import(&["--key", key, "--secret", "passphrase"]);
        assert!(opened.status.success(), "{key}: {}", err(&opened));
    }
    desk.old.write("other", "another passphrase");
    desk.old.write("nothing.pem", "no key at all");
    for (key, secret, why) in [
        ("ca.p12", "other", "passphrase is wrong"),
        ("ca.der", "other", "does not open"),
        ("ca.p8", "other", "does not open"),
        ("root.pem", "passphrase", "none of the keys"),
        ("a.pem", "passphrase", "none of the keys"),
        ("ca.crt", "passphrase", "holds no private key"),
        ("nothing.pem", "passphrase", "cannot be used"),
    ] {
        let refused = desk.import(&["--key", key, "--secret", secret]);
        assert_eq!(refused.status.code(), Some(1), "{key}");
        assert!(err(&refused).contains(why), "{key}: {}", err(&refused));
    }

    let (mut desk, folder) = own();
    let hash = desk.hash();
    let go = ["--hash", &hash, "--out", "transcript.json", "--in-token"];
    assert_eq!(desk.import(&go).status.code(), Some(2), "no token is configured");
    let token = SoftToken::new("safe");
    let configuration = folder.path().join("instance/sekisho.toml");
    let text = fs::read_to_string(&configuration).unwrap();
    let text = text
        .replace("module = \"\"", &format!("module = \"{}\"", module().display()))
        .replacen("label = \"\"", "label = \"safe\"", 1);
    fs::write(&configuration, text).unwrap();
    let pin = folder.path().join("instance/secrets/token.pin");
    fs::write(&pin, PIN).unwrap();
    fs::set_permissions(&pin, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    desk.token = Some(token);
    let refused = desk.import(&go);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("imported-1"), "{}", err(&refused));
    desk.old.openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", "ca.pem", "-out", "open.pem"]);
    let imported = Command::new("softhsm2-util")
        .args(["--import", "open.pem", "--token", "safe", "--label", "imported-1", "--id", "01"])
        .args(["--pin", PIN])
        .current_dir(desk.old.path(""))
        .env(CONFIGURATION, desk.token.as_ref().unwrap().configuration())
        .output()
        .unwrap();
    assert!(imported.status.success(), "{}", err(&imported));
    desk.taken(&["--in-token"]);
    assert!(!folder.path().join("instance/keys/imported-1.p8").exists());
}

/// As Windows and old OpenSSL wrote them: 3DES, and RC2 with 40 bits for the certificates.
#[test]
fn an_old_files_key_is_not_read_and_the_advice_how_to_make_a_new_one_holds() {
    let desk = Desk::new();
    for file in [
        "pkcs12 -export -legacy -inkey ca.pem -in ca.crt -out old.p12",
        "pkcs8 -topk8 -v1 PBE-SHA1-3DES -in ca.pem -out old.p8",
        "pkcs8 -topk8 -v1 PBE-SHA1-3DES -in ca.pem -outform DER -out old.der",
    ] {
        let words: Vec<&str> = file.split(' ').collect();
        desk.old.openssl(&[&words[..], &["-passout", "file:passphrase"]].concat());
    }
    for file in ["old.p12", "old.p8", "old.der"] {
        let refused = desk.import(&["--key", file, "--secret", "passphrase"]);
        let said = err(&refused);
        assert_eq!(refused.status.code(), Some(1), "{file}: {said}");
        assert!(said.contains(file) && said.contains("3DES"), "{file}: {said}");
        let (_, advice) = said.split_once('`').unwrap();
        let (advice, _) = advice.split_once('`').unwrap();
        let read = format!("-in {file} -passin file:passphrase");
        let advice = advice
            .replace("-in FILE", &read)
            .replace("-out NEW", "-out new.p8 -passout file:passphrase");
        let done = Command::new("sh")
            .args(["-c", &advice])
            .current_dir(desk.old.path(""))
            .output()
            .unwrap();
        assert!(done.status.success(), "{advice}: {}", err(&done));
        let opened = desk.import(&["--key", "new.p8", "--secret", "passphrase"]);
        assert!(opened.status.success(), "{file}: {}", err(&opened));
        fs::remove_file(desk.old.path("new.p8")).unwrap();
    }
}

#[test]
fn an_authority_that_does_not_fit_is_refused_with_the_reason() {
    let desk = Desk::new();
    let old = &desk.old;
    desk.hash();
    let good = fs::read(old.path("ca.crt")).unwrap();
    let mend = || fs::write(old.path("ca.crt"), &good).unwrap();

    // An end entity, and an authority that signs no lists.
    fs::copy(old.path("a.crt"), old.path("ca.crt")).unwrap();
    desk.refused("basicConstraints says so");
    old.certify("ca", "no_lists", "root", "1000");
    desk.refused("keyUsage lacks");
    mend();
    // Past its end.
    old.openssl(&[
        "x509",
        "-req",
        "-in",
        "ca.csr",
        "-CA",
        "root.crt",
        "-CAkey",
        "root.pem",
        "-out",
        "ca.crt",
        "-days",
        "-1",
        "-extfile",
        "openssl.cnf",
        "-extensions",
        "issuing",
    ]);
    desk.refused("not valid now");
    mend();
    // Below another root, below none, and below one that allows nothing below itself.
    let root = fs::read(old.path("root.crt")).unwrap();
    fs::copy(old.path("a.crt"), old.path("root.crt")).unwrap();
    desk.refused("none of the certificates above it is a root's");
    old.root("root", "/CN=Old Root");
    desk.refused("does not lead to the root");
    old.root("short", "/CN=Short Root");
    old.certify("ca", "issuing", "root", "1000");
    desk.refused("allows 0 authorities below itself");
    mend();
    fs::write(old.path("root.crt"), root).unwrap();
    desk.hash();
    // A key that others compute, and one of a kind that no profile knows.
    Desk::of(OldAuthority::new(&["rsa:1024"])).refused("too weak");
    Desk::of(OldAuthority::new(&["ec", "-pkeyopt", "ec_paramgen_curve:secp521r1"]))
        .refused("P-256");
    Desk::of(OldAuthority::new(&["rsa:3072"])).hash();
}

#[test]
fn an_archive_that_does_not_fit_is_refused_with_the_reason() {
    let desk = Desk::new();
    let old = &desk.old;
    let whole = desk.hash();
    let add = |from: &str| fs::copy(old.path(from), old.path("newcerts/added.pem")).unwrap();
    let remove = || fs::remove_file(old.path("newcerts/added.pem")).unwrap();

    // The same one again is the same.
    add("a.crt");
    assert_eq!(desk.hash(), whole);
    // Another's, by its name; another's, of the same name; an authority's.
    add("root.crt");
    desk.refused("issued by another authority");
    let other = OldAuthority::new(&P256);
    fs::copy(other.path("a.crt"), old.path("newcerts/added.pem")).unwrap();
    desk.refused("not signed by the authority's key");
    assert!(err(&desk.import(&[])).contains("added.pem"), "the file is named");
    old.certify("a", "root", "ca", "9");
    add("a.crt");
    desk.refused("the certificate of an authority");
    old.write("newcerts/added.pem", "a note");
    desk.refused("added.pem holds no certificate");
    old.write("newcerts/added.pem", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----");
    desk.refused("it is not a certificate");
    remove();
    // Two certificates of one serial number.
    old.write("serial", "1000\n");
    old.write("index.txt", "");
    fs::rename(old.path("newcerts"), old.path("first")).unwrap();
    fs::create_dir(old.path("newcerts")).unwrap();
    old.issue("again");
    fs::rename(old.path("newcerts/1000.pem"), old.path("first/again.pem")).unwrap();
    fs::remove_dir(old.path("newcerts")).unwrap();
    fs::rename(old.path("first"), old.path("newcerts")).unwrap();
    desk.refused("serial number 1000 stands in two different certificates");
    fs::remove_file(old.path("newcerts/again.pem")).unwrap();
    assert_eq!(desk.hash(), whole);
    // One that the list names is missing; one that it does not name changes the hash.
    fs::rename(old.path("newcerts/1001.pem"), old.path("1001.pem")).unwrap();
    desk.refused("the list names serial number 1001");
    fs::rename(old.path("1001.pem"), old.path("newcerts/1001.pem")).unwrap();
    fs::remove_file(old.path("newcerts/1000.pem")).unwrap();
    assert_ne!(desk.hash(), whole);
}

#[test]
fn a_list_that_does_not_fit_is_refused_with_the_reason() {
    let desk = Desk::new();
    let old = &desk.old;
    desk.hash();
    old.list("part", "last.crl");
    desk.refused("a part of the certificates only");
    // Of another key of the same name, and of another name.
    let other = OldAuthority::new(&P256);
    let own = fs::read(old.path("last.crl")).unwrap();
    fs::copy(other.path("last.crl"), old.path("last.crl")).unwrap();
    desk.refused("not signed by the authority's key");
    fs::write(old.path("last.crl"), own).unwrap();
    for (list, why) in
        [("last.crl", "not of this authority"), ("root.crt", "no complete CRL with a nextUpdate")]
    {
        let begin = ["ceremony", "import", &desk.instance, "imported-1", "--issued", "newcerts"];
        let of_root = ["--certificate", "root.crt", "--crl", list];
        let refused = desk.sekisho(&[&begin[..], &of_root].concat());
        assert_eq!(refused.status.code(), Some(1));
        assert!(err(&refused).contains(why), "{list}: {}", err(&refused));
    }
}

#[test]
fn a_list_that_is_over_has_no_number_or_no_end_is_refused() {
    let desk = Desk::new();
    let old = &desk.old;
    let list = |more: &[&str]| {
        let config = ["ca", "-config", "openssl.cnf", "-gencrl", "-out", "last.crl"];
        old.openssl(&[&config[..], more].concat());
    };
    list(&[
        "-crlexts",
        "list",
        "-crl_lastupdate",
        "20260101000000Z",
        "-crl_nextupdate",
        "20260102000000Z",
    ]);
    desk.refused("a newer one is missing");
    fs::rename(old.path("crlnumber"), old.path("crlnumber.away")).unwrap();
    let config = fs::read_to_string(old.path("openssl.cnf")).unwrap();
    old.write("openssl.cnf", &config.replace("crlnumber = crlnumber\n", ""));
    list(&["-crlexts", "list"]);
    desk.refused("no complete CRL with a nextUpdate and a number");
    let names = desk.sekisho(&[
        "ceremony",
        "import",
        &desk.instance,
        "terminals-2",
        "--certificate",
        "ca.crt",
        "--issued",
        "newcerts",
        "--crl",
        "last.crl",
    ]);
    assert_eq!(names.status.code(), Some(2), "{}", err(&names));
}
