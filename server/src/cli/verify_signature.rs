//! `sekisho verify-signature`.

use std::path::Path;

use sekisho_output::{remark, say};
use sekisho_pki::signature::{
    Hash, Scheme, SignatureError,
    object::{ObjectError, public_key_of, verify_object},
    verify_scheme,
};

use super::{
    Exit, Failure, Named, named,
    verify_files::{self, FileError},
};

/// Verify one signature: of a certificate, CRL, request or OCSP response, or of any file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Only the signature is verified: whose key it is, and whether it counts, `sekisho verify-path` judges.
Files may be DER or PEM. Without --by, a certificate or request is verified by its own key.

Examples:
  sekisho verify-signature root.pem
      is the root's certificate signed by itself?
  sekisho verify-signature request.csr
      does whoever asks have the key that they ask for?
  sekisho verify-signature --by ca.pem leaf.pem
  sekisho verify-signature --by ca.pem list.crl
  sekisho verify-signature --by responder.pem answer.ors
      did this certificate's key sign it?
  sekisho verify-signature --by card.pem --signature letter.sig letter.txt
  sekisho verify-signature --by key.pub --signature letter.sig --algorithm rsa-pss-sha256 letter.txt
      a raw signature over a file, by a certificate or a public key

Exit codes:
  0  the signature holds
  1  it does not hold; standard error says why
  2  the command line was not understood, or names what is not there
  3  an algorithm or kind of file that we do not support")]
pub(super) struct VerifySignature {
    /// Certificate, request or public key of the signer
    #[arg(long, value_name = "FILE")]
    by: Option<Named<named::File>>,
    /// Raw signature over FILE's octets, made elsewhere
    #[arg(long, value_name = "FILE", requires = "by")]
    signature: Option<Named<named::File>>,
    /// How the raw signature was made; by default what the key usually signs with
    #[arg(long, value_enum, requires = "signature")]
    algorithm: Option<Algorithm>,
    /// What was signed
    #[arg(value_name = "FILE")]
    file: Named<named::File>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Algorithm {
    RsaSha256,
    RsaSha384,
    RsaSha512,
    RsaPssSha256,
    RsaPssSha384,
    RsaPssSha512,
    EcdsaSha256,
    EcdsaSha384,
    EcdsaSha512,
    Ed25519,
}

impl From<Algorithm> for Scheme {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::RsaSha256 => Self::Pkcs1(Hash::Sha256),
            Algorithm::RsaSha384 => Self::Pkcs1(Hash::Sha384),
            Algorithm::RsaSha512 => Self::Pkcs1(Hash::Sha512),
            Algorithm::RsaPssSha256 => Self::Pss(Hash::Sha256),
            Algorithm::RsaPssSha384 => Self::Pss(Hash::Sha384),
            Algorithm::RsaPssSha512 => Self::Pss(Hash::Sha512),
            Algorithm::EcdsaSha256 => Self::Ecdsa(Hash::Sha256),
            Algorithm::EcdsaSha384 => Self::Ecdsa(Hash::Sha384),
            Algorithm::EcdsaSha512 => Self::Ecdsa(Hash::Sha512),
            Algorithm::Ed25519 => Self::Ed25519,
        }
    }
}

/// How it ended without a signature that holds.
struct Refusal(Exit, String);

impl From<FileError> for Refusal {
    fn from(error: FileError) -> Self {
        let exit = match error {
            FileError::Unreadable(..) => Exit::Usage,
            FileError::TooLarge(..) => Exit::UNSUPPORTED,
        };
        Self(exit, error.to_string())
    }
}

impl Refusal {
    fn of_signature(error: SignatureError, what: &str) -> Self {
        let exit = match error {
            SignatureError::Unsupported { .. } => Exit::UNSUPPORTED,
            _ => Exit::INVALID,
        };
        Self(exit, format!("{what}: {error}"))
    }
}

impl VerifySignature {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        match self.verify() {
            Ok(text) => {
                say(&text)?;
                Ok(Exit::Done)
            }
            Err(Refusal(exit, text)) => {
                remark(&format!("sekisho: {text}"));
                Ok(exit)
            }
        }
    }

    fn verify(&self) -> Result<String, Refusal> {
        let signer = self.by.as_deref().map(public_key).transpose()?;
        if let (Some(signature), Some(signer)) = (&self.signature, &signer) {
            let signature = verify_files::read(signature)?;
            let message = verify_files::read(&self.file)?;
            let scheme = self.algorithm.map(Scheme::from).or_else(|| Scheme::usual(signer));
            let scheme = scheme.ok_or_else(|| {
                Refusal(Exit::UNSUPPORTED, "a key of a kind that we do not work with".to_owned())
            })?;
            return verify_scheme(signer, scheme, &message, &signature)
                .map(|()| "the signature holds\n".to_owned())
                .map_err(|error| Refusal::of_signature(error, "the signature does not hold"));
        }
        let object = only_object(&self.file)?;
        match verify_object(&object, signer.as_deref()) {
            Ok(kind) => Ok(format!("the signature of the {} holds\n", kind.words())),
            Err(ObjectError::Signature(kind, error)) => {
                let what = format!("the signature of the {} does not hold", kind.words());
                Err(Refusal::of_signature(error, &what))
            }
            Err(error @ ObjectError::SignerNeeded(_)) => {
                Err(Refusal(Exit::Usage, format!("{error} with --by")))
            }
            Err(error @ ObjectError::Unknown) => {
                Err(Refusal(Exit::UNSUPPORTED, format!("{}: {error}", self.file.display())))
            }
        }
    }
}

/// The first object of a file, whatever its label.
fn only_object(path: &Path) -> Result<Vec<u8>, Refusal> {
    const LABELS: &[&str] = &[
        "CERTIFICATE",
        "X509 CRL",
        "CERTIFICATE REQUEST",
        "NEW CERTIFICATE REQUEST",
        "OCSP RESPONSE",
        "PUBLIC KEY",
    ];
    let octets = verify_files::read(path)?;
    verify_files::objects(path, octets, LABELS)
        .into_iter()
        .next()
        .map(|object| object.der)
        .ok_or_else(|| {
            Refusal(Exit::UNSUPPORTED, format!("{} holds nothing that we know", path.display()))
        })
}

fn public_key(path: &Path) -> Result<Vec<u8>, Refusal> {
    public_key_of(&only_object(path)?).ok_or_else(|| {
        let text = format!("{} is no certificate, request or public key", path.display());
        Refusal(Exit::UNSUPPORTED, text)
    })
}
