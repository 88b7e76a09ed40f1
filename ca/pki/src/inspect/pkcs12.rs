//! PKCS #12 files: outside always, inside with the passphrase, private keys never.

use super::{
    Context, certificate, crl,
    field::Field,
    oid,
    pkcs7::strict,
    report::{Object, Value},
    term::Term,
    unreadable,
};
use crate::encoding::{
    pkcs12::{
        self, Bag, BagKind, Content, Digest, Integrity, MacAlgorithm, Pfx, Pkcs12Error, Scheme,
        Work,
        scheme::{Cipher, Pbkdf2},
    },
    tlv::{Malformed, Reader, Rules},
};

/// A PFX.
pub(super) fn file(context: &Context<'_>, octets: &[u8]) -> Result<Object, Malformed> {
    let pfx = match Pfx::parse(octets) {
        Ok(pfx) => pfx,
        Err(Pkcs12Error::Malformed(error)) => return Err(error),
        // The outside costs no work and needs no passphrase: what remains is too many parts.
        Err(_) => return Ok(unreadable(Term::FaultTooLong, 0, None)),
    };
    let mut work = Work::default();
    let mut object = Object::new().with(Field::Kind, Term::Pkcs12);
    let (integrity, opens) = integrity(context, &pfx, &mut work);
    object.set(Field::Integrity, integrity);
    let contents = pfx
        .contents
        .iter()
        .map(|content| part(context, content, opens, &mut work).into())
        .collect::<Vec<Value>>();
    object.set(Field::Contents, contents);
    Ok(object)
}

/// The MAC; and whether decryption is worth trying.
fn integrity(context: &Context<'_>, pfx: &Pfx, work: &mut Work) -> (Object, bool) {
    let passphrase = context.options.passphrase;
    let mut object = Object::new();
    let algorithm = match &pfx.integrity {
        Integrity::Passphrase { algorithm, .. } => algorithm,
        Integrity::Signature => {
            return (object.with(Field::Type, Term::IntegritySignature), passphrase.is_some());
        }
        Integrity::Absent => {
            return (object.with(Field::Type, Term::IntegrityAbsent), passphrase.is_some());
        }
    };
    match algorithm {
        MacAlgorithm::Pkcs12 { digest, salt, iterations } => {
            object.set(Field::Type, Term::IntegrityMac);
            object.set(Field::Hash, digest.name().to_owned());
            object.set(Field::Iterations, u64::from(*iterations));
            object.set(Field::SaltOctets, salt.len());
            if *digest == Digest::Sha1 {
                object.set(Field::Remark, Term::WeakMac);
            }
        }
        MacAlgorithm::Pbmac1 { kdf, digest } => {
            object.set(Field::Type, Term::IntegrityPbmac1);
            object.set(Field::Hash, digest.name().to_owned());
            object.set(Field::Kdf, kdf_object(kdf));
        }
        MacAlgorithm::Other(name) => {
            object.set(Field::Type, Term::Unknown);
            object.set(Field::Algorithm, oid::of(name.clone()));
        }
    }
    let Some(passphrase) = passphrase else {
        return (object.with(Field::Verdict, Term::NeedsPassphrase), false);
    };
    let verdict = pfx.verify(passphrase, work);
    let term = match verdict {
        Ok(()) => Term::MacHolds,
        Err(error) => open_error(error),
    };
    // A MAC that we cannot compute says nothing about the passphrase.
    (object.with(Field::Verdict, term), matches!(verdict, Ok(()) | Err(Pkcs12Error::Unsupported)))
}

const fn open_error(error: Pkcs12Error) -> Term {
    match error {
        Pkcs12Error::Passphrase => Term::WrongPassphrase,
        Pkcs12Error::Legacy | Pkcs12Error::Unsupported => Term::AlgorithmNotSupported,
        Pkcs12Error::TooMuchWork => Term::TooMuchWork,
        Pkcs12Error::Malformed(_) | Pkcs12Error::TooLarge => Term::ContentMalformed,
    }
}

fn part(context: &Context<'_>, content: &Content, opens: bool, work: &mut Work) -> Object {
    let object = match content {
        Content::Plain(_) => Object::new().with(Field::Type, Term::ContentPlain),
        Content::Encrypted { scheme, ciphertext } => Object::new()
            .with(Field::Type, Term::ContentEncrypted)
            .with(Field::Encryption, scheme_object(scheme))
            .with(Field::Size, ciphertext.len()),
        Content::Enveloped => return Object::new().with(Field::Type, Term::ContentEnveloped),
        Content::Other(name) => {
            return Object::new()
                .with(Field::Type, Term::Unknown)
                .with(Field::ContentType, oid::of(name.clone()));
        }
    };
    let plain = matches!(content, Content::Plain(_));
    let passphrase = match context.options.passphrase {
        _ if plain => "",
        None => return object.with(Field::Verdict, Term::NeedsPassphrase),
        Some(_) if !opens => return object.with(Field::Verdict, Term::WrongPassphrase),
        Some(passphrase) => passphrase,
    };
    let bags = content.open(passphrase, work).and_then(|inside| pkcs12::bags(&inside));
    match bags {
        Ok(bags) => {
            let bags = bags
                .iter()
                .take_while(|_| context.take())
                .map(|bag| bag_object(context, bag).into())
                .collect::<Vec<Value>>();
            object.with(Field::Bags, bags)
        }
        Err(error) => object.with(Field::Verdict, open_error(error)),
    }
}

fn bag_object(context: &Context<'_>, bag: &Bag) -> Object {
    let (kind, field, value) = match &bag.kind {
        BagKind::Certificate(der) => {
            (Term::Certificate, Field::Certificate, Some(embedded(context, der, true)))
        }
        BagKind::Crl(der) => (Term::Crl, Field::Crl, Some(embedded(context, der, false))),
        BagKind::ShroudedKey(scheme) => {
            (Term::EncryptedPrivateKey, Field::Encryption, Some(scheme_object(scheme).into()))
        }
        BagKind::Key(name) => {
            (Term::PrivateKeyInTheClear, Field::Algorithm, Some(oid::of(name.clone())))
        }
        BagKind::Secret => (Term::SecretBag, Field::Remark, Some(Term::SecretNotShown.into())),
        BagKind::Other(name) => (Term::Unknown, Field::Type, Some(oid::of(name.clone()))),
    };
    let mut object = Object::new()
        .with(Field::Kind, kind)
        .with_some(Field::FriendlyName, bag.friendly_name.clone())
        .with_some(Field::LocalKeyId, bag.local_key_id.as_deref().map(Value::octets))
        .with_some(field, value);
    if matches!(bag.kind, BagKind::ShroudedKey(_) | BagKind::Key(_)) {
        object.set(Field::Remark, Term::PrivateKeyNotShown);
    }
    object
}

fn embedded(context: &Context<'_>, der: &[u8], certificate: bool) -> Value {
    let mut reader = Reader::new(der, Rules::Ber);
    let read = reader.next().and_then(|tlv| reader.finish().map(|()| tlv));
    match read {
        Ok(tlv) if certificate => strict(tlv, |one| certificate::certificate(context, one)),
        Ok(tlv) => strict(tlv, |one| crl::crl(context, one)),
        Err(error) => {
            let (fault, expected) = super::fault(error.fault);
            unreadable(fault, error.offset, expected).into()
        }
    }
}

fn scheme_object(scheme: &Scheme) -> Object {
    match scheme {
        Scheme::Pbes2 { kdf, cipher, .. } => Object::new()
            .with(Field::Type, "PBES2".to_owned())
            .with(
                Field::Cipher,
                match cipher {
                    Cipher::Aes128 => Value::Text("AES-128-CBC".to_owned()),
                    Cipher::Aes192 => Value::Text("AES-192-CBC".to_owned()),
                    Cipher::Aes256 => Value::Text("AES-256-CBC".to_owned()),
                    Cipher::Other(name) => oid::of(name.clone()),
                },
            )
            .with(Field::Kdf, kdf_object(kdf)),
        Scheme::Legacy { oid: name, salt, iterations } => Object::new()
            .with(Field::Algorithm, oid::of(name.clone()))
            .with(Field::Iterations, u64::from(*iterations))
            .with(Field::SaltOctets, salt.len())
            .with(Field::Remark, Term::LegacyEncryption),
        Scheme::Other(name) => Object::new()
            .with(Field::Algorithm, oid::of(name.clone()))
            .with(Field::Remark, Term::AlgorithmNotSupported),
    }
}

fn kdf_object(kdf: &Pbkdf2) -> Object {
    let prf = match &kdf.prf {
        Ok(digest) => Value::Text(format!("HMAC-{}", digest.name())),
        Err(name) => oid::of(name.clone()),
    };
    Object::new()
        .with(Field::Type, "PBKDF2".to_owned())
        .with(Field::Prf, prf)
        .with(Field::Iterations, u64::from(kdf.iterations))
        .with(Field::SaltOctets, kdf.salt.len())
}
