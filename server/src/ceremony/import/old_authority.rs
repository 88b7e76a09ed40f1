//! An authority that OpenSSL ran, with its archive, as tests take it over.

use std::{fs, path::PathBuf, process::Command};

pub const PASSPHRASE: &str = "as the old system kept it";

const CONFIGURATION: &str = "\
[req]
distinguished_name = name
[name]
[ca]
default_ca = this
[this]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = newcerts
certificate = ca.crt
private_key = ca.pem
default_md = sha256
policy = any
unique_subject = no
default_days = 90
default_crl_days = 2
[any]
commonName = supplied
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[short]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[issuing]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[no_lists]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[leaf]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
authorityKeyIdentifier = keyid
[list]
authorityKeyIdentifier = keyid
[part]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical, @user_certificates
[user_certificates]
onlyuser = TRUE
";

/// In its folder: `root.crt`, `ca.crt`, `ca.p8` under [`PASSPHRASE`], the archive `newcerts`, and
/// `last.crl`.
pub struct OldAuthority {
    folder: tempfile::TempDir,
}

impl OldAuthority {
    /// A root, an issuing authority with a key of this kind (`-newkey`'s argument and options), four
    /// certificates (`a` and `d` good, `b` revoked for its key, `c` on hold), and list number 500.
    pub fn new(key: &[&str]) -> Self {
        let old = Self { folder: tempfile::tempdir().unwrap() };
        old.write("openssl.cnf", CONFIGURATION);
        old.write("passphrase", PASSPHRASE);
        old.root("root", "/CN=Old Root");
        old.authority(key, "issuing", "root");
        old.begin();
        for name in ["a", "b", "c", "d"] {
            old.issue(name);
        }
        old.revoke("b", "keyCompromise");
        old.revoke("c", "certificateHold");
        old.list("list", "last.crl");
        old
    }

    pub fn p256() -> Self {
        Self::new(&["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    /// An empty archive, from the same numbers on.
    pub fn begin(&self) {
        let _ = fs::remove_dir_all(self.path("newcerts"));
        fs::create_dir(self.path("newcerts")).unwrap();
        self.write("index.txt", "");
        self.write("serial", "1000\n");
        self.write("crlnumber", "01F4\n");
    }

    /// A root of these extensions in `root.crt`, its key in `root.pem`.
    pub fn root(&self, extensions: &str, subject: &str) {
        self.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-384",
            "-noenc",
            "-keyout",
            "root.pem",
            "-out",
            "root.crt",
            "-subj",
            subject,
            "-days",
            "3650",
            "-config",
            "openssl.cnf",
            "-extensions",
            extensions,
        ]);
    }

    /// An authority below `{issuer}.crt` in `ca.crt`, its key in `ca.pem`, `ca.p8` and `ca.p12`.
    pub fn authority(&self, key: &[&str], extensions: &str, issuer: &str) {
        let request = ["-noenc", "-keyout", "ca.pem", "-out", "ca.csr", "-subj", "/CN=Old CA"];
        let with = ["-config", "openssl.cnf"];
        self.openssl(&[&["req", "-newkey"], key, &request, &with].concat());
        self.certify("ca", extensions, issuer, "1000");
        let wrap = ["-topk8", "-in", "ca.pem", "-out", "ca.p8", "-passout", "file:passphrase"];
        self.openssl(&[&["pkcs8"], &wrap[..]].concat());
    }

    /// `{name}.crt` for the request `{name}.csr`, below `{issuer}.crt`.
    pub fn certify(&self, name: &str, extensions: &str, issuer: &str, days: &str) {
        let file = |end: &str| format!("{name}.{end}");
        let (above, key) = (format!("{issuer}.crt"), format!("{issuer}.pem"));
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &file("csr"),
            "-CA",
            &above,
            "-CAkey",
            &key,
            "-out",
            &file("crt"),
            "-days",
            days,
            "-extfile",
            "openssl.cnf",
            "-extensions",
            extensions,
        ]);
    }

    /// Issues `{name}.crt`, which is in the archive, too.
    pub fn issue(&self, name: &str) {
        let (key, request) = (format!("{name}.pem"), format!("{name}.csr"));
        let subject = format!("/CN=device {name}");
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-noenc",
            "-keyout",
            &key,
            "-out",
            &request,
            "-subj",
            &subject,
            "-config",
            "openssl.cnf",
        ]);
        let certificate = format!("{name}.crt");
        self.openssl(&[
            "ca",
            "-batch",
            "-config",
            "openssl.cnf",
            "-in",
            &request,
            "-out",
            &certificate,
            "-extensions",
            "leaf",
        ]);
    }

    pub fn revoke(&self, name: &str, reason: &str) {
        let certificate = format!("{name}.crt");
        self.openssl(&[
            "ca",
            "-config",
            "openssl.cnf",
            "-revoke",
            &certificate,
            "-crl_reason",
            reason,
        ]);
    }

    /// Signs a list with these extensions.
    pub fn list(&self, extensions: &str, file: &str) {
        self.openssl(&[
            "ca",
            "-config",
            "openssl.cnf",
            "-gencrl",
            "-crlexts",
            extensions,
            "-out",
            file,
        ]);
    }

    pub fn openssl(&self, arguments: &[&str]) -> String {
        let (done, said) = self.try_openssl(arguments);
        assert!(done, "{arguments:?}: {said}");
        said
    }

    /// Whether OpenSSL was content, and what it said.
    pub fn try_openssl(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("openssl is installed");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}
