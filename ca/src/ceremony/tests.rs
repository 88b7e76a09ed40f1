//! Plans good and hostile, and runs that are cut off.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use sekisho_key::{RsaSize, SigningKey, SoftwareKey};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::*;
use crate::lint::LintError;

const AT: &str = "2026-11-21T09:00:00Z";

fn at() -> OffsetDateTime {
    OffsetDateTime::parse(AT, &Rfc3339).unwrap()
}

/// A new hierarchy: root, one issuing authority whose key is on another host, the root's list.
fn hierarchy() -> String {
    let zeros = "0".repeat(64);
    format!(
        "title = 'first'
at = '{AT}'
organisation = 'Example Operating Body'
publication = 'http://plain.example'

[[key]]
name = 'root'
kind = 'p384'
file = 'root.p8'

[[key]]
name = 'terminals'
request = 'terminals.csr'
sha256 = '{zeros}'

[[authority]]
id = 'root'
key = 'root'
common_name = 'Example G1 Root CA'

[[authority]]
id = 'terminals'
key = 'terminals'
common_name = 'Example G1 Terminal CA'

[[certificate]]
profile = 'root'
subject = 'root'
issuer = 'root'
days = 9131

[[certificate]]
profile = 'issuing'
subject = 'terminals'
issuer = 'root'
days = 3653

[[crl]]
issuer = 'root'
number = 7
days = 366

[[crl.revoked]]
serial = '4b01'
at = '2026-11-20T00:00:00Z'
reason = 'superseded'
"
    )
}

struct Stage {
    keys: BTreeMap<String, Arc<SoftwareKey>>,
    plan: String,
}

impl Stage {
    fn new() -> Self {
        let keys = [
            ("root".to_owned(), Arc::new(SoftwareKey::generate_p384().unwrap())),
            ("terminals".to_owned(), Arc::new(SoftwareKey::generate_p256().unwrap())),
        ];
        Self { keys: BTreeMap::from(keys), plan: hierarchy() }
    }

    fn material(&self) -> Material {
        let public = |(name, key): (&String, &Arc<SoftwareKey>)| {
            (name.clone(), key.public_key_der().to_vec())
        };
        Material {
            public_keys: self.keys.iter().map(public).collect(),
            certificates: BTreeMap::new(),
        }
    }

    fn prepare(&self) -> Result<Ceremony, PrepareError> {
        let plan = Plan::from_toml(&self.plan).unwrap();
        Ceremony::prepare(&plan, &self.material(), &[5; 32])
    }

    fn signing(&self) -> Keys {
        let roots = self.keys.iter().filter(|(name, _)| name.starts_with("root"));
        roots.map(|(name, key)| (name.clone(), key.clone() as Arc<dyn SigningKey>)).collect()
    }

    /// The same with a second root and the two certified by each other.
    fn crossed() -> Self {
        let mut stage = Self::new();
        let key = Arc::new(SoftwareKey::generate_p384().unwrap());
        stage.keys.insert("root-2".to_owned(), key);
        stage.plan += "[[key]]\nname = 'root-2'\nkind = 'p384'\nfile = 'root-2.p8'
[[authority]]\nid = 'root-2'\nkey = 'root-2'\ncommon_name = 'Example G2 Root CA'
[[certificate]]\nprofile = 'root'\nsubject = 'root-2'\nissuer = 'root-2'\ndays = 9131
[[certificate]]\nprofile = 'cross'\nsubject = 'root-2'\nissuer = 'root'\ndays = 3652
[[certificate]]\nprofile = 'cross'\nsubject = 'root'\nissuer = 'root-2'\ndays = 3652
[[crl]]\nissuer = 'root-2'\nnumber = 1\ndays = 366\n";
        stage
    }

    async fn run(&self, journal: &Paper) -> Result<Outcome, RunError> {
        let ceremony = self.prepare().unwrap();
        let hash = ceremony.statement().hash();
        self.run_reviewed(ceremony, hash, at(), journal).await
    }

    async fn run_reviewed(
        &self,
        ceremony: Ceremony,
        reviewed_hash: [u8; 32],
        now: OffsetDateTime,
        journal: &Paper,
    ) -> Result<Outcome, RunError> {
        let live =
            Live { reviewed_hash, operator: "two people", now, journal, progress: &|_, _| () };
        ceremony.run(&self.signing(), &live).await
    }

    fn hash_with(&self, from: &str, to: &str) -> [u8; 32] {
        let changed = self.plan.replacen(from, to, 1);
        assert_ne!(changed, self.plan, "{from}");
        let plan = Plan::from_toml(&changed).unwrap();
        Ceremony::prepare(&plan, &self.material(), &[5; 32]).unwrap().statement().hash()
    }
}

/// A journal on paper that runs out after some lines.
#[derive(Default)]
struct Paper(Mutex<Written>);

#[derive(Default)]
struct Written {
    intended: Vec<Step>,
    kept: BTreeMap<String, Vec<u8>>,
    lines_left: Option<usize>,
}

impl Paper {
    fn with_lines(&self, lines: Option<usize>) {
        self.0.lock().unwrap().lines_left = lines;
    }

    fn line(&self) -> Result<std::sync::MutexGuard<'_, Written>, JournalError> {
        let mut written = self.0.lock().unwrap();
        match &mut written.lines_left {
            Some(0) => return Err(JournalError("the light went out".into())),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(written)
    }
}

impl Journal for Paper {
    fn find(&self, step: &Step) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.0.lock().unwrap().kept.get(&step.file).cloned())
    }

    fn intend(&self, step: &Step) -> Result<(), JournalError> {
        self.line()?.intended.push(step.clone());
        Ok(())
    }

    fn keep(&self, step: &Step, der: &[u8]) -> Result<(), JournalError> {
        let before = self.line()?.kept.insert(step.file.clone(), der.to_vec());
        assert_eq!(before, None, "{} was signed twice", step.file);
        Ok(())
    }
}

fn results(outcome: &Outcome) -> Vec<Vec<u8>> {
    outcome.results.iter().map(|made| made.der.clone()).collect()
}

#[test]
fn a_hostile_plan_is_refused_with_its_line() {
    let good = hierarchy();
    Plan::from_toml(&good).unwrap();
    for (from, to, says) in [
        ("title = 'first'", "title = 'first'\ncolour = 'red'", "line 2, column 1"),
        ("days = 9131", "days = 9131\nlifetime = 3", "lifetime"),
        ("id = 'terminals'", "id = 'root'", "line 21, [[authority]] number 2: `root` is there"),
        ("G1 Terminal CA", "G1 Root CA", "`Example G1 Root CA` is there already"),
        ("name = 'terminals'", "name = 'root'", "[[key]] number 2: `root` is there already"),
        ("name = 'terminals'", "name = '../x'", "`../x` is no name"),
        ("file = 'root.p8'", "file = '/etc/key'", "`/etc/key` is no file beside the plan"),
        ("file = 'root.p8'", "", "exactly one of file, token, request"),
        ("file = 'root.p8'", "file = 'a'\nrequest = 'b'", "exactly one of file"),
        ("kind = 'p384'", "kind = 'p192'", "p192"),
        ("kind = 'p384'\n", "", "kind = p256"),
        (&"0".repeat(64), "00", "sha256 is the 64"),
        ("key = 'terminals'", "key = 'root'", "a key of its own"),
        ("key = 'terminals'", "key = 'nobody'", "no key `nobody`"),
        ("issuer = 'root'\ndays = 3653", "issuer = 'nobody'\ndays = 3653", "no authority `nobody`"),
        (
            "issuer = 'root'\ndays = 3653",
            "issuer = 'terminals'\ndays = 3653",
            "certified by another",
        ),
        ("profile = 'issuing'", "profile = 'terminal'", "none of a ceremony"),
        ("profile = 'issuing'", "profile = 'root'", "certifies itself"),
        ("days = 3653", "days = 0", "end before it begins"),
        ("days = 3653", "days = 3\nuntil = '2027-01-01T00:00:00Z'", "exactly one of days, until"),
        ("days = 3653", "", "exactly one of days, until"),
        ("publication = 'http", "publication = 'https", "no address"),
        ("publication = 'http://plain.example", "publication = 'http://a/b?c", "no address"),
        ("Operating Body'", "Operating Body 日本'", "ASCII"),
        ("number = 7", "number = 0", "at least 1"),
        (
            "[[crl.revoked]]",
            "[[crl]]\nissuer = 'root'\nnumber = 8\ndays = 3\n[[crl.revoked]]",
            "root.crl",
        ),
        ("reason = 'superseded'", "reason = 'boredom'", "boredom"),
        ("serial = '4b01'", "serial = '00'", "serial number"),
        (AT, "2026-11-21T09:00:00.5Z", "parts of a second"),
        (AT, "21.11.2026", "no time"),
    ] {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from}");
        let refused = Plan::from_toml(&changed).unwrap_err().to_string();
        assert!(refused.contains(says), "{to}: {refused}");
    }
}

#[test]
fn an_authority_signs_only_after_it_has_a_certificate_and_none_is_forgotten() {
    let good = hierarchy();
    let own = good.find("[[certificate]]").unwrap();
    let next = own + 1 + good[own + 1..].find("[[certificate]]").unwrap();
    let end = good.find("[[crl]]").unwrap();
    let swapped = [&good[..own], &good[next..end], &good[own..next], &good[end..]].concat();
    let refused = Plan::from_toml(&swapped).unwrap_err().to_string();
    assert!(refused.contains("signs before it has a certificate"), "{refused}");
    let without = [&good[..next], &good[end..]].concat();
    let refused = Plan::from_toml(&without).unwrap_err().to_string();
    assert!(refused.contains("`terminals` is new, but no"), "{refused}");
    let refused = Plan::from_toml(&good[..own]).unwrap_err().to_string();
    assert!(refused.contains("nothing would be signed"), "{refused}");
}

#[test]
fn the_certificate_policy_is_kept_before_any_key_is_asked() {
    let mut stage = Stage::new();
    let good = stage.plan.clone();
    let refused = |stage: &Stage| match stage.prepare().unwrap_err() {
        PrepareError::Certificate { number: 2, source, .. } => match source {
            crate::issuance::IssuanceError::Lint(LintError::Broken(findings)) => {
                findings.iter().map(|finding| finding.rule).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    // Longer than the policy allows, and beyond the parent's end.
    stage.plan = good.replace("days = 3653", "days = 3654");
    assert_eq!(refused(&stage), ["validity"]);
    stage.plan = good.replace("days = 9131", "days = 365").replace("days = 3653", "days = 366");
    assert_eq!(refused(&stage), ["validity"]);
    stage.plan = good.clone();
    // 2,048 bits are of no profile of an authority and end with 2030.
    let weak = SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap();
    stage.keys.insert("terminals".to_owned(), Arc::new(weak));
    assert!(refused(&stage).contains(&"strength"));
    stage.keys.remove("terminals");
    assert!(matches!(stage.prepare(), Err(PrepareError::NoKey(name)) if name == "terminals"));
    // A list of the root for more than a year.
    let mut stage = Stage::new();
    stage.plan = good.replace("days = 366\n", "days = 367\n");
    assert!(matches!(stage.prepare(), Err(PrepareError::Crl { number: 3, .. })));
}

#[test]
fn one_plan_has_one_hash_and_any_other_plan_another() {
    let stage = Stage::new();
    let hash = stage.prepare().unwrap().statement().hash();
    assert_eq!(stage.prepare().unwrap().statement().hash(), hash);
    for (from, to) in [
        ("'first'", "'second'"),
        ("days = 9131", "days = 9130"),
        ("G1 Terminal CA", "G1 Terminal CA 2"),
        ("number = 7", "number = 8"),
        ("'4b01'", "'4b02'"),
        ("http://plain.example", "http://other.example"),
    ] {
        assert_ne!(stage.hash_with(from, to), hash, "{to}");
    }
    // Comments are for the reviewers.
    assert_eq!(stage.hash_with("title", "# the first one\ntitle"), hash);
    let plan = Plan::from_toml(&stage.plan).unwrap();
    let salted = Ceremony::prepare(&plan, &stage.material(), &[6; 32]).unwrap();
    assert_ne!(salted.statement().hash(), hash);
    let text = salted.statement().to_json().unwrap();
    assert_eq!(Statement::from_json(text.as_bytes()).unwrap(), *salted.statement());
    for (from, to) in [
        ("\"format\": 1", "\"format\": 2"),
        ("\"number\": 2", "\"number\": 1"),
        ("\"key\": \"root\"", "\"key\": \"rooot\""),
        ("\"root.crt\"", "\"../root.crt\""),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert!(Statement::from_json(changed.as_bytes()).is_err(), "{to}");
    }
}

#[tokio::test]
async fn what_was_reviewed_is_signed_and_its_transcript_holds() {
    let stage = Stage::new();
    let paper = Paper::default();
    let outcome = stage.run(&paper).await.unwrap();
    let files: Vec<_> = outcome.statement.steps().iter().map(|step| &*step.file).collect();
    assert_eq!(files, ["root.crt", "terminals.crt", "root.crl"]);
    let der = results(&outcome);
    let told = verify_transcript(outcome.transcript.as_bytes(), &outcome.statement, &der).unwrap();
    assert_eq!(told.operator, "two people");
    assert!(told.steps.iter().all(|step| !step.found));
    // The certificates are what the profiles say: the path validator accepts them.
    use sekisho_pki::path::{Anchors, Purpose, Requirements, Revocation, TrustAnchor, validate};
    let anchors = Anchors::new(vec![TrustAnchor::from_der(&der[0]).unwrap()]);
    let crls = [sekisho_pki::path::Crl::parse(&der[2]).unwrap()];
    let revocation = Revocation::Crls { crls: &crls, most_age: Duration::days(400) };
    let requirements = Requirements::new(Purpose::Any, revocation);
    validate(&der[1], &[], &anchors, &requirements, at() + Duration::DAY).unwrap();
}

#[tokio::test]
async fn another_hash_another_key_and_another_time_sign_nothing() {
    let stage = Stage::new();
    let paper = Paper::default();
    let prepare = || stage.prepare().unwrap();
    let hash = prepare().statement().hash();
    let mut other = hash;
    other[31] ^= 1;
    let refused = stage.run_reviewed(prepare(), other, at(), &paper).await;
    assert!(matches!(refused, Err(RunError::OtherHash { .. })));
    for days in [-31, 31] {
        let now = at() + Duration::days(days);
        let refused = stage.run_reviewed(prepare(), hash, now, &paper).await;
        assert!(matches!(refused, Err(RunError::Clock { .. })), "{days}");
    }
    let mut short = Stage { keys: stage.keys.clone(), plan: stage.plan.clone() };
    short.plan = short.plan.replace("days = 366\n", "days = 3\n");
    let ceremony = short.prepare().unwrap();
    let hash_of_short = ceremony.statement().hash();
    let late = at() + Duration::days(4);
    let refused = short.run_reviewed(ceremony, hash_of_short, late, &paper).await;
    assert!(matches!(refused, Err(RunError::Stale(_))));
    let live = Live {
        reviewed_hash: hash,
        operator: "",
        now: at(),
        journal: &paper,
        progress: &|_, _| (),
    };
    let stranger = Arc::new(SoftwareKey::generate_p384().unwrap()) as Arc<dyn SigningKey>;
    let keys = Keys::from([("root".to_owned(), stranger)]);
    assert!(matches!(prepare().run(&keys, &live).await, Err(RunError::OtherKey(_))));
    assert!(matches!(prepare().run(&Keys::new(), &live).await, Err(RunError::NoKey(_))));
    let written = paper.0.lock().unwrap();
    assert!(written.intended.is_empty() && written.kept.is_empty());
}

#[tokio::test]
async fn a_run_cut_off_after_any_line_goes_on_without_signing_anything_else() {
    cut_off_everywhere(&Stage::new(), 3).await;
}

#[tokio::test]
async fn a_cross_certification_cut_off_after_any_line_goes_on_without_signing_anything_else() {
    cut_off_everywhere(&Stage::crossed(), 7).await;
}

async fn cut_off_everywhere(stage: &Stage, steps: usize) {
    assert_eq!(stage.prepare().unwrap().statement().steps().len(), steps);
    // Two lines a step: what is intended, what was signed.
    for lines in 0..2 * steps {
        let paper = Paper::default();
        paper.with_lines(Some(lines));
        assert!(stage.run(&paper).await.is_err(), "{lines}");
        let before = paper.0.lock().unwrap().kept.clone();
        assert_eq!(before.len(), lines / 2);
        paper.with_lines(None);
        let outcome = stage.run(&paper).await.unwrap();
        let found = outcome.results.iter().filter(|made| made.found).count();
        assert_eq!(found, lines / 2);
        let written = paper.0.lock().unwrap();
        // What was there is there still, and whatever was intended was intended for this.
        assert!(before.iter().all(|(file, der)| written.kept[file] == *der));
        assert!(written.intended.iter().all(|step| outcome.statement.steps().contains(step)));
        let der = results(&outcome);
        verify_transcript(outcome.transcript.as_bytes(), &outcome.statement, &der).unwrap();
    }
}

#[tokio::test]
async fn a_file_that_is_not_the_steps_result_stops_the_run() {
    let stage = Stage::new();
    let made = stage.run(&Paper::default()).await.unwrap();
    for file in ["terminals.crt", "root.crl"] {
        let paper = Paper::default();
        // Signed by the right key, but as another step.
        let foreign = made.results[0].der.clone();
        paper.0.lock().unwrap().kept.insert(file.to_owned(), foreign);
        let refused = stage.run(&paper).await;
        assert!(matches!(refused, Err(RunError::Foreign { file: f, .. }) if f == file));
    }
}

#[tokio::test]
async fn a_transcript_that_was_tampered_with_is_refused() {
    let stage = Stage::new();
    let outcome = stage.run(&Paper::default()).await.unwrap();
    let (statement, der) = (&outcome.statement, results(&outcome));
    let text = outcome.transcript.as_str();
    let verify = |text: &str| verify_transcript(text.as_bytes(), statement, &der);
    verify(text).unwrap();
    // Each octet of payload and signature counts.
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    for pointer in ["/payload", "/signatures/0/protected", "/signatures/0/signature"] {
        let part = json.pointer(pointer).unwrap().as_str().unwrap();
        for place in (0..part.len()).step_by(7) {
            let mut changed = part.to_owned().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(verify(&text.replacen(part, &changed, 1)).is_err(), "{pointer} {place}");
        }
    }
    let unsigned = serde_json::json!({ "payload": json["payload"], "signatures": [] });
    assert!(matches!(verify(&unsigned.to_string()), Err(TranscriptError::Signers(_))));
    let mut twice = json.clone();
    let again = twice["signatures"][0].clone();
    twice["signatures"].as_array_mut().unwrap().push(again);
    assert!(matches!(verify(&twice.to_string()), Err(TranscriptError::Signers(_))));
    // The same content, with a word or a space that nobody signed.
    for other in
        [format!(" {text}"), json.to_string(), text.replacen('{', "{\"payload\": \"\",", 1)]
    {
        assert!(matches!(verify(&other), Err(TranscriptError::Malformed(_))), "{other}");
    }
    // Another result, and another ceremony of the same keys.
    let mut other = der.clone();
    other.swap(0, 1);
    let refused = verify_transcript(text.as_bytes(), statement, &other);
    assert!(matches!(refused, Err(TranscriptError::OtherResult { .. })));
    let mut later = Stage { keys: stage.keys.clone(), plan: stage.plan.clone() };
    later.plan = later.plan.replace("'first'", "'second'");
    let later = later.prepare().unwrap();
    let refused = verify_transcript(text.as_bytes(), later.statement(), &der);
    assert!(matches!(refused, Err(TranscriptError::OtherStatement)));
}
