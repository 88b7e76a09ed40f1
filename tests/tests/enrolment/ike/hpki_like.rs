//! Routers with certificates of the shape that HPKI gives to people and organisations: what comes of them.
//!
//! Keys, authorities, lists and texts are as for the others. One kind has HPKI's fields and nothing else; the other
//! has the router's DNS name besides. What tells them apart is therefore what the first lacks.

use std::fs;

use super::{
    established,
    node::{self, Node, Proof, Running},
};
use crate::world::{World, openssl, text};

/// HPKI's fields, as far as they are known (people's certificates; those of organisations are rare). The hcRole
/// is "Director of Hospital".
const SHAPE: &str = "\
[req]
distinguished_name = japanese
string_mask = utf8only
[shape]
keyUsage = critical,digitalSignature
certificatePolicies = critical,1.2.392.100495.1.5.1.3.0.1
authorityKeyIdentifier = keyid,issuer:always
subjectKeyIdentifier = hash
2.5.29.9 = DER:303a30380606288185420001312e312c302aa0283126a00c060a2a830886910f01060101a2160c14\
4469726563746f72206f6620486f73706974616c
subjectAltName = @names
[names]
dirName = japanese
";
const JAPANESE: &str = "\
[japanese]
C = JP
O = 試験病院
CN = 試験病院
serialNumber = 1312345670
";
const SUBJECT: &str = "/C=JP/O=Test Hospital/OU=Director/CN=Test Hospital/serialNumber=1312345670";

/// Puts a key and such a certificate to where `enrol.sh` would put the router's own.
pub fn certify(world: &World, node: &Node) {
    let instance = world.file("instance");
    let file = |name: &str| text(&node.bundle.join(name));
    let (key, shape) = (file("router.key"), file("shape"));
    let name = match node.proof {
        Proof::HpkiLikeNamed => {
            format!("DNS = {}.router.sekisho.localhost\n", node.id.to_lowercase())
        }
        _ => String::new(),
    };
    fs::write(&shape, format!("{SHAPE}{name}{JAPANESE}")).unwrap();
    openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", &key]);
    let passphrase = format!("file:{}", text(&instance.join("secrets/passphrase")));
    let issuer_key = text(&instance.join("keys/routers.p8"));
    let issuer =
        ["-CA", &world.authority("routers"), "-CAkey", &issuer_key, "-passin", &passphrase];
    let own = ["-key", &key, "-subj", SUBJECT, "-days", "30", "-out", &file("router.pem")];
    let shape = ["-config", &shape, "-extensions", "shape", "-utf8"];
    openssl(&[&["req", "-new", "-x509"][..], &issuer, &own, &shape].concat());
}

/// With the name every tunnel comes up; without it whoever awaits refuses.
pub fn judge(running: &Running, nodes: &[Node]) {
    node::wait_for(running, "verdicts on HPKI-like certificates", || {
        node::pairs(nodes)
            .filter(|(one, other)| match one.proof {
                Proof::HpkiLikeNamed => !established(one, other, 1),
                _ => !other.refused(one),
            })
            .map(|(one, other)| format!("{} with {}", text(&one.bundle), other.id))
            .collect()
    });
    for (one, other) in node::pairs(nodes).filter(|(one, _)| one.proof == Proof::HpkiLike) {
        assert!(!established(one, other, 1), "{} took {}: {}", other.id, one.id, other.log());
    }
}

/// What came of a pair, and why: the same pair with the name says it.
pub fn verdict(nodes: &[Node], one: &Node, other: &Node) -> &'static str {
    if established(one, other, 1) {
        return "IKE_AUTH";
    }
    let named = node::pairs(nodes).any(|(opener, awaiting)| {
        opener.proof == Proof::HpkiLikeNamed
            && (opener.daemon, awaiting.daemon) == (one.daemon, other.daemon)
            && established(opener, awaiting, 1)
    });
    if named { "no: identity not in the SAN" } else { "**no**" }
}
