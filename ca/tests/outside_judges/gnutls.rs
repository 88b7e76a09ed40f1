//! GnuTLS: `certtool` and `ocsptool`, of Debian's package `gnutls-bin`.

use std::process::Output;

use crate::world::{World, text};

fn certtool(world: &World, args: &[&str]) -> Output {
    world.run("certtool", "gnutls-bin", args)
}

#[tokio::test]
async fn certtool_accepts_each_profile_with_each_kind_of_key() {
    let world = World::new().await;
    for one in world.every_certificate().await {
        world.pem("leaf.pem", "CERTIFICATE", &one.certificate.der);
        let chain = |issuer: &str| {
            let mut chain = std::fs::read(world.path("leaf.pem")).unwrap();
            if issuer != "root" {
                chain.extend(std::fs::read(world.path(&format!("{issuer}.pem"))).unwrap());
            }
            std::fs::write(world.path("chain.pem"), chain).unwrap();
            certtool(
                &world,
                &["--verify", "--load-ca-certificate", "root.pem", "--infile", "chain.pem"],
            )
        };
        let output = chain(one.issuer);
        let shown = text(&output);
        assert!(output.status.success() && shown.contains("Verified."), "{}: {shown}", one.what);
        // Printing reads every extension.
        let output = certtool(&world, &["--certificate-info", "--infile", "leaf.pem"]);
        let shown = text(&output);
        assert!(output.status.success(), "{}: {shown}", one.what);
        // id-pkix-ocsp-nocheck is all that this version of GnuTLS does not know.
        let shown = shown.replace("Unknown extension 1.3.6.1.5.5.7.48.1.5 (not critical)", "");
        for complaint in ["error", "warning", "unknown extension", "Unknown extension"] {
            assert!(!shown.contains(complaint), "{}: {shown}", one.what);
        }
        if one.issuer != "root" {
            let other = if one.issuer == "routers" { "terminals" } else { "routers" };
            assert!(!chain(other).status.success(), "{}", one.what);
        }
    }
}

#[tokio::test]
async fn certtool_accepts_each_kind_of_crl() {
    let world = World::new().await;
    for (what, issuer, der) in world.every_crl().await {
        world.pem("list.crl", "X509 CRL", &der);
        let verify = |issuer: &str| {
            let issuer = format!("{issuer}.pem");
            let args =
                ["--verify-crl", "--load-ca-certificate", issuer.as_str(), "--infile", "list.crl"];
            certtool(&world, &args)
        };
        let output = verify(issuer);
        let shown = text(&output);
        assert!(output.status.success() && shown.contains("Verified."), "{what}: {shown}");
        let other = if issuer == "routers" { "terminals" } else { "routers" };
        assert!(!verify(other).status.success(), "{what}");
        let output = certtool(&world, &["--crl-info", "--infile", "list.crl"]);
        let shown = text(&output);
        assert!(output.status.success() && !shown.contains("error"), "{what}: {shown}");
    }
}

#[tokio::test]
async fn ocsptool_accepts_each_kind_of_answer() {
    let world = World::new().await;
    for (what, der) in world.every_ocsp_response().await {
        std::fs::write(world.path("response.der"), &der).unwrap();
        let output = world.run(
            "ocsptool",
            "gnutls-bin",
            &["--response-info", "--load-response", "response.der"],
        );
        let shown = text(&output);
        assert!(output.status.success(), "{what}: {shown}");
        if what.starts_with("delegated") || what.starts_with("direct") {
            let verify = |issuer: &str| {
                let mut trust = std::fs::read(world.path("root.pem")).unwrap();
                trust.extend(std::fs::read(world.path(issuer)).unwrap());
                std::fs::write(world.path("trust.pem"), trust).unwrap();
                let args = ["--verify-response", "--load-response", "response.der"];
                // The authority's own answer carries no certificate: the client has it.
                let signer = if what.starts_with("direct") {
                    ["--load-signer", issuer]
                } else {
                    ["--load-trust", "trust.pem"]
                };
                text(&world.run("ocsptool", "gnutls-bin", &[&args[..], &signer].concat()))
            };
            let shown = verify("terminals.pem");
            assert!(shown.contains("Verifying OCSP Response: Success"), "{what}: {shown}");
            let shown = verify("routers.pem");
            assert!(shown.contains("Verifying OCSP Response: Failure"), "{what}: {shown}");
        }
    }
}
