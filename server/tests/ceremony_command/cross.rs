//! A root of another system beside the network's own.

use std::process::Command;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Desk, err};

#[test]
fn a_root_that_openssl_made_certifies_the_networks_own_across() {
    let desk = Desk::new();
    let openssl = |arguments: &str| {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(desk.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments}: {}", err(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out old.pem");
    openssl("pkcs8 -topk8 -in old.pem -out old.p8 -v2 aes-256-cbc -passout file:passphrase");
    openssl(
        "req -x509 -new -key old.pem -sha384 -days 7300 -subj /C=JP/O=Old/CN=OldRoot -out old.crt \
         -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign",
    );
    let at = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap();
    desk.write(
        "plan.toml",
        &format!(
            "title = 'A root of before'
at = '{at}'
organisation = 'Example Operating Body'
publication = 'http://plain.example'
[[key]]
name = 'old'
kind = 'p384'
file = 'old.p8'
[[key]]
name = 'root'
kind = 'p384'
file = 'root.p8'
[[authority]]
id = 'old'
key = 'old'
certificate = 'old.crt'
[[authority]]
id = 'root'
key = 'root'
common_name = 'Example G1 Root CA'
[[certificate]]
profile = 'root'
subject = 'root'
issuer = 'root'
days = 9131
[[certificate]]
profile = 'cross'
subject = 'root'
issuer = 'old'
days = 3600
"
        ),
    );
    let secrets = ["--secret", "old=passphrase", "--secret", "root=passphrase"];
    desk.done(&[&["keys", "plan.toml"][..], &secrets].concat());
    let hash = desk.hash();
    desk.done(&[&["run", "plan.toml", "--hash", &hash, "--out", "result"][..], &secrets].concat());
    desk.done(&["verify", "result", "--hash", &hash]);
    let judged = openssl("verify -x509_strict -CAfile old.crt result/root-by-old.crt");
    assert!(judged.contains("OK"), "{judged}");
}
